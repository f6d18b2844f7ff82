"""Large networks as lists of their synapses: conversion, checks, and a look at their structure."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import Array
from jax.experimental.sparse import BCOO, BCSR
from jaxtyping import Float, Inexact, Int

from jaxprune._checks import FLOATS, LEAK, InputError, is_concrete
from jaxprune._types import Scalar

SparseMatrix = BCSR
"""A network's matrix `[post, pre]` by rows: `data`, the presynaptic neuron of each entry in `indices`, and where rows begin in
`indptr`. Entries of a row are in order, once each, and not zero."""

LARGE = 4000
"""Neurons up to which a sparse network is treated as a dense one, with exact covariances. Samples are quicker long before that,
but have a sampling error; up to here the exact way takes a minute at most."""
SAME = 8
"""Units of rounding by which two entries may differ that are held to be the same."""


@runtime_checkable
class SciPySparse(Protocol):
    """What tells a sparse matrix of SciPy, of whatever format, from an array."""

    @property
    def nnz(self) -> int:
        """Number of entries."""
        ...

    def tocsr(self) -> Any:
        """The matrix by its rows."""
        ...


AnySparse = BCSR | BCOO | SciPySparse
"""A sparse matrix of JAX or SciPy."""


def is_sparse(A: Any) -> bool:
    """Whether A is a sparse matrix, of JAX or of SciPy.

    Example:
      >>> is_sparse(jnp.eye(2)), is_sparse(as_sparse("A", jnp.eye(2)))
      (False, True)
    """
    return isinstance(A, BCSR | BCOO) or _of_scipy(A)


def as_sparse(name: str, A: Any) -> SparseMatrix:
    """A square matrix by its rows, checked: entries sorted, each place once (what is there twice is added), zeros left out.

    Args:
      name: what messages call it.
      A: a sparse matrix of JAX (BCSR, BCOO) or SciPy, or an array.

    Raises:
      InputError: A not square, empty, not finite, not of floats, batched, traced, or in double precision where JAX computes in
        single.

    Example:
      >>> import scipy.sparse
      >>> as_sparse("A", scipy.sparse.csr_array([[-1.0, 0.5], [0.0, -1.0]])).data
      Array([-1. ,  0.5, -1. ], dtype=float64)
    """
    if isinstance(A, BCSR | BCOO):
        leaves = jax.tree.leaves(A)
        if not is_concrete(*leaves):
            raise InputError(f"{name} is traced, but a sparse network's entries are looked at: call this outside jit.")
        if A.n_batch or A.n_dense:
            raise InputError(f"{name} is a batched sparse array: pass one network's matrix.")
    _check_shape(name, A)
    if isinstance(A, BCSR) and A.indices_sorted and A.unique_indices and A.data.size and bool(jnp.all(A.data != 0)):
        _check_entries(name, A.dtype, np.asarray(A.data))
        return A
    rows = to_scipy(A)
    _check_entries(name, rows.dtype, rows.data)
    if not (rows.has_canonical_format and np.all(rows.data)):
        rows = rows.copy()  # the entries may be the caller's
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return from_scipy(rows)


def to_scipy(A: Any) -> Any:
    """Any sparse matrix, or an array, as a SciPy `csr_array`; without a copy where there is one.

    Example:
      >>> to_scipy(as_sparse("A", jnp.eye(2))).shape
      (2, 2)
    """
    if isinstance(A, BCOO):
        places, data = np.asarray(A.indices), np.asarray(A.data)
        inside = np.all((places >= 0) & (places < A.shape), axis=1)  # JAX pads with places beyond the matrix
        places, data = places[inside], data[inside]
        return scipy.sparse.coo_array((data, (places[:, 0], places[:, 1])), shape=A.shape).tocsr()
    if isinstance(A, BCSR):
        parts = tuple(np.asarray(part) for part in (A.data, A.indices, A.indptr))
        return scipy.sparse.csr_array(parts, shape=A.shape)
    return scipy.sparse.csr_array(A if _of_scipy(A) else np.asarray(A))


def from_scipy(rows: Any) -> SparseMatrix:
    """A SciPy `csr_array`, whose entries are in order, once each and not zero, as a JAX array."""
    kind = np.int32 if max(rows.nnz, *rows.shape) < 2**31 else np.int64
    indices, indptr = (jnp.asarray(part.astype(kind, copy=False)) for part in (rows.indices, rows.indptr))
    return _bcsr(jnp.asarray(rows.data), indices, indptr, len(rows.indptr) - 1)


def from_entries(
    rows: Int[np.ndarray, " entry"],
    columns: Int[np.ndarray, " entry"],
    values: Float[np.ndarray, " entry"],
    neurons: int,
) -> SparseMatrix:
    """A square matrix from its entries, in any order; what is there twice is added, and zeros are left out.

    Example:
      >>> from_entries(np.array([1, 0]), np.array([0, 1]), np.array([2.0, 3.0]), 2).todense()
      Array([[0., 3.],
             [2., 0.]], dtype=float64)
    """
    found = scipy.sparse.coo_array((values, (rows, columns)), shape=(neurons, neurons)).tocsr()
    found.sum_duplicates()
    found.eliminate_zeros()
    return from_scipy(found)


def with_data(A: SparseMatrix, data: Float[Array, " entry"]) -> SparseMatrix:
    """The same places with other entries."""
    return _bcsr(data, A.indices, A.indptr, A.shape[0])


def rows_of(A: SparseMatrix) -> Int[Array, " entry"]:
    """The row of each entry.

    Example:
      >>> rows_of(as_sparse("A", jnp.array([[1.0, 2.0], [0.0, 3.0]])))
      Array([0, 0, 1], dtype=int32)
    """
    places = jnp.arange(A.shape[0], dtype=A.indices.dtype)
    return jnp.repeat(places, jnp.diff(A.indptr), total_repeat_length=A.data.size)


@jax.jit
def times(A: SparseMatrix, x: Inexact[Array, "neuron column"]) -> Inexact[Array, "neuron column"]:
    """A times a block of columns, real or complex.

    Example:
      >>> times(as_sparse("A", jnp.array([[0.0, 2.0], [1.0, 0.0]])), jnp.array([[1.0], [1j]]))
      Array([[0.+2.j],
             [1.+0.j]], dtype=complex128)
    """
    return A @ x.real + 1j * (A @ x.imag) if jnp.iscomplexobj(x) else A @ x


def check_size(name: str, A: SparseMatrix, neurons: int) -> None:
    """Refuse a network of another size than what it is compared with."""
    if A.shape[0] != neurons:
        raise InputError(
            f"{name} has {A.shape[0]} neurons and A has {neurons}: compare a network with its own pruned matrix."
        )


@jax.jit
def diagonal_of(A: SparseMatrix) -> Float[Array, " neuron"]:
    """The diagonal, zeros included.

    Example:
      >>> diagonal_of(as_sparse("A", jnp.array([[1.0, 2.0], [3.0, 0.0]])))
      Array([1., 0.], dtype=float64)
    """
    rows = rows_of(A)
    return jnp.zeros(A.shape[0], A.dtype).at[rows].add(jnp.where(rows == A.indices, A.data, 0), indices_are_sorted=True)


@jax.jit
def input_of(A: SparseMatrix) -> Float[Array, " neuron"]:
    """Each neuron's total input, the absolute sum of its row without the diagonal.

    Example:
      >>> input_of(as_sparse("A", jnp.array([[1.0, -2.0], [3.0, 0.0]])))
      Array([2., 3.], dtype=float64)
    """
    rows = rows_of(A)
    sizes = jnp.where(rows == A.indices, 0, jnp.abs(A.data))
    return jnp.zeros(A.shape[0], A.dtype).at[rows].add(sizes, indices_are_sorted=True)


def longest_row(A: SparseMatrix) -> int:
    """Most entries of a row: as many numbers add up to an entry of a product.

    Example:
      >>> longest_row(as_sparse("A", jnp.array([[1.0, -2.0], [3.0, 0.0]])))
      2
    """
    return int(jnp.max(jnp.diff(A.indptr)))


def dominance_slack(A: SparseMatrix) -> Scalar:
    """Smallest slack of a row, its leak minus its input, in 1/time.

    Example:
      >>> dominance_slack(as_sparse("A", jnp.array([[-2.0, 1.5], [1.0, -2.0]])))
      Array(0.5, dtype=float64)
    """
    return jnp.min(-diagonal_of(A) - input_of(A))


class Asymmetry(NamedTuple):
    """The largest difference of a matrix from its transpose, and where it is."""

    difference: float
    post: int
    pre: int


def symmetric_up_to_rounding(A: SparseMatrix) -> bool:
    """Whether entries aᵢⱼ and aⱼᵢ are the same, each up to a few units of its own rounding.

    What is below the rounding of the largest synapse of both neurons counts as nothing; the leak does not count here.
    First by products with a random vector of ±1, `|A x − Aᵀ x|`, which tell most other
    matrices; only what passes is transposed.

    Example:
      >>> symmetric_up_to_rounding(as_sparse("A", jnp.array([[-1.0, 2.0], [1.5, -1.0]])))
      False
    """
    rows = to_scipy(A)
    largest = _largest_of_rows(rows)
    if _surely_not_symmetric(rows, largest):
        return False
    mirrored = rows.T.tocsr()
    if not (np.array_equal(rows.indptr, mirrored.indptr) and np.array_equal(rows.indices, mirrored.indices)):
        return _worst(rows, mirrored, largest) is None
    first, second = rows.data, mirrored.data
    if np.array_equal(first, second):
        return True
    eps = np.finfo(rows.dtype).eps
    apart = np.flatnonzero(np.abs(first - second) > SAME * eps * np.maximum(np.abs(first), np.abs(second)))
    post, pre = np.searchsorted(rows.indptr, apart, side="right") - 1, rows.indices[apart]
    return bool(np.all(np.abs(first - second)[apart] <= eps * np.minimum(largest[post], largest[pre])))


def asymmetry(A: SparseMatrix) -> Asymmetry | None:
    """None for a matrix that is symmetric up to rounding, else where it is so least.

    Example:
      >>> asymmetry(as_sparse("A", jnp.array([[-1.0, 2.0], [1.5, -1.0]])))
      Asymmetry(difference=0.5, post=0, pre=1)
    """
    if symmetric_up_to_rounding(A):
        return None
    rows = to_scipy(A)
    return _worst(rows, rows.T.tocsr(), _largest_of_rows(rows))


def resolve_sparse_symmetry(symmetric: bool | None, A: SparseMatrix, name: str = "A") -> bool:
    """Whether a sparse matrix is symmetric: as the caller says, or by a look at its entries.

    Raises:
      InputError: the word is yes, and the matrix is not symmetric; the largest difference is shown.
    """
    if symmetric is not None and not symmetric:
        return False
    if not symmetric:
        return symmetric_up_to_rounding(A)
    found = asymmetry(A)
    if found is not None:
        raise InputError(
            f"symmetric is True, but {name}[{found.post}, {found.pre}] and {name}[{found.pre}, {found.post}] differ by "
            f"{found.difference:.3g}, the most of all: leave symmetric out, or pass (A + A.T) / 2."
        )
    return True


def check_sparse_leak(name: str, diagonal: Float[Array, " neuron"], remedy: str = LEAK) -> None:
    """Refuse a positive diagonal entry: a neuron that excites itself instead of leaking."""
    worst = int(jnp.argmax(diagonal))
    if diagonal[worst] > 0:
        raise InputError(
            f"{name}[{worst}, {worst}] is {diagonal[worst]:.6g}, but the diagonal (minus the leak) must not be positive: {remedy}"
        )


def _largest_of_rows(rows):
    """The largest synapse of each neuron."""
    post = np.repeat(np.arange(rows.shape[0], dtype=rows.indices.dtype), np.diff(rows.indptr))
    synapses = np.where(rows.indices == post, 0, np.abs(rows.data))
    return scipy.sparse.csr_array((synapses, rows.indices, rows.indptr), shape=rows.shape).max(axis=1).toarray().ravel()


def _surely_not_symmetric(rows, largest):
    """Whether products differ by more than they can where all entries are the same up to rounding."""
    x = np.random.default_rng(0).choice([-1.0, 1.0], rows.shape[0])
    sizes = scipy.sparse.csr_array((np.abs(rows.data), rows.indices, rows.indptr), shape=rows.shape) @ np.ones(len(x))
    counts = np.diff(rows.indptr) + np.bincount(rows.indices, minlength=len(x))
    eps = np.finfo(rows.dtype).eps
    share = 2 * SAME * eps + 2 * counts.max() * np.finfo(float).eps
    return bool(np.any(np.abs(rows @ x - rows.T @ x) > share * sizes + eps * counts * largest))


def _worst(rows, mirrored, largest):
    """The largest of the differences that are no rounding."""
    eps = np.finfo(rows.dtype).eps
    apart = abs(rows - mirrored)
    beyond = (apart - SAME * eps * abs(rows).maximum(abs(mirrored))) > 0
    apart = apart.multiply(beyond).tocoo()
    sizes = np.where(apart.data > eps * np.minimum(largest[apart.row], largest[apart.col]), apart.data, 0)
    if not sizes.any():
        return None
    worst = int(np.argmax(sizes))
    return Asymmetry(float(sizes[worst]), int(apart.row[worst]), int(apart.col[worst]))


def _bcsr(data, indices, indptr, neurons):
    shape = (neurons, neurons)
    return BCSR((data, indices, indptr), shape=shape, indices_sorted=True, unique_indices=True)


def _of_scipy(A):
    return hasattr(A, "tocsr") and hasattr(A, "nnz")


def _check_shape(name, A):
    if len(A.shape) != 2 or A.shape[0] != A.shape[1]:
        raise InputError(f"{name} has shape {tuple(A.shape)}, but must be square (neurons x neurons).")
    if A.shape[0] == 0:
        raise InputError(f"{name} is empty (0 x 0): a network needs at least one neuron.")


def _check_entries(name, dtype, data):
    if str(dtype) not in FLOATS:
        raise InputError(f"{name} has dtype {dtype}, but must be float32 or float64: convert with .astype(float).")
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise InputError(
            f"{name} has dtype {dtype}, but JAX computes in single precision here: call "
            f"jax.config.update('jax_enable_x64', True) first, or convert with {name}.astype('float32')."
        )
    finite = np.isfinite(data)
    if not finite.all():
        raise InputError(f"{name} has {np.sum(~finite)} entries that are not finite: remove or repair them.")
