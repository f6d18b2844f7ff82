"""Leaks of large networks: what `dominant_leak` and its neighbours do with sparse matrices."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import Real, Scalar
from jaxprune.linalg import spectral_abscissa
from jaxprune.linalg.sparse import AnySparse, SparseMatrix, as_sparse, from_scipy, resolve_sparse_symmetry, to_scipy

DENSE = 200
"""Neurons up to which all eigenvalues are found at once: iterations for a few of them need room."""


def dominant(W: AnySparse, slack: Real) -> SparseMatrix:
    """See `dominant_leak`."""
    rows = _synapses(W)
    return _with_diagonal(rows, -(_inputs(rows) + rows.dtype.type(slack)))


def stable(W: AnySparse, abscissa: Real, symmetric: bool | None) -> SparseMatrix:
    """See `stable_leak`."""
    rows = _synapses(W)
    symmetric = resolve_sparse_symmetry(symmetric, from_scipy(rows), "W")
    leak = _abscissa(rows, symmetric) - float(abscissa)
    return _with_diagonal(rows, np.full(rows.shape[0], -leak, rows.dtype))


def scaled(W: AnySparse, gain: Real) -> SparseMatrix:
    """See `scaled_inputs`."""
    rows = _synapses(W)
    scale = max(_perron_bound(rows, 100), float(abs(rows).sum()) / rows.shape[0])
    if not scale > 0:
        raise InputError("W has no synapse: there is nothing to scale.")
    rows.data *= rows.dtype.type(float(gain) / scale)
    return _with_diagonal(rows, np.full(rows.shape[0], -1, rows.dtype))


def perron_bound(W: AnySparse, steps: int) -> Scalar:
    """See `perron_bound`, of dense matrices."""
    rows = to_scipy(as_sparse("W", W))
    return jnp.asarray(_perron_bound(rows, steps), rows.dtype)


def _perron_bound(rows, steps):
    # The same iteration as for dense matrices, where it is explained.
    size = abs(rows)
    total = float(size.sum()) / size.shape[0]
    shift = total or 1.0

    def apply(x):
        return size @ x + 1e-3 * total * x.mean()

    x = np.ones(size.shape[0], size.dtype)
    for _ in range(steps):
        x = apply(x) + shift * x
        x /= x.max()
    return float(np.max(apply(x) / x))


def _synapses(W) -> Any:
    """The entries off the diagonal, in arrays of their own."""
    rows = to_scipy(as_sparse("W", W))
    post = np.repeat(np.arange(rows.shape[0], dtype=rows.indices.dtype), np.diff(rows.indptr))
    keep = post != rows.indices
    if keep.all():
        return rows.copy()
    indptr = np.concatenate([[0], np.cumsum(keep)])[rows.indptr].astype(rows.indptr.dtype)
    return scipy.sparse.csr_array((rows.data[keep], rows.indices[keep], indptr), shape=rows.shape)


def _with_diagonal(rows, diagonal: Float[np.ndarray, " neuron"]):
    return from_scipy(rows + scipy.sparse.diags_array(diagonal, format="csr"))


def _inputs(rows) -> Any:
    return abs(rows).sum(axis=1)


def _abscissa(rows, symmetric):
    """The largest real part of the eigenvalues."""
    if rows.shape[0] <= DENSE:
        return float(spectral_abscissa(jnp.asarray(rows.toarray()), symmetric=symmetric))
    import scipy.sparse.linalg  # slow to import, and seldom needed

    find, options = (
        (scipy.sparse.linalg.eigsh, {"k": 1, "which": "LA", "tol": 1e-10})
        if symmetric
        else (scipy.sparse.linalg.eigs, {"k": 6, "which": "LR", "tol": 1e-10})
    )
    start = np.ones(rows.shape[0])
    try:
        found: Any = find(rows.astype(np.float64), v0=start, return_eigenvectors=False, **options)
    except scipy.sparse.linalg.ArpackNoConvergence as error:
        raise InputError(
            "the spectral abscissa of W was not found, as Arnoldi iterations did not converge: take dominant_leak or "
            "scaled_inputs, which need no eigenvalue."
        ) from error
    return float(found.real.max())
