"""Pruning while a network learns: use it or lose it, beside the best known sparse training, at the same sparsity.

LeNet-300-100 learns images by momentum, with a learning rate that falls as a cosine. Methods that aim at a density reach it at
two thirds of the run; the rules of use find their own, which their thresholds move. Everything is measured after the last epoch.
"""

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import deep
from jaxprune.data import digits, load_images
from jaxprune.deep import Counter, Schedule, Sparse, Survival, Training

DIMS = ("method", "level", "seed")
MATCHED = {
    "magnitude": {},
    "information": {"score": "information"},
    "use": {"score": "use"},
    "magnitude, exchange by gradient": {"growth": "gradient"},
    "information, exchange by gain": {"score": "information", "growth": "gain"},
    "magnitude, exchange at random": {"growth": "random"},
    "SET": {"growth": "random", "start": "erdos-renyi", "groups": "layer"},
    "RigL": {"growth": "gradient", "start": "erdos-renyi", "groups": "layer"},
    "static, uniform": {"start": "uniform"},
    "static, Erdos-Renyi": {"start": "erdos-renyi"},
}
"""Methods that end at a given density: settings of `Sparse`."""
LOCAL = ("information", "use", "magnitude", "magnitude, exchange at random", "SET")
ALPHAS = (0.5, 1.0, 1.5, 3.0, 6.0, 12.0)
DENSE, COUNTER, SURVIVAL = "dense", "counter", "survival"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST, Fashion-MNIST or another data set of images, as in `load_images`; needed by the preset `paper`.
      preset: `quick`, digits of 8 x 8 pixels that come with scikit-learn and a smaller network, or `paper`.
      epochs: of training; by default those of the preset.
      keep: fractions kept.
      seeds: networks.
      validate: measure on a tenth of the training images, which is not learnt from, instead of on the test images.
      samples: train on so many images only; all by default.
      seed: seed of everything.
    """

    data: Path | None = None
    preset: Literal["quick", "paper"] = "quick"
    epochs: int | None = None
    keep: tuple[float, ...] = (0.4, 0.2, 0.1, 0.05, 0.02)
    seeds: int = 5
    validate: bool = False
    samples: int | None = None
    seed: int = 0

    @property
    def stored_as(self) -> str:
        """Name of the results."""
        name = "use_it_or_lose_it" if self.preset == "paper" else "use_it_or_lose_it_quick"
        parts = [f"{self.epochs}_epochs"] if self.epochs else []
        parts += [f"{self.samples}_samples"] if self.samples else []
        parts += ["validation"] if self.validate else []
        return "_".join([name, *parts])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer."""
        return (784, 300, 100, 10) if self.preset == "paper" else (64, 100, 50, 10)

    @property
    def run_epochs(self) -> int:
        """Epochs of training."""
        return self.epochs or 30


def points(config: Config) -> list[_study.Row]:
    """Every method at every level, seed by seed."""
    found = []
    for seed in range(config.seeds):
        found += [{"method": DENSE, "level": 1.0, "seed": seed}, {"method": SURVIVAL, "level": 1.0, "seed": seed}]
        found += [{"method": COUNTER, "level": alpha, "seed": seed} for alpha in ALPHAS]
        found += [{"method": name, "level": keep, "seed": seed} for name in MATCHED for keep in config.keep]
    return found


@lru_cache(maxsize=1)
def _data(path, validate, samples):
    found = digits() if path is None else load_images(path)
    scale = float(found.train.images.max())
    train, test = ((part.images.reshape(len(part.images), -1) / scale).astype(np.float32) for part in found)
    labels, test_labels = (part.labels for part in found)
    if validate:
        held = len(train) // 10
        train, labels, test, test_labels = train[:-held], labels[:-held], train[-held:], labels[-held:]
    count = samples or len(train)
    return tuple(map(jnp.asarray, (train[:count], labels[:count], test, test_labels)))


def _rule(method, level):
    if method == COUNTER:
        return Counter(alpha=level)
    if method == SURVIVAL:
        return Survival()
    return None if method == DENSE else Sparse(Schedule(level), **MATCHED[method])


def evaluate(config: Config, method: str, level: float, seed: int) -> Iterator[_study.Row]:
    """Train one network."""
    x, y, test, labels = _data(config.data, config.validate, config.samples)
    # The same start, and the same order of images, for every method.
    model_key, fit_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), seed))
    epochs, batch = config.run_epochs, 100 if config.preset == "paper" else 20
    steps = epochs * (len(x) // batch)
    optimiser = optax.chain(
        optax.add_decayed_weights(5e-4), optax.sgd(optax.cosine_decay_schedule(0.1, steps), momentum=0.9)
    )
    training = Training(epochs, optimiser, batch, _rule(method, level))
    curve = []

    def each(state, info):
        logits, _ = deep.predict(state.model, None, test)
        curve.append((float(jnp.mean(logits.argmax(axis=1) == labels)), float(info.density)))

    model = deep.Dense(model_key, config.sizes)
    model = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), model)
    deep.fit(fit_key, model, x, y, training, each=each)
    accuracy, density = map(np.array, zip(*curve, strict=True))
    yield {
        "accuracy": accuracy[-1],
        "density": density[-1],
        "area": accuracy.mean(),
        **{f"epochs_to_{share}": _first(accuracy >= level) for share, level in ((95, 0.95), (97, 0.97), (98, 0.98))},
    }


def _first(reached):
    """Number of the first epoch that reached it."""
    return int(np.argmax(reached)) + 1 if reached.any() else None


def show(results: xr.Dataset) -> None:
    """Print accuracy at every density, beside the dense network's."""
    console = rich.console.Console(width=150)
    dense = results.sel(method=DENSE, level=1.0)
    console.print(f"{results.sizes['seed']} networks; dense: {_percent(dense.accuracy)} %")
    levels = [
        level
        for level in results.level.values
        if bool(results.accuracy.sel(level=level, method="magnitude").notnull().any())
    ]
    table = rich.table.Table("method", *(f"{100 * (1 - level):.0f} % pruned" for level in levels), title="accuracy, %")
    for method in results.method.values:
        if method in MATCHED:
            at = results.sel(method=method)
            table.add_row(str(method), *(_percent(at.accuracy.sel(level=level)) for level in levels))
    console.print(table)
    table = rich.table.Table(
        "rule", "alpha", "pruned, %", "accuracy, %", "minus dense", title="rules of use, at their own density"
    )
    for method in (COUNTER, SURVIVAL):
        for level in results.level.values:
            at = results.sel(method=method, level=level)
            if bool(at.accuracy.notnull().any()):
                alpha = f"{level:g}" if method == COUNTER else ""
                table.add_row(
                    method,
                    alpha,
                    _percent(1 - at.density),
                    _percent(at.accuracy),
                    _percent(at.accuracy - dense.accuracy),
                )
    console.print(table)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


def draw(results: xr.Dataset) -> Figure:
    """Accuracy over the fraction kept."""
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    ax = figure.subplots()
    dense = 100 * results.sel(method=DENSE, level=1.0).accuracy
    ax.axhline(float(dense.mean()), color="black", lw=0.8, ls=":", label="dense")
    for method in (*MATCHED, COUNTER, SURVIVAL):
        at = results.sel(method=method)
        there = at.accuracy.notnull().any("seed")
        at = at.isel(level=np.flatnonzero(there)).sortby("level")
        mean, error = _study.mean_and_error(100 * at.accuracy, "seed")
        ax.errorbar(100 * at.density.mean("seed"), mean, yerr=error, marker=".", label=method)
    ax.set(xscale="log", xlabel="synapses kept, %", ylabel="accuracy, %")
    ax.invert_xaxis()
    _study.legend_below(figure, ax, 3)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
