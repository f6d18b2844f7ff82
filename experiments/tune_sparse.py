"""Settings of sparse training, chosen on images that are neither learnt from nor tested on.

A tenth of the training images of MNIST is held back. Networks learn from the rest with every learning rate and weight decay,
dense and by a few methods at 95 % pruned, and are measured on the tenth. `use_it_or_lose_it` runs with what is best on average.
"""

import dataclasses
import itertools
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

DIMS = ("rule", "rate", "decay", "share", "seed")
DENSE, COUNTER = "dense", "counter"
GROWING = ("exchange", "information-exchange")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST, or another data set of images, as in `load_images`.
      rules: methods at the fraction kept, besides the dense network and the counter.
      keep: fraction kept.
      rates: learning rates.
      decays: weight decays.
      shares: of the survivors that are exchanged at first, for methods that exchange; others have one.
      epochs: of training.
      seeds: networks.
      seed: seed of everything.
    """

    data: Path
    rules: tuple[str, ...] = ("magnitude", "exchange", "information-exchange")
    keep: float = 0.05
    rates: tuple[float, ...] = (0.05, 0.1, 0.2)
    decays: tuple[float, ...] = (2e-4, 5e-4, 1e-3)
    shares: tuple[float, ...] = (0.1, 0.3, 0.5)
    epochs: int = 30
    seeds: int = 2
    seed: int = 1000


def points(config: Config) -> list[_study.Row]:
    """Every setting of every method; shares at the middle rate and decay only."""
    rate, decay, share = (values[len(values) // 2] for values in (config.rates, config.decays, config.shares))
    grid = [(*pair, share) for pair in itertools.product(config.rates, config.decays)]
    others = [(rate, decay, other) for other in config.shares if other != share]
    found: list[_study.Row] = []
    for seed, rule in itertools.product(range(config.seeds), (DENSE, COUNTER, *config.rules)):
        for setting in (*grid, *(others if rule in GROWING else ())):
            found.append({"rule": rule, **dict(zip(("rate", "decay", "share"), setting, strict=True)), "seed": seed})
    return found


def evaluate(config: Config, rule: str, rate: float, decay: float, share: float, seed: int) -> Iterator[_study.Row]:
    """Train one network on nine tenths of the training images, and measure it on the last."""
    split = _images.load(config.data, validate=True)
    model_key, fit_key = _images.keys(config.seed, seed)
    if rule in (DENSE, COUNTER):
        chosen = None if rule == DENSE else Counter(alpha=1.5)
    else:
        chosen = dataclasses.replace(deep.named_method(rule, config.keep), share=share)
    recipe = _images.Recipe(config.epochs, rate=rate, decay=decay)
    found = _images.train(fit_key, deep.Dense(model_key), split, recipe, chosen, every=config.epochs)
    yield {"accuracy": found.accuracy[-1], "density": found.density[-1]}


def show(results: xr.Dataset) -> None:
    """Print accuracy with every rate and decay, and with every share."""
    console = rich.console.Console(width=160)
    results = results.sortby("share")
    share = _most(results.accuracy.notnull().sum(("rule", "rate", "decay", "seed")))
    pairs = list(itertools.product(results.rate.values, results.decay.values))
    table = rich.table.Table(
        "rule", *(f"{rate:g}, {decay:g}" for rate, decay in pairs), title="accuracy, %; rate, decay"
    )
    for rule in results.rule.values:
        at = results.sel(rule=rule, share=share)
        table.add_row(str(rule), *(_percent(at.accuracy.sel(rate=rate, decay=decay)) for rate, decay in pairs))
    mean = results.accuracy.sel(share=share).mean(("rule", "seed"))
    table.add_row("mean", *(f"{100 * float(mean.sel(rate=rate, decay=decay)):.2f}" for rate, decay in pairs))
    console.print(table)
    counts = results.accuracy.notnull().sum(("rule", "share", "seed"))
    rate, decay = _most(counts.sum("decay")), _most(counts.sum("rate"))
    table = rich.table.Table(
        "rule", *(f"{value:g}" for value in results.share.values), title=f"share exchanged; {rate:g}, {decay:g}"
    )
    for rule in results.rule.values:
        if rule in GROWING:
            at = results.sel(rule=rule, rate=rate, decay=decay)
            table.add_row(str(rule), *(_percent(at.accuracy.sel(share=value)) for value in results.share.values))
    console.print(table)


def _most(counts):
    """The value that was run most often."""
    return float(counts[counts.dims[0]].values[int(np.argmax(counts.values))])


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


def draw(results: xr.Dataset) -> Figure:
    """Accuracy over the learning rate, for every decay."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, results.sizes["rule"], sharey=True)
    share = _most(results.accuracy.notnull().sum(("rule", "rate", "decay", "seed")))
    accuracy = 100 * results.accuracy.sel(share=share)
    for ax, rule in zip(axes, results.rule.values, strict=True):
        for decay, dashes, marker in zip(results.decay.values, ("-", "--", ":"), "o^s", strict=False):
            mean, error = _study.mean_and_error(accuracy.sel(rule=rule, decay=decay), "seed")
            style = {
                "color": plot.colour(str(rule)),
                "linestyle": dashes,
                "marker": marker,
                "label": f"decay {decay:g}",
            }
            ax.errorbar(results.rate, mean, yerr=error, **style)
        ax.set(xscale="log", xlabel="learning rate", title=str(rule))
        _study.tick_at(ax.xaxis, results.rate.values)
    axes[0].set(ylabel=f"accuracy, % {_study.HIGHER}")
    mean = accuracy.mean(("rule", "seed"))
    best = mean.isel(mean.argmax(("rate", "decay")))
    _study.finding(
        figure,
        f"A learning rate of {float(best.rate):g} is best on average, and for the dense network; others are hardly worse",
    )
    _study.legend_below(figure, axes[0])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
