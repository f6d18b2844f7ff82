"""A preconditioner of a network, and a lower bound of the eigenvalues that it leaves."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxprune._types import PRNGKey
from jaxprune.linalg.sparse._matrix import SparseMatrix, longest_row
from jaxprune.linalg.sparse._precondition import Preconditioner, least_slack, precondition, precondition_clusters
from jaxprune.linalg.sparse._solve import smallest_ritz

LOOKS = 60
"""Iterations that look for the smallest eigenvalue."""


class Condition(NamedTuple):
    """What a solve needs to know of a network.

    Attributes:
      preconditioner: of M = −A.
      smallest: a lower bound of the smallest eigenvalue of the preconditioned M.
      guaranteed: whether the bound is proven, by dominance; else it is half of what an iteration sees.
      searched: whether clusters have been looked for, found or not.
    """

    preconditioner: Preconditioner
    smallest: float
    guaranteed: bool
    searched: bool


def condition(key: PRNGKey, A: SparseMatrix, *, clusters: bool) -> Condition | None:
    """A preconditioner and its bound; None where -A is seen not to be positive definite.

    Args:
      key: random key.
      A: symmetric, with a positive leak for every neuron.
      clusters: whether clusters are looked for, or the leak alone is taken.
    """
    look_key, cluster_key = jax.random.split(key)
    how = precondition_clusters(cluster_key, A) if clusters else precondition(A)
    slack = float(least_slack(A))
    # A row's sum is off by no more than this share, however its entries are added.
    if slack > longest_row(A) * float(jnp.finfo(A.dtype).eps):
        return Condition(how, slack, True, clusters)
    start = jax.random.normal(look_key, (A.shape[0],), A.dtype)
    seen = float(smallest_ritz(A, how, start, steps=min(LOOKS, A.shape[0])))
    return Condition(how, seen / 2, False, clusters) if seen > 0 else None
