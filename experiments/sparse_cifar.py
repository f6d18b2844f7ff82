"""Sparse training of a convolutional network on small coloured images, at matched sparsity.

By default a network of six convolutions with batch normalisation and one dense layer, sized to a machine of two cores, learns
CIFAR-10 with 20,000 mirrored and shifted images; with `--blocks`, a residual one, for a machine with an accelerator. Methods of
`use_it_or_lose_it` at 90 % pruned, with one budget for all layers unless a method has its own; and the same network without
removal, and one so narrow from the start that it has as few synapses.
"""

import bisect
import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import equinox as eqx
import jax
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
    "magnitude", "information", "use", "exchange", "information-exchange", "random-exchange", "set", "rigl", "static-erdos-renyi",
)  # fmt: skip
DENSE, NARROW, COUNTER, SURVIVAL = "dense", "narrow", "counter", "survival"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: CIFAR-10, as in `load_images`.
      widths: channels of every convolution; with blocks, of every stage.
      blocks: residual blocks to a stage: `--widths 16 32 64 --blocks 3` is ResNet-20, `--widths 64 128 256 512 --blocks 2`
        ResNet-18. With none, the network is plain.
      keep: fractions kept.
      rules: methods that end at these.
      alphas: thresholds of the counter.
      survival: train with `Survival`, too.
      narrow: train the narrow networks, too.
      epochs: of training.
      batch: images to an update.
      samples: learn from the first so many images; from all where there are not more.
      seeds: networks.
      seed: seed of everything.
    """

    data: Path
    widths: tuple[int, ...] = (16, 16, 32, 32, 64, 64)
    blocks: int = 0
    keep: tuple[float, ...] = (0.1,)
    rules: tuple[str, ...] = MATCHED
    alphas: tuple[float, ...] = (1.0, 3.0)
    survival: bool = True
    narrow: bool = True
    epochs: int = 10
    batch: int = 100
    samples: int = 20_000
    seeds: int = 2
    seed: int = 0

    @property
    def stored_as(self) -> str:
        """Name of the results; those of a residual network have its name."""
        return f"sparse_cifar{_images.residual_name(self.widths, self.blocks)}"


def points(config: Config) -> list[_study.Row]:
    """Every method at every level, seed by seed."""
    rules = (*config.rules, NARROW) if config.narrow else config.rules
    found: list[_study.Row] = []
    for seed in range(config.seeds):
        found += [{"rule": DENSE, "level": 1.0, "seed": seed}]
        found += [{"rule": SURVIVAL, "level": 1.0, "seed": seed}] if config.survival else []
        found += [{"rule": COUNTER, "level": alpha, "seed": seed} for alpha in config.alphas]
        found += [{"rule": name, "level": share, "seed": seed} for name in rules for share in config.keep]
    return found


def narrow(widths: tuple[int, ...], keep: float, blocks: int = 0) -> tuple[int, ...]:
    """Widths of a network of the same shape with a fraction of the synapses."""
    target = keep * _synapses(widths, blocks)

    def at(step):
        return tuple(max(1, round(width * (1 - step / 1000))) for width in widths)

    return at(bisect.bisect_left(range(1000), True, key=lambda step: _synapses(at(step), blocks) <= target))


@lru_cache
def _synapses(widths, blocks=0):
    model, _ = eqx.filter_eval_shape(_images.convolutional, jax.random.key(0), widths, blocks)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(deep.weights(model)))


def evaluate(config: Config, rule: str, level: float, seed: int) -> Iterator[_study.Row]:
    """Train one network."""
    split = _images.load(config.data, samples=config.samples)
    model_key, fit_key = _images.keys(config.seed, seed)
    widths = narrow(config.widths, level) if rule == NARROW else config.widths
    model, state = _images.convolutional(model_key, widths, config.blocks)
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
        "density": found.density[-1] * _synapses(widths, config.blocks) / _synapses(config.widths, config.blocks),
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


STARTS = {"set": "sparse", "rigl": "sparse", "static-erdos-renyi": "sparse", NARROW: "narrow", DENSE: "not pruned"}
COLOURS = {"dense, then pruned": "blue", "sparse": "vermilion", "narrow": "orange", "not pruned": "black"}


def draw(results: xr.Dataset) -> Figure:
    """Accuracy and operations of every method, the most accurate first."""
    dense = results.sel(rule=DENSE, level=1.0)
    cells = [
        results.sel(rule=rule, level=level)
        for rule in results.rule.values
        for level in results.level.values
        if bool(results.accuracy.sel(rule=rule, level=level).notnull().any())
    ]
    cells.sort(key=lambda at: -float(at.accuracy.mean()))
    figure = Figure(figsize=(10, 1.9 + 0.25 * len(cells)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, at in enumerate(cells):
        start = STARTS.get(at.rule.item(), "dense, then pruned")
        for ax, values in ((left, 100 * at.accuracy), (right, 100 * at.operations / dense.operations)):
            _study.dot(ax, values, "seed", place, color=plot.PALETTE[COLOURS[start]])
    _study.list_rows(left, [f"{at.rule.item()}, {100 * float(1 - at.density.mean()):.0f} % pruned" for at in cells])
    left.set(xlabel=f"accuracy, % {_study.HIGHER}")
    right.set(xscale="log", xlabel=f"operations, % of the dense network's {_study.LOWER}")
    plot.label_decades(right.xaxis)
    starts = {STARTS.get(at.rule.item(), "dense, then pruned") for at in cells}
    for start, name in ((start, name) for start, name in COLOURS.items() if start in starts):
        left.plot([], [], "o", color=plot.PALETTE[name], label=start if start == "not pruned" else f"starts {start}")
    finding = "At the same sparsity, networks that start dense are more accurate than those that start sparse or narrow"
    if results.sizes["seed"] == 1:
        finding = "With a tenth of the synapses accuracy is less than a point lower"
    _study.finding(
        figure, finding, "one network of each: tenths of a point say nothing" if results.sizes["seed"] == 1 else ""
    )
    _study.legend_below(figure, left)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
