"""Pruning trained recurrent networks: how much of the task is kept, by every rule and every source of activity.

Eight public networks of 512 tanh units, each trained on one Mod-Cog task (Khona2022; `--data` holds one .npz for each), pruned
without any training afterwards. Retention is the accuracy of the pruned network over that of the whole, on held-out trials.
Sources of activity: white, coloured or broadband noise at the input channels; noise in the current of every neuron, of two
sizes (S-NP); the network linearised at rest with the leak shift that this takes (L-NP), or at the mean slopes of the task with
noise at the inputs; the task itself (its inputs, padding left out, never labels), alone or with a share of broadband noise. In a
closed loop the pruned network is watched, too, on the same task and on other noise of the same kind. `learnt online` starts from
the synapses that turnover leaves, at their old weights, and lets the pruned network learn their new ones while it runs, by the
delta rule.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import scipy.stats
import xarray as xr
from jax import Array
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import InputError, pruning, rnn
from jaxprune.sweep import figure_settings

TASKS = (
    "ctxdlydm1intseq",
    "ctxdlydm2intseq",
    "dlydm1intseq",
    "dlydm2intseq",
    "dm1seqr",
    "dm2seql",
    "dmsintseq",
    "multidlydmintseq",
)
NONE = "none"
INPUT, COLOURED, BROAD, NEURON, STRONG, LINEAR, LINEAR_INPUT, TASK, MIXED = (
    "input noise",
    "coloured input noise",
    "broadband input noise",
    "neuron noise",
    "strong neuron noise",
    "linearised at rest",
    "linearised at task slopes, input noise",
    "task",
    "task and noise",
)
ONLINE = "activity+regrow, learnt online"
SOURCES_OF = {
    "random": (NONE,),
    "magnitude": (NONE,),
    "magnitude, radius": (NONE,),
    "uniform, 1/p": (NONE,),
    "weight, 1/p": (NONE,),
    "noise, mask": (NEURON, STRONG, LINEAR, INPUT),
    "noise, radius": (STRONG,),
    "noise, 1/p": (NEURON, STRONG, LINEAR, INPUT),
    "noise, 1/p capped": (STRONG,),
    "surgeon, once": (TASK,),
    "random+fit": (INPUT,),
    "noise+fit": (INPUT,),
    "magnitude+fit": (INPUT, NEURON, TASK),
    "activity+fit": (INPUT, BROAD, NEURON, LINEAR_INPUT, TASK),
    "activity+regrow": (INPUT, COLOURED, BROAD, TASK, MIXED),
    ONLINE: (BROAD,),
    "activity+regrow, closed loop": (BROAD, TASK, MIXED),
    "surgeon, rows": (BROAD, TASK, MIXED),
    "surgeon, rows, closed loop": (TASK,),
}
UNDRAWN = (NONE, LINEAR, LINEAR_INPUT, TASK)
"""Sources without noise."""
LOCAL_FROM_NOISE = (("activity+regrow", BROAD), ("activity+regrow", COLOURED), ("activity+regrow", INPUT))
CONTRASTS = (
    ("magnitude, radius", NONE),
    ("weight, 1/p", NONE),
    ("noise, 1/p", STRONG),
    ("activity+fit", BROAD),
    ("surgeon, rows", BROAD),
)
"""What the first local rule is tested against: few, so that eight networks can tell anything after correction."""

COLOURS = {
    TASK: "black",
    INPUT: "#0072b2",
    COLOURED: "#56b4e9",
    BROAD: "#009e73",
    MIXED: "#999999",
    LINEAR_INPUT: "#cc79a7",
    LINEAR: "#e69f00",
    NEURON: "#d55e00",
    STRONG: "#8b4513",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources:
    """Networks, and the activity that is looked at.

    Attributes:
      data: directory with the networks and trials, one .npz for each task.
      tasks: which of them.
      sd: standard deviation of white noise at the inputs, a step.
      coloured_sd: of coloured noise.
      tau: its correlation time, in steps.
      broad_sd, broad_tau: ranges of both for broadband noise.
      share: share of steps of broadband noise beside the task.
      neuron_sd: standard deviation of the noise in every neuron's current, a step; weak and strong.
      margin: rate that the leak shift leaves to the slowest mode of the network linearised at rest.
      seed: seed of everything.
    """

    data: Path
    tasks: tuple[str, ...] = TASKS
    sd: float = 1.5
    coloured_sd: float = 1.0
    tau: float = 2.0
    broad_sd: tuple[float, float] = (1.0, 6.0)
    broad_tau: tuple[float, float] = (0.3, 3.0)
    share: float = 0.03
    neuron_sd: tuple[float, float] = (1.0, 4.0)
    margin: float = 1.0
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Sources):
    """Configuration: networks and sources, and what is pruned.

    Attributes:
      pruned: fractions pruned.
      seeds: pruning seeds (coins and noise); where nothing is drawn, one serves.
      slow_seeds: seeds for which the surgeon works row by row, loops are closed and the delta rule learns.
      looped: least fraction pruned at which loops are closed and the delta rule learns: below, there is nothing to gain.
      online_steps: steps of the delta rule.
      workers: networks at a time.
    """

    pruned: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9, 0.95)
    seeds: int = 3
    slow_seeds: int = 1
    looped: float = 0.8
    online_steps: int = 3000
    workers: int = 2


def run(config: Config, journal: Path) -> xr.Dataset:
    """Retention: (rule, source, pruned, task, seed)."""
    if not config.data.is_dir():
        raise InputError(
            f"--data is {config.data}, which is not a directory: it must hold {config.tasks[0]}.npz and others."
        )
    points = [{"task": task, "seed": seed} for task, seed in itertools.product(config.tasks, range(config.seeds))]
    rows = _study.compute(points, lambda point: _network(config, **point), journal, config, workers=config.workers)
    return _study.dataset(rows, ("rule", "source", "pruned", "task", "seed"))


def _network(config, task, seed):
    path = config.data / f"{task}.npz"
    model, trials = rnn.load_rnn(path), rnn.load_trials(path)
    calibration = rnn.load_trials(path, prefix="calibration_")
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), TASKS.index(task)), seed)
    *source_keys, mask_key, fresh_key = jax.random.split(key, 7)
    seen = activities(config, source_keys, model, calibration)
    lasts = rnn.input_lasts(calibration.inputs)
    broad = dataclasses.replace(_broadband(config), steps=config.online_steps)
    watch = {
        TASK: lambda S: rnn.task_activity(_with(model, S), calibration.inputs, weights=lasts),
        BROAD: lambda S: rnn.InputNoise(config.broad_sd, config.broad_tau).activity(fresh_key, _with(model, S)),
    }
    watch[MIXED] = lambda S: rnn.mixed_activity(watch[TASK](S), watch[BROAD](S), share=config.share)
    whole = float(rnn.accuracy(model, trials.inputs, trials.labels))
    W = model.recurrent.astype(seen[TASK].second_moment.dtype)
    ordered = {}  # the surgeon's removals: one order serves all levels, in the open loop and in the closed one
    for name, sources in SOURCES_OF.items():
        rule = rnn.RECURRENT_RULES["activity+regrow" if name == ONLINE else name]
        greedy = rule.score == "greedy surgeon"
        if (greedy or rule.loops or name == ONLINE) and seed >= max(config.slow_seeds, 1):
            continue
        for source in sources:
            if seed and source in UNDRAWN and rule.draw == "top" and rule.score != "uniform":
                continue  # nothing is drawn: all seeds are alike
            activity = seen.get(source)
            if greedy and activity is not None and source not in ordered:
                least = max(round((1 - max(config.pruned)) * len(W) / 2), 1)
                ordered[source] = pruning.surgeon_order(W * (1 - np.eye(len(W))), activity.second_moment, keep=least)
            for fraction in config.pruned:
                if (rule.loops or name == ONLINE) and fraction < config.looped:
                    continue
                S, mask = rnn.prune_weights(
                    mask_key, W, rule, keep=1 - fraction, activity=activity,
                    observe=watch.get(source), removals=ordered.get(source) if greedy else None,
                )  # fmt: skip
                if name == ONLINE:
                    noise = broad.inputs(fresh_key, model.W_in.shape[1])
                    S = rnn.learn_online(model, _with(model, W * (mask + np.eye(len(W)))), noise).W_rec
                accuracy = float(rnn.accuracy(_with(model, S), trials.inputs, trials.labels))
                yield {
                    "rule": name,
                    "source": source,
                    "pruned": fraction,
                    "retention": accuracy / whole,
                    "accuracy": accuracy,
                    "whole": whole,
                    "drive_error": float(pruning.drive_error(W, S.astype(W.dtype), seen[TASK].second_moment)),
                    "shift": 0.0 if activity is None else float(activity.shift),
                }


def _broadband(config):
    return rnn.InputNoise(config.broad_sd, config.broad_tau, trials=128)


def activities(
    config: Sources, keys: Sequence[Array], model: rnn.CTRNN, calibration: rnn.TrialSet
) -> dict[str, rnn.Activity]:
    """Moments by every source of activity."""
    lasts = rnn.input_lasts(calibration.inputs)
    gain = rnn.mean_gain(model, calibration.inputs, weights=lasts)
    weak, strong = config.neuron_sd
    sources = {
        INPUT: rnn.InputNoise(config.sd),
        COLOURED: rnn.InputNoise(config.coloured_sd, tau=config.tau),
        BROAD: _broadband(config),
        NEURON: rnn.NeuronNoise(weak),
        STRONG: rnn.NeuronNoise(strong),
    }
    measured = {name: source.activity(key, model) for key, (name, source) in zip(keys, sources.items(), strict=True)}
    task = rnn.task_activity(model, calibration.inputs, weights=lasts)
    return measured | {
        LINEAR: rnn.linearised_activity(model, margin=config.margin),
        LINEAR_INPUT: rnn.linearised_activity(model, gain, through="inputs"),
        TASK: task,
        MIXED: rnn.mixed_activity(task, measured[BROAD], share=config.share),
    }


def _with(model, S):
    return dataclasses.replace(model, W_rec=S.astype(model.W_rec.dtype))


def _mean_and_error(values):
    """Mean over tasks and seeds; standard error over tasks, whose means over seeds are independent."""
    by_task = values.mean("seed")
    return float(by_task.mean()), float(by_task.std(ddof=1) / np.sqrt(by_task.notnull().sum()))


def compare(results: xr.Dataset, fraction: float) -> list[tuple[str, str, float, float]]:
    """Paired Wilcoxon tests over networks of the first local rule from noise against the contrasts, Holm-corrected.

    Returns:
      rule, source, mean difference in retention, corrected p.
    """
    at = results.retention.sel(pruned=fraction)
    first = at.sel(rule=LOCAL_FROM_NOISE[0][0], source=LOCAL_FROM_NOISE[0][1])
    rows = []
    for name, source in CONTRASTS:
        contrast = at.sel(rule=name, source=source)
        ours = first.where(contrast.notnull()).mean("seed").values  # over the seeds that both have
        other = contrast.mean("seed").values
        p = float(np.asarray(scipy.stats.wilcoxon(ours, other))[1])
        rows.append((name, source, float((ours - other).mean()), p))
    order = np.argsort([row[3] for row in rows])
    corrected = np.maximum.accumulate([min(1.0, (len(rows) - k) * rows[i][3]) for k, i in enumerate(order)])
    adjusted = dict(zip(order.tolist(), corrected.tolist(), strict=True))
    return [(*row[:3], adjusted[index]) for index, row in enumerate(rows)]


def show(results: xr.Dataset) -> None:
    """Print retention by rule and source, then tests of the first local rule from noise at 90 %."""
    console = rich.console.Console(width=150)
    table = rich.table.Table(
        "rule", "source of activity", *(f"{fraction:.0%}" for fraction in results.pruned.values), "seeds",
        "lowest network at 90 %, first seed",
        title=f"retention after pruning, mean over {results.sizes['task']} networks ± standard error",
    )  # fmt: skip
    for name, sources in SOURCES_OF.items():
        for source in sources:
            at = results.retention.sel(rule=name, source=source)
            found = [_mean_and_error(at.sel(pruned=fraction)) for fraction in at.pruned.values]
            cells = ["" if np.isnan(mean) else f"{mean:.3f} ± {error:.3f}" for mean, error in found]
            lowest = float(at.sel(pruned=0.9).isel(seed=0).min()) if 0.9 in at.pruned.values else np.nan
            table.add_row(name, source, *cells, str(int(at.notnull().sum("seed").max())), f"{lowest:.3f}")
    console.print(table)
    shift = results["shift"].sel(source=LINEAR).max(("rule", "pruned", "seed"))
    print(f"leak shift of the network linearised at rest: {float(shift.min()):.2f} to {float(shift.max()):.2f}")
    if 0.9 in results.pruned.values and results.sizes["task"] > 5:
        table = rich.table.Table(
            "against",
            "source",
            "mean difference",
            "p, Holm",
            title=f"{' from '.join(LOCAL_FROM_NOISE[0])}, 90 % pruned",
        )
        for name, source, difference, p in compare(results, 0.9):
            table.add_row(name, source, f"{difference:+.3f}", f"{p:.3f}")
        console.print(table)


def draw(results: xr.Dataset) -> Figure:
    """Retention against the fraction pruned: rules of the literature, local fits by source, and single networks at 90 %."""
    published = (
        "random",
        "magnitude",
        "magnitude, radius",
        "weight, 1/p",
        "noise, mask",
        "noise, 1/p",
        "surgeon, once",
    )
    colours = COLOURS
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 4.6), layout="constrained")
        left, right, single = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
        for index, name in enumerate(published):
            source = STRONG if STRONG in SOURCES_OF[name] else SOURCES_OF[name][0]
            at = results.retention.sel(rule=name, source=source).mean("seed")
            left.plot(
                at.pruned, at.mean("task"), "o-", color=mpl.colormaps["cividis"](index / len(published)), label=name
            )
        left.set_title("published rules and controls", fontsize=10)
        for name, dashes in (("activity+regrow", "-"), ("activity+regrow, closed loop", "--"), ("surgeon, rows", ":")):
            for source in SOURCES_OF[name]:
                at = results.retention.sel(rule=name, source=source).mean("seed")
                right.plot(at.pruned, at.mean("task"), dashes, marker="o", color=colours[source])
        for source in SOURCES_OF["activity+regrow"]:
            right.plot([], [], "o", color=colours[source], label=source)
        for label, dashes in (("turnover", "-"), ("turnover, closed loop", "--"), ("surgeon, rows (not local)", ":")):
            right.plot([], [], dashes, color="grey", label=label)
        right.set_title("activity+regrow by source of activity", fontsize=10)
        for ax in (left, right):
            ax.set(xlabel="fraction pruned", ylabel="retention", ylim=(-0.03, 1.08))
            ax.axhline(1, color="black", linewidth=0.5)
        right.set_ylim(0.55, 1.03)
        left.legend(fontsize=7)
        right.legend(fontsize=7, loc="lower left")
        level = 0.9 if 0.9 in results.pruned.values else float(results.pruned.values[-1])
        shown = [
            ("magnitude, radius", NONE),
            ("noise, 1/p", STRONG),
            *LOCAL_FROM_NOISE,
            ("activity+regrow, closed loop", MIXED),
        ]
        for place, (name, source) in enumerate(shown):
            values = results.retention.sel(rule=name, source=source, pruned=level).mean("seed").values
            single.plot(
                np.full(len(values), place) + np.linspace(-0.2, 0.2, len(values)),
                values,
                "o",
                color="#0072b2",
                alpha=0.7,
            )
            single.plot([place - 0.3, place + 0.3], [values.mean()] * 2, color="black")
        single.set_xticks(
            range(len(shown)), [f"{name}\n{source}" for name, source in shown], rotation=40, ha="right", fontsize=7
        )
        single.set_title(f"single networks, {level:.0%} pruned", fontsize=10)
        single.set_ylim(-0.03, 1.08)
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
