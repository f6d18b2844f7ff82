"""The H2 error: how far a pruned network's response to noise is from the original's."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import check_pair, is_concrete
from jaxprune._types import Matrix, Scalar
from jaxprune.linalg._lyapunov import has_covariance, lyapunov, sylvester
from jaxprune.linalg._reference import Modes, Reference, modes
from jaxprune.linalg._spectrum import resolve_symmetry, rounding


class H2Error(NamedTuple):
    """H2 norms of a network and its pruned copy, as systems from noise to activity, and of their difference.

    Attributes:
      norm: `‖G_A‖₂ = √(tr C_A)` of the original at unit noise.
      pruned_norm: the same of the pruned network.
      difference: `‖G_A − G_B‖₂`: root of the stationary variance, summed over neurons, of the difference of the two
        networks' states under the *same* noise.
      relative: `difference / norm`.
    """

    norm: Scalar
    pruned_norm: Scalar
    difference: Scalar
    relative: Scalar


def h2_error(A: Matrix | Reference, B: Matrix, *, symmetric: bool | None = None) -> H2Error:
    r"""Error of a pruned network in the H₂ norm: how far its activity is from the original's when the same noise drives both.

    $$\|G_A - G_B\|_2^2 = \int_0^\infty \|e^{A t} - e^{B t}\|_F^2 \, dt = \operatorname{tr} E$$

    with the covariance E of the difference of the two networks at unit noise (`covariances_of_pair`): two Lyapunov equations and
    a Sylvester equation. Of symmetric matrices, with eigenvalues −aᵢ, −bⱼ and eigenvectors vᵢ, uⱼ, it is

    $$\sum_{ij} (v_i^T u_j)^2 \, \frac{(a_i - b_j)^2}{2 a_i b_j (a_i + b_j)}.$$

    Both are exact down to the smallest errors. The measure sees eigenvalues, eigenvectors and transients alike; `relative` is 1
    for a network that stays silent.

    Args:
      A: dynamics matrix of the original, stable; or, looked at once for many pruned ones, its `reference`.
      B: that of the pruned network.
      symmetric: whether both are symmetric; by default looked up. Traced matrices take the general way, which is right for both,
        and has derivatives where eigenvalues coincide.

    Returns:
      Norms and error; those of the pruned network are infinite if it is not stable, all are NaN if the original is not.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; said to be symmetric and not so.

    Example:
      >>> h2_error(-jnp.eye(1), -2 * jnp.eye(1)).relative.round(4)  # sqrt((1/2 - 2/3 + 1/4) / (1/2))
      Array(0.4082, dtype=float64)

    Reference: Zhou1996, the H2 norm and its Gramians.
    """
    original = A.matrix if isinstance(A, Reference) else A
    check_pair(original, B)
    if symmetric is None and not is_concrete(original, B):
        symmetric = False
    if resolve_symmetry(symmetric, A=original, B=B):
        known = A.modes if isinstance(A, Reference) and A.symmetric else modes(original, symmetric=True)
        return h2_of_modes(known, modes(B, symmetric=True))
    identity = jnp.eye(len(B), dtype=B.dtype)
    return h2_of_pair(covariances_of_pair(original, B, lyapunov(original, identity, symmetric=True).value))


class PairCovariances(NamedTuple):
    """Stationary covariances of two linear networks that the same unit white noise drives; made by `covariances_of_pair`.

    Attributes:
      original: C_A; NaN if the original is not stable.
      excess: `C_B − C_A`; NaN if B is not stable.
      difference: of the difference of their states, E; NaN as above.
      finite: whether B was finite.
    """

    original: Matrix
    excess: Matrix
    difference: Matrix
    finite: Array


def covariances_of_pair(A: Matrix, B: Matrix, C: Matrix) -> PairCovariances:
    """Covariances of a network, of its pruned copy, and of their difference, without differences of large numbers.

    With `Δ = B − A`, and Y the covariance of the original with minus the difference,

        A Y + Y Bᵀ = −C_A Δᵀ,   B E + E Bᵀ = −(Δ Y + Yᵀ Δᵀ),   C_B = C_A + E + Y + Yᵀ

    Args:
      A, B: dynamics matrices, in 1/time.
      C: C_A, the stationary covariance of A at unit noise, as `lyapunov` gives it.

    Returns:
      The covariances; NaN where they do not exist.

    Example:
      >>> pair = covariances_of_pair(-jnp.eye(1), -2 * jnp.eye(1), jnp.eye(1) / 2)  # 1/4 - 1/2, and 1/2 - 2/3 + 1/4
      >>> pair.excess.round(4), pair.difference.round(4)
      (Array([[-0.25]], dtype=float64), Array([[0.0833]], dtype=float64))

    Reference: Zhou1996, Gramians; the equations of the difference are ours.
    """
    C = jnp.where(has_covariance(A, C), C, jnp.nan)
    finite = jnp.all(jnp.isfinite(B))
    B = jnp.where(finite, B, A)
    change = B - A
    Y = sylvester(A, B, _known(C) @ change.T)
    drive = change @ _known(Y)
    E = lyapunov(B, drive + drive.T, symmetric=True).value
    E = jnp.where(jnp.all(jnp.isfinite(Y)), (E + E.T) / 2, jnp.nan)
    return PairCovariances(C, E + Y + Y.T, E, finite)


def _known(X):
    """A solution that is none as zeros, which the next solver can take."""
    return jnp.where(jnp.all(jnp.isfinite(X)), X, 0)


def h2_of_pair(pair: PairCovariances) -> H2Error:
    """`h2_error` from the covariances of a pair.

    Example:
      >>> h2_of_pair(covariances_of_pair(-jnp.eye(1), -2 * jnp.eye(1), jnp.eye(1) / 2)).relative.round(4)
      Array(0.4082, dtype=float64)
    """
    own, excess = jnp.trace(pair.original), jnp.trace(pair.excess)
    stable = jnp.isfinite(excess) & (own + excess > 0)
    difference = jnp.sqrt(jnp.maximum(jnp.trace(pair.difference), 0))
    return _of_stable(jnp.sqrt(own), jnp.sqrt(own + excess), difference, stable, pair.finite)


def relative_h2(eigenvalues: Float[Array, " mode"], squared: Scalar, pruned: Float[Array, " mode"]) -> Scalar:
    """Relative H2 error of a symmetric network from `Reduced.squared` and the eigenvalues of both, slowest first.

    Example:
      >>> relative_h2(-jnp.ones(1), jnp.asarray(1 / 12), -2 * jnp.ones(1)).round(4)
      Array(0.4082, dtype=float64)
    """
    norm, stable = _norm_of_rates(-eigenvalues), jnp.min(-pruned) > rounding(pruned)
    difference = jnp.sqrt(jnp.maximum(jnp.where(stable, squared, 0), 0))
    return _of_stable(norm, norm, difference, stable, jnp.all(jnp.isfinite(pruned))).relative


def h2_of_modes(original: Modes, pruned: Modes) -> H2Error:
    """`h2_error` of symmetric networks from the modes of both.

    Example:
      >>> h2_of_modes(modes(-jnp.eye(1)), modes(-2 * jnp.eye(1))).relative.round(4)
      Array(0.4082, dtype=float64)
    """
    a, b = -original.eigenvalues, -pruned.eigenvalues
    finite, least = jnp.all(jnp.isfinite(b)), rounding(b)
    stable = jnp.min(b) > least
    b = jnp.where(b > least, b, 1)
    overlap = (original.vectors.T @ pruned.vectors) ** 2
    gap = (a[:, None] - b[None, :]) ** 2 / (2 * a[:, None] * b[None, :] * (a[:, None] + b[None, :]))
    difference = jnp.sqrt(jnp.sum(overlap * gap))
    return _of_stable(_norm_of_rates(a), jnp.sqrt(jnp.sum(1 / (2 * b))), difference, stable, finite)


def _norm_of_rates(a):
    stable = jnp.min(a) > rounding(a)
    return jnp.where(stable, jnp.sqrt(jnp.sum(1 / (2 * jnp.where(stable, a, 1)))), jnp.nan)


def _of_stable(norm, pruned, difference, stable, finite):
    """Infinite where the pruned network is not stable; NaN where it is not finite, or the original is not stable."""
    known = jnp.isfinite(norm) & finite
    pruned, difference = (
        jnp.where(known, jnp.where(stable, value, jnp.inf), jnp.nan) for value in (pruned, difference)
    )
    return H2Error(norm, pruned, difference, difference / norm)
