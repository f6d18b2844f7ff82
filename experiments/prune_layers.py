"""Pruning trained networks layer by layer, without any training afterwards.

Dense networks of MNIST and, where CIFAR-10 is given, convolutional ones with batch normalisation are trained here, then every
layer is pruned in one call on 2,000 training images. Accuracy on the test images by rule and fraction: magnitude, Wanda, the
row-wise surgeon (SparseGPT), and ours, with and without the closed loop. Normalisation is calibrated again for all of them.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _images, _study
from jaxprune import deep, fingerprint

DIMS = ("network", "way", "pruned", "seed")


class Way(NamedTuple):
    """A rule, whether in the closed loop, and which synapses share a budget."""

    rule: str
    loop: bool
    groups: str


WAYS = {
    "magnitude, rows": Way("weight+keep", False, "row"),
    "magnitude, one budget": Way("weight+keep", False, "global"),
    "Wanda": Way("activity+keep", False, "row"),
    "row-wise surgeon": Way("greedy+compensation", False, "row"),
    "row-wise surgeon, closed loop": Way("greedy+compensation", True, "row"),
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
      data: MNIST, as in `load_images`, for the dense network; scikit-learn's small digits without.
      coloured: CIFAR-10, as in `load_images`, for the convolutional network; left out without.
      pruned: fractions pruned.
      calibration: training images that layers are watched on.
      epochs: of training, of the dense and of the convolutional network.
      widths: channels of the convolutional network's layers.
      seeds: networks, of both kinds.
      seed: seed of everything.
    """

    data: Path | None = None
    coloured: Path | None = None
    pruned: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    calibration: int = 2000
    epochs: tuple[int, int] = (30, 12)
    widths: tuple[int, ...] = (16, 16, 32, 32, 64, 64)
    seeds: tuple[int, int] = (5, 1)
    seed: int = 0


DENSE, CONVOLUTIONAL = "dense", "convolutional"


def points(config: Config) -> list[_study.Row]:
    """Every way at every fraction, network by network."""
    kinds = (DENSE, CONVOLUTIONAL) if config.coloured else (DENSE,)
    return [
        {"network": network, "way": way, "pruned": pruned, "seed": seed}
        for network, seeds in zip(kinds, config.seeds, strict=False)
        for seed in range(seeds)
        for way in WAYS
        for pruned in config.pruned
    ]


def _trained(config, network, seed):
    """A network, its state and its images; kept between runs as the checkpoint of its training."""
    key, fit_key = _images.keys(config.seed, seed)
    split = _images.load(config.data if network == DENSE else config.coloured)
    epochs = config.epochs[network != DENSE]
    if network == DENSE:
        pixels, classes = int(np.prod(split.x.shape[1:])), int(split.y.max()) + 1
        model, extra = deep.Dense(key, (pixels, 300, 100, classes)), None
    else:
        model, extra = eqx.nn.make_with_state(deep.VGG)(key, widths=config.widths)
    recipe = _images.Recipe(epochs, rate=_images.RATE) if network == DENSE else _images.Recipe(epochs)
    options = {} if network == DENSE else {"loss": _images.augmented}
    # All that training depends on is in the name: what was trained otherwise, or by other code, is not in the way.
    training, loss = recipe.training(len(split.x), None), options.get("loss", deep.cross_entropy)
    origin = fingerprint(jax.random.key_data(fit_key), model, jax.tree.leaves(extra), split.x, split.y, training, loss)
    place = _study.cache() / f"prune_layers-{network}-{origin}.eqx"
    found = _images.train(fit_key, model, split, recipe, None, extra=extra, every=epochs, checkpoint=place, **options)
    return eqx.nn.inference_mode(found.state.model), found.state.extra, split


def evaluate(config: Config, network: str, way: str, pruned: float, seed: int) -> Iterator[_study.Row]:
    """Prune one network."""
    model, extra, split = _trained(config, network, seed)
    rule, loop, groups = WAYS[way]
    data = split.x[: config.calibration]
    found = deep.prune_layers(
        jax.random.key(config.seed),
        model,
        rule,
        data=data,
        keep=1 - pruned,
        groups=groups,
        closed_loop=loop,
        extra=extra,
    )
    original = deep.recalibrate(model, extra, data)
    want, _ = deep.predict(model, original, split.test[:2000])
    have, _ = deep.predict(found.model, found.extra, split.test[:2000])
    yield {
        "accuracy": deep.accuracy(found.model, found.extra, split.test, split.labels),
        "before": deep.accuracy(model, original, split.test, split.labels),
        "output_error": float(jnp.mean((want - have) ** 2) / jnp.mean((want - want.mean(axis=0)) ** 2)),
        "kept": sum(layer.kept for layer in found.layers) / sum(layer.synapses for layer in found.layers),
        "empty": sum(layer.empty for layer in found.layers),
    }


def show(results: xr.Dataset) -> None:
    """Print the loss of accuracy by way and fraction."""
    console = rich.console.Console(width=140)
    for network in results.network.values:
        at = results.sel(network=network)
        seeds = at.isel(seed=np.flatnonzero(at.accuracy.notnull().any(("way", "pruned"))))
        before = seeds.before.isel(way=0, pruned=0)
        title = (
            f"{network}, {seeds.sizes['seed']} networks, accuracy before {_percent(before)} %: points of accuracy lost"
        )
        table = rich.table.Table("way", *(f"{100 * float(p):g} % pruned" for p in at.pruned.values), title=title)
        for way in results.way.values:
            lost = seeds.before - seeds.accuracy
            table.add_row(str(way), *(_percent(lost.sel(way=way, pruned=p)) for p in at.pruned.values))
        console.print(table)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


STYLES = {
    "magnitude, rows": ("#999999", "-"), "magnitude, one budget": ("#999999", "--"), "Wanda": ("#e69f00", "-"),
    "row-wise surgeon": ("#d55e00", "-"), "row-wise surgeon, closed loop": ("#d55e00", "--"),
    "activity+compensation": ("#56b4e9", "-"), "activity+compensation, closed loop": ("#56b4e9", "--"),
    "activity+regrow": ("#0072b2", "-"), "activity+regrow, closed loop": ("#0072b2", "--"),
    "activity+regrow, closed loop, layers": ("#0072b2", ":"),
    "row-wise surgeon, regrow, closed loop": ("black", "--"), "uniform": ("#cccccc", ":"),
}  # fmt: skip


def draw(results: xr.Dataset) -> Figure:
    """Accuracy over the fraction pruned."""
    figure = Figure(figsize=(5 * results.sizes["network"] + 1, 5), layout="constrained")
    axes = figure.subplots(1, results.sizes["network"], squeeze=False)[0]
    for ax, network in zip(axes, results.network.values, strict=True):
        at = results.sel(network=network)
        for way, (colour, dashes) in STYLES.items():
            mean, error = _study.mean_and_error(100 * at.accuracy.sel(way=way), "seed")
            ax.errorbar(100 * at.pruned, mean, yerr=error, color=colour, linestyle=dashes, marker=".", label=way)
        ax.axhline(100 * float(at.before.mean()), color="black", lw=0.8, ls=":", label="before")
        ax.set(xlabel="synapses pruned, %", ylabel="accuracy, %", title=str(network))
    _study.legend_below(figure, axes[0], 3)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
