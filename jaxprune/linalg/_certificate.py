"""Certificate of a pruned matrix: what is true of this one matrix, and which guarantee follows."""

from typing import Any, NamedTuple, overload

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jaxprune._checks import InputError, check_pair, check_square
from jaxprune._types import Count, Matrix, Scalar
from jaxprune.linalg._guarantee import Guarantee
from jaxprune.linalg._reference import Reference, relative_deviation, whitening
from jaxprune.linalg._spectrum import eigenvalues, resolve_symmetry, spectral_abscissa, symmetrise
from jaxprune.linalg.lapack import eigvalsh
from jaxprune.linalg.sparse import AnySparse, SparseCertificate, as_sparse, is_sparse, sparse_certificate
from jaxprune.linalg.sparse import dominance_slack as sparse_slack


class Certificate(NamedTuple):
    """Spectral error, stability, synapse counts and guarantee of a pruned matrix B, compared with its original A.

    Attributes:
      epsilon: realised spectral error, the largest `|θ − 1|` over the generalised eigenvalues
        `sym(B) x = θ sym(A) x`; NaN when −sym(A) is not positive
        definite and no such number exists.
      abscissa: largest real part of the eigenvalues of B, in 1/time; negative means stable.
      dominance_slack: `minᵢ (−bᵢᵢ − Σⱼ≠ᵢ |bᵢⱼ|)`, in 1/time.
      kept: number of nonzero off-diagonal entries of B.
      kept_fraction: the same as a fraction of those of A.
      max_amplification: largest `|bᵢⱼ / aᵢⱼ|` over kept synapses.
      guarantee: a `Guarantee`.
    """

    epsilon: Scalar
    abscissa: Scalar
    dominance_slack: Scalar
    kept: Count
    kept_fraction: Scalar
    max_amplification: Scalar
    guarantee: Count


@overload
def certify(A: Matrix | Reference, B: Matrix, *, symmetric: bool | None = None) -> Certificate: ...
@overload
def certify(A: AnySparse, B: AnySparse, *, symmetric: bool | None = None) -> SparseCertificate: ...
def certify(A: Any, B: Any, *, symmetric: bool | None = None) -> Certificate | SparseCertificate:
    """Measure the spectral error of a pruned matrix B against its original A, and say which guarantee follows.

    With `M = −½ (A + Aᵀ) = L Lᵀ` positive definite, the realised error

        ε = maxᵢ |λᵢ(L⁻¹ M_B L⁻ᵀ) − 1|,   M_B = −½ (B + Bᵀ)

    is the smallest number with `(1 − ε) M ≤ M_B ≤ (1 + ε) M`. If ε < 1 every quadratic form is kept
    within that factor and B is stable; if A and B are symmetric, so is every ordered eigenvalue and every principal submatrix.
    Nothing here is probabilistic: it is a statement about these two matrices, up to rounding.

    Of sparse matrices epsilon is found by iteration, and proven where that takes seconds (`sparse.sparse_certificate`).

    Args:
      A: the original dynamics matrix, or, looked at once for many pruned ones, its `reference`; or BCSR or SciPy sparse.
      B: the pruned one, of the same kind.
      symmetric: whether both are symmetric; by default looked up.

    Returns:
      The certificate; `Guarantee(int(certificate.guarantee)).words` says it in words. Of sparse matrices a `SparseCertificate`.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; traced without `symmetric`.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> certificate = certify(A, jnp.diag(jnp.array([-1.0, -1.0])))
      >>> certificate.epsilon, Guarantee(int(certificate.guarantee)).name
      (Array(0.66666667, dtype=float64), 'SPECTRUM')

    Reference: Spielman2011, spectral approximation in the Loewner order; Varga2004, Gershgorin discs.
    """
    if is_sparse(A) or is_sparse(B):
        return sparse_certificate(A, B, symmetric=symmetric)
    original = A.matrix if isinstance(A, Reference) else A
    check_pair(original, B)
    symmetric = resolve_symmetry(symmetric, A=original, B=B)
    if symmetric:
        original, B = symmetrise(original), symmetrise(B)
    F = A.whitening if isinstance(A, Reference) else whitening(original)
    deviations = eigenvalues(relative_deviation(F, original, B), symmetric=True)
    abscissa = spectral_abscissa(B, symmetric=symmetric)
    return certificate_from(original, B, F, deviations=deviations, abscissa=abscissa, symmetric=symmetric)


def principal_epsilon(A: Matrix, B: Matrix, active: Bool[Array, " neuron"]) -> Scalar:
    """Spectral error of a pruned network on an active set S of neurons: `certify`'s epsilon for the principal submatrices.

        ε_S = maxᵢ |θᵢ − 1|,   sym(B_SS) x = θ sym(A_SS) x

    While a rectified-linear network keeps one active set, the eigenvalues of its dynamics are those of A_SS and the leaks of
    the silent neurons. By interlacing ε_S is never above `certify`'s epsilon, for all active sets at once, and the
    same holds for those leaks (S = {i}). It bounds every eigenvalue on S if A and B are symmetric, else the quadratic form.

    Args:
      A: the original dynamics matrix, `−½ (A_SS + A_SSᵀ)` positive definite.
      B: the pruned one.
      active: the active set; the shapes do not depend on it, so that many sets are one `vmap`.

    Returns:
      ε_S; zero for the empty set, NaN when the form is not positive definite on S.

    Raises:
      InputError: a matrix not square, empty or not finite, or shapes that do not fit.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> B = jnp.diag(jnp.array([-1.5, -2.0]))
      >>> principal_epsilon(A, B, jnp.array([True, False])), certify(A, B).epsilon.round(3)
      (Array(0.25, dtype=float64), Array(0.768, dtype=float64))

    Reference: Moore2020, rectified-linear networks; Horn2012, interlacing.
    """
    check_square("A", A)
    check_square("B", B)
    if not A.shape == B.shape == 2 * active.shape:
        raise InputError(
            f"A, B and active have shapes {A.shape}, {B.shape} and {active.shape}, but must belong to one network."
        )
    both = active[:, None] & active[None, :]
    # Silent neurons stay in the matrix, uncoupled and the same in both: they deviate by nothing.
    lowest = jnp.min(jnp.where(active, jnp.diagonal(A), 0))
    silent = jnp.diag(jnp.where(active, 0, jnp.where(lowest < 0, lowest, -1)))
    A, B = jnp.where(both, A, silent), jnp.where(both, B, silent)
    F = whitening(A)
    return realised_epsilon(F, eigvalsh(relative_deviation(F, A, B)))


def certificate_from(
    A: Matrix, B: Matrix, F: Matrix, *, deviations: Float[Array, " mode"], abscissa: Scalar, symmetric: bool
) -> Certificate:
    """Make the certificate of a pruned matrix, as `certify` does, from eigenvalues that were computed elsewhere.

    A sweep takes them from `host_eigenvalues`, many matrices at a time.

    Args:
      A: the original.
      B: the pruned matrix.
      F: whitening of A, `Reference.whitening`.
      deviations: eigenvalues of `Projection.deviation`, in any order; the largest of them is enough.
      abscissa: spectral abscissa of B.
      symmetric: whether both are symmetric.

    Example:
      >>> from jaxprune.linalg import project, reference
      >>> original, B = reference(jnp.array([[-2.0, 1.0], [1.0, -2.0]])), jnp.diag(jnp.array([-1.0, -1.0]))
      >>> deviations = eigenvalues(project(original, B).deviation)
      >>> certificate_from(
      ...     original.matrix, B, original.whitening, deviations=deviations, abscissa=jnp.array(-1.0), symmetric=True
      ... ).epsilon
      Array(0.66666667, dtype=float64)
    """
    epsilon = realised_epsilon(F, deviations)
    off_diagonal = 1 - jnp.eye(len(A), dtype=A.dtype)
    synapses = jnp.sum((A * off_diagonal) != 0)
    kept = jnp.sum((B * off_diagonal) != 0)
    amplification = jnp.where((A * B * off_diagonal) != 0, jnp.abs(B / jnp.where(A != 0, A, 1)), 0)
    slack = dominance_slack(B)
    rounding = len(A) * jnp.finfo(A.dtype).eps
    # Comparisons with NaN are false, so a missing epsilon promises nothing.
    close = epsilon < 1 - jnp.sqrt(rounding)
    dominant = slack > rounding * jnp.max(jnp.abs(jnp.diagonal(B)))
    strongest = Guarantee.SPECTRUM if symmetric else Guarantee.QUADRATIC_FORM
    return Certificate(
        epsilon=epsilon,
        abscissa=abscissa,
        dominance_slack=slack,
        kept=kept,
        kept_fraction=kept / jnp.maximum(synapses, 1),
        max_amplification=jnp.max(amplification),
        guarantee=jnp.where(close, strongest, jnp.where(dominant, Guarantee.STABLE, Guarantee.NONE)),
    )


def dominance_slack(A: Matrix | AnySparse) -> Scalar:
    """Diagonal dominance of a dynamics matrix: its smallest row slack, in 1/time.

        κ = minᵢ (−aᵢᵢ − Σⱼ≠ᵢ |aᵢⱼ|)

    If it is positive, `Re λ ≤ −κ` for every eigenvalue (Gershgorin). The same holds for every slope
    between 0 and 1 that a nonlinearity may have, row by row or column by column, so that any two trajectories of the linear,
    rectified-linear and saturating networks of `dynamics` approach each other under the same input and noise, whichever neurons
    switch: `‖x(t) − y(t)‖_∞ ≤ e^(−κ t) ‖x(0) − y(0)‖_∞`.

    Args:
      A: dynamics matrix, in 1/time, dense or sparse.

    Example:
      >>> dominance_slack(jnp.array([[-2.0, 1.5], [1.0, -2.0]]))
      Array(0.5, dtype=float64)

    Reference: Varga2004 (discs); Soderlind2006 (the logarithmic norm, which it is minus one times).
    """
    if is_sparse(A):
        return sparse_slack(as_sparse("A", A))
    A = jnp.asarray(A)
    diagonal = jnp.diagonal(A)
    return jnp.min(-diagonal - (jnp.sum(jnp.abs(A), axis=1) - jnp.abs(diagonal)))


def realised_epsilon(F: Matrix, deviations: Float[Array, " mode"]) -> Scalar:
    """Largest deviation of a generalised eigenvalue from one; NaN where A has no whitening."""
    return jnp.where(jnp.all(jnp.isfinite(F)), jnp.max(jnp.abs(deviations)), jnp.nan)
