"""Pruning while a network learns: use it or lose it, beside the best known sparse training (Dettmers2019), at the same sparsity.

A dense network learns images. Methods that aim at a density reach it at two thirds of the run; the rules of use find their own,
which their thresholds move. Everything is measured after the last epoch. Beside them: the same network without removal, and
dense networks that are so narrow from the start that they have as few synapses.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _images, _study
from jaxprune import deep, plot
from jaxprune.deep import Counter, Survival

DIMS = ("rule", "level", "seed")
MATCHED = (
    "magnitude", "information", "use", "bcm", "fisher", "exchange", "information-exchange", "use-exchange",
    "random-exchange", "set", "rigl", "static-uniform", "static-erdos-renyi",
)  # fmt: skip
"""Methods that end at a given density. Fisher, and what comes by its gradient, need more than a synapse can see."""
DENSE, NARROW, COUNTER, SURVIVAL = "dense", "narrow", "counter", "survival"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST, or another data set of images, as in `load_images`; needed by the preset `paper`.
      preset: `quick`, digits of 8 x 8 pixels that come with scikit-learn and a smaller network, or `paper`.
      long: the run of 100 epochs, with a few of the methods that end at a given density; otherwise of 30, with all rules.
      keep: fractions kept; by default from 40 to 2 %, or from 10 to 2 % in the long run.
      rules: which; by default all, or a few in the long run.
      alphas: thresholds of the counter; by default six, or none in the long run.
      seeds: networks.
      seed: seed of everything.
      workers: networks at a time.
    """

    data: Path | None = None
    preset: Literal["quick", "paper"] = "quick"
    long: bool = False
    keep: tuple[float, ...] | None = None
    rules: tuple[str, ...] | None = None
    alphas: tuple[float, ...] | None = None
    seeds: int = 5
    seed: int = 0
    workers: int = 1

    @property
    def stored_as(self) -> str:
        """Name of the results."""
        name = "use_it_or_lose_it" if self.preset == "paper" else "use_it_or_lose_it_quick"
        return f"{name}_long" if self.long else name

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Units of every layer."""
        return (784, 300, 100, 10) if self.preset == "paper" else (64, 100, 50, 10)

    @property
    def recipe(self) -> _images.Recipe:
        """How networks learn."""
        epochs = 100 if self.long else 30
        return (
            _images.Recipe(epochs, 100, rate=_images.RATE) if self.preset == "paper" else _images.Recipe(2 * epochs, 20)
        )


NARROW_RATE = 0.05
"""Learning rate of narrow networks: the best of .02, .05, .1 and .2, over three fractions, on a tenth of the training images."""
LONG = ("magnitude", "information", "exchange", "random-exchange")


def points(config: Config) -> list[_study.Row]:
    """Every rule at every level, seed by seed."""
    keep = config.keep or ((0.1, 0.05, 0.02) if config.long else (0.4, 0.2, 0.1, 0.05, 0.02))
    rules = config.rules or (LONG if config.long else MATCHED)
    alphas = config.alphas or (() if config.long else (0.5, 1.0, 1.5, 3.0, 6.0, 12.0))
    alone = (DENSE,) if config.long else (DENSE, SURVIVAL)
    found: list[_study.Row] = []
    for seed in range(config.seeds):
        found += [{"rule": name, "level": 1.0, "seed": seed} for name in alone]
        found += [{"rule": COUNTER, "level": alpha, "seed": seed} for alpha in alphas]
        found += [{"rule": name, "level": share, "seed": seed} for name in (*rules, NARROW) for share in keep]
    return found


def narrow(sizes: tuple[int, int, int, int], keep: float) -> tuple[int, int, int, int]:
    """Sizes of a dense network with fewer units and a fraction of the synapses.

    The first layer takes the same share of the synapses as before, and the second hidden layer has as many units as the rest
    allows. With both hidden layers shrunk alike, only two units would be left of the second at 2 %.
    """
    pixels, first, second, classes = sizes
    budget = keep * _synapses(sizes)
    first = max(1, round(keep * first))
    return pixels, first, min(second, max(1, int((budget - pixels * first) / (first + classes)))), classes


def _synapses(sizes):
    return sum(a * b for a, b in itertools.pairwise(sizes))


def evaluate(config: Config, rule: str, level: float, seed: int) -> Iterator[_study.Row]:
    """Train one network."""
    split = _images.load(config.data)
    model_key, fit_key = _images.keys(config.seed, seed)
    sizes = narrow(config.sizes, level) if rule == NARROW else config.sizes
    fixed = {COUNTER: Counter(alpha=level), SURVIVAL: Survival(), DENSE: None, NARROW: None}
    chosen = fixed[rule] if rule in fixed else deep.named_method(rule, level)
    recipe = config.recipe
    if rule == NARROW and config.preset == "paper":
        recipe = dataclasses.replace(recipe, rate=NARROW_RATE)
    found = _images.train(fit_key, deep.Dense(model_key, sizes), split, recipe, chosen, every=recipe.epochs)
    alive = [int(np.asarray(mask).any(axis=1).sum()) for mask in (m.weight for m in found.state.rule.masks.layers)]
    yield {
        "accuracy": found.accuracy[-1],
        "density": found.density[-1] * _synapses(sizes) / _synapses(config.sizes),
        **{f"layer_{number}": share for number, share in enumerate(found.layers[-1])},
        "units": sum(alive[:-1]),
    }


def show(results: xr.Dataset) -> None:
    """Print accuracy at every density, beside the dense network's, with paired differences."""
    console = rich.console.Console(width=150)
    dense = results.sel(rule=DENSE, level=1.0)
    console.print(f"{results.sizes['seed']} networks; dense: {_percent(dense.accuracy)} %")
    for title, values in (
        ("accuracy, %", results.accuracy),
        ("minus magnitude of the same seed, %", results.accuracy - results.accuracy.sel(rule="magnitude")),
    ):
        levels = [
            level for level in results.level.values if bool(values.sel(level=level, rule="magnitude").notnull().any())
        ]
        levels = sorted(levels, reverse=True)
        table = rich.table.Table("rule", *(f"{100 * (1 - level):.0f} % pruned" for level in levels), title=title)
        for rule in results.rule.values:
            if rule in (*MATCHED, NARROW):
                at = values.sel(rule=rule)
                table.add_row(str(rule), *(_percent(at.sel(level=level)) for level in levels))
        console.print(table)
    if not set(results.rule.values) & {COUNTER, SURVIVAL}:
        return
    heads = ("rule", "alpha", "pruned, %", "accuracy, %", "minus dense of the same seed")
    table = rich.table.Table(*heads, title="rules of use, at their own density")
    for rule, level, at in _own(results):
        difference = _percent(at.accuracy - dense.accuracy)
        alpha = f"{level:g}" if rule == COUNTER else ""
        table.add_row(rule, alpha, _percent(1 - at.density), _percent(at.accuracy), difference)
    console.print(table)


def _own(results):
    """Rules that find their own density, at every threshold."""
    for rule in (rule for rule in (COUNTER, SURVIVAL) if rule in results.rule.values):
        for level in sorted(results.level.values):
            at = results.sel(rule=rule, level=level)
            if bool(at.accuracy.notnull().any()):
                yield rule, float(level), at


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


DASHES = {
    "exchange": "--", "random-exchange": "--", "information-exchange": "--", "use-exchange": "--", "set": ":", "rigl": ":",
    "static-uniform": ":", "static-erdos-renyi": ":", NARROW: "-.",
}  # fmt: skip
"""By how a method starts: dense and without exchange (a line), dense with exchange, sparse, or narrow."""
FAR = 1.5
"""Error, in those of the dense network, that the right panel ends at."""
FALLING = (NARROW, COUNTER, "bcm")
"""Named in the left panel, as those that start sparse are: they leave the right one."""


def draw(results: xr.Dataset) -> Figure:
    """Test error over the fraction kept: on the left all rules, on the right the same near the dense network."""
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    axes = figure.subplots(1, 2)
    dense, error = _study.mean_and_error(100 * (1 - results.sel(rule=DENSE, level=1.0).accuracy), "seed")
    ticks = 100 * results.level.values[results.accuracy.sel(rule="magnitude").notnull().any("seed").values]
    for ax, title in zip(axes, ("all", "near the dense network (grey: its error)"), strict=True):
        ax.axhspan(float(dense - error), float(dense + error), color="#dddddd")
        for rule in (rule for rule in (*MATCHED, NARROW, COUNTER, SURVIVAL) if rule in results.rule.values):
            kept, mean, bar = _curve(results.sel(rule=rule))
            style = {"color": plot.colour(rule), "linestyle": DASHES.get(rule, "-"), "marker": ".", "label": rule}
            ax.errorbar(kept, mean, yerr=bar, **style)
        ax.set(
            xscale="log", yscale="log", xlabel="synapses kept, %", ylabel=f"test error, % {_study.LOWER}", title=title
        )
        _study.tick_at(ax.xaxis, ticks)
        ax.set_xlim(1.15 * max(ticks), min(ticks) / 1.05)
    plot.label_decades(axes[0].yaxis)
    lowest = min(float(np.min(_curve(results.sel(rule=rule))[1])) for rule in results.rule.values if rule in MATCHED)
    axes[1].set_ylim(0.98 * lowest, FAR * float(dense))
    _study.tick_at(axes[1].yaxis, np.arange(np.ceil(10 * lowest) / 10, FAR * float(dense), 0.1), ".1f")
    if SURVIVAL in results.rule.values:
        kept, mean, _ = _curve(results.sel(rule=SURVIVAL))
        axes[1].annotate(SURVIVAL, (kept[0], mean[0]), (4, 14), textcoords="offset points", fontsize=8)
    _study.finding(
        figure, "Pruned by weight or information while it learns, a network keeps its accuracy with 5 % of its synapses"
    )
    lost = [rule for rule in results.rule.values if rule in FALLING or DASHES.get(rule) == ":"]
    _study.label_ends(figure, axes[0], names={rule: "" for rule in results.rule.values if rule not in lost})
    _study.label_ends(figure, axes[1], names=dict.fromkeys([*lost, SURVIVAL], ""))
    return figure


def _curve(at):
    """Density, error and standard error of a rule, densest first."""
    at = at.isel(level=np.flatnonzero(at.accuracy.notnull().any("seed")))
    at = at.isel(level=np.argsort(-at.density.mean("seed").values))
    mean, error = _study.mean_and_error(100 * (1 - at.accuracy), "seed")
    return 100 * at.density.mean("seed").values, mean.values, error.values


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
