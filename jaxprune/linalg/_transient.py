"""Transients of non-normal networks, which eigenvalues do not show: growth and impulse responses."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_pair, check_positive, check_square
from jaxprune._types import Matrix, Real, Scalar
from jaxprune.linalg.lapack import eigvals, eigvalsh, expm


def numerical_abscissa(A: Matrix) -> Scalar:
    """Largest growth rate that any state can have at a moment, in 1/time.

        ω(A) = λₘₐₓ(½ (A + Aᵀ))

    It is the slope of `‖e^(A t)‖` at t = 0: equal to the spectral abscissa for normal matrices and never below it. A stable
    network with ω > 0 amplifies before it forgets.

    Args:
      A: dynamics matrix, in 1/time; it need not be stable.

    Raises:
      InputError: A not square, empty or not finite.

    Example:
      >>> numerical_abscissa(jnp.array([[-1.0, 4.0], [0.0, -1.0]]))
      Array(1., dtype=float64)

    Reference: Trefethen2005, pseudospectra and transient growth.
    """
    check_square("A", A)
    return eigvalsh((A + A.T) / 2)[-1]


def departure_from_normality(A: Matrix) -> Scalar:
    """Share of A's norm that its eigenvalues do not account for, `√(1 − Σᵢ |λᵢ|² / ‖A‖_F²)`, in [0, 1].

    Zero if and only if A is normal, one if A is nilpotent.

    Args:
      A: any square matrix.

    Raises:
      InputError: A not square, empty or not finite.

    Example:
      >>> departure_from_normality(jnp.array([[-1.0, 4.0], [0.0, -1.0]])).round(3)
      Array(0.943, dtype=float64)

    Reference: Henrici1962.
    """
    check_square("A", A)
    size = jnp.sum(A**2)
    share = jnp.where(size > 0, jnp.sum(jnp.abs(eigvals(A)) ** 2) / jnp.where(size > 0, size, 1), 1)
    return jnp.sqrt(jnp.maximum(1 - share, 0))


def transient_growth(A: Matrix, *, dt: Real, steps: int) -> Float[Array, " time"]:
    """Largest amplification of any initial state after a time t, `‖e^(A t)‖₂` at `t = Δt, 2 Δt, …`

    The propagator over Δt is an exact matrix exponential, so the values do not depend on Δt; only where they are
    taken does.

    Args:
      A: dynamics matrix, in 1/time.
      dt: time between values.
      steps: number of values; static.

    Raises:
      InputError: A not square, empty or not finite; dt not positive; no step.

    Example:
      >>> transient_growth(jnp.array([[-1.0, 4.0], [0.0, -1.0]]), dt=0.5, steps=3).round(3)
      Array([1.464, 1.558, 1.375], dtype=float64)

    Reference: Trefethen2005.
    """
    check_square("A", A)
    _check_times(dt, steps)
    step = expm(A * dt)

    def advance(propagator, _):
        propagator = propagator @ step
        return propagator, jnp.sqrt(jnp.maximum(eigvalsh(propagator.T @ propagator)[-1], 0))

    return lax.scan(advance, jnp.eye(len(A), dtype=A.dtype), None, length=steps)[1]


class ImpulseResponses(NamedTuple):
    """Norms of the impulse responses of a network, of its pruned copy, and of their difference, over time.

    Attributes:
      original: `‖e^(A t)‖_F`.
      pruned: `‖e^(B t)‖_F`.
      difference: `‖e^(A t) − e^(B t)‖_F`.
    """

    original: Float[Array, " time"]
    pruned: Float[Array, " time"]
    difference: Float[Array, " time"]


def impulse_responses(A: Matrix, B: Matrix, *, dt: Real, steps: int) -> ImpulseResponses:
    """Norms of the impulse responses of a network and its pruned copy, and of their difference, over time.

        ‖e^(A t)‖_F,   ‖e^(B t)‖_F,   ‖e^(A t) − e^(B t)‖_F,   t = Δt, 2 Δt, …

    Entry (i, j) of `e^(A t)` is what neuron i does a time t after neuron j was kicked, so that the Frobenius norm is the root of
    the squares summed over all pairs of neurons. The square of the difference, integrated over time, is the square of
    `h2_error`'s `difference`.

    Args:
      A: dynamics matrix of the original, in 1/time.
      B: that of the pruned network.
      dt: time between values.
      steps: number of values; static.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; dt not positive; no step.

    Example:
      >>> impulse_responses(-jnp.eye(1), -2 * jnp.eye(1), dt=1.0, steps=2).difference.round(4)
      Array([0.2325, 0.117 ], dtype=float64)
    """
    check_pair(A, B)
    _check_times(dt, steps)
    first, second = expm(A * dt), expm(B * dt)

    def advance(propagators, _):
        original, pruned = propagators[0] @ first, propagators[1] @ second
        return (original, pruned), ImpulseResponses(
            *(jnp.linalg.norm(response) for response in (original, pruned, original - pruned))
        )

    identity = jnp.eye(len(A), dtype=A.dtype)
    return lax.scan(advance, (identity, identity), None, length=steps)[1]


def _check_times(dt, steps):
    check_positive("dt", dt)
    if steps < 1:
        raise InputError(f"steps is {steps}, but must be at least 1.")
