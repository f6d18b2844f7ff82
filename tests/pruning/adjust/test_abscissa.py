"""One factor that restores the slowest decay of a linear network, and the network without synapses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, driven

import jaxprune
from jaxprune.pruning import prune
from jaxprune.pruning.adjust import Empty, MatchAbscissa, Survivors
from jaxprune.pruning.adjust._abscissa import _root

pytestmark = pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")

W, _, _, MASK = driven()
NONE = jnp.zeros_like(W)


@pytest.mark.parametrize("power", [1, 3, 20])
def test_the_root_is_found_where_the_excess_is_curved(power):
    """With one end fixed for good, as in plain false position, the steep one would take thousands of steps."""

    def excess(gain):
        return gain**power - 6.7

    found = _root(excess, excess(jnp.zeros(())), excess(jnp.ones(())), 1e-9)
    np.testing.assert_allclose(found, 6.7 ** (1 / power), rtol=1e-9)


def abscissa(A):
    return np.linalg.eigvals(np.asarray(A)).real.max()


def adjusted(A, mask, symmetric):
    return MatchAbscissa()(Survivors(A, mask, jnp.eye(len(A)), mask, None, "linear", symmetric))[0]


@pytest.mark.parametrize("family", ["clustered", "dale", "gaussian"])
@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_the_slowest_decay_is_restored_by_one_factor(family, keep):
    A = dominant(family)
    symmetric = family == "clustered"
    pruned = prune(jax.random.key(1), A, "weight+keep", keep=keep)
    S = adjusted(A, pruned.mask, symmetric)
    slower = abscissa(pruned.matrix) > abscissa(A)
    if slower and float(jnp.max(jnp.diagonal(A))) > abscissa(A):
        # Slower with all weights and with none: nothing to be found in between.
        np.testing.assert_array_equal(S, pruned.matrix)
        return
    np.testing.assert_allclose(abscissa(S), abscissa(A), rtol=1e-9)
    assert bool(jnp.sum(jnp.abs(S)) < jnp.sum(jnp.abs(pruned.matrix))) == slower
    np.testing.assert_array_equal(np.diagonal(S), np.diagonal(A))
    there = np.asarray(pruned.mask) > 0
    ratios = np.asarray(S)[there] / np.asarray(A)[there]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    assert not np.asarray(S - jnp.diag(jnp.diagonal(S)))[~there].any()


def test_weaker_synapses_where_the_pruned_network_is_slower():
    """Neurons 0 and 1 excite each other; what inhibits their common mode is pruned."""
    A = jnp.array([[-2.5, 1.0, -1.0], [1.0, -2.5, -1.0], [1.0, 1.0, -2.5]])
    mask = jnp.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    S = adjusted(A, mask, False)
    np.testing.assert_allclose(abscissa(S), abscissa(A), rtol=1e-9)
    assert 0 < S[0, 1] < A[0, 1]


def test_where_no_factor_does_it_weights_stay():
    chain = jnp.diag(jnp.ones(SIZE - 1), -1) - jnp.diag(jnp.linspace(1, 2, SIZE))
    mask = (chain > 0).astype(float)
    np.testing.assert_array_equal(adjusted(chain, mask, False), chain)
    A = dominant("clustered")
    np.testing.assert_array_equal(adjusted(A, jnp.zeros_like(A), True), jnp.diag(jnp.diagonal(A)))


def test_inside_jit_and_vmap_the_same():
    A = dominant("clustered")
    masks = jnp.stack([prune(jax.random.key(1), A, "noise+keep", keep=keep).mask for keep in (0.2, 0.6)])
    together = jax.jit(jax.vmap(lambda mask: adjusted(A, mask, True)))(masks)
    for mask, S in zip(masks, together, strict=True):
        np.testing.assert_allclose(S, adjusted(A, mask, True), rtol=1e-9, atol=1e-12)


def test_only_linear_networks_have_one():
    with pytest.raises(jaxprune.InputError, match="slowest decay"):
        MatchAbscissa()(Survivors(W, MASK, NONE, MASK, None, "recurrent"))


def test_the_empty_network_has_leaks_only():
    A = dominant("dale")
    pruned = prune(jax.random.key(0), A, "empty", keep=0.5)
    np.testing.assert_array_equal(pruned.matrix, jnp.diag(jnp.diagonal(A)))
    assert not pruned.mask.any()
    S, mask = Empty()(Survivors(W, MASK, jnp.eye(SIZE), MASK, None, "recurrent"))
    np.testing.assert_array_equal(S, W * jnp.eye(SIZE))
    assert not mask.any()
