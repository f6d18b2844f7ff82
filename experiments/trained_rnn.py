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
from collections.abc import Iterator

import jax
import numpy as np
import rich.console
import rich.table
import scipy.stats
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from experiments._modcog import (
    BROAD,
    COLOURED,
    COLOURS,
    DRAWN,
    INPUT,
    LINEAR,
    LINEAR_INPUT,
    MIXED,
    NEURON,
    STRONG,
    TASK,
    TASKS,
    Sources,
    task_inputs,
)
from jaxprune import dynamics, plot, pruning, rnn

NONE = "none"
ONLINE, CAPPED, LOOPED = "activity+regrow, learnt online", "noise, capped", "closed loop"
SOURCES_OF = {
    "uniform+keep": (NONE,),
    "weight+keep": (NONE,),
    "weight+radius": (NONE,),
    "uniform": (NONE,),
    "weight": (NONE,),
    "noise+keep": (NEURON, STRONG, LINEAR, INPUT),
    "noise+radius": (STRONG,),
    "noise": (NEURON, STRONG, LINEAR, INPUT),
    CAPPED: (STRONG,),
    "surgeon+once": (TASK,),
    "uniform+compensation": (INPUT,),
    "noise+compensation": (INPUT,),
    "weight+compensation": (INPUT, NEURON, TASK),
    "activity+compensation": (INPUT, BROAD, NEURON, LINEAR_INPUT, TASK),
    "activity+regrow": (INPUT, COLOURED, BROAD, TASK, MIXED),
    ONLINE: (BROAD,),
    "activity+regrow, closed loop": (BROAD, TASK, MIXED),
    "greedy+compensation": (BROAD, TASK, MIXED),
    "greedy+compensation, closed loop": (TASK,),
}
"""Rows of the table: a rule, or a rule and what else is done, and the sources of activity that it is shown."""
LOOPS = 8
UNDRAWN = (NONE, LINEAR, LINEAR_INPUT, TASK)
"""Sources without noise."""
LOCAL_FROM_NOISE = (("activity+regrow", BROAD), ("activity+regrow", COLOURED), ("activity+regrow", INPUT))
CONTRASTS = (
    ("weight+radius", NONE),
    ("weight", NONE),
    ("noise", STRONG),
    ("activity+compensation", BROAD),
    ("greedy+compensation", BROAD),
)
"""What the first local rule is tested against: few, so that eight networks can tell anything after correction."""
DIMS = ("rule", "source", "pruned", "task", "seed")


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


def points(config: Config) -> list[_study.Row]:
    """Every network with every seed."""
    config.check()
    return [{"task": task, "seed": seed} for task, seed in itertools.product(config.tasks, range(config.seeds))]


def evaluate(config: Config, task: str, seed: int) -> Iterator[_study.Row]:
    """Retention of one network, pruned by every rule with every source of activity."""
    model, trials, calibration = config.load(task)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), TASKS.index(task)), seed)
    *source_keys, mask_key, online_key = jax.random.split(key, DRAWN + 2)
    seen = config.activities(source_keys, model, calibration)
    watched = {TASK: task_inputs(calibration), BROAD: config.broadband()}
    watched[MIXED] = dynamics.Mixture(watched[TASK], watched[BROAD], share=config.share)
    noise = dataclasses.replace(config.broadband(trials=128), steps=config.online_steps)
    whole = float(rnn.accuracy(model, trials.inputs, trials.labels))
    (W,) = rnn.recurrent_blocks(model)
    ranks = {}  # of the greedy surgeon: one order serves all fractions, in the open loop and in the closed one
    for name, sources in SOURCES_OF.items():
        rule, looped, greedy = _rule(name), name.endswith(LOOPED), name.startswith("greedy")
        if (greedy or looped or name == ONLINE) and seed >= max(config.slow_seeds, 1):
            continue
        for source in sources:
            if seed and source in UNDRAWN and rule.method == "top" and not isinstance(rule, pruning.UniformPrune):
                continue  # nothing is drawn: all seeds are alike
            activity = seen.get(source)
            if greedy and source not in ranks:
                ranks[source] = _ranks(config, W, seen[source])
            importance = ranks[source] if greedy else None
            for fraction in config.pruned:
                if (looped or name == ONLINE) and fraction < config.looped:
                    continue
                if looped:
                    pruned, (part,), _ = rnn.prune_recurrent(
                        mask_key, model, rule, keep=1 - fraction, activity=activity, source=watched[source],
                        loops=LOOPS, importances=None if importance is None else [importance],
                    )  # fmt: skip
                    S = part.matrix
                else:
                    S, mask = _prune(mask_key, W, rule, 1 - fraction, activity, importance)
                    pruned = _with(model, S)
                if name == ONLINE:
                    start = _with(model, W * (mask + np.eye(len(W))))
                    pruned = rnn.learn_online(model, start, noise.inputs(online_key, model.W_in.shape[1]))
                    S = pruned.W_rec
                accuracy = float(rnn.accuracy(pruned, trials.inputs, trials.labels))
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


def _rule(name):
    if name == CAPPED:
        return pruning.NoisePrune(adjust=pruning.Strengthen(cap_quantile=0.5))
    return pruning.named_rule(name.partition(", ")[0])


def _ranks(config, W, activity):
    least = max(round((1 - max(config.pruned)) * len(W) / 2), 1)
    return pruning.removal_importance(W, activity.second_moment, least=least)


def _prune(key, W, rule, keep, activity, importance):
    count = pruning.synapse_count(W, keep, symmetric=False, kind="recurrent")
    pruned = pruning.apply_rule(
        key, W, activity, rule, count=count, symmetric=False, kind="recurrent", importance=importance
    )
    return pruned.matrix, pruned.mask


def _with(model, S):
    return dataclasses.replace(model, W_rec=S.astype(model.W_rec.dtype))


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
            by_task = at.mean("seed")  # tasks are independent, seeds of one network are not
            cells = [_study.cell(by_task.sel(pruned=fraction), "task") for fraction in at.pruned.values]
            cells = ["" if cell.startswith("nan") else cell for cell in cells]
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


PUBLISHED = ("uniform+keep", "weight+keep", "weight+radius", "weight", "noise+keep", "noise", "surgeon+once")
DASHES = {"activity+regrow": "-", "activity+regrow, closed loop": "--", "greedy+compensation": ":"}
SHOWN = (
    ("weight+radius", NONE),
    ("noise", STRONG),
    ("activity+regrow", INPUT),
    ("activity+regrow", BROAD),
    ("activity+regrow", TASK),
    ("activity+regrow, closed loop", TASK),
    ("activity+regrow, closed loop", MIXED),
)
"""Rules and sources whose single networks are drawn."""


def draw(results: xr.Dataset) -> Figure:
    """Retention against the fraction pruned: published rules, local fits by source, and single networks at 90 %."""
    figure = Figure(figsize=(13, 4.8), layout="constrained")
    left, right, single = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    for name in PUBLISHED:
        source = STRONG if STRONG in SOURCES_OF[name] else SOURCES_OF[name][0]
        at = results.retention.sel(rule=name, source=source).mean(("seed", "task"))
        left.plot(at.pruned, at, label=name, **plot.rule_style(name))
    for name, dashes in DASHES.items():
        for source in (source for source in (BROAD, TASK, MIXED) if source in SOURCES_OF[name]):
            at = results.retention.sel(rule=name, source=source).mean(("seed", "task"))
            right.plot(at.pruned, at, dashes, marker="o", color=COLOURS[source])
    for source in (BROAD, TASK, MIXED):
        right.plot([], [], "o", color=COLOURS[source], label=f"sees {source}")
    for name, dashes in DASHES.items():
        right.plot([], [], dashes, color="grey", label=f"{name} (not local)" if name.startswith("greedy") else name)
    for ax, title in ((left, "published rules and controls"), (right, "refits with exchange, by what they see")):
        ax.axhline(1, color="black", linewidth=0.5)
        ax.set(xlabel="fraction pruned", ylabel=f"share of the accuracy that is kept {_study.HIGHER}")
        _study.tick_at(ax.xaxis, at.pruned.values)
        ax.set_title(title)
    left.set_ylim(-0.09, 1.05)
    right.set_ylim(0.55, 1.02)
    right.legend(fontsize=8, loc="lower left")
    level = 0.9 if 0.9 in results.pruned.values else float(results.pruned.values[-1])
    for place, (name, source) in enumerate(SHOWN):
        values = results.retention.sel(rule=name, source=source, pruned=level).mean("seed").values
        colour = COLOURS.get(source, "") if name.startswith("activity") else plot.colour(name)
        heights = place + np.linspace(-0.2, 0.2, len(values))
        single.plot(values, heights, "o", color=colour, alpha=0.7)
        single.plot([values.mean()] * 2, [place - 0.35, place + 0.35], color="black")
    _study.list_rows(single, [name if source == NONE else f"{name}\nsees {source}" for name, source in SHOWN])
    single.set(xlim=(-0.03, 1.05), xlabel=f"share of the accuracy that is kept\n{_study.HIGHER}")
    single.set_title(f"single networks, {level:.0%} pruned")
    name, source = LOCAL_FROM_NOISE[0]
    mean = float(results.retention.sel(rule=name, source=source, pruned=level).mean("seed").mean("task"))
    synapses = "a tenth" if level == 0.9 else f"{1 - level:.0%}"
    share = f"{mean:.0%} of the accuracy with {synapses} of the synapses"
    _study.finding(figure, f"Without any training, a local rule that sees nothing but noise keeps {share}")
    _study.label_ends(figure, left)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
