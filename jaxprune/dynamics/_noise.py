"""Noise: what drives the neurons, from standard normal draws to increments of the state."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive, is_concrete
from jaxprune._types import Real

Strength = Real | Float[Array, " neuron"]
Draws = Float[Array, "time neuron"]


class Noise(eqx.Module):
    """Noise of intensity sigma per square root of time, one number or one for each neuron; independent across neurons."""

    sigma: eqx.AbstractVar[Strength]

    @abc.abstractmethod
    def init(self, start: Float[Array, " neuron"]) -> Any:
        """State of the noise before the first step, made of standard normal draws."""

    @abc.abstractmethod
    def increments(self, state: Any, draws: Draws, dt: Real) -> tuple[Any, Draws]:
        """Turn standard normal draws into increments of x, and carry the state of the noise on."""


class White(Noise):
    """White noise: increments `σ √Δt z`.

    Args:
      sigma: intensity, in activity per square root of time; a number, or an array of one for each neuron.

    Raises:
      InputError: sigma negative or not finite.

    Example:
      >>> _, increments = White(2.0).increments(None, jnp.ones((1, 3)), 0.25)
      >>> increments
      Array([[1., 1., 1.]], dtype=float64)
    """

    sigma: Strength

    def __init__(self, sigma: Strength = 1.0):
        self.sigma = _checked(sigma)

    def init(self, start: Float[Array, " neuron"]) -> None:
        """White noise has no memory."""
        del start

    def increments(self, state: None, draws: Draws, dt: Real) -> tuple[None, Draws]:
        """Independent increments."""
        return state, draws * (jnp.sqrt(jnp.asarray(dt, draws.dtype)) * jnp.broadcast_to(self.sigma, draws.shape))


class OrnsteinUhlenbeck(Noise):
    """Coloured noise η with correlation time τ, `ẋ = f + η`, `τ η̇ = −η + σ ξ`.

    Its autocovariance `(σ² / 2τ) e^(−|s| / τ)` integrates to σ², so as τ → 0 it becomes white noise
    of the same sigma. It is started in its stationary state and advanced exactly.

    Args:
      sigma: intensity, in activity per square root of time.
      tau: correlation time.

    Raises:
      InputError: sigma negative or not finite, tau not positive.

    Example:
      >>> noise = OrnsteinUhlenbeck(1.0, tau=0.5)
      >>> noise.init(jnp.ones(2))
      Array([1., 1.], dtype=float64)

    Reference: Uhlenbeck1930.
    """

    sigma: Strength
    tau: Real

    def __init__(self, sigma: Strength = 1.0, *, tau: Real):
        check_positive("tau", tau)
        self.sigma, self.tau = _checked(sigma), tau

    def init(self, start: Float[Array, " neuron"]) -> Float[Array, " neuron"]:
        """A stationary value."""
        return self._deviation(start) * start

    def increments(
        self, state: Float[Array, " neuron"], draws: Draws, dt: Real
    ) -> tuple[Float[Array, " neuron"], Draws]:
        """`η Δt`, with η at the beginning of each step."""
        memory = jnp.exp(-jnp.asarray(dt, draws.dtype) / self.tau)
        after = coloured(state, draws, memory, self._deviation(state))
        return after[-1], jnp.concatenate([state[None], after[:-1]]) * dt

    def _deviation(self, like):
        return jnp.broadcast_to(self.sigma / jnp.sqrt(2 * jnp.asarray(self.tau, like.dtype)), like.shape)


def coloured(
    start: Float[Array, "*any"], draws: Float[Array, " time *any"], memory: Real | Array, sd: Real | Array
) -> Float[Array, " time *any"]:
    """Coloured noise from standard normal draws: the states of an Ornstein-Uhlenbeck process after each step.

        ηₖ₊₁ = m ηₖ + s √(1 − m²) zₖ

    Args:
      start: η₀; of standard deviation s for a process that is stationary from the beginning.
      draws: z, standard normal.
      memory: m, what is left after a step: `e^(−Δt / τ)`, zero for white noise.
      sd: s, stationary standard deviation.

    Example:
      >>> coloured(jnp.ones(1), jnp.zeros((2, 1)), 0.5, 1.0)[:, 0]
      Array([0.5 , 0.25], dtype=float64)

    Reference: Uhlenbeck1930.
    """
    kicks = draws * jnp.broadcast_to(sd * jnp.sqrt(1 - memory**2), draws.shape)

    def follow(eta, kick):
        eta = memory * eta + kick
        return eta, eta

    return lax.scan(follow, start, kicks)[1]


def _checked(sigma):
    if is_concrete(sigma):
        values = np.asarray(sigma)
        if not np.isfinite(values).all() or (values < 0).any():
            worst = values.flat[int(np.argmax(~np.isfinite(values) | (values < 0)))]
            raise InputError(f"sigma is {worst:g}, but a noise intensity must be finite and not negative.")
    return sigma
