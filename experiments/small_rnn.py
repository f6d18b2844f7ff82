"""Pruning small networks that are trained here: 128 neurons, four tasks, tanh and relu, with and without Dale's law.

Trained from scratch by Adam, three seeds at once. Retention on fresh trials after pruning without any training (the rules),
and, as a column of its own, after a short training of the survivors by gradients, which no rule of this library uses.
"""

import dataclasses
import functools
from pathlib import Path

import equinox as eqx
import jax
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import rnn
from jaxprune.sweep import figure_settings

KINDS = {
    "tanh": {"activation": "tanh"},
    "relu": {"activation": "relu", "gain": 0.8},
    "relu, Dale": {"activation": "relu", "gain": 0.6, "excitatory": 0.8},
}
RULES = {
    ("magnitude", ""): ("#999999", "-"),
    ("magnitude, radius", ""): ("#e69f00", "-"),
    ("weight, 1/p", ""): ("#d55e00", "-"),
    ("noise, 1/p", "neuron noise"): ("#009e73", "-"),
    ("activity+fit", "input noise"): ("#0072b2", "--"),
    ("activity+regrow", "input noise"): ("#0072b2", "-"),
    ("activity+regrow", "broadband input noise"): ("#cc79a7", "-"),
    ("activity+regrow", "task"): ("black", "-"),
    ("activity+regrow, closed loop", "task"): ("black", "--"),
}
TUNED = ("magnitude, radius", "")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of each network.
      steps: updates of training.
      trials: trials to an update.
      rate: learning rate.
      seeds: networks for each task and kind.
      pruned: fractions pruned.
      tuning: updates of the training after pruning.
      sd: standard deviation of the noise at the inputs, and in the currents.
      broad_sd, broad_tau: ranges of size and correlation time of broadband noise at the inputs.
      test: trials that accuracy is measured on.
      seed: seed of everything.
    """

    neurons: int = 128
    steps: int = 1000
    trials: int = 64
    rate: float = 3e-3
    seeds: int = 3
    pruned: tuple[float, ...] = (0.7, 0.8, 0.9)
    tuning: int = 100
    sd: float = 1.0
    broad_sd: tuple[float, float] = (1.0, 6.0)
    broad_tau: tuple[float, float] = (0.3, 3.0)
    test: int = 500
    seed: int = 0


def run(config: Config, journal: Path) -> xr.Dataset:
    """Retention: (kind, task, rule, pruned, seed)."""
    points = [{"kind": kind, "task": task} for kind in KINDS for task in rnn.TASKS]
    rows = _study.compute(points, lambda point: _networks(config, **point), journal, config)
    return _study.dataset(rows, ("kind", "task", "rule", "pruned", "seed"), neurons=config.neurons)


def _networks(config, kind, task):
    made = rnn.TASKS[task]()
    place = list(rnn.TASKS).index(task) * len(KINDS) + list(KINDS).index(kind)
    key = jax.random.fold_in(jax.random.key(config.seed), place)
    keys = jax.random.split(key, (config.seeds, 3))

    def train(key):
        model_key, train_key = jax.random.split(key)
        model = rnn.ctrnn(model_key, inputs=made.inputs, neurons=config.neurons, outputs=made.outputs, **KINDS[kind])
        return rnn.train(train_key, model, made, steps=config.steps, trials=config.trials, rate=config.rate)

    trained = eqx.filter_vmap(train)(keys[:, 0]).model
    for seed in range(config.seeds):
        model = jax.tree.map(lambda leaf, seed=seed: leaf[seed] if eqx.is_array(leaf) and leaf.ndim else leaf, trained)
        yield from _rules(config, model, made, keys[seed, 1], keys[seed, 2], seed)


def _rules(config, model, task, key, tuning_key, seed):
    test_key, task_key, noise_key, prune_key = jax.random.split(key, 4)
    test = rnn.batch(test_key, task, config.test)
    whole = float(rnn.accuracy(model, *test))
    shown = rnn.batch(task_key, task, 200).inputs
    noises = {
        "input noise": rnn.InputNoise(config.sd),
        "broadband input noise": rnn.InputNoise(config.broad_sd, config.broad_tau),
        "neuron noise": rnn.NeuronNoise(config.sd),
    }
    noise_keys = jax.random.split(noise_key, len(noises))
    observe = {
        name: functools.partial(noise.activity, key)
        for key, (name, noise) in zip(noise_keys, noises.items(), strict=True)
    }
    observe["task"] = functools.partial(rnn.task_activity, inputs=shown)
    sources = {name: watch(model) for name, watch in observe.items()}
    for fraction in config.pruned:
        for name, source in RULES:
            pruned = rnn.prune_rnn(
                prune_key, model, rnn.RECURRENT_RULES[name], keep=1 - fraction,
                activity=sources.get(source), observe=observe.get(source),
            ).model  # fmt: skip
            label = f"{name}, {source}" if source else name
            yield _row(label, fraction, seed, whole, rnn.accuracy(pruned, *test))
            if (name, source) == TUNED:
                mask = (pruned.W_rec != 0).astype(pruned.W_rec.dtype)
                tuned = rnn.train(
                    tuning_key, pruned, task, steps=config.tuning, trials=config.trials, rate=config.rate, mask=mask
                ).model
                yield _row(f"{label}, then gradients", fraction, seed, whole, rnn.accuracy(tuned, *test))


def _row(rule, fraction, seed, whole, accuracy):
    return {
        "rule": rule,
        "pruned": fraction,
        "seed": seed,
        "whole": whole,
        "retention": float(accuracy) / whole,
    }


def show(results: xr.Dataset) -> None:
    """Print retention for every kind, mean over tasks and seeds."""
    for kind in results.kind.values:
        at = results.sel(kind=kind)
        whole = at.whole.isel(rule=0, pruned=0)
        table = rich.table.Table(
            "rule", *(f"{fraction:.0%}" for fraction in at.pruned.values),
            title=f"{kind}, {results.attrs['neurons']} neurons: retention, mean over {at.sizes['task']} tasks and "
            f"{at.sizes['seed']} seeds (lowest); accuracy before {float(whole.mean()):.3f} (lowest {float(whole.min()):.3f})",
        )  # fmt: skip
        for rule in at.rule.values:
            cells = [at.retention.sel(rule=rule, pruned=fraction) for fraction in at.pruned.values]
            table.add_row(str(rule), *(f"{float(cell.mean()):.3f} ({float(cell.min()):.2f})" for cell in cells))
        rich.console.Console(width=120).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Retention against the fraction pruned, a panel for each kind of network."""
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        axes = figure.subplots(1, results.sizes["kind"], sharey=True, squeeze=False)[0]
        for ax, kind in zip(axes, results.kind.values, strict=True):
            for (name, source), (colour, dashes) in RULES.items():
                label = f"{name}, {source}" if source else name
                values = results.retention.sel(kind=kind, rule=label).mean("seed")
                error = values.std("task", ddof=1) / np.sqrt(values.sizes["task"])
                ax.errorbar(
                    values.pruned,
                    values.mean("task"),
                    yerr=error,
                    color=colour,
                    linestyle=dashes,
                    marker="o",
                    label=label,
                )
            tuned = results.retention.sel(kind=kind, rule="magnitude, radius, then gradients").mean(("seed", "task"))
            ax.plot(tuned.pruned, tuned, ":", color="#e69f00", marker="s", label="magnitude, radius, then gradients")
            ax.set(xlabel="fraction pruned", ylim=(0, 1.08))
            ax.set_title(str(kind), fontsize=10)
        axes[0].set_ylabel("retention")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
