"""Does a network learn faster, or better, when synapses that are hardly used go? With many images, and with few.

Curves of test accuracy over training, with 1,000, 5,000 and all training images, and as many updates for all rules. The dense
network, the counter rule at two thresholds, and gradual magnitude pruning and exchange at the density that the counter ends near.
Speed is the first time at which a share of the dense network's own final accuracy is reached.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _images, _study
from jaxprune import deep, plot
from jaxprune.deep import Counter

DIMS = ("samples", "rule", "seed", "time")
RULES = {
    "dense": None,
    "counter, alpha 0.5": Counter(alpha=0.5),
    "counter, alpha 1": Counter(),
    "magnitude, 40 % kept": ("magnitude", 0.4),
    "magnitude, 10 % kept": ("magnitude", 0.1),
    "exchange, 10 % kept": ("exchange", 0.1),
}
DASHES = {"counter, alpha 0.5": "--", "magnitude, 40 % kept": "--"}
TIMES = 30
"""Measurements along a run."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST, or another data set of images, as in `load_images`; scikit-learn's small digits without.
      samples: images that are learnt from; 0 for all.
      epochs: passes over them, one number for each.
      batch: images to an update.
      seeds: networks.
      seed: seed of everything.
    """

    data: Path | None = None
    samples: tuple[int, ...] = (1000, 5000, 0)
    epochs: tuple[int, ...] = (300, 90, 30)
    batch: int = 100
    seeds: int = 5
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every rule with every number of images, seed by seed."""
    return [
        {"samples": samples, "rule": rule, "seed": seed}
        for seed in range(config.seeds)
        for samples in config.samples
        for rule in RULES
    ]


def evaluate(config: Config, samples: int, rule: str, seed: int) -> Iterator[_study.Row]:
    """Train one network, and measure it along the run."""
    split = _images.load(config.data, samples=samples or None)
    epochs = dict(zip(config.samples, config.epochs, strict=True))[samples]
    chosen = RULES[rule]
    if isinstance(chosen, tuple):
        chosen = deep.named_method(*chosen)
    elif chosen is not None:
        # Three in thirty epochs, whatever an epoch is.
        chosen = dataclasses.replace(chosen, patience=max(1, epochs // 10))
    model_key, fit_key = _images.keys(config.seed, seed)
    pixels = int(np.prod(split.x.shape[1:]))
    model = deep.Dense(model_key, (pixels, 300, 100, int(split.y.max()) + 1))
    recipe = _images.Recipe(epochs, config.batch, rate=_images.RATE)
    found = _images.train(fit_key, model, split, recipe, chosen, every=max(1, epochs // TIMES))
    for time, (accuracy, density) in enumerate(zip(found.accuracy, found.density, strict=True), 1):
        yield {"time": time / len(found.accuracy), "accuracy": accuracy, "density": density}


SHARES = (0.95, 0.98, 0.99)


def first_reached(curve: xr.DataArray, level: xr.DataArray) -> xr.DataArray:
    """The first time at which a curve reaches a level, as a fraction of the run; NaN where it never does."""
    there = curve >= level
    return curve.time.where(there).min("time")


def show(results: xr.Dataset) -> None:
    """Print final accuracy and density, the area under the curve, and times to shares of the dense network's accuracy."""
    console = rich.console.Console(width=150)
    for samples in results.samples.values:
        at = results.sel(samples=samples)
        final = at.accuracy.isel(time=-1)
        dense = final.sel(rule="dense")
        heads = [f"% of the run to {100 * share:.0f} % of dense" for share in SHARES]
        title = f"{samples or 'all'} images, {results.sizes['seed']} networks"
        table = rich.table.Table(
            "rule", "pruned, %", "accuracy, %", "minus dense", "mean over the run, %", *heads, title=title
        )
        for rule in results.rule.values:
            one = at.sel(rule=rule)
            times = [_study.cell(100 * first_reached(one.accuracy, share * dense), "seed", 1) for share in SHARES]
            table.add_row(
                str(rule), _percent(1 - one.density.isel(time=-1)), _percent(final.sel(rule=rule)),
                _percent(final.sel(rule=rule) - dense), _percent(one.accuracy.mean("time")), *times,
            )  # fmt: skip
        console.print(table)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


def draw(results: xr.Dataset) -> Figure:
    """Accuracy over the run (above), and what is left of the synapses (below), for every number of images."""
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    axes = figure.subplots(2, results.sizes["samples"], sharex=True, squeeze=False)
    for column, samples in zip(axes.T, results.samples.values, strict=True):
        at = results.sel(samples=samples)
        for rule in results.rule.values:
            one, style = at.sel(rule=rule), {"color": plot.colour(str(rule)), "linestyle": DASHES.get(str(rule), "-")}
            mean, error = _study.mean_and_error(100 * one.accuracy, "seed")
            column[0].plot(100 * one.time, mean, label=str(rule), **style)
            column[0].fill_between(100 * one.time, mean - error, mean + error, color=style["color"], alpha=0.2, lw=0)
            column[1].plot(100 * one.time, 100 * one.density.mean("seed"), label=str(rule), **style)
        final = 100 * at.accuracy.isel(time=-1).mean("seed")
        limits = float(final.min()) - 2, float(final.max()) + 0.3
        column[0].set(title=f"{samples:,} images" if samples else "all images", ylim=limits)
        column[1].set(xlabel="part of the run, %", ylim=(0, 104))
    axes[0, 0].set(ylabel=f"accuracy, % {_study.HIGHER}")
    axes[1, 0].set(ylabel="synapses kept, %")
    _study.finding(
        figure,
        "Losing synapses that are hardly used (counter) makes learning neither faster nor better",
    )
    _study.label_ends(figure, axes[1, -1])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
