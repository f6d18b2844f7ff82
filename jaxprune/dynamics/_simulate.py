"""Simulating a network under noise: one loop, constant memory, the same draws for the same key."""

import enum
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Num

from jaxprune._checks import InputError, check_choice, check_key, check_positive, is_concrete
from jaxprune._types import Count, PRNGKey, Real
from jaxprune.dynamics._drift import Drift, Linear
from jaxprune.dynamics._linear import euler_step, exact_step, powers_of, run_linear
from jaxprune.dynamics._noise import Noise, OrnsteinUhlenbeck, White
from jaxprune.dynamics._observers import Observer
from jaxprune.dynamics._stability import check_step

SPAN = 512
"""Steps whose noise is drawn together. Part of what a key means: changing it changes every trajectory."""

METHODS = ("euler", "exact")


class SimulationCode(enum.IntEnum):
    """Whether a simulation stayed finite; inside an ensemble a member that did not carries its code and NaN."""

    SUCCESSFUL = 0
    NOT_FINITE = 1


class Simulation(NamedTuple):
    """Result of a simulation: last state, statistics, recorded states, and a result code.

    Attributes:
      state: the last state.
      observed: result of the observer; None without one.
      trajectory: the recorded states, (record, neuron); None without `record_every`.
      code: a `SimulationCode`.
      failed_step: the first step whose state is not finite; -1 if there is none.
    """

    state: Float[Array, " neuron"]
    observed: Any
    trajectory: Float[Array, "record neuron"] | None
    code: Count
    failed_step: Count


def simulate(
    key: PRNGKey,
    drift: Drift,
    x0: Num[Array, " neuron"],
    *,
    dt: Real,
    steps: int,
    sigma: Real | Float[Array, " neuron"] | None = None,
    noise: Noise | None = None,
    method: Literal["euler", "exact"] = "euler",
    observe: Observer | None = None,
    burn_in: int = 0,
    record_every: int | None = None,
) -> Simulation:
    """Simulate a rate network under noise, `ẋ = f(t, x) + σ ξ(t)`, and observe it on the way.

    Euler-Maruyama, `xₖ₊₁ = xₖ + f(tₖ, xₖ) Δt + σ √Δt zₖ`, or for linear networks with constant
    input and white noise the exact Gaussian step, whose stationary covariance has no error in Δt at all. Memory does
    not depend on the number of steps. The draws zₖ depend on the key and on k alone, so that the same key *replays the same
    noise* through another network. Linear networks with constant input are advanced many steps at once (`run_linear`), which
    turns matrix-vector into matrix-matrix products and changes nothing but rounding.

    Args:
      key: random key of the noise.
      drift: the network.
      x0: first state; taken to the precision of the network, if it has less.
      dt: step, in units of time.
      steps: number of steps; static.
      sigma: shorthand for `noise=White(sigma)`; 1 if neither is given.
      noise: white or coloured noise.
      method: `"euler"` or `"exact"`.
      observe: statistics to keep, updated with the states after each step.
      burn_in: number of first steps that the observer does not see; static.
      record_every: number of steps from one recorded state to the next; static.

    Returns:
      The last state, what was observed and recorded, and a result code.

    Raises:
      InputError: shapes that do not fit; a complex first state; dt, steps or sigma out of range; dt too large for Euler-Maruyama
        to be stable (the bound is given); the exact step asked of a drift, input or noise that has none; burn-in that leaves
        nothing to observe.

    Example:
      >>> from jaxprune.dynamics import Moments
      >>> from jaxprune.linalg import stationary_covariance
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])  # stationary covariance 1/3 and 1/6
      >>> result = simulate(
      ...     jax.random.key(0), Linear(A), jnp.zeros(2), dt=0.05, steps=50_000, method="exact", observe=Moments(), burn_in=200
      ... )
      >>> bool(jnp.allclose(result.observed.covariance, stationary_covariance(A), atol=0.05))
      True

    Reference: Maruyama1955; Gardiner2009 (the exact step).
    """
    check_key("key", key)
    if noise is not None and sigma is not None:
        raise InputError("sigma and noise were both given, but noise has a sigma of its own: give one of them.")
    noise = White(1.0 if sigma is None else sigma) if noise is None else noise
    x0 = _first_state(drift, x0)
    _check(drift, dt, steps, burn_in, record_every, method, noise, observe)
    # Python numbers would be compiled in, one program for each.
    dt, noise = jnp.asarray(dt, x0.dtype), jax.tree.map(lambda value: jnp.asarray(value, x0.dtype), noise)
    return _simulate(key, drift, x0, dt, noise, steps, method, observe, burn_in, record_every)


def _first_state(drift, x0):
    """The first state in the precision that states will have, so that the loop carries one type."""
    x0 = jnp.asarray(x0)
    if x0.shape != (len(drift.A),):
        raise InputError(f"x0 has shape {x0.shape}, but must have one entry for each of the {len(drift.A)} neurons.")
    if jnp.iscomplexobj(x0):
        raise InputError(f"x0 has dtype {x0.dtype}, but states are real: take its real part.")
    x0 = x0.astype(jnp.result_type(drift.A, x0))
    return x0.astype(jnp.result_type(x0, jax.eval_shape(drift, jnp.zeros((), x0.dtype), x0)))


def _check(drift, dt, steps, burn_in, record_every, method, noise, observe):
    n = len(drift.A)
    if jnp.ndim(noise.sigma) and jnp.shape(noise.sigma) != (n,):
        raise InputError(
            f"sigma has shape {jnp.shape(noise.sigma)}, but must be a number or one for each of {n} neurons."
        )
    check_positive("dt", dt)
    check_choice("method", method, METHODS)
    if steps < 1:
        raise InputError(f"steps is {steps}, but must be at least 1.")
    if observe is not None and not 0 <= burn_in < steps:
        raise InputError(f"burn_in is {burn_in}, but must leave some of the {steps} steps to observe.")
    if record_every is not None and not 1 <= record_every <= steps:
        raise InputError(f"record_every is {record_every}, but must be between 1 and the {steps} steps.")
    if method == "exact":
        if not isinstance(drift, Linear) or callable(drift.b) or not isinstance(noise, White):
            raise InputError(
                "method is 'exact', which needs a Linear drift with constant input and White noise: use method='euler'."
            )
    elif is_concrete(drift.A, dt):
        check_step(drift.A, float(dt))
    if isinstance(noise, OrnsteinUhlenbeck) and is_concrete(dt, noise.tau) and float(dt) > float(noise.tau) / 2:
        raise InputError(
            f"dt is {float(dt):g}, but noise with correlation time {float(noise.tau):g} needs at most half of that: take a "
            "smaller step, or White noise, which is what it looks like from there."
        )


@eqx.filter_jit
def _simulate(key, drift, x0, dt, noise, steps, method, observe, burn_in, record_every):
    n, dtype = len(x0), x0.dtype
    first_key, key = jax.random.split(key)
    advance = _advancer(drift, noise, method, dt)

    def span(carry, index, length):
        x, colour, watch, record, failed = carry
        draws = jax.random.normal(jax.random.fold_in(key, index), (SPAN, n), dtype)[:length]
        start = index * SPAN
        colour, states = advance(x, colour, draws, start)
        number = start + jnp.arange(1, length + 1)
        if observe is not None:
            watch = observe.update(watch, states, (number > burn_in).astype(dtype))
        if record is not None:
            place = jnp.where(number % record_every == 0, number // record_every - 1, len(record))
            record = record.at[place].set(states, mode="drop")
        broken = ~jnp.all(jnp.isfinite(states), axis=1)
        failed = jnp.where((failed < 0) & jnp.any(broken), start + jnp.argmax(broken), failed)
        return states[-1], colour, watch, record, failed

    carry = (
        x0,
        noise.init(jax.random.normal(first_key, (n,), dtype)),
        None if observe is None else observe.init(n, dtype),
        None if record_every is None else jnp.full((steps // record_every, n), jnp.nan, dtype),
        jnp.asarray(-1),
    )
    whole, rest = divmod(steps, SPAN)
    carry = lax.fori_loop(0, whole, lambda index, carry: span(carry, index, SPAN), carry)
    if rest:
        carry = span(carry, jnp.asarray(whole), rest)
    x, _, watch, record, failed = carry
    code = jnp.where(failed < 0, SimulationCode.SUCCESSFUL, SimulationCode.NOT_FINITE)
    return Simulation(x, None if observe is None else observe.result(watch), record, code, failed)


def _advancer(drift, noise, method, dt):
    """A function that advances the network by one span of draws and returns the states after every step."""
    if isinstance(drift, Linear) and not callable(drift.b):
        propagator, push, shape_noise = (exact_step if method == "exact" else euler_step)(drift.A, drift.b, dt, noise)
        powers = powers_of(propagator)

        def linear(x, colour, draws, start):
            del start
            colour, kicks = shape_noise(colour, draws)
            return colour, run_linear(powers, x, kicks + push[None, :])

        return linear

    def general(x, colour, draws, start):
        colour, kicks = noise.increments(colour, draws, dt)

        def step(x, inputs):
            number, kick = inputs
            x = x + drift(number * dt, x) * dt + kick
            return x, x

        times = start + jnp.arange(len(draws))
        return colour, lax.scan(step, x, (times.astype(x.dtype), kicks))[1]

    return general
