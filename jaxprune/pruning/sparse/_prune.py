"""Prune a large network: importance, probabilities, choice, adjustment, in this order."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_fraction
from jaxprune._types import PRNGKey, Real
from jaxprune.linalg.sparse import (
    SampledCovariance,
    SparseMatrix,
    check_sparse_leak,
    diagonal_of,
    resolve_sparse_symmetry,
    rows_of,
    sampled_covariance,
    with_data,
)
from jaxprune.pruning._mask import sample_mask
from jaxprune.pruning._probabilities import check_importance, keep_probabilities
from jaxprune.pruning._rules import Rule
from jaxprune.pruning.adjust import Compensate, Empty
from jaxprune.pruning.sparse._adjust import Chosen, adjust
from jaxprune.pruning.sparse._importance import sparse_importance

FITTED = {True: 8, False: 32}
"""Samples that a fit has for each input of a neuron: of a symmetric network, where most is known without sampling, fewer."""
FEWEST, MOST = 64, 512
"""Samples of a fit, whatever the number of inputs."""


class SparsePruned(NamedTuple):
    """What `prune_sparse` returns: the fields of `Pruned`, all BCSR.

    Attributes:
      matrix: the pruned network.
      mask: ones where a synapse stays.
      probabilities: the probability with which each could stay, in A's places.
      importance: of each synapse, in A's places.
      covariance: samples of the activity that the rule looked at; None if it looked at none.
    """

    matrix: SparseMatrix
    mask: SparseMatrix
    probabilities: SparseMatrix
    importance: SparseMatrix
    covariance: SampledCovariance | None


def prune_sparse(
    key: PRNGKey,
    A: SparseMatrix,
    rule: Rule,
    *,
    keep: Real,
    symmetric: bool | None = None,
    covariance: SampledCovariance | None = None,
    importance: Any = None,
) -> SparsePruned:
    """Prune a large linear network by a rule, without making anything of the size of a dense matrix.

    Args:
      key: random key.
      A: dynamics matrix, from `as_sparse`.
      rule: with an importance that `sparse_importance` knows, and `Keep`, `Strengthen`, `Compensate` or `Empty`.
      keep: fraction of the synapses to keep.
      symmetric: decide once per pair; by default when A is symmetric.
      covariance: samples of the activity, where the rule looks at it; by default they are drawn.
      importance: in place of the rule's own, in A's places.

    Raises:
      InputError: as `prune`; a rule that asks for dense matrices.
    """
    check_fraction("keep", keep)
    check_sparse_leak("A", diagonal_of(A))
    symmetric = resolve_sparse_symmetry(symmetric, A)
    rows, columns = np.asarray(rows_of(A)), np.asarray(A.indices)
    off = jnp.asarray(rows != columns)
    there, unit = int(off.sum()), 2 if symmetric else 1
    if there == 0:
        raise InputError("A has no synapse: there is nothing to prune.")
    count = unit * round(float(keep) * there / unit)
    if count == 0:
        raise InputError(
            f"keep is {float(keep):g}, which of this network's {there} synapses keeps none: raise it until one stays."
        )
    fits = isinstance(rule.adjust, Compensate)
    if covariance is None and (fits or (rule.needs_activity and importance is None)):
        inputs = 1 + count / A.shape[0]
        least = min(max(FEWEST, round(FITTED[symmetric] * inputs)), MOST) if fits else 2
        covariance = sampled_covariance(jax.random.fold_in(key, 1), A, symmetric=symmetric, fewest=least)
    if importance is None:
        importance = sparse_importance(rule, A, covariance)
    elif importance.shape != A.shape or importance.data.shape != A.data.shape:
        raise InputError(
            "importance must be a sparse matrix in A's places: jaxprune.linalg.sparse.with_data(A, values)."
        )
    check_importance(importance.data, off)
    probabilities = keep_probabilities(importance.data, count=count, where=off)
    deciding = np.flatnonzero(rows < columns if symmetric else rows != columns)
    mask = sample_mask(key, probabilities[deciding], symmetric=False, method=rule.method)
    stay = deciding[np.asarray(mask) > 0] if not isinstance(rule.adjust, Empty) else deciding[:0]
    chosen = Chosen(
        A=A,
        rows=rows[stay],
        columns=columns[stay],
        weights=np.asarray(A.data)[stay],
        probabilities=np.asarray(probabilities)[stay],
        symmetric=symmetric,
        covariance=covariance,
    )
    ones = chosen.matrix(np.ones(len(stay), A.dtype), np.zeros(A.shape[0], A.dtype))
    return SparsePruned(adjust(rule.adjust, chosen), ones, with_data(A, probabilities), importance, covariance)
