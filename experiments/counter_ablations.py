"""What of the rule of use matters: its score, its patience, its threshold, weight decay, or whether synapses come elsewhere.

One thing is changed at a time from the counter with alpha 1.5 and a patience of 3 epochs. As a rule finds its own density, its
accuracy is held against that of gradual magnitude pruning at the same density, interpolated between levels of the same seed.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _images, _study
from jaxprune import deep, plot
from jaxprune.deep import Counter, Survival

DIMS = ("variant", "seed")
BASE = {"alpha": 1.5, "patience": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "use, alpha 1.5, patience 3": {},
    "score weight": {"score": "weight"},
    "score information": {"score": "information"},
    "score bcm": {"score": "bcm"},
    "score activity": {"score": "activity"},
    "score fisher": {"score": "fisher"},
    "patience 1": {"patience": 1},
    "patience 6": {"patience": 6},
    "alpha 0.5": {"alpha": 0.5},
    "alpha 3": {"alpha": 3.0},
    "alpha 6": {"alpha": 6.0},
    "no weight decay": {"decay": 0.0},
    "twice the weight decay": {"decay": 1e-3},
    "whole rows (filters)": {"granularity": "filter"},
    "half of them elsewhere, at random": {"growth": "random"},
    "half of them elsewhere, by gradient": {"growth": "gradient"},
    "survival": {"survival": True},
}
LEVELS = (0.6, 0.4, 0.2, 0.1, 0.05, 0.02)


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST, or another data set of images, as in `load_images`; scikit-learn's small digits without.
      epochs: of training.
      batch: images to an update.
      seeds: networks.
      seed: seed of everything.
    """

    data: Path | None = None
    epochs: int = 30
    batch: int = 100
    seeds: int = 5
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every variant, and magnitude pruning at every level, seed by seed."""
    names = [*VARIANTS, "dense", *(_magnitude(level) for level in LEVELS)]
    return [{"variant": name, "seed": seed} for seed in range(config.seeds) for name in names]


def _magnitude(level):
    return f"magnitude, {100 * level:g} % kept"


def evaluate(config: Config, variant: str, seed: int) -> Iterator[_study.Row]:
    """Train one network."""
    split = _images.load(config.data)
    changes = dict(VARIANTS.get(variant, {}))
    recipe = _images.Recipe(config.epochs, config.batch, rate=_images.RATE, decay=changes.pop("decay", 5e-4))
    rule: Any = None
    if changes.pop("survival", False):
        rule = Survival()
    elif variant in VARIANTS:
        rule = Counter(**(BASE | changes))
    elif variant != "dense":
        rule = deep.named_method("magnitude", {_magnitude(level): level for level in LEVELS}[variant])
    model_key, fit_key = _images.keys(config.seed, seed)
    pixels = int(np.prod(split.x.shape[1:]))
    model = deep.Dense(model_key, (pixels, 300, 100, int(split.y.max()) + 1))
    found = _images.train(fit_key, model, split, recipe, rule, every=config.epochs)
    yield {"accuracy": found.accuracy[-1], "density": found.density[-1]}


def beside(results: xr.Dataset, variant: str) -> xr.DataArray:
    """Accuracy of magnitude pruning at the density of a variant, seed by seed; linear in the logarithm of the density.

    NaN where a variant keeps less than the lowest level.
    """
    found = []
    for seed in results.seed.values:
        at = results.sel(seed=seed)
        levels = at.sel(variant=["dense", *(_magnitude(level) for level in LEVELS)])
        order = np.argsort(levels.density.values)
        x, y = np.log(levels.density.values[order]), levels.accuracy.values[order]
        found.append(np.interp(np.log(float(at.sel(variant=variant).density)), x, y, left=np.nan))
    return xr.DataArray(found, {"seed": results.seed}, "seed")


def show(results: xr.Dataset) -> None:
    """Print density and accuracy of every variant, beside magnitude pruning at its density."""
    dense = results.sel(variant="dense").accuracy
    table = rich.table.Table(
        "variant", "pruned, %", "accuracy, %", "minus dense", "minus magnitude at that density",
        title=f"{results.sizes['seed']} networks; dense {_percent(dense)} %",
    )  # fmt: skip
    for name in results.variant.values:
        at = results.sel(variant=name)
        difference = at.accuracy - beside(results, str(name)) if name in VARIANTS else None
        cells = [_percent(1 - at.density), _percent(at.accuracy), _percent(at.accuracy - dense)]
        table.add_row(str(name), *cells, "" if difference is None else _percent(difference))
    rich.console.Console(width=120).print(table)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


WORST = -0.7
"""Difference in accuracy, in points, below which a variant is written down and not drawn."""


def draw(results: xr.Dataset) -> Figure:
    """Accuracy of variants minus that of magnitude pruning at the same density, where there is one, beside what they prune."""
    found = {str(name): 100 * (results.sel(variant=name).accuracy - beside(results, str(name))) for name in VARIANTS}
    found = {name: difference for name, difference in found.items() if bool(difference.notnull().all())}
    order = sorted(found, key=lambda name: -float(found[name].mean()))
    figure = Figure(figsize=(10.5, 0.27 * len(order) + 1.6), layout="constrained")
    lost, pruned = figure.subplots(1, 2, sharey=True, width_ratios=(1.6, 1))
    for place, name in enumerate(order):
        colour = plot.colour("counter")
        if (mean := float(found[name].mean())) > WORST:
            _study.dot(lost, found[name], "seed", place, color=colour)
        else:
            lost.plot([WORST], [place], "<", color=colour, clip_on=False)
            lost.annotate(f"{mean:.0f}", (WORST, place), (6, 0), textcoords="offset points", va="center", fontsize=8)
        _study.dot(pruned, 100 * (1 - results.sel(variant=name).density), "seed", place, color=colour)
    lost.axvline(0, color=plot.colour("magnitude"), linewidth=1)
    lost.set(xlim=(WORST, None), xlabel=f"accuracy minus magnitude's at the same density, points {_study.HIGHER}")
    pruned.set(xlabel="synapses pruned, %")
    _study.list_rows(lost, order)
    _study.finding(
        figure, "No variant of the rule of use beats magnitude pruning (line) at the same density beyond the error"
    )
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
