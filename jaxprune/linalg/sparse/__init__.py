"""Linear algebra of large networks, which are lists of synapses: nothing here makes a dense matrix of them."""

from jaxprune.linalg.sparse._matrix import (
    Asymmetry,
    SparseMatrix,
    as_sparse,
    asymmetry,
    check_sparse_leak,
    diagonal_of,
    from_entries,
    from_scipy,
    input_of,
    is_sparse,
    resolve_sparse_symmetry,
    rows_of,
    to_scipy,
    with_data,
)

__all__ = [
    "Asymmetry",
    "SparseMatrix",
    "as_sparse",
    "asymmetry",
    "check_sparse_leak",
    "diagonal_of",
    "from_entries",
    "from_scipy",
    "input_of",
    "is_sparse",
    "resolve_sparse_symmetry",
    "rows_of",
    "to_scipy",
    "with_data",
]
