"""Importance of a synapse against its formula, and the leverage identity."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, dominant, rounding, stationary, untyped, weights

import jaxprune
from jaxprune.networks import dominant_leak
from jaxprune.pruning import activity_importance, noise_importance, theory, uniform_importance, weight_importance


def by_hand(A, C):
    A, C = np.asarray(A), np.asarray(C)
    importance = np.zeros_like(A)
    for i in range(len(A)):
        for j in range(len(A)):
            if i != j:
                importance[i, j] = abs(A[i, j]) * (C[i, i] + C[j, j] - 2 * np.sign(A[i, j]) * C[i, j])
    return importance


@pytest.mark.parametrize("family", FAMILIES)
def test_the_three_importances(family):
    A = dominant(family)
    C = stationary(A)
    importance = noise_importance(A, C)
    np.testing.assert_allclose(importance, by_hand(A, C), rtol=0, atol=rounding(importance))
    synapses = np.asarray(weights(family)) != 0
    np.testing.assert_array_equal(np.asarray(importance) > 0, synapses)
    np.testing.assert_array_equal(weight_importance(A), np.abs(weights(family)))
    np.testing.assert_array_equal(uniform_importance(A), synapses)
    if family in SYMMETRIC:
        for r in (importance, weight_importance(A), uniform_importance(A)):
            np.testing.assert_array_equal(r, r.T)


@pytest.mark.parametrize("family", SYMMETRIC)
@pytest.mark.parametrize("slack", [0.0, 0.1, 5.0])
def test_leverages_add_up_to_what_the_slack_leaves(family, slack):
    A = dominant_leak(weights(family), slack)
    M = -np.asarray(A)
    leverage = np.asarray(theory.leverage(A, jnp.asarray(0.7**2 * np.linalg.inv(M) / 2), sigma=0.7))
    total = leverage[np.triu_indices(len(M), 1)].sum()
    np.testing.assert_allclose(total, len(M) - slack * np.trace(np.linalg.inv(M)), rtol=1e-10)
    assert leverage.max() <= 1 + 1e-12
    # One pair by the definition: weight times b' M^-1 b.
    i, j = np.argwhere(np.triu(np.asarray(A), 1))[3]
    b = np.zeros(len(M))
    b[i], b[j] = 1, -np.sign(A[i, j])
    np.testing.assert_allclose(leverage[i, j], abs(A[i, j]) * b @ np.linalg.solve(M, b), rtol=1e-10)


def test_a_variance_that_rounding_made_negative_counts_as_none():
    A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
    C = jnp.array([[1.0, 1.0 + 1e-15], [1.0 + 1e-15, 1.0]])
    np.testing.assert_array_equal(noise_importance(A, C), np.zeros((2, 2)))


def test_what_a_synapse_passes_on():
    A = dominant("dale")
    H = stationary(A) + 0.1
    expected = np.abs(weights("dale")) * np.sqrt(np.diagonal(H))
    np.testing.assert_allclose(activity_importance(A, H), expected, rtol=1e-14)
    np.testing.assert_allclose(activity_importance(A[:5], H, leak=False)[:, 5:], expected[:5, 5:], rtol=1e-14)


def test_the_diagonal_of_a_layer_is_nothing_special():
    A = dominant("gaussian")
    H = stationary(A)
    for importance in (weight_importance, uniform_importance, lambda A, **leak: activity_importance(A, H, **leak)):
        whole = importance(A, leak=False)
        np.testing.assert_array_equal(importance(A), whole * (1 - jnp.eye(16)))
        np.testing.assert_array_equal(importance(A, leak=True), importance(A))
        assert bool(jnp.all(jnp.diagonal(whole) > 0))
        np.testing.assert_array_equal(importance(A[:5]), whole[:5])
        with pytest.raises(jaxprune.InputError, match="no diagonal of leaks"):
            importance(A[:5], leak=True)


def test_precision_follows_the_matrix():
    A = dominant("clustered").astype(jnp.float32)
    for importance in (noise_importance(A, -jnp.linalg.inv(A) / 2), weight_importance(A), uniform_importance(A)):
        assert importance.dtype == jnp.float32


def test_errors():
    A = dominant("clustered")
    with untyped(), pytest.raises(jaxprune.InputError, match=r"C has shape \(2, 2\) and A has \(16, 16\)"):
        noise_importance(A, jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match=r"C\[0, 1\] is nan"):
        noise_importance(A, jnp.eye(16).at[0, 1].set(jnp.nan))
    for call, words in (
        (lambda: noise_importance(A[:3], jnp.eye(16)), r"A has shape \(3, 16\), but must be square"),
        (lambda: activity_importance(A, jnp.eye(2)), "second moment of the presynaptic neurons"),
        (lambda: activity_importance(A, jnp.eye(16).at[0, 1].set(jnp.nan)), r"H\[0, 1\] is nan"),
        (lambda: weight_importance(jnp.ones(3)), r"A has shape \(3,\), but must be a matrix"),
        (lambda: uniform_importance(A.astype(jnp.float16)), "dtype float16"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
