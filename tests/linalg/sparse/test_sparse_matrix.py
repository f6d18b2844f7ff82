"""Sparse matrices: conversion, checks, symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from helpers import weights
from jax.experimental.sparse import BCOO, BCSR

from jaxprune import InputError
from jaxprune.linalg import sparse

A = np.array([[-2.0, 0.5, 0.0], [0.0, -1.0, 3.0], [1.0, 0.0, -4.0]])


@pytest.mark.parametrize(
    "make",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csc_array,
        scipy.sparse.coo_matrix,
        lambda A: BCSR.fromdense(jnp.asarray(A)),
        lambda A: BCOO.fromdense(jnp.asarray(A)),
        jnp.asarray,
    ],
)
def test_every_kind_becomes_the_same(make):
    found = sparse.as_sparse("A", make(A))
    assert found.indices_sorted
    assert found.unique_indices
    np.testing.assert_array_equal(found.todense(), A)
    np.testing.assert_array_equal(sparse.rows_of(found), np.nonzero(A)[0])
    np.testing.assert_array_equal(sparse.diagonal_of(found), np.diagonal(A))
    np.testing.assert_array_equal(sparse.input_of(found), [0.5, 3.0, 1.0])


def test_what_is_there_twice_is_added_and_the_callers_matrix_stays():
    given = scipy.sparse.csr_array((np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    found = sparse.as_sparse("A", given)
    np.testing.assert_array_equal(found.todense(), [[0, 3], [0, 0]])
    assert found.data.size == 1
    assert given.nnz == 3


def test_symmetry_is_looked_up_and_the_largest_difference_named():
    symmetric, directed = (sparse.as_sparse("A", weights(name)) for name in ("clustered", "dale"))
    assert sparse.asymmetry(symmetric) is None
    found = sparse.asymmetry(directed)
    apart = np.abs(np.asarray(directed.todense()) - np.asarray(directed.todense()).T)
    assert found.difference == apart.max() == apart[found.post, found.pre]
    assert sparse.resolve_sparse_symmetry(None, symmetric)
    assert not sparse.resolve_sparse_symmetry(None, directed)
    with pytest.raises(InputError, match=f"differ by {found.difference:.3g}"):
        sparse.resolve_sparse_symmetry(True, directed)


def test_one_entry_off_by_a_millionth_is_seen():
    skewed = np.asarray(weights("clustered")).copy()
    post, pre = np.argwhere(skewed)[0]
    skewed[post, pre] += 1e-6
    assert sparse.asymmetry(sparse.as_sparse("A", skewed)).difference == pytest.approx(1e-6)


@pytest.mark.parametrize("size", [1e-4, 1.0])
def test_a_weak_directed_synapse_beside_large_leaks_in_single_precision(size):
    """Compared entry by entry: neither the number of neurons nor the leak covers it up; rounding of an entry does no harm."""
    n = 2000
    ring = scipy.sparse.diags_array(np.full(n - 1, size, np.float32), offsets=1, shape=(n, n))
    leak = scipy.sparse.eye_array(n, dtype=np.float32) * np.float32(100)
    rounded = (ring.T * np.float32(1 + 4e-7)).astype(np.float32)
    symmetric, directed = (sparse.as_sparse("A", (ring + other - leak).tocsr()) for other in (rounded, 0.99 * rounded))
    assert sparse.symmetric_up_to_rounding(symmetric)
    assert sparse.asymmetry(symmetric) is None
    assert sparse.asymmetry(directed).difference == pytest.approx(0.01 * size, rel=1e-2)
    one_way = sparse.as_sparse("A", (ring - leak).tocsr())
    assert sparse.asymmetry(one_way).difference == pytest.approx(size)


def test_what_is_below_the_rounding_of_synapses_counts_as_nothing():
    entries = np.asarray(weights("clustered")).copy()
    post, pre = np.argwhere(np.triu(entries == 0, 1))[0]
    for size, symmetric in ((1e-18, True), (1e-12, False)):
        entries[post, pre] = size
        one_way = sparse.as_sparse("A", entries)
        assert sparse.symmetric_up_to_rounding(one_way) == symmetric
        assert (sparse.asymmetry(one_way) is None) == symmetric


def test_padding_of_a_list_of_entries_is_left_out():
    padded = BCOO.fromdense(jnp.asarray(A), nse=12)
    np.testing.assert_array_equal(sparse.as_sparse("A", padded).todense(), A)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (scipy.sparse.csr_array(np.ones((2, 3))), "must be square"),
        (scipy.sparse.csr_array((0, 0)), "empty"),
        (scipy.sparse.csr_array(np.array([[1.0, np.nan], [0.0, 1.0]])), "1 entries that are not finite"),
        (scipy.sparse.csr_array(np.eye(2, dtype=int)), "dtype int64"),
        (BCSR.fromdense(jnp.ones((2, 3, 3)), n_batch=1), "batched"),
    ],
)
def test_bad_matrices_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        sparse.as_sparse("A", given)


def test_traced_matrices_are_refused():
    with pytest.raises(InputError, match="traced"):
        jax.jit(lambda A: sparse.as_sparse("A", A).data)(sparse.as_sparse("A", A))
