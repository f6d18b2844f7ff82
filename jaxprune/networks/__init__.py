"""Networks: random families from a key, connectomes from files, and the leaks that make them stable."""

from jaxprune.networks._celegans import celegans
from jaxprune.networks._cluster_sizes import power_law_sizes
from jaxprune.networks._clustered import clustered
from jaxprune.networks._components import count_components
from jaxprune.networks._edges import NamedNetwork, read_edges
from jaxprune.networks._ensemble import Ensemble
from jaxprune.networks._feedforward import feedforward
from jaxprune.networks._files import MATRIX_SUFFIXES, matrix_bytes, read_matrix, write_matrix
from jaxprune.networks._leak import dominant_leak, perron_bound, scaled_inputs, stable_leak
from jaxprune.networks._random import dale, gaussian, low_rank
from jaxprune.networks._sparse_clustered import sparse_clustered
from jaxprune.networks._sparse_scale_free import sparse_scale_free

__all__ = [
    "MATRIX_SUFFIXES",
    "Ensemble",
    "NamedNetwork",
    "celegans",
    "clustered",
    "count_components",
    "dale",
    "dominant_leak",
    "feedforward",
    "gaussian",
    "low_rank",
    "matrix_bytes",
    "perron_bound",
    "power_law_sizes",
    "read_edges",
    "read_matrix",
    "scaled_inputs",
    "sparse_clustered",
    "sparse_scale_free",
    "stable_leak",
    "write_matrix",
]
