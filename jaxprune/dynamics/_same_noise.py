"""Several networks under one noise: what differs between their courses is theirs alone."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from jaxprune._checks import InputError, check_key, check_positive, check_whole
from jaxprune._types import PRNGKey, Real
from jaxprune.dynamics._drift import Drift
from jaxprune.dynamics._simulate import simulate
from jaxprune.linalg.sparse import SparseMatrix


class Courses(NamedTuple):
    """Activity of several networks under the same noise.

    Attributes:
      times: of the records, in units of time.
      states: what was recorded.
    """

    times: Float[Array, " record"]
    states: Float[Array, "network record neuron"]


def same_noise(
    key: PRNGKey, drifts: Sequence[Drift], *, dt: Real, steps: int, sigma: Real = 1.0, record_every: int = 1
) -> Courses:
    r"""Simulate networks of one size from rest, each under the same white noise: the same increments at the same times.

    Euler-Maruyama steps of `simulate`, whose draws depend on the key and the step alone. Identical networks have identical
    courses, so that the difference of two courses is what the difference of the networks does.

    Args:
      key: random key of the noise.
      drifts: the networks.
      dt: step, in units of time; the same for all.
      steps: number of steps; static.
      sigma: intensity of the noise, per square root of time.
      record_every: number of steps from one record to the next; static.

    Returns:
      The courses; those of a network that is not stable grow, in the end beyond what is finite.

    Raises:
      InputError: no network, networks of several sizes, or as from `simulate`.

    Example:
      >>> from jaxprune.dynamics import Linear
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> found = same_noise(jax.random.key(0), [Linear(A), Linear(A)], dt=0.1, steps=40, record_every=10)
      >>> found.states.shape, bool(jnp.array_equal(found.states[0], found.states[1]))
      ((2, 4, 2), True)

    Reference: Maruyama1955.
    """
    _check_sizes("drifts", [len(drift.A) for drift in drifts])
    start = jnp.zeros(len(drifts[0].A), drifts[0].A.dtype)
    runs = [simulate(key, drift, start, dt=dt, steps=steps, sigma=sigma, record_every=record_every) for drift in drifts]
    times = record_every * jnp.asarray(dt, start.dtype) * jnp.arange(1, steps // record_every + 1)
    return Courses(times, jnp.stack([run.trajectory for run in runs]))


def sparse_same_noise(
    key: PRNGKey,
    networks: Sequence[SparseMatrix],
    *,
    neurons: Int[Array, " neuron"],
    dt: Real,
    steps: int,
    sigma: Real = 1.0,
    record_every: int = 1,
) -> Courses:
    """What `same_noise` does, of large linear networks that are lists of synapses; only some neurons are recorded.

    Args:
      key: random key of the noise.
      networks: dynamics matrices by rows, of one size, in 1/time.
      neurons: those that are recorded.
      dt: step, in units of time; stable below the inverse of the largest sum of a row's sizes.
      steps: number of steps; static.
      sigma: intensity of the noise, per square root of time.
      record_every: number of steps from one record to the next; static.

    Raises:
      InputError: no network, networks of several sizes; dt not positive; fewer steps than one record takes.

    Example:
      >>> from jaxprune.linalg.sparse import as_sparse
      >>> A = as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> found = sparse_same_noise(jax.random.key(0), [A, A], neurons=jnp.array([1]), dt=0.1, steps=40)
      >>> found.states.shape, bool(jnp.array_equal(found.states[0], found.states[1]))
      ((2, 40, 1), True)

    Reference: Maruyama1955.
    """
    check_key("key", key)
    _check_sizes("networks", [A.shape[0] for A in networks])
    check_positive("dt", dt)
    check_whole("record_every", record_every, least=1)
    check_whole("steps", steps, least=record_every)
    dt = jnp.asarray(dt, networks[0].dtype)
    states = _follow(key, tuple(networks), neurons, dt, jnp.asarray(sigma, dt.dtype), steps, record_every)
    return Courses(record_every * dt * jnp.arange(1, steps // record_every + 1), states)


def _check_sizes(name, sizes):
    several = sorted(set(sizes))
    if len(several) != 1:
        found = f"networks of {' and '.join(map(str, several))} neurons" if several else "no network"
        raise InputError(f"{name} holds {found}: pass networks of one size, as each neuron has its own noise.")


@partial(jax.jit, static_argnames=("steps", "record_every"))
def _follow(key, networks, neurons, dt, sigma, steps, record_every):
    size = networks[0].shape[0]

    def step(number, states):
        draws = jax.random.normal(jax.random.fold_in(key, number), (size, 1), dt.dtype)
        kick = sigma * jnp.sqrt(dt) * draws
        return tuple(x + dt * (A @ x) + kick for A, x in zip(networks, states, strict=True))

    def record(states, number):
        states = lax.fori_loop(number * record_every, (number + 1) * record_every, step, states)
        return states, jnp.stack([x[neurons, 0] for x in states])

    rest = tuple(jnp.zeros((size, 1), dt.dtype) for _ in networks)
    return jnp.swapaxes(lax.scan(record, rest, jnp.arange(steps // record_every))[1], 0, 1)
