"""Prune a large network: importance, probabilities, choice, adjustment, in this order."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.sparse import BCSR

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
    symmetric_part,
    to_scipy,
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
SAMPLING = 1 << 20
"""What makes a key of its own for the samples, apart from those by which masks are drawn."""


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
    if symmetric and not _mirrored(rows, columns):
        # Symmetric up to rounding, but with entries that have no mirror image: now each has one.
        A = symmetric_part(A)
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
        least = samples_for_fit(A, float(keep), symmetric) if fits else 2
        covariance = sampled_covariance(jax.random.fold_in(key, SAMPLING), A, symmetric=symmetric, fewest=least)
    if fits and covariance is not None and covariance.symmetric and not symmetric:
        raise InputError(
            "the samples are of a symmetric network's solves, but symmetric is False: pass samples with symmetric=False, too."
        )
    if importance is None:
        importance = sparse_importance(rule, A, covariance)
    else:
        importance = _given(importance, A, rule, symmetric)
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


def samples_for_fit(A: SparseMatrix, keep: float, symmetric: bool) -> int:
    """Samples that a fit of the survivors should have, in whole blocks of 16.

    Args:
      A: the network.
      keep: fraction of its synapses that stays.
      symmetric: whether pairs share one weight.
    """
    inputs = 1 + keep * A.data.size / A.shape[0]
    return 16 * -(-min(max(FEWEST, round(FITTED[symmetric] * inputs)), MOST) // 16)


def _given(importance, A, rule, symmetric):
    """The caller's importance, in A's places and for whole pairs."""
    same = isinstance(importance, BCSR) and importance.shape == A.shape and importance.data.shape == A.data.shape
    if not same or not (
        jnp.array_equal(importance.indices, A.indices) and jnp.array_equal(importance.indptr, A.indptr)
    ):
        raise InputError("importance must be a BCSR matrix in A's places: jaxprune.linalg.sparse.with_data(A, values).")
    if not symmetric:
        return importance
    mirrored = with_data(A, jnp.asarray(to_scipy(importance).T.tocsr().data))
    if rule.pairs == "mean":
        return with_data(A, (importance.data + mirrored.data) / 2)
    allowed = 16 * float(jnp.finfo(A.dtype).eps) * float(jnp.max(importance.data))
    if float(jnp.max(jnp.abs(importance.data - mirrored.data))) > allowed:
        raise InputError(
            "the importance is not symmetric, but the network is, and both ends of a pair share one weight: pass the mean of "
            "both ends, or symmetric=False to decide each direction by itself."
        )
    return importance


def _mirrored(rows, columns):
    """Whether every entry has a mirror image, by sums of scrambled places over either triangle, which agree for equal ones."""
    sums = []
    for first, second in ((rows, columns), (columns, rows)):
        above = first < second
        place = first[above].astype(np.uint64) << np.uint64(32) | second[above].astype(np.uint64)
        place *= np.uint64(0x9E3779B97F4A7C15)
        place ^= place >> np.uint64(29)
        place *= np.uint64(0xBF58476D1CE4E5B9)
        sums.append((len(place), int(np.sum(place ^ (place >> np.uint64(32)), dtype=np.uint64))))
    return sums[0] == sums[1]
