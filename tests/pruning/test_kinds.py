"""What is a synapse, what always stays, and how many a fraction means."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, untyped, weights

import jaxprune
from jaxprune.pruning import synapse_count
from jaxprune.pruning._kinds import check_kind, fixed_entries, synapses, without_diagonal

SQUARE = jnp.array([[-2.0, 1.0, 0.0], [0.0, 0.0, 3.0], [1.0, 0.0, -1.0]])
WIDE = jnp.array([[1.0, 0.0, 2.0]])


def test_the_kind_follows_from_the_shape_unless_it_is_said():
    assert check_kind(SQUARE, None) == "linear"
    assert check_kind(WIDE, None) == "layer"
    for kind in ("linear", "recurrent", "layer"):
        assert check_kind(SQUARE, kind) == kind
    assert check_kind(WIDE, "layer") == "layer"


@pytest.mark.parametrize(
    ("kind", "there", "fixed"),
    [
        ("linear", [[0, 1, 0], [0, 0, 1], [1, 0, 0]], [1, 1, 1]),
        ("recurrent", [[0, 1, 0], [0, 0, 1], [1, 0, 0]], [1, 0, 1]),
        ("layer", [[1, 1, 0], [0, 0, 1], [1, 0, 1]], [0, 0, 0]),
    ],
)
def test_what_is_a_synapse_and_what_always_stays(kind, there, fixed):
    """A leak stays even where it is zero, a self-synapse only where there is one, and a layer has neither."""
    np.testing.assert_array_equal(synapses(SQUARE, kind), np.array(there, bool))
    np.testing.assert_array_equal(fixed_entries(SQUARE, kind), np.diag(fixed))
    assert int(synapse_count(SQUARE, 1.0, symmetric=False, kind=kind)) == np.sum(there)


def test_the_diagonal_of_a_square_matrix_is_the_leak_unless_it_is_said():
    off_diagonal = 1 - np.eye(3)
    np.testing.assert_array_equal(without_diagonal(SQUARE, None), off_diagonal)
    np.testing.assert_array_equal(without_diagonal(SQUARE, True), off_diagonal)
    np.testing.assert_array_equal(without_diagonal(SQUARE, False), np.ones((3, 3)))
    np.testing.assert_array_equal(without_diagonal(WIDE, None), np.ones((1, 3)))


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_fractions_are_whole_synapses(family):
    A, symmetric = dominant(family), family in SYMMETRIC
    total = int((np.asarray(weights(family)) != 0).sum())
    unit = 2 if symmetric else 1
    for keep in (1e-9, 0.1, 0.5, 0.777, 1.0):
        count = synapse_count(A, keep, symmetric=symmetric)
        assert jnp.issubdtype(count.dtype, jnp.integer)
        assert int(count) % unit == 0
        assert abs(int(count) - keep * total) <= unit / 2
    assert int(synapse_count(A, 1.0, symmetric=symmetric)) == total


def test_fractions_of_layers_count_their_diagonal():
    square = jnp.ones((SIZE, SIZE))
    assert int(synapse_count(square, 0.5, symmetric=False, kind="layer")) == SIZE**2 // 2
    assert int(synapse_count(square, 0.5, symmetric=False)) == SIZE * (SIZE - 1) // 2
    assert int(synapse_count(jnp.ones((3, 8)), 0.25, symmetric=False)) == 6


def test_errors():
    for call, words in (
        (lambda: check_kind(SQUARE, "other"), "kind is 'other', but must be one of 'linear', 'recurrent', 'layer'"),
        (lambda: check_kind(WIDE, "linear"), r"kind is 'linear', but the weights have shape \(1, 3\).*kind='layer'"),
        (lambda: synapse_count(WIDE, 0.5, symmetric=False, kind="recurrent"), "has a square matrix"),
        (lambda: without_diagonal(WIDE, True), r"leak is True, but the weights have shape \(1, 3\)"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
