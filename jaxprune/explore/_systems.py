"""The other two systems, small: a Boltzmann machine session by session, and a network that loses synapses while it learns."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxprune import boltzmann, deep
from jaxprune._checks import check_choice
from jaxprune.boltzmann import Learning, Pictures, Sessions
from jaxprune.data import binarise, digits, inputs
from jaxprune.deep import Counter, Survival, Training

Progress = Callable[[int, int], None]
"""Called with the number of steps that are done, and of all."""

HIDDEN, SESSIONS, LEARNING = 36, 6, 60
"""Hidden units of the machine, sessions of pruning, and passes over the digits before."""
SHAPE = (8, 8)
CRITERIA = {
    "the smallest weights": "weight",
    "those whose two units vary together least (variance)": "variance",
    "at random": "uniform",
}
"""What says which synapses of a machine go, by what the page calls it."""
EPOCHS, WIDTHS, KEEP = 30, (100, 50), 0.1
METHODS = {
    "those little used for several epochs (counter)": "counter",
    "those that wither for want of use (survival)": "survival",
    "the smallest weights": "magnitude",
    "the smallest weights, while others come (exchange)": "exchange",
}
"""What says which synapses of a network go, by what the page calls it."""


class Session(NamedTuple):
    """A machine after a session of pruning.

    Attributes:
      weights, units: synapses left, and hidden units that have some.
      error: mean error of a pixel, reconstructed: absolute difference of test digits and what the machine makes of their hidden
        probabilities (`reconstruction_error`).
      pictures: receptive fields, information of pixels, samples.
    """

    weights: int
    units: int
    error: float
    pictures: Pictures


class Epoch(NamedTuple):
    """A network after an epoch of training.

    Attributes:
      accuracy: on test images.
      layers: fraction of synapses left, by layer.
      inputs: ones where the first layer has synapses, (unit, pixel).
    """

    accuracy: float
    layers: dict[str, float]
    inputs: Any


_told: dict[tuple[str, str], tuple[Any, ...]] = {}
"""Runs that are kept, by system and choice."""


def is_told(system: str, choice: str) -> bool:
    """Whether a run is there, so that it need not be waited for."""
    return (system, choice) in _told


def machine_sessions(criterion: str, progress: Progress = lambda done, total: None) -> tuple[Session, ...]:
    """A machine that learnt digits, before and after each session of pruning; computed once.

    Args:
      criterion: one of the values of `CRITERIA`.
      progress: told of each step.
    """
    check_choice("criterion", criterion, CRITERIA.values())
    return _once("machine", criterion, lambda: _sessions(criterion, progress))


def training_epochs(method: str, progress: Progress = lambda done, total: None) -> tuple[Epoch, ...]:
    """A network that learns digits and loses synapses, after each epoch; computed once.

    Args:
      method: one of the values of `METHODS`.
      progress: told of each step.
    """
    check_choice("method", method, METHODS.values())
    return _once("training", method, lambda: _epochs(method, progress))


def _once(system, choice, make):
    if not is_told(system, choice):
        _told[system, choice] = make()
    return _told[system, choice]


@lru_cache(maxsize=1)
def _machine():
    """A machine that has learnt the digits, with its chains, and the digits."""
    found = digits()
    threshold = float(np.mean(found.train.images))
    train, test = (jnp.asarray(binarise(part.images, threshold)) for part in found)
    start = boltzmann.rbm(
        jax.random.key(0),
        visible=train.shape[1],
        hidden=HIDDEN,
        sd=0.05,
        hidden_bias=-1.0,
        visible_bias=jnp.asarray(boltzmann.visible_bias(train), jnp.float32),
    )
    learnt = boltzmann.learn(jax.random.key(1), start, train, Learning(LEARNING, (0.1, 0.005), batch=20))
    return learnt.model, learnt.chains, train, test


def _sessions(criterion, progress):
    progress(0, SESSIONS + 1)
    model, chains, train, test = _machine()
    settings = Sessions(
        criterion, 0.4, delete=False, retrain=Learning(5, (0.02, 0.02), batch=20), samples=5000, burn_in=50
    )
    state = boltzmann.init_sessions(jax.random.key(2), model, settings, chains=chains)
    found = [_seen(state, test)]
    progress(1, SESSIONS + 1)
    while state.number < SESSIONS:
        state, _ = boltzmann.prune_session(jax.random.key(3), state, train, settings)
        found.append(_seen(state, test))
        progress(state.number + 1, SESSIONS + 1)
    return tuple(found)


def _seen(state, test):
    moments, chains = boltzmann.sample_moments(jax.random.key(4), state.model, samples=5000, chains=state.chains)
    masks = state.model.masks
    return Session(
        int(jnp.sum(masks[0])),
        int(jnp.sum(boltzmann.units_left(masks)[1])),
        float(boltzmann.reconstruction_error(state.model, test)),
        boltzmann.pictures(state.model, chains, moments, SHAPE, samples=HIDDEN, units=HIDDEN, columns=6),
    )


def _epochs(method, progress):
    found = digits()
    brightest = float(found.train.images.max())
    x, test = (jnp.asarray(inputs(part.images, brightest)) for part in found)
    y, test_y = (jnp.asarray(part.labels) for part in found)
    rule = {"counter": Counter, "survival": Survival}.get(method, lambda: deep.named_method(method, KEEP))()
    steps = EPOCHS * (len(x) // 20)
    optimiser = optax.chain(
        optax.add_decayed_weights(5e-4), optax.sgd(optax.cosine_decay_schedule(0.1, steps), momentum=0.9)
    )
    training = Training(EPOCHS, optimiser, 20, rule)
    network = deep.Dense(jax.random.key(0), (x[0].size, *WIDTHS, 10))
    model = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, network)
    state = deep.init_training(jax.random.key(1), model, training)
    names, seen = [f"layer {number + 1}" for number in range(len(model.layers))], []
    for epoch in range(EPOCHS):
        progress(epoch, EPOCHS)
        state, info = deep.train_epoch(jax.random.key(2), state, x, y, training)
        accuracy = deep.accuracy(state.model, state.extra, test, test_y)
        layers = dict(zip(names, map(float, info.layers), strict=True))
        seen.append(Epoch(accuracy, layers, np.asarray(state.rule.masks.layers[0].weight)))
    progress(EPOCHS, EPOCHS)
    return tuple(seen)
