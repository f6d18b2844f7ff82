"""Linear algebra of large networks, which are lists of synapses: nothing here makes a dense matrix of them."""

from jaxprune.linalg.sparse._matrix import (
    LARGE,
    AnySparse,
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
from jaxprune.linalg.sparse._precondition import Preconditioner, least_slack, precondition, precondition_clusters
from jaxprune.linalg.sparse._sampled import Differences, SampledCovariance, differences, sampled_covariance
from jaxprune.linalg.sparse._singular import check_singular
from jaxprune.linalg.sparse._solve import SolveCode, Solved, smallest_ritz, solve

__all__ = [
    "LARGE",
    "AnySparse",
    "Asymmetry",
    "Differences",
    "Preconditioner",
    "SampledCovariance",
    "SolveCode",
    "Solved",
    "SparseMatrix",
    "as_sparse",
    "asymmetry",
    "check_singular",
    "check_sparse_leak",
    "diagonal_of",
    "differences",
    "from_entries",
    "from_scipy",
    "input_of",
    "is_sparse",
    "least_slack",
    "precondition",
    "precondition_clusters",
    "resolve_sparse_symmetry",
    "rows_of",
    "sampled_covariance",
    "smallest_ritz",
    "solve",
    "to_scipy",
    "with_data",
]
