"""Sparse training of a convolutional network on small coloured images, at matched sparsity.

A network of six convolutions with batch normalisation and one dense layer, sized to a machine of two cores, learns CIFAR-10 with
20,000 mirrored and shifted images. Methods of `use_it_or_lose_it` at 90 % pruned, with one budget for all layers unless a method
has its own; and the same network without removal, and one so narrow from the start that it has as few synapses.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _images, _study
from jaxprune import deep
from jaxprune.deep import Counter, Survival

DIMS = ("rule", "level", "seed")
MATCHED = (
    "magnitude", "information", "use", "exchange", "information-exchange", "random-exchange", "set", "rigl", "static-erdos-renyi",
)  # fmt: skip
DENSE, NARROW, COUNTER, SURVIVAL = "dense", "narrow", "counter", "survival"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: CIFAR-10, as in `load_images`.
      widths: channels of every convolution.
      keep: fractions kept.
      rules: methods that end at these.
      alphas: thresholds of the counter.
      epochs: of training.
      batch: images to an update.
      samples: learn from the first so many images; from all where there are not more.
      seeds: networks.
      seed: seed of everything.
    """

    data: Path
    widths: tuple[int, ...] = (16, 16, 32, 32, 64, 64)
    keep: tuple[float, ...] = (0.1,)
    rules: tuple[str, ...] = MATCHED
    alphas: tuple[float, ...] = (1.0, 3.0)
    epochs: int = 10
    batch: int = 100
    samples: int = 20_000
    seeds: int = 2
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every method at every level, seed by seed."""
    found: list[_study.Row] = []
    for seed in range(config.seeds):
        found += [{"rule": DENSE, "level": 1.0, "seed": seed}, {"rule": SURVIVAL, "level": 1.0, "seed": seed}]
        found += [{"rule": COUNTER, "level": alpha, "seed": seed} for alpha in config.alphas]
        found += [
            {"rule": name, "level": share, "seed": seed} for name in (*config.rules, NARROW) for share in config.keep
        ]
    return found


def narrow(widths: tuple[int, ...], keep: float) -> tuple[int, ...]:
    """Widths of a network of the same shape with a fraction of the synapses."""
    target = keep * _synapses(widths)
    for share in np.linspace(1, 0, 1000, endpoint=False):
        found = tuple(max(1, round(share * width)) for width in widths)
        if _synapses(found) <= target:
            return found
    return (1,) * len(widths)


def _synapses(widths):
    sizes = (3, *widths)
    return sum(9 * a * b for a, b in itertools.pairwise(sizes)) + 10 * widths[-1]


def evaluate(config: Config, rule: str, level: float, seed: int) -> Iterator[_study.Row]:
    """Train one network."""
    split = _images.load(config.data, samples=config.samples)
    model_key, fit_key = _images.keys(config.seed, seed)
    widths = narrow(config.widths, level) if rule == NARROW else config.widths
    model, state = eqx.nn.make_with_state(deep.VGG)(model_key, widths=widths)
    patience = max(1, config.epochs // 10)
    fixed = {COUNTER: Counter(level, patience), SURVIVAL: Survival(), DENSE: None, NARROW: None}
    chosen = fixed[rule] if rule in fixed else deep.named_method(rule, level)
    recipe = _images.Recipe(config.epochs, config.batch)
    found = _images.train(
        fit_key, model, split, recipe, chosen, extra=state, every=config.epochs, loss=_images.augmented, probe=1000
    )
    layers = deep.cost(found.state.model, split.test, forward=lambda m, x: deep.predict(m, found.state.extra, x)[0])
    yield {
        "accuracy": found.accuracy[-1],
        "density": found.density[-1] * _synapses(widths) / _synapses(config.widths),
        "operations": sum(layer.kept_operations for layer in layers),
    }


def show(results: xr.Dataset) -> None:
    """Print accuracy and operations at every density, beside the dense network's."""
    console = rich.console.Console(width=130)
    dense = results.sel(rule=DENSE, level=1.0)
    millions = float(dense.operations.mean()) / 1e6
    console.print(
        f"{results.sizes['seed']} networks; dense: {_percent(dense.accuracy)} %, {millions:.1f} million operations an image"
    )
    table = rich.table.Table("rule", "level", "pruned, %", "accuracy, %", "minus dense", "operations, % of dense")
    for rule in results.rule.values:
        for level in results.level.values:
            at = results.sel(rule=rule, level=level)
            if bool(at.accuracy.notnull().any()):
                shown = "" if rule in (DENSE, SURVIVAL) else f"{level:g}"
                table.add_row(
                    str(rule), shown, _percent(1 - at.density), _percent(at.accuracy), _percent(at.accuracy - dense.accuracy),
                    _study.cell(100 * at.operations / dense.operations, "seed", 1),
                )  # fmt: skip
    console.print(table)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


def draw(results: xr.Dataset) -> Figure:
    """Accuracy over the fraction of synapses kept, and over operations."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    dense = results.sel(rule=DENSE, level=1.0)
    for ax, name in zip(axes, ("density", "operations"), strict=True):
        for number, rule in enumerate(rule for rule in results.rule.values if rule != DENSE):
            at = results.sel(rule=rule)
            at = at.isel(level=np.flatnonzero(at.accuracy.notnull().any("seed")))
            at = at.isel(level=np.argsort(at[name].mean("seed").values))
            mean, error = _study.mean_and_error(100 * at.accuracy, "seed")
            share = 100 * (at[name] / (1 if name == "density" else dense[name])).mean("seed")
            style = {"color": f"C{number % 10}", "marker": "os^vD"[number % 5], "label": str(rule)}
            ax.errorbar(share, mean, yerr=error, linestyle="--" if number >= 10 else "-", **style)
        ax.axhline(100 * float(dense.accuracy.mean()), color="black", ls=":", label="dense")
        ax.set(
            xscale="log",
            xlabel={"density": "synapses kept, %", "operations": "operations, % of the dense network's"}[name],
        )
        ax.xaxis.set_major_formatter("{x:g}")
        ax.invert_xaxis()
    axes[0].set(ylabel="accuracy, %")
    _study.legend_below(figure, axes[0], 5)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
