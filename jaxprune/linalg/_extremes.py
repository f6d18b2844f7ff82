"""The slowest modes of one network, without its other modes: what can be had of a large one in seconds."""

from typing import Any, NamedTuple, overload

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_square, check_whole, is_concrete
from jaxprune._types import Matrix
from jaxprune.linalg._reference import Modes, modes
from jaxprune.linalg._spectrum import host_eigenvalues, is_symmetric
from jaxprune.linalg.sparse import (
    AnySparse,
    SlowModes,
    as_sparse,
    diagonal_of,
    dominance_slack,
    input_of,
    is_sparse,
    sparse_abscissa,
    sparse_modes,
    symmetric_up_to_rounding,
)

DENSE = 500
"""Neurons up to which all eigenvalues are found at once."""
MORE = 4
"""Modes looked for beyond those asked for, so that a pair is not cut in two and neighbours are in order."""
RESTARTS = {True: 50, False: 300}
"""Restarts after which all modes are found after all: soon for a symmetric network, of which that takes seconds."""


class Stability(NamedTuple):
    """Whether a network is stable, and by how much.

    Attributes:
      abscissa: largest real part of its eigenvalues, in 1/time.
      rounding: size below which it is not told from zero.
      stable: whether the abscissa is known to be below minus that.
      known: whether the abscissa is known. A large sparse network's is not where neither dominance nor an iteration that came to
        its end tells; what was found is then a lower bound at best.
    """

    abscissa: float
    rounding: float
    stable: bool
    known: bool = True

    @property
    def words(self) -> str:
        """Stable, marginal (not told from zero), unstable or not known."""
        if not self.known:
            return "not known: the iteration did not converge"
        if self.stable:
            return "stable"
        return "unstable" if self.abscissa > self.rounding else "marginal"


@overload
def stability(A: Matrix) -> Stability: ...
@overload
def stability(A: AnySparse) -> Stability: ...
def stability(A: Any) -> Stability:
    """Whether a linear network is stable: `maxᵢ Re λᵢ(A)` is below zero by more than rounding.

    Up to 500 neurons by all eigenvalues, else by the Arnoldi (symmetric: Lanczos) method, which finds the slowest alone. Of a
    symmetric sparse matrix by `sparse.sparse_modes`.

    Args:
      A: dynamics matrix, in 1/time; its entries must be known. BCSR or SciPy sparse as well.

    Returns:
      The spectral abscissa, the rounding of N times the precision times the size of A, and the verdict.

    Raises:
      InputError: A not square, empty, not finite or traced.

    Example:
      >>> stability(jnp.array([[-1.0, 4.0], [0.0, -3.0]])).words
      'stable'
      >>> stability(jnp.array([[-1.0, 1.0], [1.0, -1.0]])).words
      'marginal'

    Reference: Lehoucq1998 (ARPACK).
    """
    if is_sparse(A):
        return _of_sparse(as_sparse("A", A))
    entries = _entries(A)
    rounding = len(entries) * np.finfo(entries.dtype).eps * float(np.abs(entries).sum(axis=1).max())
    off, values = entries - np.diag(np.diagonal(entries)), np.diagonal(entries)
    if off.any():  # else the diagonal tells, on which iteration finds no second mode
        small = len(entries) <= DENSE
        symmetric = is_symmetric(A)
        values = host_eigenvalues(entries, symmetric=symmetric) if small else _slowest(entries, 1, symmetric)[0]
    abscissa = float(np.real(values).max())
    return Stability(abscissa, float(rounding), bool(abscissa < -rounding))


@overload
def slow_modes(A: Matrix, count: int) -> Modes: ...
@overload
def slow_modes(A: AnySparse, count: int) -> SlowModes: ...
def slow_modes(A: Any, count: int) -> Modes | SlowModes:
    """The slowest modes of a network, with right and left eigenvectors; of a large one without the others.

    Args:
      A: dynamics matrix, in 1/time; its entries must be known. BCSR or SciPy sparse as well.
      count: how many; all of a smaller network.

    Returns:
      As `modes`, cut off after `count`; of a sparse matrix with residuals (`sparse.SlowModes`). The left eigenvector of a mode
      that is one with another up to rounding is NaN.

    Raises:
      InputError: A not square, empty, not finite or traced; count below 1.

    Example:
      >>> slow_modes(jnp.array([[-2.0, 1.0], [1.0, -2.0]]), 1).eigenvalues
      Array([-1.], dtype=float64)

    Reference: Lehoucq1998 (ARPACK).
    """
    if is_sparse(A):
        return sparse_modes(A, count)
    check_whole("count", count, least=1)
    entries = _entries(A)
    if len(entries) <= max(DENSE, 4 * count):
        found = modes(jnp.asarray(entries))
        return Modes(found.eigenvalues[:count], found.vectors[:, :count], found.left[:count])
    symmetric = is_symmetric(A)
    values, vectors = _slowest(entries, count, symmetric)
    if symmetric:
        return Modes(jnp.asarray(values), jnp.asarray(vectors), jnp.asarray(vectors.T))
    left = _left_of(entries, values, count)
    overlap = np.sum(left * vectors.T, axis=1)
    cosine = np.abs(overlap) / (np.linalg.norm(left, axis=1) * np.linalg.norm(vectors, axis=0))
    known = cosine > np.finfo(entries.dtype).eps ** 0.5
    scaled = np.where(known[:, None], left / np.where(known, overlap, 1)[:, None], np.nan)
    return Modes(jnp.asarray(values), jnp.asarray(vectors), jnp.asarray(scaled))


def _of_sparse(A):
    found = sparse_abscissa(A, symmetric=symmetric_up_to_rounding(A))
    # The longest row, and not all neurons, adds up to an entry of a product.
    longest = float(jnp.max(jnp.diff(A.indptr)))
    rounding = longest * float(jnp.finfo(A.dtype).eps * jnp.max(input_of(A) + jnp.abs(diagonal_of(A))))
    dominant = float(dominance_slack(A)) > rounding
    # What grows was found to grow, whether or not the search for something faster came to its end.
    known = found.settled or dominant or found.abscissa > rounding
    return Stability(found.abscissa, rounding, dominant or (found.settled and found.abscissa < -rounding), known)


def _entries(A) -> Any:
    if not is_concrete(A):
        raise InputError(
            "A is traced, so that its modes cannot be looked for: use modes or spectral_abscissa inside jit."
        )
    check_square("A", A)
    return np.asarray(A)


def _left_of(entries, values, count):
    """Left eigenvectors, as rows `u*`, in the order of the right ones; NaN where no eigenvalue is the same."""
    theirs, vectors = _slowest(entries.T, count + MORE, False)
    distance = np.abs(values[:, None] - theirs[None, :])
    nearest = distance.argmin(axis=1)
    same = distance.min(axis=1) < 1e-6 * np.abs(values).max()
    return np.where(same[:, None], vectors.T[nearest], np.nan)


def _slowest(entries: Any, count: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of largest real part and their right eigenvectors as columns, slowest first."""
    found = _by_iteration(entries, count, symmetric) if len(entries) > max(DENSE, 4 * count) else None
    if found is None:  # a small network, or one whose many equal modes iteration does not tell apart
        found = (np.linalg.eigh if symmetric else np.linalg.eig)(entries)
    values, vectors = found
    order = np.lexsort((-np.imag(values), -np.real(values)))[:count]
    return values[order], vectors[:, order]


def _by_iteration(entries, count, symmetric) -> Any:
    import scipy.sparse
    import scipy.sparse.linalg as iterative

    wanted, n = count + MORE, len(entries)
    options = {"v0": np.ones(n, entries.dtype), "ncv": max(4 * wanted, 60), "maxiter": RESTARTS[symmetric]}
    try:
        if symmetric:
            return iterative.eigsh(scipy.sparse.csr_array(entries), wanted, which="LA", **options)
        return iterative.eigs(scipy.sparse.csr_array(entries), wanted, which="LR", **options)
    except iterative.ArpackError:
        return None
