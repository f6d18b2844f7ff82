"""Labelled images for networks that classify them, and one way to train all of them."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from jaxprune import deep
from jaxprune.data import digits, inputs, load_images
from jaxprune.deep import Training

SHIFT = 3
LOADING = threading.Lock()
"""Held while one thread reads what the others wait for."""


class Split(NamedTuple):
    """Images to learn from and to measure on, in single precision, and their classes."""

    x: jax.Array
    y: jax.Array
    test: jax.Array
    labels: jax.Array


def load(path: Path | None, *, validate: bool = False, samples: int | None = None) -> Split:
    """Images of a data set; scikit-learn's small digits without a path.

    Args:
      path: see `load_images`.
      validate: measure on the last tenth of the training images, which is then not learnt from, instead of on the test images.
      samples: learn from the first so many only.
    """
    with LOADING:
        return _load(path, validate, samples)


@lru_cache(maxsize=2)
def _load(path, validate, samples):
    found = digits() if path is None else load_images(path)
    brightest = float(found.train.images.max())
    train, test = (inputs(part.images, brightest) for part in found)
    labels, test_labels = (part.labels for part in found)
    # Folders of images come class by class; here the first so many stand for all.
    if bool((np.diff(labels) >= 0).all()):
        order = np.random.default_rng(0).permutation(len(labels))
        train, labels = train[order], labels[order]
    if validate:
        held = len(train) // 10
        train, labels, test, test_labels = train[:-held], labels[:-held], train[-held:], labels[-held:]
    return Split(*map(jnp.asarray, (train[:samples], labels[:samples], test, test_labels)))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Gradient descent with momentum, a rate that falls to zero as a cosine, and weight decay.

    Attributes:
      epochs: passes over the data.
      batch: images to an update.
      rate: learning rate at first.
      decay: of the weights.
      momentum: of the optimiser.
    """

    epochs: int
    batch: int = 100
    rate: float = 0.1
    decay: float = 5e-4
    momentum: float = 0.9

    def training(self, images: int, rule: Any) -> Training:
        """Settings for so many images and a rule."""
        return Training(self.epochs, _optimiser(self, images), self.batch, rule)


@lru_cache(maxsize=16)
def _optimiser(recipe, images):
    # The same object for all networks that learn alike: a new one would be compiled anew.
    schedule = optax.cosine_decay_schedule(recipe.rate, recipe.epochs * (images // recipe.batch))
    return optax.chain(optax.add_decayed_weights(recipe.decay), optax.sgd(schedule, momentum=recipe.momentum))


RATE = 0.2
"""Learning rate of dense networks of MNIST in batches of 100: the best on average in `tune_sparse`, with the decay above."""


class Trained(NamedTuple):
    """A trained network.

    Attributes:
      state: after the last epoch.
      accuracy: on the images to measure on, after every epoch.
      density: fraction of synapses after every epoch.
      layers: the same for every layer.
    """

    state: deep.TrainState
    accuracy: list[float]
    density: list[float]
    layers: list[list[float]]


def train(
    key: jax.Array,
    model: Any,
    split: Split,
    recipe: Recipe,
    rule: Any,
    *,
    extra: Any = None,
    every: int = 1,
    **options: Any,
) -> Trained:
    """Train a network in single precision, and measure it every so many epochs, and after the last.

    Args:
      key: random key.
      model, extra: as in `deep.fit`.
      split: images.
      recipe: how it learns.
      rule: what is removed, or None.
      every: epochs between measurements.
      options: `loss` and `checkpoint` of `deep.fit`, `probe` of `Training`.
    """
    model, extra = jax.tree.map(_single, (model, extra))
    curves: tuple[list, list, list] = [], [], []

    def each(state, info):
        if int(state.epoch) % every == 0 or int(state.epoch) == recipe.epochs:
            accuracy = deep.accuracy(state.model, state.extra, split.test, split.labels)
            seen = accuracy, float(info.density), [float(part) for part in info.layers]
            for curve, value in zip(curves, seen, strict=True):
                curve.append(value)

    training = recipe.training(len(split.x), rule)
    if "probe" in options:
        training = dataclasses.replace(training, probe=options.pop("probe"))
    state = deep.fit(key, model, split.x, split.y, training, extra=extra, each=each, **options)
    return Trained(state, *curves)


def _single(leaf):
    return leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf


def keys(seed: int, number: int) -> tuple[jax.Array, jax.Array]:
    """Keys of a network and of its training: the same start and order of images for every method."""
    model, fit = jax.random.split(jax.random.fold_in(jax.random.key(seed), number))
    return model, fit


def convolutional(key: jax.Array, widths: Sequence[int], blocks: int) -> tuple[Any, Any]:
    """A network of coloured images and its state: residual, with so many blocks to a width; plain with none."""
    if blocks:
        return eqx.nn.make_with_state(deep.ResNet)(key, widths=tuple(widths), depth=blocks)
    return eqx.nn.make_with_state(deep.VGG)(key, widths=tuple(widths))


def residual_name(widths: Sequence[int], blocks: int) -> str:
    """What is added to the name of a study's results: "_resnet20", by the number of layers, or nothing without blocks."""
    return f"_resnet{2 * blocks * len(widths) + 2}" if blocks else ""


def moved(key: jax.Array, x: jax.Array, reach: int = SHIFT) -> jax.Array:
    """Images mirrored with a chance of one half and shifted by up to `reach` pixels; the rim is black."""
    mirror_key, shift_key = jax.random.split(key)
    mirrored = jax.random.bernoulli(mirror_key, 0.5, (len(x), 1, 1, 1))
    x = jnp.where(mirrored, x[..., ::-1], x)
    margin = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    places = jax.random.randint(shift_key, (len(x), 2), 0, 2 * reach + 1)

    def cut(image, place):
        return lax.dynamic_slice(image, (0, place[0], place[1]), x.shape[1:])

    return jax.vmap(cut)(jnp.pad(x, margin), places)


def augmented(
    model: Any, extra: Any, x: jax.Array, y: jax.Array, key: jax.Array, move: Callable[..., jax.Array] = moved
) -> tuple[jax.Array, Any]:
    """Cross entropy of moved images. How they move is an argument, so that it is part of the fingerprint of a training."""
    return deep.cross_entropy(model, extra, move(key, x), y, key)
