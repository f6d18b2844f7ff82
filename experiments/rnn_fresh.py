"""Do the findings on trained networks hold on networks that nothing was tuned on, and what do controls keep?

Sixteen public networks of 512 tanh units, eight from each of two training seeds, one for each Mod-Cog task (Khona2022). Rules,
sources and settings were chosen on the first eight; the others are fresh. Beside the rules: no recurrent synapse at all, masks
alone, masks that are exchanged without a refit, refits of the biases or of the readout alone, the surgeon of the literature row
by row, and, as an upper bound that is not local, a distillation of the survivors by gradient descent.

The task is watched up to the last input, or for some steps longer. In these networks the inputs end before the first scored step,
so that the shorter window holds no step that decides the accuracy. Labels are not used.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from experiments._modcog import BROAD, COLOURS, MIXED, TASK, TASKS, Sources, task_inputs
from jaxprune import InputError, dynamics, plot, pruning, rnn

NONE = "none"
EMPTY, WANDA, BIASES, READOUT, DISTILLED = (
    "empty", "activity+keep, row by row", "activity+keep, biases refitted", "activity+keep, readout refitted",
    "activity+regrow, distilled",
)  # fmt: skip
LOOPED, SHAKEN = "activity+regrow, closed loop", "activity+regrow, closed loop, weights rounded"
SURGEON, SURGEON_LOOPED = "greedy+compensation", "greedy+compensation, closed loop"
WAYS = {
    EMPTY: (NONE,),
    "weight+keep": (NONE,),
    "weight+radius": (NONE,),
    WANDA: (TASK,),
    "activity+swaps": (TASK,),
    BIASES: (TASK,),
    READOUT: (TASK,),
    "activity+compensation": (BROAD, TASK),
    "activity+regrow": (BROAD, TASK, MIXED),
    LOOPED: (BROAD, TASK, MIXED),
    SHAKEN: (TASK,),
    SURGEON: (BROAD, TASK),
    SURGEON_LOOPED: (TASK, MIXED),
    DISTILLED: (TASK,),
}
"""Every way to prune, and the sources of activity that it is shown."""
LOOPS = 8
ROUNDING = 1e-7
DIMS = ("set", "task", "way", "source", "window", "pruned", "seed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Sources):
    """Configuration: networks and sources, and what is pruned.

    Attributes:
      fresh: directory with the networks that nothing was tuned on.
      pruned: fractions pruned.
      windows: steps after the last input that count where the task is watched; the last of them wherever one is enough.
      seeds: seeds of the noise where something is drawn, and of rounding.
      distilled: fractions at which the survivors are distilled.
      steps: updates of the distillation.
      rate: its learning rate.
      workers: networks at a time.
    """

    fresh: Path
    pruned: tuple[float, ...] = (0.8, 0.9, 0.95)
    windows: tuple[int, ...] = (0, 10)
    seeds: int = 3
    distilled: tuple[float, ...] = (0.8, 0.9, 0.95)
    steps: int = 200
    rate: float = 3e-4
    workers: int = 2


def points(config: Config) -> list[_study.Row]:
    """Every network of both sets."""
    config.check()
    if not config.fresh.is_dir():
        raise InputError(f"--fresh is {config.fresh}, which is not a directory: it must hold networks, as --data does.")
    return [{"set": name, "task": task} for name in ("tuned on", "fresh") for task in config.tasks]


def evaluate(config: Config, set: str, task: str) -> Iterator[_study.Row]:
    """Retention of one network, pruned in every way."""
    here = dataclasses.replace(config, data=config.fresh) if set == "fresh" else config
    model, trials, calibration = here.load(task)
    whole = float(rnn.accuracy(model, trials.inputs, trials.labels))
    key = jax.random.fold_in(jax.random.key(config.seed), TASKS.index(task))
    for name, sources in WAYS.items():
        for source in sources:
            for window in config.windows if source == TASK and name not in (SHAKEN, DISTILLED) else config.windows[-1:]:
                watched = _source(config, calibration, source, window)
                for seed in range(config.seeds if source in (BROAD, MIXED) or name == SHAKEN else 1):
                    drawn = jax.random.fold_in(key, seed)
                    activity = None if watched is None else watched.activity(jax.random.fold_in(drawn, 1), model)
                    ranks = _ranks(config, model, activity) if name.startswith("greedy") else None
                    for fraction in config.pruned:
                        if name == DISTILLED and fraction not in config.distilled:
                            continue
                        pruned = _pruned(config, drawn, model, name, fraction, activity, watched, ranks, calibration)
                        accuracy = float(rnn.accuracy(pruned, trials.inputs, trials.labels))
                        yield {
                            "way": name,
                            "source": source,
                            "window": window,
                            "pruned": fraction,
                            "seed": seed,
                            "retention": accuracy / whole,
                            "whole": whole,
                        }


def _source(config, calibration, source, window):
    """What is watched."""
    if source == NONE:
        return None
    task = task_inputs(calibration, window)
    broad = config.broadband(trials=128)
    return {TASK: task, BROAD: broad, MIXED: dynamics.Mixture(task, broad, share=config.share)}[source]


def _ranks(config, model, activity):
    (W,) = rnn.recurrent_blocks(model)
    return pruning.removal_importance(
        W, activity.second_moment, least=max(round((1 - max(config.pruned)) * len(W) / 2), 1)
    )


def _pruned(config, key, model, name, fraction, activity, watched, ranks, calibration):
    """The pruned network."""
    rule = name.partition(", ")[0]
    options = {"keep": 1 - fraction, "activity": activity}
    if name == EMPTY:
        return _with(model, model.W_rec * jnp.eye(len(model.W_rec)))
    if name == SHAKEN:
        shaken = model.W_rec * (1 + ROUNDING * jax.random.normal(jax.random.fold_in(key, 2), model.W_rec.shape))
        model = _with(model, shaken)
    if name in (LOOPED, SHAKEN, SURGEON_LOOPED):
        importances = None if ranks is None else [ranks]
        return rnn.prune_recurrent(
            key, model, rule, source=watched, loops=LOOPS, importances=importances, **options
        ).model
    (W,) = rnn.recurrent_blocks(model)
    if name == WANDA:
        kept = pruning.prune(key, W, rule, kind="recurrent", symmetric=False, groups="row", **options)
        return _with(model, kept.matrix)
    importances = None if ranks is None else [ranks]
    found = rnn.prune_recurrent(key, model, rule, importances=importances, **options)
    pruned, (part,) = found.model, found.blocks
    if name == BIASES:
        missing = (W - part.matrix) @ activity.mean
        return dataclasses.replace(pruned, b_rec=pruned.b_rec + missing.astype(pruned.b_rec.dtype))
    if name == READOUT:
        return _read_out_again(model, pruned, calibration.inputs, watched.weights)
    if name == DISTILLED:
        mask = part.mask + jnp.eye(len(W))
        return _distil(key, model, pruned, mask.astype(pruned.W_rec.dtype), calibration.inputs, watched.weights, config)
    return pruned


def _with(model, S):
    return dataclasses.replace(model, W_rec=jnp.asarray(S, model.W_rec.dtype))


def _rates(model, inputs):
    """Rates after every step, (time, trial, neuron)."""
    readout = jnp.eye(len(model.b_rec), dtype=model.W_out.dtype)
    return rnn.run(dataclasses.replace(model, W_out=readout, b_out=jnp.zeros_like(model.b_rec)), inputs)


def _read_out_again(model, pruned, inputs, weights, ridge=1e-3):
    """A readout of the pruned network, by least squares, towards the outputs of the whole one; labels are not used."""
    shown = np.asarray(weights).reshape(-1) > 0
    states = np.asarray(_rates(pruned, inputs), float).reshape(len(shown), -1)[shown]
    wanted = np.asarray(rnn.run(model, inputs), float).reshape(len(shown), -1)[shown]
    design = np.concatenate([states, np.ones((len(states), 1))], axis=1)
    gram = design.T @ design
    gram[np.diag_indices(len(gram) - 1)] += ridge * np.trace(gram) / len(gram)
    found = np.linalg.solve(gram, design.T @ wanted).T
    dtype = pruned.W_out.dtype
    return dataclasses.replace(pruned, W_out=jnp.asarray(found[:, :-1], dtype), b_out=jnp.asarray(found[:, -1], dtype))


def _distil(key, model, pruned, mask, inputs, weights, config):
    """Survivors that learn the rates of the whole network by gradient descent through time; labels are not used."""
    wanted = _rates(model, inputs)
    found = _descend(key, pruned, mask, inputs, weights, wanted, config.steps, config.rate)
    return dataclasses.replace(pruned, W_rec=found[0], b_rec=found[1])


@eqx.filter_jit
def _descend(key, pruned, mask, inputs, weights, wanted, steps, rate, trials=64):
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(rate, steps)))
    start = (pruned.W_rec, pruned.b_rec)

    def loss(learnt, place):
        network = dataclasses.replace(pruned, W_rec=learnt[0] * mask, b_rec=learnt[1])
        error = (_rates(network, inputs[:, place]) - wanted[:, place]) ** 2
        counts = weights[:, place]
        return jnp.sum(error * counts[:, :, None]) / jnp.sum(counts)

    def step(carry, key):
        learnt, state = carry
        gradient = jax.grad(loss)(learnt, jax.random.permutation(key, inputs.shape[1])[:trials])
        changes, state = optimiser.update(gradient, state)
        return (optax.apply_updates(learnt, changes), state), None

    carry: Any = (start, optimiser.init(start))
    learnt: Any = jax.lax.scan(step, carry, jax.random.split(key, steps))[0][0]
    return learnt[0] * mask, learnt[1]


def show(results: xr.Dataset) -> None:
    """Print retention by way, source and window, for both sets apart."""
    console = rich.console.Console(width=170)
    for fraction in results.pruned.values:
        heads = [f"{name}: {part}" for name in results["set"].values for part in ("mean", "worst", "spread of seeds")]
        table = rich.table.Table("way", "source", "window", *heads, title=f"retention, {fraction:.0%} pruned")
        for name, sources in WAYS.items():
            for source in sources:
                for window in results.window.values:
                    at = results.retention.sel(way=name, source=source, window=window, pruned=fraction)
                    if not bool(at.notnull().any()):
                        continue
                    cells = []
                    for group in results["set"].values:
                        networks = at.sel(set=group).mean("seed")
                        spread = float((at.sel(set=group).max("seed") - at.sel(set=group).min("seed")).max())
                        several = int(at.sel(set=group).notnull().sum("seed").max()) > 1
                        cells += [_study.cell(networks, "task"), f"{float(networks.min()):.2f}"]
                        cells.append(f"{spread:.2f}" if several else "")
                    shown = f"{window}" if source in (TASK, MIXED) else ""
                    table.add_row(name, source, shown, *cells)
        console.print(table)


def draw(results: xr.Dataset) -> Figure:
    """Retention of every way at every fraction: networks that rules were tuned on, fresh ones, and the worst network of each."""
    rows = [(name, source) for name, sources in WAYS.items() for source in sources]
    figure = Figure(figsize=(3.2 * results.sizes["pruned"] + 3, 0.23 * len(rows) + 1.7), layout="constrained")
    axes = figure.subplots(1, results.sizes["pruned"], squeeze=False, sharey=True)[0]
    sets = {"tuned on": ("o", -0.14), "fresh": ("s", 0.14)}
    for ax, fraction in zip(axes, results.pruned.values, strict=True):
        for place, (name, source) in enumerate(rows):
            at = results.retention.sel(way=name, source=source, pruned=fraction, window=results.window.max())
            colour = COLOURS.get(source, plot.colour(name))
            for group, (marker, down) in sets.items():
                networks = at.sel(set=group).mean("seed")
                fill = colour if group == "tuned on" else "white"
                style = {"color": colour, "marker": marker, "markerfacecolor": fill, "elinewidth": 1}
                _study.dot(ax, networks, "task", place + down, **style)
                ax.plot([float(networks.min())], [place + down], color=colour, marker="|", markersize=6)
        ax.set(title=f"{fraction:.0%} pruned", xlim=(-0.03, 1.07))
        ax.set_xlabel(f"share of the accuracy that is kept\n{_study.HIGHER}")
        ax.axvline(1, color="black", linewidth=0.6)
        ax.grid(axis="y", visible=False)
    short = {BROAD: "noise at the inputs", TASK: "the task", MIXED: "the task and noise"}
    _study.list_rows(axes[0], [f"{name}; sees {short[source]}" if source in short else name for name, source in rows])
    for group, (marker, _) in sets.items():
        fill = "black" if group == "tuned on" else "white"
        label = f"{group}: mean of {results.sizes['task']} networks"
        axes[-1].plot([], [], marker=marker, color="black", markerfacecolor=fill, linestyle="", label=label)
    axes[-1].plot([], [], marker="|", color="black", linestyle="", label="worst network")
    _study.finding(figure, "Fresh networks keep as much as those that rules were tuned on, by every rule")
    _study.legend_below(figure, axes[-1], 3)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
