"""Large clustered networks: sparse clusters, listed synapse by synapse, joined by long-range synapses."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import scipy.sparse

from jaxprune._checks import InputError, check_key, check_positive, quoted
from jaxprune._types import PRNGKey, Real
from jaxprune.linalg.sparse import SparseMatrix
from jaxprune.networks._draws import check_size, network, normal, uniform


def sparse_clustered(
    key: PRNGKey,
    sizes: Sequence[int],
    *,
    degree: Real,
    bridges: int,
    mean: Real = 1.0,
    std: Real = 1.0,
    directed: bool = False,
) -> SparseMatrix:
    """Random weights of clusters in which a neuron has a few partners only, joined by sparse long-range synapses.

    `clustered` for networks of up to millions of neurons. Within a cluster of s neurons each pair is joined with probability
    `degree / (s - 1)`, so that a neuron has `degree` partners there on average, by a weight from `N(mean, std²)`.
    On top, `bridges / 2` pairs drawn uniformly (with replacement) from the whole network each gain a weight from `U(0, 1)`. The
    symmetric form mirrors each pair; the directed form draws its two directions independently.

    Weights are not scaled, as `clustered` scales them by a spectral abscissa that would take longer than all the rest. Under a
    `dominant_leak` that is a choice of the unit of time, and changes no importance, mask or relative error.

    Pairs within clusters are drawn all at once, `H = −Σ log(1 − p)` times with replacement and in proportion
    to `−log(1 − p)`; a pair that is drawn again stays joined once. So each is joined with probability p, and degrees are not
    biased by pairs drawn twice.

    Args:
      key: random key.
      sizes: neurons in each cluster; N is their sum.
      degree: mean number of partners of a neuron within its cluster (of senders, if directed).
      bridges: number of long-range *entries* of W, twice the number of pairs.
      mean: mean weight within clusters.
      std: standard deviation of the weight within clusters.
      directed: draw the two directions of a pair independently.

    Returns:
      Weights `W[post, pre]` with an empty diagonal, symmetric unless `directed`.

    Raises:
      InputError: no or empty clusters, a degree that is not positive or that the smallest cluster has no room for, negative
        bridges or std, or a network that does not fit into memory.

    Example:
      >>> W = sparse_clustered(jax.random.key(0), (2000, 1000), degree=20, bridges=100)
      >>> W.shape, round(W.nse / 3000)
      ((3000, 3000), 20)

    Reference: Moore2020, the clustered network ensemble.
    """
    _check(key, sizes, degree, bridges, std)
    within_key, bridge_key = jax.random.split(key)
    within = _within(within_key, np.asarray(sizes, np.int64), float(degree), mean, std, directed)
    return network(within + _bridges(bridge_key, within.shape[0], bridges // 2, directed), directed=directed)


def _check(key, sizes, degree, bridges, std):
    check_key("key", key)
    if not len(sizes) or min(sizes) < 1:
        raise InputError(
            f"sizes is {quoted(sizes)}, but must list at least one cluster, each with at least one neuron."
        )
    check_positive("degree", degree)
    check_positive("std", std, zero=True)
    if bridges < 0:
        raise InputError(f"bridges is {bridges}, but must not be negative: the number of long-range entries of W.")
    neurons = sum(sizes)
    if bridges and neurons < 2:
        raise InputError(f"bridges is {bridges} for a single neuron, which has nobody to be joined to: pass bridges=0.")
    check_size(neurons, neurons * float(degree) + bridges)
    others = min(sizes) - 1
    if degree >= others:
        raise InputError(
            f"degree is {float(degree):g}, but must be below {others}, the others in the smallest cluster: "
            "take larger clusters, or clustered for dense ones."
        )


def _within(key, sizes, degree, mean, std, directed) -> Any:
    """Entries within clusters, row by row; those above the diagonal unless directed."""
    place_key, weight_key = jax.random.split(key)
    size = np.repeat(sizes, sizes)
    begins = np.repeat(np.cumsum(sizes) - sizes, sizes)
    row = np.arange(len(size))
    places = size - 1 if directed else begins + size - 1 - row
    hazards = places * -np.log1p(-degree / (size - 1))
    points = uniform(place_key, round(hazards.sum()))
    weights = normal(weight_key, len(points), mean, std)
    counts, column = _occupied(points, places, hazards)
    column += np.repeat((begins if directed else row + 1).astype(np.int32), counts)
    if directed:  # over the neuron itself
        column += column >= np.repeat(row.astype(np.int32), counts)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return _rows(weights[: len(column)], column, indptr)


def _occupied(points, places, hazards):
    """How many places of each row at least one of the draws falls on, and the places' numbers in their rows.

    Draws are points between 0 and 1, in order; each row has a stretch as long as its share of the hazard, and each of its
    places a part of that. So nothing but numbers is sorted, and no place is looked up.
    """
    edges = np.concatenate([[0.0], np.cumsum(hazards)])
    edges /= edges[-1]  # the end is 1 to the last bit, so that no point lies behind it
    points.sort()
    drawn = np.diff(np.searchsorted(points, edges[:-1]), append=len(points))
    points -= np.repeat(edges[:-1], drawn)
    points *= np.repeat(places / np.maximum(np.diff(edges), np.finfo(float).tiny), drawn)
    number = points.astype(np.int32)
    np.minimum(number, np.repeat((places - 1).astype(np.int32), drawn), out=number)  # rounded up over the end
    new = np.ones(len(number), bool)
    new[1:] = number[1:] != number[:-1]
    new[(np.cumsum(drawn) - drawn)[drawn > 0]] = True
    found = np.concatenate([[0], np.cumsum(new)])
    return np.diff(found[np.concatenate([[0], np.cumsum(drawn)])]), number[new]


def _bridges(key, neurons, pairs, directed) -> Any:
    """Long-range pairs with uniform weights above the diagonal, and, if directed, as many others below it."""
    if not directed:
        return _pairs(key, neurons, pairs)
    forward_key, backward_key = jax.random.split(key)
    return _pairs(forward_key, neurons, pairs).T.tocsr() + _pairs(backward_key, neurons, pairs)


def _pairs(key, neurons, pairs):
    first_key, shift_key, weight_key = jax.random.split(key, 3)
    first = (uniform(first_key, pairs) * neurons).astype(np.int32)
    # A shift of 1 to N - 1 reaches every other neuron, and never the neuron itself.
    second = ((first + 1.0 + np.floor(uniform(shift_key, pairs) * (neurons - 1))) % neurons).astype(np.int32)
    weights = np.asarray(jax.random.uniform(weight_key, (pairs,)))
    places = (np.minimum(first, second), np.maximum(first, second))
    return scipy.sparse.coo_array((weights, places), shape=(neurons, neurons)).tocsr()


def _rows(data, indices, indptr):
    neurons = len(indptr) - 1
    return scipy.sparse.csr_array((data, indices, indptr.astype(np.int32)), shape=(neurons, neurons))
