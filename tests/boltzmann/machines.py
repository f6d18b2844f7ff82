"""Small machines that tests enumerate, and how far a sampled mean may be off."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxprune.boltzmann import BoltzmannMachine, dbm, enumerate_machine

SIZES = {"restricted": (6, 4), "deep": (5, 4, 3), "deeper": (4, 3, 3, 2), "few visible": (3, 7)}


@functools.cache
def machine(kind: str = "restricted", sd: float = 1.0, seed: int = 0) -> BoltzmannMachine:
    """A machine with weights that matter, biases of all sizes and a synapse missing here and there."""
    visible, *hidden = SIZES[kind]
    keys = jax.random.split(jax.random.key(seed), 3)
    masks = [
        (jax.random.uniform(jax.random.fold_in(keys[2], layer), shape) < 0.85).astype(float)
        for layer, shape in enumerate(zip(hidden, (visible, *hidden[:-1]), strict=True))
    ]
    made = dbm(keys[0], visible=visible, hidden=hidden, sd=sd, masks=masks, dtype=float)
    biases = tuple(
        jax.random.normal(jax.random.fold_in(keys[1], layer), b.shape) * 0.5 for layer, b in enumerate(made.biases)
    )
    return BoltzmannMachine(biases, made.weights, made.masks)


@functools.cache
def exact(kind: str = "restricted", sd: float = 1.0, seed: int = 0):
    """Everything about it."""
    return enumerate_machine(machine(kind, sd, seed), visible=True, fisher=True)


def joint(model: BoltzmannMachine):
    """All joint states, one by one, and their probabilities: nothing of the package's is used but the energy's definition."""
    sizes = model.sizes
    total = sum(sizes)
    states = np.asarray([[(number >> unit) & 1 for unit in range(total)] for number in range(2**total)], float)
    parts = np.split(states, np.cumsum(sizes)[:-1], axis=1)
    energy = np.zeros(len(states))
    for x, b in zip(parts, model.biases, strict=True):
        energy -= x @ np.asarray(b)
    for layer, W in enumerate(model.weights):
        energy -= np.einsum("sj,ji,si->s", parts[layer + 1], np.asarray(W), parts[layer])
    weight = np.exp(-energy)
    return parts, weight / weight.sum(), np.log(weight.sum())


def units_of(moments):
    """Means and pair moments as one vector."""
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves((moments.means, moments.pairs))])


def as_states(array):
    return jnp.asarray(array, float)
