"""Several networks under one noise: what differs between their courses is theirs alone."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey, Real
from jaxprune.dynamics._drift import Drift
from jaxprune.dynamics._simulate import simulate


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
      The courses; of a network that is not stable they grow, in the end beyond what is finite.

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
    sizes = sorted({len(drift.A) for drift in drifts})
    if len(sizes) != 1:
        found = f"networks of {' and '.join(map(str, sizes))} neurons" if sizes else "no network"
        raise InputError(f"drifts holds {found}: pass networks of one size, of which each neuron has its own noise.")
    start = jnp.zeros(sizes[0], drifts[0].A.dtype)
    runs = [simulate(key, drift, start, dt=dt, steps=steps, sigma=sigma, record_every=record_every) for drift in drifts]
    times = record_every * jnp.asarray(dt, start.dtype) * jnp.arange(1, steps // record_every + 1)
    return Courses(times, jnp.stack([run.trajectory for run in runs]))
