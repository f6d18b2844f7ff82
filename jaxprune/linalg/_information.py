"""Information lost when a network is pruned: how far the distribution of its noise-driven activity moves."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import check_pair
from jaxprune._types import Matrix, Scalar
from jaxprune.linalg._h2 import PairCovariances, covariances_of_pair
from jaxprune.linalg._lyapunov import lyapunov
from jaxprune.linalg._reference import Reference, project, reference
from jaxprune.linalg._spectrum import resolve_symmetry, rounding, symmetrise
from jaxprune.linalg.lapack import cholesky, eigvalsh, solve_triangular


class InformationLost(NamedTuple):
    """Divergences of a pruned network from its original under the same white noise, for each neuron.

    Attributes:
      stationary: of the distribution of activity at one moment, in nats per neuron; infinite if the pruned network is not stable.
      path: rate of that of whole trajectories, in nats per neuron and unit of time. It is taken under the original's activity,
        and does not see whether the pruned network is stable.
    """

    stationary: Scalar
    path: Scalar


def information_lost(A: Matrix | Reference, B: Matrix, *, symmetric: bool | None = None) -> InformationLost:
    """How many nats tell a pruned network's activity from its original's, both driven by independent white noise.

    With the stationary covariances C_A, C_B of `ẋ = A x + σ ξ` and its pruned copy,

        D = ½ (tr C_B⁻¹ C_A − N + ln det C_B − ln det C_A) / N
        Ḋ = tr (A − B) C_A (A − B)ᵀ / (2 σ² N)

    both of the original from the pruned network (Kullback-Leibler), and neither depends on σ. If both matrices are
    symmetric, `D = (1/2N) Σᵢ (dᵢ − ln(1 + dᵢ))` with `1 + dᵢ` the generalised eigenvalues of `certify`.

    Removing one synapse w of a symmetric network whose leak follows its weights costs `½ (−l − ln(1 − l))` nats with
    `l = (2 / σ²) |w| E (xᵢ − s xⱼ)²`: a monotone function of the importance of noise pruning.

    Args:
      A: the original dynamics matrix, in 1/time, stable; or, looked at once for many pruned ones, its `reference`.
      B: the pruned one.
      symmetric: whether both are symmetric; by default looked up.

    Returns:
      Both divergences. Stationary: infinite if B is not stable, NaN if A is not.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; traced without `symmetric`.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> lost = information_lost(A, -jnp.eye(2))  # without the synapse, and a leak that follows
      >>> lost.stationary.round(4), lost.path.round(4)  # (-l - ln(1 - l)) / 4 with l = 2/3; l / 4
      (Array(0.108, dtype=float64), Array(0.1667, dtype=float64))

    Reference: Gardiner2009 for the process; Kullback1951; Oksendal2003 for the likelihood of paths (Girsanov).
    """
    original = A.matrix if isinstance(A, Reference) else A
    check_pair(original, B)
    if resolve_symmetry(symmetric, A=original, B=B):
        known = A if isinstance(A, Reference) and A.symmetric else reference(symmetrise(original), symmetric=True)
        seen = project(known, symmetrise(B))
        deviations = eigvalsh(seen.deviation)
        stationary = realised_divergence(known.whitening, deviations)
        return InformationLost(stationary, path_divergence(known.modes.eigenvalues, seen.residual))
    C = lyapunov(original, jnp.eye(len(B), dtype=B.dtype), symmetric=True).value
    return information_of_pair(B - original, covariances_of_pair(original, B, C))


def information_of_pair(change: Matrix, pair: PairCovariances) -> InformationLost:
    """`information_lost` of any network, from B - A and the covariances of the pair.

    With the eigenvalues wᵢ of `L⁻¹ (C_B − C_A) L⁻ᵀ`, `C_A = L Lᵀ`,
    `D = (1/2N) Σᵢ (ln(1 + wᵢ) − wᵢ / (1 + wᵢ))`.

    Args:
      change: B - A.
      pair: from `covariances_of_pair`.

    Example:
      >>> A, B, C = -jnp.eye(1), -2 * jnp.eye(1), jnp.eye(1) / 2
      >>> information_of_pair(B - A, covariances_of_pair(A, B, C)).stationary.round(4)  # (2 - 1 - ln 2) / 2
      Array(0.1534, dtype=float64)
    """
    C, n = pair.original, len(pair.original)
    path = jnp.sum((change @ C) * change) / (2 * n)
    stable = jnp.all(jnp.isfinite(pair.excess))
    L = cholesky(C)
    half = solve_triangular(L, jnp.where(stable, pair.excess, 0))
    w = eigvalsh(symmetrise(solve_triangular(L, half.T)))
    # A solution that is no covariance means that the pruned network is not stable.
    stable &= jnp.min(w) > -1 + n * jnp.finfo(w.dtype).eps
    safe = jnp.where(stable, w, 0)
    found = jnp.mean(jnp.log1p(safe) - safe / (1 + safe)) / 2
    known = jnp.all(jnp.isfinite(L)) & pair.finite
    return InformationLost(jnp.where(known, jnp.where(stable, found, jnp.inf), jnp.nan), path)


def realised_divergence(F: Matrix, deviations: Float[Array, " mode"]) -> Scalar:
    """`stationary_divergence`, and NaN where the original has no whitening F: it is not stable.

    Example:
      >>> float(realised_divergence(jnp.full((1, 1), jnp.nan), jnp.zeros(1)))
      nan
    """
    return jnp.where(jnp.all(jnp.isfinite(F)), stationary_divergence(deviations), jnp.nan)


def stationary_divergence(deviations: Float[Array, " mode"]) -> Scalar:
    """`information_lost` of a symmetric network's activity at one moment, in nats per neuron, from eigenvalues at hand.

        (1 / 2N) Σᵢ (dᵢ − ln(1 + dᵢ))

    Args:
      deviations: dᵢ, eigenvalues of `Projection.deviation`, in any order; each is the generalised eigenvalue minus one.

    Returns:
      The divergence; infinite where an eigenvalue is at or below -1, up to rounding: the pruned network is not stable.

    Example:
      >>> float(stationary_divergence(jnp.array([0.0, -1.0])))
      inf

    Reference: Kullback1951, between two normal distributions.
    """
    stable = deviations > -1 + len(deviations) * jnp.finfo(deviations.dtype).eps
    safe = jnp.where(stable, deviations, 0)
    each = jnp.where(stable, safe - jnp.log1p(safe), jnp.inf)
    # What is NaN is not hidden behind infinity.
    return jnp.mean(jnp.where(jnp.isnan(deviations), jnp.nan, each)) / 2


def path_divergence(eigenvalues: Float[Array, " mode"], residual: Float[Array, "post mode"]) -> Scalar:
    """`information_lost` of a symmetric network's trajectories, in nats per neuron and time, from what is at hand.

        (1 / 4N) Σᵢ ‖B vᵢ − λᵢ vᵢ‖² / (−λᵢ)

    Args:
      eigenvalues: of the original.
      residual: `Projection.residual`.

    Returns:
      The rate; NaN if the original is not stable.

    Example:
      >>> float(path_divergence(jnp.array([-1.0]), jnp.array([[2.0]])))
      1.0

    Reference: Oksendal2003, the likelihood of paths (Girsanov).
    """
    stable = jnp.min(-eigenvalues) > rounding(eigenvalues)
    each = jnp.sum(residual**2, axis=0) / jnp.where(stable, -eigenvalues, 1)
    return jnp.where(stable, jnp.mean(each) / 4, jnp.nan)
