"""Importance of a synapse: from noise-driven activity, from its weight alone, or none."""

from typing import Any, overload

import jax.numpy as jnp

from jaxprune._checks import InputError, check_matrix, check_positive, check_square
from jaxprune._types import Matrix, Moment, Real
from jaxprune.linalg.sparse import (
    SampledCovariance,
    SparseMatrix,
    as_sparse,
    is_sparse,
    rows_of,
    variances_seen,
    with_data,
)
from jaxprune.pruning._kinds import without_diagonal


@overload
def noise_importance(A: Matrix, C: Matrix, *, exponent: Real = 1.0) -> Matrix: ...
@overload
def noise_importance(A: SparseMatrix, C: SampledCovariance, *, exponent: Real = 1.0) -> SparseMatrix: ...
def noise_importance(A: Any, C: Any, *, exponent: Real = 1.0) -> Matrix | SparseMatrix:
    """Weight times the noise-driven variance of the difference (or, if inhibitory, the sum) of two neurons, or a power of it.

        rᵢⱼ = |aᵢⱼ| vᵢⱼ^α,   vᵢⱼ = Cᵢᵢ + Cⱼⱼ − 2 sign(aᵢⱼ) Cᵢⱼ,   rᵢᵢ = 0

    Each synapse sees all it needs: its weight and the activity of the two neurons it joins. For symmetric, diagonally dominant
    A and α = 1 it is `σ² / 2` times the leverage (weight times effective resistance) of the synapse, see
    `theory.leverage`. A larger exponent holds the slow modes more firmly, at the expense of the fast ones; 0 is the weight alone.
    For symmetric networks whose leaks follow their weights, pruned by independent coins and 1/p, theory says which exponent does
    least damage to first order (`theory.synapse_cost`): 1/2 to trajectories, 1 to activity at one moment; 3/2 is near the best
    for the response to noise. For directed networks and for other adjustments nothing is derived.

    Args:
      A: dynamics matrix of `ẋ = A x + σ ξ`, in 1/time, or recurrent weights; or a sparse network.
      C: stationary covariance, `A C + C Aᵀ = −σ² I`, in activity squared; of a sparse network, samples of it
        (`linalg.sampled_covariance`).
      exponent: α, not negative.

    Returns:
      Importance, in (activity squared) to the power of the exponent, per time; zero where there is no synapse and on the
      diagonal, symmetric when `A` and `C` are.

    Raises:
      InputError: A or C not square, empty or not finite, or of different shapes; a negative exponent.

    Example:
      >>> from jaxprune.linalg import stationary_covariance
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> noise_importance(A, stationary_covariance(A))[0, 1]
      Array(0.33333333, dtype=float64)

    Reference: Moore2020, the pruning rule before normalisation; the exponent is ours.
    """
    check_positive("exponent", exponent, zero=True)
    if is_sparse(A):
        return _of_synapses(as_sparse("A", A), need_samples(C), exponent)
    check_square("A", A)
    check_square("C", C)
    if A.shape != C.shape:
        raise InputError(f"C has shape {C.shape} and A has {A.shape}: pass the covariance of the same network.")
    variance = jnp.diagonal(C)
    difference = variance[:, None] + variance[None, :] - 2 * jnp.sign(A) * C
    # Rounding can leave a variance just below zero where two neurons move as one.
    return weight_importance(A) * jnp.maximum(difference, 0) ** exponent


def _of_synapses(A, C, exponent):
    if len(C.leak) != A.shape[0]:
        raise InputError(
            f"C is of {len(C.leak)} neurons and A of {A.shape[0]}: pass the covariance of the same network."
        )
    seen = variances_seen(C, A)
    return with_data(A, jnp.where(rows_of(A) == A.indices, 0, jnp.abs(A.data) * seen**exponent))


def need_samples(covariance: Any) -> SampledCovariance:
    """The samples of a large network's activity, which must be there.

    Raises:
      InputError: there are none, or a dense covariance in their place.
    """
    if not isinstance(covariance, SampledCovariance):
        raise InputError(
            f"the covariance is a {type(covariance).__name__}, but that of a sparse network is sampled: pass "
            "linalg.sampled_covariance(key, A)."
        )
    return covariance


def weight_importance(A: Matrix, *, leak: bool | None = None) -> Matrix:
    """Size of the weight, `rᵢⱼ = |aᵢⱼ|` off the diagonal, in 1/time.

    At a fixed expected count it minimises the summed variance of the entries of a 1/p-strengthened matrix; it knows nothing
    of what an entry does for the slow modes.

    Args:
      A: weights.
      leak: whether the diagonal is the leak (or self-synapses), which has no importance; by default that of square matrices.

    Raises:
      InputError: A not a matrix, empty or not finite.

    Example:
      >>> weight_importance(jnp.array([[-2.0, 1.0], [-0.5, -2.0]]))
      Array([[0. , 1. ],
             [0.5, 0. ]], dtype=float64)
    """
    check_matrix("A", A)
    return jnp.abs(A) * without_diagonal(A, leak)


def uniform_importance(A: Matrix, *, leak: bool | None = None) -> Matrix:
    """The same importance for every synapse, `rᵢⱼ = 1[aᵢⱼ ≠ 0]` off the diagonal, dimensionless.

    Args:
      A: weights.
      leak: as in `weight_importance`.

    Raises:
      InputError: A not a matrix, empty or not finite.

    Example:
      >>> uniform_importance(jnp.array([[-2.0, 1.0], [0.0, -2.0]]))
      Array([[0., 1.],
             [0., 0.]], dtype=float64)
    """
    check_matrix("A", A)
    return (A != 0).astype(A.dtype) * without_diagonal(A, leak)


def activity_importance(A: Matrix, H: Moment, *, leak: bool | None = None) -> Matrix:
    """Root mean square of the input that a synapse gives its neuron: `rᵢⱼ = |aᵢⱼ| √Hⱼⱼ` off the diagonal,
    `H = E[x xᵀ]`.

    Args:
      A: weights.
      H: second moment of the presynaptic activity.
      leak: as in `weight_importance`.

    Raises:
      InputError: A or H empty or not finite; H not of A's presynaptic neurons.

    Example:
      >>> activity_importance(jnp.array([[-2.0, 1.0], [-0.5, -2.0]]), jnp.diag(jnp.array([4.0, 9.0])))
      Array([[0., 3.],
             [1., 0.]], dtype=float64)
    """
    check_moment(A, H)
    return weight_importance(A, leak=leak) * jnp.sqrt(jnp.diagonal(H))[None, :]


def check_moment(W: Matrix, H: Moment, *, names: tuple[str, str] = ("A", "H")) -> None:
    """Refuse a second moment that is not square or not of the presynaptic neurons of the weights."""
    check_matrix(names[0], W)
    check_square(names[1], H)
    if len(H) != W.shape[1]:
        raise InputError(
            f"{names[1]} has shape {H.shape} and {names[0]} has {W.shape}: pass the second moment of the presynaptic neurons."
        )
