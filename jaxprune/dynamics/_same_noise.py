"""Several linear networks under one noise: what differs between their courses is theirs alone."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental.sparse import BCSR
from jaxtyping import Float, Int

from jaxprune._checks import InputError, check_key, check_positive, check_whole
from jaxprune._types import Matrix, PRNGKey, Real
from jaxprune.linalg.sparse import SparseMatrix, is_sparse


class Courses(NamedTuple):
    """Activity of several networks under the same noise.

    Attributes:
      times: of the records, in units of time.
      states: what was recorded.
    """

    times: Float[Array, " record"]
    states: Float[Array, "network record neuron"]


def same_noise(
    key: PRNGKey,
    networks: Sequence[Matrix | SparseMatrix],
    *,
    dt: Real,
    steps: int,
    sigma: Real = 1.0,
    record_every: int = 1,
    neurons: Int[Array, " neuron"] | None = None,
) -> Courses:
    """Simulate linear networks of one size from rest, each under the same white noise: the same increments at the same times.

    `xₖ₊₁ = xₖ + A xₖ Δt + σ √Δt zₖ` with the same zₖ for all. Identical networks have identical
    courses, so that the difference of two courses is what the difference of the networks does. (Networks with a nonlinearity see
    the same noise in `simulate` with the same key.)

    Args:
      key: random key of the noise.
      networks: dynamics matrices in 1/time, dense or sparse by rows; all are taken in the widest of their precisions.
      dt: step, in units of time, the same for all; it must be below `largest_step` of each.
      steps: number of steps; static.
      sigma: intensity of the noise, per square root of time.
      record_every: number of steps from one record to the next; static.
      neurons: those that are recorded; all by default.

    Returns:
      The courses; those of a network that is not stable grow, in the end beyond what is finite.

    Raises:
      InputError: no network, networks of several sizes; dt not positive; fewer steps than one record takes.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> found = same_noise(jax.random.key(0), [A, A], dt=0.1, steps=40, record_every=10)
      >>> found.states.shape, bool(jnp.array_equal(found.states[0], found.states[1]))
      ((2, 4, 2), True)

    Reference: Maruyama1955.
    """
    check_key("key", key)
    sizes = sorted({A.shape[0] for A in networks})
    if len(sizes) != 1:
        found = f"networks of {' and '.join(map(str, sizes))} neurons" if sizes else "no network"
        raise InputError(f"networks holds {found}: pass networks of one size, as each neuron has its own noise.")
    check_positive("dt", dt)
    check_whole("record_every", record_every, least=1)
    check_whole("steps", steps, least=record_every)
    shown = jnp.arange(sizes[0]) if neurons is None else neurons
    dtype = jnp.result_type(*(A.dtype for A in networks), float)
    dt, sigma = jnp.asarray(dt, dtype), jnp.asarray(sigma, dtype)
    states = _follow(key, tuple(_cast(A, dtype) for A in networks), shown, dt, sigma, steps, record_every)
    return Courses(record_every * dt * jnp.arange(1, steps // record_every + 1), states)


def _cast(A, dtype):
    if A.dtype == dtype:
        return A
    return BCSR((A.data.astype(dtype), A.indices, A.indptr), shape=A.shape) if is_sparse(A) else A.astype(dtype)


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
