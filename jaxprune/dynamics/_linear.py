"""Steps of linear networks, and many of them at once."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._types import Matrix
from jaxprune.linalg import lyapunov
from jaxprune.linalg.lapack import eigh, expm, solve

LEVELS = 6
"""Doublings of the step: 64 steps become one, 512 eight."""


def euler_step(A, b, dt, noise):
    """Propagator `I + A Δt`, push `b Δt` and the noise of an Euler-Maruyama step."""
    propagator = jnp.eye(len(A), dtype=A.dtype) + dt * A
    return propagator, dt * b, lambda state, draws: noise.increments(state, draws, dt)


def exact_step(A, b, dt, noise):
    """Propagator `E = e^(A Δt)`, push `A⁻¹ (E − I) b` and noise of covariance `C − E C Eᵀ` of an exact step."""
    propagator = expm(dt * A)
    identity = jnp.eye(len(A), dtype=A.dtype)
    variance = jnp.broadcast_to(jnp.asarray(noise.sigma, A.dtype) ** 2, b.shape)
    C = lyapunov(A, jnp.diag(variance), symmetric=True).value
    spread = C - propagator @ C @ propagator.T
    # By eigenvectors, not Cholesky: silent neurons (sigma = 0) make it singular.
    values, vectors = eigh((spread + spread.T) / 2)
    root = vectors * jnp.sqrt(jnp.maximum(values, 0))[None, :]
    return propagator, solve(A, (propagator - identity) @ b), lambda state, draws: (state, draws @ root.T)


def powers_of(propagator: Matrix) -> tuple[Matrix, ...]:
    """Powers E, E², E⁴, … of a propagator for `run_linear`; the last carries a state over `2**LEVELS` steps.

    Args:
      propagator: E, which carries a state over one step.

    Example:
      >>> [float(power[0, 0]) for power in powers_of(jnp.array([[0.5]]))[:3]]
      [0.5, 0.25, 0.0625]
    """
    powers = [propagator]
    for _ in range(LEVELS):
        powers.append(powers[-1] @ powers[-1])
    return tuple(powers)


def run_linear(
    powers: tuple[Matrix, ...], x: Float[Array, " neuron"], kicks: Float[Array, "time neuron"]
) -> Float[Array, "time neuron"]:
    """States of the linear recursion `xₖ₊₁ = E xₖ + uₖ`, many steps at once by a parallel prefix sum.

    Going up, the kicks of neighbouring steps are merged into those of one step of double length, `u' = E u₂ₘ + u₂ₘ₊₁`,
    level by level; the few long steps that are left are taken one after the other; going down, each level yields the states
    between those of the level above. Twice the arithmetic of stepping, but in matrix-matrix products, which a processor does
    many times faster than the matrix-vector products of single steps.

    Args:
      powers: `powers_of(E)`.
      x: state before the first step.
      kicks: u, in order of time; stepped through one by one unless `2**LEVELS` divides their number.

    Returns:
      The states after each step.

    Example:
      >>> run_linear(powers_of(jnp.array([[0.5]])), jnp.array([8.0]), jnp.zeros((64, 1)))[:3, 0]
      Array([4., 2., 1.], dtype=float64)

    Reference: Blelloch1990.
    """
    steps, n = kicks.shape
    if steps % 2**LEVELS:
        return lax.scan(lambda x, kick: _twice(powers[0] @ x + kick), x, kicks)[1]
    merged = [kicks]
    for power in powers[:-1]:
        merged.append(merged[-1][::2] @ power.T + merged[-1][1::2])
    last, starts = lax.scan(lambda x, kick: (powers[-1] @ x + kick, x), x, merged.pop())
    for power, kick in zip(powers[-2::-1], merged[::-1], strict=True):
        middles = starts @ power.T + kick[::2]
        starts = jnp.stack([starts, middles], axis=1).reshape(-1, n)
    return jnp.concatenate([starts[1:], last[None, :]])


def _twice(x):
    return x, x
