"""Entries of a matrix that are read piece by piece, and the matrix they make."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Float, Int

from jaxprune._checks import check_square
from jaxprune._memory import check_memory
from jaxprune._types import Matrix
from jaxprune.linalg.sparse import LARGE, as_sparse

PILE = 2**22
"""Entries that are kept as they came before those of one place are added up."""
NAME = 100
"""Bytes that a neuron takes beside its synapses: its name, and where its row begins."""
SPARSE = "take a part of it, or read it with sparse=True."
"""What to do about a dense matrix that does not fit."""


class Entries:
    """Entries in arrays; those of one place are added up whenever there are twice as many as places.

    So the memory they take is in proportion to the matrix they make, not to how many there are.
    """

    def __init__(self):
        self._pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._waiting, self._bound = 0, PILE

    def __len__(self):
        return sum(len(values) for *_, values in self._pieces)

    def add(
        self,
        rows: Int[np.ndarray, " entry"],
        columns: Int[np.ndarray, " entry"],
        values: Float[np.ndarray, " entry"],
    ) -> None:
        """Take some more."""
        if not len(values):
            return
        self._pieces.append((rows, columns, values))
        self._waiting += len(values)
        if self._waiting > self._bound:
            size = 1 + max(int(max(piece[0].max(), piece[1].max())) for piece in self._pieces)
            summed = self.rows((size, size)).tocoo()
            self._pieces = [(summed.row, summed.col, summed.data)]
            self._waiting, self._bound = 0, max(PILE, summed.nnz)

    def rows(self, shape: tuple[int, int], order: Int[np.ndarray, " neuron"] | None = None) -> Any:
        """The SciPy `csr_array` that they make; `order` gives the numbers of rows and columns other places."""
        rows, columns, values = (
            (np.concatenate(parts) for parts in zip(*self._pieces, strict=True))
            if self._pieces
            else (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
        )
        self._pieces = []
        places = (rows, columns) if order is None else (order[rows], order[columns])
        return scipy.sparse.coo_array((values, places), shape=shape).tocsr()


def check_room(what: str, neurons: int, entries: int) -> None:
    """Refuse a sparse matrix that does not fit into memory while it is put in order."""
    check_memory(
        f"{what}: a network of {neurons:,} neurons and {entries:,} synapses",
        NAME * neurons + 24 * entries,
        "take a part of it.",
    )


def settled(path: Path, found: Any, sparse: bool | None) -> Matrix | Any:
    """A matrix from a file as it is handed on: checked, in JAX's precision, sparse where wanted or where it is sparse and large.

    Raises:
      InputError: not square, empty or not finite, or more than fits into memory.
    """
    listed = scipy.sparse.issparse(found)
    if sparse is None:
        sparse = listed and max(found.shape) > LARGE
    with np.errstate(over="ignore"):  # what is too large for the precision is refused as not finite
        if sparse and found.ndim == 2:
            check_room(str(path), max(found.shape), found.nnz if listed else found.size)
            dtype = jax.dtypes.canonicalize_dtype(float)
            return as_sparse(str(path), scipy.sparse.csr_array(found).astype(dtype, copy=False))
        if listed:
            shape = " x ".join(map(str, found.shape))
            check_memory(f"{path}: a dense matrix of {shape}", 8.0 * math.prod(found.shape), SPARSE)
            found = found.toarray()
        matrix = jnp.asarray(found, dtype=float)
    check_square(str(path), matrix)
    return matrix
