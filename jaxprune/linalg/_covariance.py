"""Stationary covariance of a linear network that is driven by white or coloured noise."""

from typing import Literal

import jax.numpy as jnp

from jaxprune._checks import InputError, check_choice, check_leak, check_positive, check_square, is_concrete
from jaxprune._types import Matrix, Real
from jaxprune.linalg._lyapunov import has_covariance, lyapunov
from jaxprune.linalg._products import symmetric_product
from jaxprune.linalg._reference import Reference
from jaxprune.linalg._spectrum import resolve_symmetry
from jaxprune.linalg.lapack import cho_inverse, inv


def stationary_covariance(
    A: Matrix | Reference, sigma: Real = 1.0, *, structure: Literal["auto", "general", "normal", "symmetric"] = "auto"
) -> Matrix:
    """Stationary covariance C of `ẋ = A x + σ ξ(t)` with independent unit white noise on every neuron.

        A C + C Aᵀ = −σ² I

    Closed forms are used where the structure allows: `C = −½ σ² A⁻¹` for symmetric A and
    `C = −σ² (A + Aᵀ)⁻¹` for normal A, each one Cholesky factorisation. Otherwise `lyapunov`.

    Args:
      A: dynamics matrix, in 1/time, or its `reference`. Assumed stable.
      sigma: noise intensity, in activity per square root of time.
      structure: `"auto"` looks whether A is symmetric; of a traced A, which cannot be looked at, it must be said.
        `"normal"` is the caller's word that `A Aᵀ = Aᵀ A`; it is not checked.

    Returns:
      The covariance, symmetric, in activity squared; NaN when A is not stable and its entries are not known (inside `jit`).

    Raises:
      InputError: A not square, empty, not finite, with a positive diagonal, or not stable; A said to be symmetric and not so;
        sigma negative; A traced, and structure "auto".

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> stationary_covariance(A)
      Array([[0.33333333, 0.16666667],
             [0.16666667, 0.33333333]], dtype=float64)

    Reference: Gardiner2009, multivariate Ornstein-Uhlenbeck process.
    """
    known = A if isinstance(A, Reference) else None
    A = A.matrix if isinstance(A, Reference) else A
    check_square("A", A)
    check_leak("A", A)
    check_positive("sigma", sigma, zero=True)
    check_choice("structure", structure, ("auto", "general", "normal", "symmetric"))
    if structure == "symmetric":
        resolve_symmetry(True, A=A)
    if structure == "auto":
        structure = "symmetric" if (known.symmetric if known else _looked_up(A)) else "general"
    if known is not None and structure == "symmetric":
        # From the same eigenvectors: F F^T = M^-1, and the covariance is half of it.
        C = symmetric_product(known.whitening, known.whitening.T) / 2
    elif structure == "general":
        C = lyapunov(A, jnp.eye(len(A), dtype=A.dtype), symmetric=True).value
    else:
        # Both closed forms are (-(A + A^T))^-1; a Cholesky factor with NaN says that A is not stable.
        C = cho_inverse(-(A + A.T))
    C = (C + C.T) / 2
    _check_stationary(A, C)
    return sigma**2 * C


def coloured_covariance(A: Matrix, correlation_time: Real, *, sigma: Real = 1.0) -> Matrix:
    """Stationary covariance of `ẋ = A x + η(t)` with independent Ornstein-Uhlenbeck noise on every neuron.

    Noise of intensity σ and correlation time τ, `⟨ηᵢ(t) ηᵢ(t')⟩ = (σ² / 2τ) e^(−|t − t'| / τ)`, is white of that intensity
    for τ → 0. With the covariance X of activity and noise,

        A C + C Aᵀ = −(X + Xᵀ),   X = ½ σ² (I − τ A)⁻¹

    Of a symmetric network, a mode of rate a has the variance `σ² / (2 a (1 + τ a))`: slow noise moves slow modes.

    Args:
      A: dynamics matrix, in 1/time. Assumed stable.
      correlation_time: τ, at least 0.
      sigma: noise intensity, in activity per square root of time.

    Returns:
      The covariance, symmetric; NaN when A is not stable and its entries are not known (inside `jit`).

    Raises:
      InputError: A not square, empty, not finite or not stable; a negative correlation time or sigma.

    Example:
      >>> coloured_covariance(jnp.array([[-1.0]]), 3.0)  # 1 / (2 (1 + 3))
      Array([[0.125]], dtype=float64)

    Reference: Gardiner2009 (coloured noise as a second linear process).
    """
    check_square("A", A)
    check_positive("correlation_time", correlation_time, zero=True)
    check_positive("sigma", sigma, zero=True)
    identity = jnp.eye(len(A), dtype=A.dtype)
    X = inv(identity - correlation_time * A) / 2
    _check_stationary(A, X)
    C = lyapunov(A, X + X.T, symmetric=True).value
    _check_stationary(A, C)
    return sigma**2 * (C + C.T) / 2


def _check_stationary(A, C):
    if is_concrete(C) and not bool(has_covariance(A, C)):
        raise InputError(
            "A is singular or unstable (an eigenvalue with real part >= 0), so the noise-driven network has no stationary "
            "covariance: increase the leak, for example with networks.dominant_leak(W, slack) or networks.stable_leak(W, -0.1)."
        )


def _looked_up(A):
    if not is_concrete(A):
        raise InputError(
            'A is traced, so that its structure cannot be looked up: pass structure="symmetric" or structure="general".'
        )
    return resolve_symmetry(None, A=A)
