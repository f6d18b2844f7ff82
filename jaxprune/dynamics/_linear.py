"""Steps of linear networks, and many of them at once."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._types import Matrix
from jaxprune.linalg import lyapunov

LANES = 32


def euler_step(A, b, dt, noise):
    """Propagator $I + A \\Delta t$, push $b \\Delta t$ and the noise of an Euler-Maruyama step."""
    propagator = jnp.eye(len(A), dtype=A.dtype) + dt * A
    return propagator, dt * b, lambda state, draws: noise.increments(state, draws, dt)


def exact_step(A, b, dt, noise):
    r"""Propagator $E = e^{A \Delta t}$, push $A^{-1} (E - I) b$ and noise of covariance $C - E C E^T$ of an exact step."""
    propagator = jax.scipy.linalg.expm(dt * A)
    identity = jnp.eye(len(A), dtype=A.dtype)
    variance = jnp.broadcast_to(jnp.asarray(noise.sigma, A.dtype) ** 2, b.shape)
    C = lyapunov(A, jnp.diag(variance), symmetric=True).value
    spread = C - propagator @ C @ propagator.T
    # By eigenvectors, not Cholesky: silent neurons (sigma = 0) make it singular.
    values, vectors = jnp.linalg.eigh((spread + spread.T) / 2)
    root = vectors * jnp.sqrt(jnp.maximum(values, 0))[None, :]
    return propagator, jnp.linalg.solve(A, (propagator - identity) @ b), lambda state, draws: (state, draws @ root.T)


def run_lanes(
    propagator: Matrix, x: Float[Array, " neuron"], kicks: Float[Array, "time neuron"]
) -> Float[Array, "time neuron"]:
    r"""States of $x_{k+1} = E x_k + u_k$, all at once.

    The steps are cut into lanes that follow each other in time. A first pass runs all lanes from zero, side by side; what it
    leaves at their ends, carried from lane to lane by $E^L$, tells where each lane truly starts; a second pass runs them again
    from there. Twice the arithmetic, but in matrix-matrix products, which a processor does many times faster.

    Args:
      propagator: E.
      x: state before the first step.
      kicks: u, in order of time.

    Returns:
      The states after each step.

    Example:
      >>> run_lanes(jnp.array([[0.5]]), jnp.array([8.0]), jnp.zeros((3, 1)))[:, 0]
      Array([4., 2., 1.], dtype=float64)
    """
    steps, n = kicks.shape
    length = steps // LANES
    if length < 2 or steps % LANES:

        def one(x, kick):
            x = propagator @ x + kick
            return x, x

        return lax.scan(one, x, kicks)[1]
    lanes = kicks.reshape(LANES, length, n).swapaxes(0, 1)

    def advance(states, kick):
        states = states @ propagator.T + kick
        return states, states

    ends = lax.fori_loop(0, length, lambda i, states: advance(states, lanes[i])[0], jnp.zeros((LANES, n), kicks.dtype))
    across = jnp.linalg.matrix_power(propagator, length)
    _, starts = lax.scan(lambda x, end: (across @ x + end, x), x, ends)
    return lax.scan(advance, starts, lanes)[1].swapaxes(0, 1).reshape(steps, n)
