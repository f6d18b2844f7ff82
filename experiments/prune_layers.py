"""Pruning trained networks layer by layer, without any training afterwards.

Dense networks of MNIST or, with `--blocks`, residual ones of CIFAR-10 with batch normalisation are trained here, then every layer
is pruned in one call on some training images, moved as in training where they were. Accuracy on the test images by rule and
fraction: magnitude, Wanda, the row-wise surgeon (SparseGPT), and ours, with and without the closed loop. Normalisation is
calibrated again for all of them; what that alone does is stored as `calibrated`.
"""

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from experiments import _images, _study
from jaxprune import InputError, deep, fingerprint, plot

DIMS = ("way", "pruned", "seed")


class Way(NamedTuple):
    """A rule, whether in the closed loop, and which synapses share a budget."""

    rule: str
    loop: bool
    groups: str


WAYS = {
    "magnitude, rows": Way("weight+keep", False, "row"),
    "magnitude, layers": Way("weight+keep", False, "layer"),
    "magnitude, one budget": Way("weight+keep", False, "global"),
    "Wanda": Way("activity+keep", False, "row"),
    "row-wise surgeon": Way("greedy+compensation", False, "row"),
    "row-wise surgeon, closed loop": Way("greedy+compensation", True, "row"),
    "surgeon, closed loop, layers": Way("greedy+compensation", True, "layer"),
    "activity+compensation": Way("activity+compensation", False, "row"),
    "activity+compensation, closed loop": Way("activity+compensation", True, "row"),
    "activity+regrow": Way("activity+regrow", False, "row"),
    "activity+regrow, closed loop": Way("activity+regrow", True, "row"),
    "activity+regrow, closed loop, layers": Way("activity+regrow", True, "layer"),
    "row-wise surgeon, regrow, closed loop": Way("greedy+regrow", True, "row"),
    "uniform": Way("uniform+keep", False, "row"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST, or with blocks CIFAR-10, as in `load_images`; scikit-learn's small digits without.
      widths: units of the hidden layers; with blocks, channels of every stage.
      blocks: residual blocks to a stage: `--widths 16 32 64 --blocks 3` is ResNet-20. With none, the network is dense.
      epochs: of training.
      ways: by their names in `WAYS`.
      pruned: fractions pruned.
      calibration: training images that layers are watched on.
      seeds: networks.
      seed: seed of everything.
    """

    data: Path | None = None
    widths: tuple[int, ...] = (300, 100)
    blocks: int = 0
    epochs: int = 30
    ways: tuple[str, ...] = tuple(WAYS)
    pruned: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    calibration: int = 2000
    seeds: int = 5
    seed: int = 0

    @property
    def stored_as(self) -> str:
        """Name of the results; those of a residual network have its name."""
        return f"prune_layers{_images.residual_name(self.widths, self.blocks)}"


def points(config: Config) -> list[_study.Row]:
    """Every way at every fraction, network by network."""
    for way in config.ways:
        if way not in WAYS:
            raise InputError(f"{way!r} is no way to prune: choose from {', '.join(WAYS)}.")
    return [
        {"way": way, "pruned": pruned, "seed": seed}
        for seed in range(config.seeds)
        for way in config.ways
        for pruned in config.pruned
    ]


class _Trained(NamedTuple):
    """A trained network.

    Attributes:
      model, extra: as in `deep.fit`.
      split: its images.
      data: images to watch it on, moved as in training where they were.
      accuracy: on the test images.
      calibrated: the same, with normalisation calibrated on the data.
    """

    model: Any
    extra: Any
    split: _images.Split
    data: jax.Array
    accuracy: float
    calibrated: float


@lru_cache(maxsize=8)
def _trained(config, seed):
    """A network; kept between runs as the checkpoint of its training."""
    key, fit_key = _images.keys(config.seed, seed)
    split = _images.load(config.data)
    if config.blocks:
        if split.x.shape[1] != 3:
            raise InputError(f"images have {split.x.shape[1]} channels, but --blocks takes coloured ones: pass --data.")
        model, extra = _images.convolutional(key, config.widths, config.blocks)
        recipe, loss = _images.Recipe(config.epochs), _images.augmented
    else:
        pixels, classes = int(np.prod(split.x.shape[1:])), int(split.y.max()) + 1
        model, extra = deep.Dense(key, (pixels, *config.widths, classes)), None
        recipe, loss = _images.Recipe(config.epochs, rate=_images.RATE), deep.cross_entropy
    # All that training depends on is in the name: what was trained otherwise, or by other code, is not in the way.
    training = recipe.training(len(split.x), None)
    origin = fingerprint(jax.random.key_data(fit_key), model, jax.tree.leaves(extra), split.x, split.y, training, loss)
    place = _study.cache() / f"{config.stored_as}-{origin}.eqx"
    found = _images.train(
        fit_key, model, split, recipe, None, extra=extra, every=config.epochs, checkpoint=place, loss=loss
    )
    data = split.x[: config.calibration]
    data = _images.moved(jax.random.fold_in(jax.random.key(config.seed), 1), data) if config.blocks else data
    model, extra = eqx.nn.inference_mode(found.state.model), found.state.extra
    states = extra, deep.recalibrate(model, extra, data)
    return _Trained(model, extra, split, data, *(deep.accuracy(model, s, split.test, split.labels) for s in states))


def evaluate(config: Config, way: str, pruned: float, seed: int) -> Iterator[_study.Row]:
    """Prune one network."""
    before, (rule, loop, groups) = _trained(config, seed), WAYS[way]
    found = deep.prune_layers(
        jax.random.key(config.seed),
        before.model,
        rule,
        data=before.data,
        keep=1 - pruned,
        groups=groups,
        closed_loop=loop,
        extra=before.extra,
    )
    x, y = before.split.test, before.split.labels
    want, _ = deep.predict(before.model, before.extra, x[:2000])
    have, _ = deep.predict(found.model, found.extra, x[:2000])
    yield {
        "accuracy": deep.accuracy(found.model, found.extra, x, y),
        "before": before.accuracy,
        "calibrated": before.calibrated,
        "output_error": float(jnp.mean((want - have) ** 2) / jnp.mean((want - want.mean(axis=0, keepdims=True)) ** 2)),
        "kept": sum(layer.kept for layer in found.layers) / sum(layer.synapses for layer in found.layers),
        "empty": sum(layer.empty for layer in found.layers),
    }


def show(results: xr.Dataset) -> None:
    """Print the loss of accuracy by way and fraction."""
    before = results.before.isel(way=0, pruned=0)
    calibrated = results.calibrated.isel(way=0, pruned=0)
    title = (
        f"{results.sizes['seed']} networks, accuracy before {_percent(before)} %, only calibrated {_percent(calibrated)} %: "
        "points of accuracy lost"
    )
    table = rich.table.Table("way", *(f"{100 * float(p):g} % pruned" for p in results.pruned.values), title=title)
    for way in results.way.values:
        lost = results.before - results.accuracy
        table.add_row(str(way), *(_percent(lost.sel(way=way, pruned=p)) for p in results.pruned.values))
    rich.console.Console(width=140).print(table)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


COLOURS = {
    "magnitude": plot.colour("magnitude"), "Wanda": plot.PALETTE["orange"], "uniform": plot.colour("uniform"),
    "row-wise surgeon": plot.colour("greedy"), "surgeon": plot.colour("greedy"), "activity+compensation": plot.PALETTE["sky"],
    "activity+regrow": plot.colour("activity"),
}  # fmt: skip
DASHES = {"row": ":", "layer": "-", "global": "-."}


def draw(results: xr.Dataset) -> Figure:
    """Test images that are wrong, over the fraction pruned."""
    figure = Figure(figsize=(9.5, 6.2), layout="constrained")
    ax = figure.subplots()
    for name, way in WAYS.items():
        if name not in results.way:
            continue
        mean, error = _study.mean_and_error(100 * (1 - results.accuracy.sel(way=name)), "seed")
        dashes = "--" if way.groups == "row" and way.loop else DASHES[way.groups]
        style: dict[str, Any] = {"color": COLOURS[name.partition(",")[0]], "linestyle": dashes, "marker": "."}
        ax.errorbar(100 * results.pruned, mean, yerr=error, label=name, **style)
    before = 100 * (1 - float(results.before.mean()))
    ax.axhline(before, color="black", lw=0.8, ls=":")
    ax.annotate(
        "before pruning", (0.01, before), (0, -3), ("axes fraction", "data"), "offset points", va="top", fontsize=8
    )
    ax.set(
        xlabel="synapses pruned, %",
        ylabel=f"test images wrong, % {_study.LOWER}",
        yscale="log",
        ylim=(0.8 * before, None),
    )
    ax.yaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")
    _study.finding(figure, "Surgeon and local regrowth lose least, above all with a budget of its own for every layer")
    _study.label_ends(figure, ax)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
