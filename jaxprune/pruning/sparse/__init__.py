"""Pruning of large networks, which are lists of synapses: the same steps, without a dense matrix."""

from jaxprune.pruning.sparse._importance import sparse_importance
from jaxprune.pruning.sparse._prune import SparsePruned, prune_sparse, samples_for_fit

__all__ = ["SparsePruned", "prune_sparse", "samples_for_fit", "sparse_importance"]
