"""One factor that restores the spectral radius."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, driven

import jaxprune
from jaxprune.pruning import MatchRadius
from jaxprune.pruning.adjust import Survivors

W, _, _, MASK = driven()
NONE = jnp.zeros_like(W)


def radius(S):
    return np.abs(np.linalg.eigvals(np.asarray(S))).max()


@pytest.mark.parametrize("own", [False, True])
def test_the_radius_of_a_recurrent_network_is_restored_by_one_factor(own):
    """With self-synapses, which stay, count as weights, and are scaled like the others."""
    weights = W + jnp.diag(jnp.linspace(0.1, 0.5, SIZE)) if own else W
    fixed = jnp.eye(SIZE) if own else NONE
    S, same = MatchRadius()(Survivors(weights, MASK, fixed, MASK, None, "recurrent"))
    assert same is MASK
    np.testing.assert_allclose(radius(S), radius(weights), rtol=1e-9)
    there = np.asarray(MASK + fixed) > 0
    ratios = np.asarray(S)[there] / np.asarray(weights)[there]
    np.testing.assert_allclose(ratios, radius(weights) / radius(weights * (MASK + fixed)), rtol=1e-9)
    assert not np.asarray(S)[~there].any()


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_the_leak_of_a_linear_network_stays_and_does_not_count(family):
    A = dominant(family)
    mask = (jnp.abs(A) > jnp.median(jnp.abs(A[A != 0]))).astype(float) * (1 - jnp.eye(SIZE))
    symmetric = family == "clustered"
    S, _ = MatchRadius()(Survivors(A, mask, jnp.eye(SIZE), mask, None, "linear", symmetric))
    leak = np.diag(np.diagonal(A))
    np.testing.assert_array_equal(np.diagonal(S), np.diagonal(A))
    np.testing.assert_allclose(radius(S - leak), radius(A - leak), rtol=1e-9)
    if symmetric:
        np.testing.assert_array_equal(S, S.T)


def test_without_cycles_there_is_no_radius_to_restore():
    chain = jnp.diag(jnp.ones(SIZE - 1), -1) * jnp.linspace(1, 2, SIZE)[:, None]
    whole = (chain != 0).astype(float)
    np.testing.assert_array_equal(MatchRadius()(Survivors(chain, whole, NONE, whole, None, "recurrent"))[0], chain)
    # Nor what is left of one with them.
    forward = jnp.tril(jnp.where(W != 0, 1.0, 0.0), -1)
    np.testing.assert_array_equal(
        MatchRadius()(Survivors(W, forward, NONE, forward, None, "recurrent"))[0], W * forward
    )


def test_inside_jit_the_same():
    def adjust(mask):
        return MatchRadius()(Survivors(W, mask, NONE, mask, None, "recurrent"))[0]

    np.testing.assert_allclose(jax.jit(adjust)(MASK), adjust(MASK), rtol=1e-9, atol=1e-12)


def test_a_layer_has_none():
    with pytest.raises(jaxprune.InputError, match="no spectral radius"):
        MatchRadius()(Survivors(W[:4], MASK[:4], NONE[:4], MASK[:4], None, "layer"))
