"""Networks, reference formulas and tolerances that several tests share."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np

from jaxprune import linalg, networks

SIZE = 16
"""Neurons of every small network: one size, so that most tests share compiled code."""

FAMILIES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "clustered": lambda key: networks.clustered(key, (8, 5, 3), bridges=10),
    "clustered directed": lambda key: networks.clustered(key, (8, 5, 3), bridges=10, directed=True),
    "gaussian": lambda key: networks.gaussian(key, SIZE, density=0.6),
    "gaussian symmetric": lambda key: networks.gaussian(key, SIZE, density=0.6, symmetric=True),
    "dale": lambda key: networks.dale(key, SIZE, density=0.4),
    "feedforward": lambda key: networks.feedforward(key, 4, 4, density=0.8),
    "low rank": lambda key: networks.low_rank(key, SIZE, rank=2),
}
SYMMETRIC = ("clustered", "gaussian symmetric")
DIRECTED = tuple(name for name in FAMILIES if name not in SYMMETRIC)


@functools.cache
def weights(family: str, seed: int = 0) -> jax.Array:
    """One network of a family."""
    return FAMILIES[family](jax.random.key(seed))


def dominant(family: str, seed: int = 0, slack: float = 0.1) -> jax.Array:
    """Diagonally dominant dynamics matrix of a family."""
    return networks.dominant_leak(weights(family, seed), slack)


def row_slack(A) -> np.ndarray:
    """Dominance slack of every row, as a loop over rows."""
    A = np.asarray(A)
    return np.array([-A[i, i] - sum(abs(A[i, j]) for j in range(len(A)) if j != i) for i in range(len(A))])


def rounding(*arrays, factor: float = 16) -> float:
    """Absolute error that a few matrix operations on arrays of this size, scale and dtype may make."""
    first = np.asarray(arrays[0])
    scale = max(float(np.max(np.abs(np.asarray(array)))) for array in arrays)
    return factor * len(first) * float(jnp.finfo(first.dtype).eps) * max(scale, float(jnp.finfo(first.dtype).tiny))


def standard_errors(mean, expected, variance, draws: int) -> float:
    """Largest distance of a mean over draws from its expectation, in standard errors; what cannot vary must not deviate."""
    mean, expected, variance = np.broadcast_arrays(*(np.asarray(value, float) for value in (mean, expected, variance)))
    distance = np.abs(mean - expected)
    constant = variance <= 0
    np.testing.assert_allclose(mean[constant], expected[constant], rtol=1e-12, atol=1e-12)
    error = np.sqrt(np.where(constant, 1, variance) / draws)
    return float(np.max(np.where(constant, 0, distance / error)))


@contextlib.contextmanager
def untyped() -> Iterator[None]:
    """Without the signature checks, as users run, so that the package's own refusals are reached."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def quick_jit(function: Callable, **options) -> Callable:
    """`jax.jit` that compiles fast rather than well: the small networks of the tests cost more to compile than to run."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0}, **options)


@quick_jit
def stationary(A: jax.Array) -> jax.Array:
    """Covariance by the general solver, whatever the structure of A."""
    return linalg.stationary_covariance(A, structure="general")


class Driven(NamedTuple):
    """Recurrent weights without a leak, the rates of their neurons, the rates' second moment, and a mask with one empty row."""

    W: jax.Array
    rates: np.ndarray
    H: jax.Array
    mask: jax.Array


@functools.cache
def driven() -> Driven:
    """One network as a trained one is: its activity has hardly any power in some directions."""
    rng = np.random.default_rng(0)
    W = weights("gaussian")
    mixing = rng.normal(size=(SIZE, SIZE)) * np.linspace(1, 0.1, SIZE)[None, :]
    rates = rng.normal(size=(4000, SIZE)) @ mixing.T
    mask = (rng.random((SIZE, SIZE)) < 0.4) & (np.asarray(W) != 0)
    return Driven(W, rates, jnp.asarray(rates.T @ rates / len(rates)), jnp.asarray(mask, float).at[3].set(0))


class Normed(eqx.Module):
    """Two dense layers with a batch normalisation between them: a model with state."""

    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self, inputs: int, hidden: int, outputs: int):
        key = jax.random.key(0)
        self.first, self.last = eqx.nn.Linear(inputs, hidden, key=key), eqx.nn.Linear(hidden, outputs, key=key)
        self.norm = eqx.nn.BatchNorm(hidden, axis_name="batch", mode="batch")

    def __call__(self, x, state):
        h, state = self.norm(self.first(x), state)
        return self.last(jax.nn.relu(h)), state
