r"""Certificate of a large pruned network: epsilon by iteration, and where a factorisation is affordable, proven."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive, check_whole
from jaxprune._codes import Code
from jaxprune._memory import check_memory
from jaxprune.linalg._guarantee import Guarantee
from jaxprune.linalg.sparse._lobpcg import pencil_ends
from jaxprune.linalg.sparse._matrix import (
    AnySparse,
    SparseMatrix,
    as_sparse,
    diagonal_of,
    dominance_slack,
    from_scipy,
    longest_row,
    resolve_sparse_symmetry,
    symmetric_up_to_rounding,
    to_scipy,
)
from jaxprune.linalg.sparse._modes import sparse_abscissa
from jaxprune.linalg.sparse._proof import Form, proven_definite
from jaxprune.linalg.sparse._solve import solve
from jaxprune.linalg.sparse._start import Start, find_start

ENDS = 4
"""Vectors at either end."""
TOLERANCE, MOST = 3e-3, 200
"""Of the residual, as a share of epsilon, and the most iterations, where no numbers are given."""
SMALL = 64
"""Neurons up to which all eigenvalues of the pencil are computed."""
ABOVE = (1e-9, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)
"""Shares of itself by which the estimate is raised until a factorisation proves it."""
LEAST = 1e-3
"""An estimate below this is raised by shares of this instead."""


class CertificateCode(Code):
    """How well epsilon is known."""

    PROVEN = 0, "proven: two factorisations show that no eigenvalue of the pencil deviates by more."
    ESTIMATED = (
        1,
        "an estimate: epsilon is at least this, and by the residual an eigenvalue is near; that it is the extreme one is not "
        "proven.",
    )
    NOT_CONVERGED = 2, "an estimate that had not converged: epsilon is at least this; allow more iterations."
    NOT_PROVEN = (
        4,
        "an estimate, as the proof that was asked for failed: epsilon is at least this, but no factorisation shows that a number "
        "at most a tenth above it bounds all eigenvalues; ask for a smaller tolerance or more iterations.",
    )
    NONE = 3, "none: minus the symmetric part of A is not positive definite, so no such number exists."


class SparseCertificate(NamedTuple):
    """Spectral error, stability, synapse counts and guarantee of a large pruned network, beside its original.

    Attributes:
      epsilon: the largest `|θ − 1|` over the generalised eigenvalues of the two symmetric parts, as `Certificate.epsilon`:
        an upper bound if proven, else a lower one; NaN where no such number exists.
      proven: whether it is an upper bound, by two factorisations.
      residual: an eigenvalue of the pencil lies within this of the one that epsilon was read from.
      guaranteed: whether that is proven; else it rests on an estimate of the smallest eigenvalue of A.
      theta_min, theta_max: the lowest and highest generalised eigenvalues found, both within the true range.
      abscissa: largest real part of the eigenvalues of B, in 1/time, as far as the iteration sees (`sparse.Abscissa`).
      dominance_slack: `minᵢ (−bᵢᵢ − Σⱼ≠ᵢ |bᵢⱼ|)`, in 1/time; if positive, minus this is proven to be at or
        above the abscissa.
      kept: number of off-diagonal entries of B.
      kept_fraction: the same as a fraction of those of A.
      max_amplification: largest `|bᵢⱼ / aᵢⱼ|` over kept synapses.
      guarantee: a `Guarantee`; an estimate of epsilon gives none.
      iterations: of the pencil, each with one product of either matrix and a block of eight vectors.
      code: a `CertificateCode`.
    """

    epsilon: float
    proven: bool
    residual: float
    guaranteed: bool
    theta_min: float
    theta_max: float
    abscissa: float
    dominance_slack: float
    kept: int
    kept_fraction: float
    max_amplification: float
    guarantee: int
    iterations: int
    code: int

    @property
    def words(self) -> str:
        """How well epsilon is known, in one sentence."""
        if self.code in (CertificateCode.PROVEN, CertificateCode.NONE):
            return f"epsilon {self.epsilon:.4g}, {CertificateCode(self.code).words}"
        about = "" if self.guaranteed else "about "
        return f"epsilon {self.epsilon:.4g}, residual {about}{self.residual:.2g}, {CertificateCode(self.code).words}"


def sparse_certificate(
    A: AnySparse,
    B: AnySparse,
    *,
    symmetric: bool | None = None,
    prove: bool | None = None,
    tolerance: float = TOLERANCE,
    max_iterations: int = MOST,
) -> SparseCertificate:
    """Measure the spectral error of a large pruned network B against its original A, as `certify` does, without a dense matrix.

    The ends of the pencil `M_B x = θ M x`, with M and M_B minus the symmetric parts, are looked for by a block iteration
    that starts from random vectors of the norm of M, so that slow patterns are there from the beginning. Its values lie within
    the true range, so that epsilon read from them is a *lower* bound. The residual, in the norm of M⁻¹, proves that an
    eigenvalue is near; not that no other is beyond it.

    An upper bound e is proven where `(1 + e) M − M_B` and `M_B − (1 − e) M` are positive definite, of which a Cholesky
    factorisation that runs to its end is the proof, rounding included.

    Args:
      A: the original dynamics matrix, BCSR or SciPy sparse.
      B: the pruned one.
      symmetric: whether both are symmetric; by default looked up.
      prove: whether to prove epsilon. By default where a factorisation takes seconds: up to about 5,000 neurons, more where
        an order of the neurons makes a narrow band.
      tolerance: of the residual, as a share of epsilon. The error of epsilon is of the order of its square.
      max_iterations: most iterations.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; said to be symmetric and not so;
        a proof that does not fit into memory.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> A = sparse.as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> found = sparse_certificate(A, sparse.as_sparse("B", jnp.diag(jnp.array([-1.0, -1.0]))))
      >>> round(found.epsilon, 4), found.proven
      (0.6667, True)

    Reference: Knyazev2001 (the iteration); Rump2006 (the proof); Spielman2011 (spectral approximation).
    """
    A, B = check_sparse_pair(A, B)
    check_positive("tolerance", tolerance)
    check_whole("max_iterations", max_iterations, least=1)
    return certificate_of(A, B, resolve_pair_symmetry(symmetric, A, B), prove, tolerance, max_iterations)


def certificate_of(
    A: SparseMatrix,
    B: SparseMatrix,
    both: bool,
    prove: bool | None = None,
    tolerance: float = TOLERANCE,
    max_iterations: int = MOST,
) -> SparseCertificate:
    """What `sparse_certificate` does, of a pair that is known to be symmetric, or not."""
    first, second = (A, B) if both else (symmetric_part(A), symmetric_part(B))
    found = _deviation(first, second, tolerance, max_iterations)
    if not np.isnan(found["epsilon"]):
        bound = _proof(first, second, found["epsilon"], prove)
        if bound is None and prove:
            found["code"] = int(CertificateCode.NOT_PROVEN)
        if bound is not None:
            found |= {"epsilon": bound, "proven": True, "code": CertificateCode.PROVEN}
    slack = float(dominance_slack(B))
    dominant = slack > longest_row(B) * float(jnp.finfo(B.dtype).eps) * float(jnp.max(jnp.abs(diagonal_of(B))))
    strongest = Guarantee.SPECTRUM if both else Guarantee.QUADRATIC_FORM
    guaranteed = strongest if found["proven"] and found["epsilon"] < 1 else Guarantee.NONE
    return SparseCertificate(
        **found,
        abscissa=sparse_abscissa(B, symmetric=both).abscissa,
        dominance_slack=slack,
        **_counts(A, B),
        guarantee=int(Guarantee.STABLE if guaranteed == Guarantee.NONE and dominant else guaranteed),
    )


def check_sparse_pair(A: AnySparse, B: AnySparse) -> tuple[SparseMatrix, SparseMatrix]:
    """An original and a pruned network as sparse matrices of one size and precision, or a refusal."""
    A, B = as_sparse("A", A), as_sparse("B", B)
    if A.shape != B.shape:
        raise InputError(f"B has shape {B.shape} and A has {A.shape}: compare a network with its own pruned matrix.")
    if A.dtype != B.dtype:
        raise InputError(f"B has dtype {B.dtype} and A has {A.dtype}: convert one of them with .astype.")
    return A, B


def resolve_pair_symmetry(symmetric: bool | None, A: SparseMatrix, B: SparseMatrix) -> bool:
    """Whether both of a pair are symmetric; the caller's word is checked."""
    if symmetric is None:
        return symmetric_up_to_rounding(A) and symmetric_up_to_rounding(B)
    return resolve_sparse_symmetry(symmetric, A) and resolve_sparse_symmetry(symmetric, B, "B")


def symmetric_part(A: SparseMatrix) -> SparseMatrix:
    """The mean of a matrix and its transpose, which is sparse as well."""
    rows = to_scipy(A)
    half = ((rows + rows.T) * rows.dtype.type(0.5)).tocsr()
    half.sum_duplicates()
    half.eliminate_zeros()
    return from_scipy(half)


def _deviation(A: SparseMatrix, B: SparseMatrix, tolerance: float, most: int) -> dict[str, Any]:
    """Ends of the pencil of two symmetric matrices."""
    n = A.shape[0]
    start = find_start(jax.random.key(0), A, 2 * ENDS) if n > SMALL else None
    if n <= SMALL:
        values = _all_values(A, B)
        if values is None:
            return _nothing()
        low, high, iterations, code, residual = values[0], values[-1], 0, CertificateCode.ESTIMATED, 0.0
        guaranteed = True
    elif start is None:
        return _nothing()
    else:
        found = pencil_ends(
            B, A, start.preconditioner, start.vectors, low=ENDS, wanted=(0, 2 * ENDS - 1), tolerance=tolerance,
            from_one=True, max_iterations=most,
        )  # fmt: skip
        low, high, iterations = float(found.values[0]), float(found.values[-1]), int(found.iterations)
        code = CertificateCode.ESTIMATED if bool(found.settled) else CertificateCode.NOT_CONVERGED
        end = 0 if 1 - low > high - 1 else -1
        residual = _norm_in_inverse(A, found.residuals[:, end], start, tolerance)
        guaranteed = start.guaranteed
    return {
        "epsilon": float(max(1 - low, high - 1)), "residual": residual, "theta_min": float(low), "theta_max": float(high),
        "iterations": iterations, "proven": False, "guaranteed": guaranteed, "code": int(code),
    }  # fmt: skip


def _nothing():
    return dict.fromkeys(("epsilon", "residual", "theta_min", "theta_max"), np.nan) | {
        "iterations": 0, "proven": False, "guaranteed": False, "code": int(CertificateCode.NONE),
    }  # fmt: skip


def _all_values(A, B):
    import scipy.linalg

    M, K = (-to_scipy(X).toarray().astype(float) for X in (A, B))
    try:
        return scipy.linalg.eigh(K, M, eigvals_only=True)
    except scipy.linalg.LinAlgError:
        return None


def _norm_in_inverse(A: SparseMatrix, r: Float[Array, " neuron"], start: Start, tolerance: float) -> float:
    """An upper bound of the norm of r in the inverse of -A: what a solve finds, and how far it may be off."""
    # As many columns as elsewhere: the same compiled program.
    y = jnp.zeros((len(r), 2 * ENDS), r.dtype).at[:, 0].set(r)
    size = float(jnp.linalg.norm(r * jnp.sqrt(jnp.abs(start.preconditioner.inverse))))
    if size == 0:
        return 0.0
    found = solve(A, y, start.preconditioner, smallest=start.smallest, tolerance=0.1 * size)
    return float(jnp.sqrt(jnp.maximum(jnp.sum(y * found.value), 0) + found.error[0] ** 2))


def _proof(A: SparseMatrix, B: SparseMatrix, epsilon: float, prove: bool | None) -> float | None:
    """A number just above epsilon that two factorisations prove to be an upper bound; None where that is not done."""
    if prove is False:
        return None
    pruned = to_scipy(B)
    pattern = to_scipy(A)
    if pattern.multiply(pruned.astype(bool)).nnz < pruned.nnz:  # B has synapses that A has not
        pattern = abs(pattern) + abs(pruned)
    form = Form(pattern)
    if prove is None and not form.affordable:
        return None
    first, second = (-_mirrored(to_scipy(X).astype(np.float64)) for X in (A, B))
    n = A.shape[0]
    check_memory(
        f"the factor of a proof for {n} neurons", 16 * n * min(form.width + 1, n), "leave prove out for an estimate."
    )
    sizes = abs(first).sum(axis=1) + abs(second).sum(axis=1)
    for above in ABOVE:
        bound = epsilon + above * max(epsilon, LEAST)
        # Three operations for each entry, of which none is off by more than the unit roundoff of its result.
        rounding = 4 * np.finfo(float).eps * (1 + bound) * np.asarray(sizes).ravel()
        if proven_definite((1 + bound) * first - second, rounding, form) and proven_definite(
            second - (1 - bound) * first, rounding, form
        ):
            return float(bound)
    return None


def _mirrored(X: Any) -> Any:
    """A matrix that is symmetric up to rounding, made so to the last digit."""
    return X if (X != X.T).nnz == 0 else ((X + X.T) / 2).tocsr()


def _counts(A: SparseMatrix, B: SparseMatrix) -> dict[str, Any]:
    """Kept synapses, and the most that one of them was strengthened."""
    synapses, kept = (int(X.data.size - jnp.sum(diagonal_of(X) != 0)) for X in (A, B))
    original, pruned = (to_scipy(X) for X in (A, B))
    shared = original.multiply(pruned.astype(bool)).tocoo()
    ours = pruned if shared.nnz == pruned.nnz else pruned.multiply(original.astype(bool)).tocsr()
    off = shared.row != shared.col
    amplified = np.abs(ours.data[off] / shared.data[off])
    return {
        "kept": kept, "kept_fraction": kept / max(synapses, 1), "max_amplification": float(np.max(amplified, initial=0)),
    }  # fmt: skip
