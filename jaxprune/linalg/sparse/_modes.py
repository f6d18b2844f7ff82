"""The slowest modes of a large network, and whether it is stable."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Inexact

from jaxprune._checks import InputError, check_positive, check_whole
from jaxprune.linalg.sparse._lobpcg import pencil_ends
from jaxprune.linalg.sparse._matrix import (
    AnySparse,
    SparseMatrix,
    as_sparse,
    diagonal_of,
    dominance_slack,
    input_of,
    resolve_sparse_symmetry,
    to_scipy,
)
from jaxprune.linalg.sparse._precondition import Preconditioner
from jaxprune.linalg.sparse._start import find_start

MORE = 3
"""Modes looked for beyond those asked for: the last ones converge slowly."""
SMALL = 300
"""Neurons up to which all modes are found at once."""
RESTARTS = 300
"""Restarts of the Arnoldi method."""
TOLERANCE, MOST = 1e-4, 300
"""Of the residuals of a symmetric network's modes, and the most iterations."""
ROUGHLY, SOON, NEAR = 1e-3, 30, 0.01
"""For an abscissa alone: tolerance; iterations or restarts; and how near the bound by dominance it ends a search."""


class SlowModes(NamedTuple):
    """The slowest modes of a large network, as `Modes`, with how well they are known.

    Attributes:
      eigenvalues, vectors, left: as of `Modes`.
      residuals: `‖A v − λ v‖` of each, in 1/time; of a symmetric network, an eigenvalue is as near as this.
      iterations: products with a block of vectors; of a network that is not symmetric, with one vector, at least.
      settled: whether the iteration came to its end.
    """

    eigenvalues: Inexact[Array, " mode"]
    vectors: Inexact[Array, "post mode"]
    left: Inexact[Array, "mode post"]
    residuals: Inexact[Array, " mode"]
    iterations: int
    settled: bool


class Abscissa(NamedTuple):
    """Spectral abscissa of a large network.

    Attributes:
      abscissa: the largest real part that was found; not above the true one where the network is symmetric. Where none was found,
        the bound by dominance, or NaN if that promises nothing.
      residual: an eigenvalue of a symmetric network is as near as this.
      settled: whether the iteration came to its end.
    """

    abscissa: float
    residual: float
    settled: bool


def sparse_modes(
    A: AnySparse,
    count: int,
    *,
    symmetric: bool | None = None,
    tolerance: float = TOLERANCE,
    max_iterations: int = MOST,
) -> SlowModes:
    r"""The slowest modes of a large network, without any other.

    Of a symmetric one by a preconditioned block iteration, which multiplies A with all vectors at once and starts where slow
    patterns are large; of any other by the Arnoldi method.

    Args:
      A: dynamics matrix, in 1/time; BCSR or SciPy sparse.
      count: how many.
      symmetric: whether A is symmetric; by default looked up.
      tolerance: of the residual in the inverse norm of A, relative to the eigenvalue; the eigenvalue's error is of the order of
        its square.
      max_iterations: most iterations.

    Raises:
      InputError: A not square, empty or not finite; count below 1; said to be symmetric and not so; a network that is not
        symmetric, of which no mode was found.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> sparse_modes(sparse.as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]])), 1).eigenvalues.round(6)
      Array([-1.], dtype=float64)

    Reference: Knyazev2001; Lehoucq1998 (ARPACK).
    """
    A = as_sparse("A", A)
    check_whole("count", count, least=1)
    check_positive("tolerance", tolerance)
    check_whole("max_iterations", max_iterations, least=1)
    return modes_of(A, count, resolve_sparse_symmetry(symmetric, A), tolerance, max_iterations)


def modes_of(
    A: SparseMatrix, count: int, symmetric: bool, tolerance: float = TOLERANCE, max_iterations: int = MOST
) -> SlowModes:
    """What `sparse_modes` does, of a matrix that is known to be symmetric or not."""
    if A.shape[0] <= max(SMALL, 8 * (count + MORE)):
        return _whole(A, count, symmetric)
    if not symmetric:
        return _arnoldi(A, count)
    start = find_start(jax.random.key(0), A, count + MORE)
    vectors = start.vectors if start else jax.random.normal(jax.random.key(0), (A.shape[0], count + MORE), A.dtype)
    how = start.preconditioner if start else _rough(A)
    return _iterated(A, count, how, vectors, tolerance, max_iterations)


def sparse_abscissa(A: SparseMatrix, *, symmetric: bool) -> Abscissa:
    """Spectral abscissa of a large network as far as iteration finds it.

    Args:
      A: dynamics matrix.
      symmetric: whether it is symmetric.
    """
    if A.data.size == int(jnp.sum(diagonal_of(A) != 0)):  # no synapse
        return Abscissa(float(jnp.max(diagonal_of(A))), 0.0, True)
    highest = -float(dominance_slack(A))
    if symmetric and highest < 0 and A.shape[0] > SMALL:
        # Where some neurons have hardly any input left, the bound by dominance is soon found to be met.
        start = jax.random.normal(jax.random.key(0), (A.shape[0], 1 + MORE), A.dtype)
        found = _iterated(A, 1, _rough(A), start, ROUGHLY, SOON)
        if found.settled and -float(found.eigenvalues[0]) < -highest * (1 + NEAR):
            return Abscissa(float(found.eigenvalues[0]), float(found.residuals[0]), True)
    if not symmetric and A.shape[0] > SMALL:
        # Where dominance promises nothing, it pays to look longer.
        restarts = SOON if highest < 0 else RESTARTS
        values, vectors, _, settled = _arpack(to_scipy(A), 1 + MORE, ROUGHLY**2, restarts)
        if not len(values):
            return Abscissa(highest if highest < 0 else np.nan, np.nan, False)
        residual = np.linalg.norm(to_scipy(A) @ vectors[:, 0] - values[0] * vectors[:, 0])
        return Abscissa(float(values[0].real), float(residual), settled)
    found = modes_of(A, 1, symmetric, ROUGHLY)
    return Abscissa(float(jnp.max(found.eigenvalues.real)), float(found.residuals[0]), found.settled)


def _iterated(A, count, how, vectors, tolerance, most):
    found = pencil_ends(
        A, None, how, vectors, low=vectors.shape[1], wanted=tuple(range(count)), tolerance=tolerance, from_one=False,
        max_iterations=most,
    )  # fmt: skip
    V = found.vectors[:, :count]
    residuals = jnp.linalg.norm(found.residuals[:, :count], axis=0)
    return SlowModes(-found.values[:count], V, V.T, residuals, int(found.iterations), bool(found.settled))


def _rough(A):
    """A positive preconditioner for a network that is not stable, or has neurons without a leak."""
    size = jnp.maximum(jnp.abs(diagonal_of(A)), input_of(A))
    size = jnp.where(size > 0, size, 1)
    none = jnp.zeros(len(size), jnp.int32)
    return Preconditioner(1 / size, none, jnp.zeros_like(size), jnp.zeros((0, 0), A.dtype))


def _whole(A, count, symmetric):
    entries = to_scipy(A).toarray()
    if symmetric:
        values, vectors = np.linalg.eigh((entries + entries.T) / 2)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        return _of(A, values, vectors, vectors.T, len(entries))
    import scipy.linalg

    found: Any = scipy.linalg.eig(entries, left=True)
    values, left, right = found
    order = np.lexsort((-values.imag, -values.real))[:count]
    return _of(A, values[order], right[:, order], left[:, order].conj().T, len(entries))


def _arnoldi(A, count):
    values, vectors, products, settled = _arpack(to_scipy(A), count + MORE)
    if not len(values):
        raise InputError("no mode of A was found by iteration: its slowest modes lie too close together.")
    found, rows, _, _ = _arpack(to_scipy(A).T.tocsr(), count + 2 * MORE)
    values, vectors = values[:count], vectors[:, :count]
    apart = np.abs(values[:, None] - found[None, :])
    same = apart.min(axis=1) < 1e-6 * np.abs(values).max()
    left = np.where(same[:, None], rows.T[apart.argmin(axis=1)], np.nan)
    return _of(A, values, vectors, left, products)._replace(settled=settled)


def _arpack(rows: Any, count: int, tolerance: float = 0.0, restarts: int = RESTARTS) -> Any:
    """Eigenvalues of largest real part, slowest first, with vectors; as many as were found, and whether it were all."""
    import scipy.sparse.linalg as iterative

    settled = True
    try:
        options: Any = {"v0": np.ones(rows.shape[0], rows.dtype), "tol": tolerance, "ncv": max(4 * count, 60)}
        found: Any = iterative.eigs(rows, count, which="LR", maxiter=restarts, **options)
    except iterative.ArpackNoConvergence as error:
        found, settled = (error.eigenvalues, error.eigenvectors), False
    values, vectors = found
    order = np.lexsort((-values.imag, -values.real))
    return values[order], vectors[:, order], max(4 * count, 60), settled


def _of(A, values, vectors, left, iterations):
    """Modes with left vectors of the right size, NaN where right and left are orthogonal up to rounding."""
    overlap = np.sum(left * vectors.T, axis=1)
    known = np.abs(overlap) > np.finfo(A.dtype).eps ** 0.5 * np.linalg.norm(left, axis=1)
    scaled = np.where(known[:, None], left / np.where(known, overlap, 1)[:, None], np.nan)
    residuals = np.linalg.norm(to_scipy(A) @ vectors - vectors * values, axis=0)
    values, vectors, scaled, residuals = (jnp.asarray(part) for part in (values, vectors, scaled, residuals))
    return SlowModes(values, vectors, scaled, residuals, iterations, True)
