"""Exact water-filling against a root-finder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import FAMILIES, SYMMETRIC, dominant, quick_jit, stationary

import jaxprune
from jaxprune.pruning import keep_probabilities, noise_importance

fill = quick_jit(lambda importance, count: keep_probabilities(importance, count=count))


def by_root(importance, count):
    """The same probabilities by bracketing the scale."""
    r = np.asarray(importance, float)
    highest = 1 / r[r > 0].min()
    scale = scipy.optimize.brentq(
        lambda k: np.minimum(1, k * r).sum() - count, 0, highest * 1.1, xtol=1e-300, rtol=1e-14
    )
    return np.minimum(1, scale * r)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
def test_agrees_with_a_root_finder(family, share):
    A = dominant(family)
    importance = noise_importance(A, stationary(A))
    count = share * int((importance > 0).sum())
    p = fill(importance, count)
    np.testing.assert_allclose(p, by_root(importance, count), rtol=1e-10)
    np.testing.assert_allclose(p.sum(), count, rtol=1e-12)
    if family in SYMMETRIC:
        np.testing.assert_array_equal(p, p.T)


def test_heavy_tails_need_many_rounds_and_are_met():
    importance = jnp.exp(3 * jax.random.normal(jax.random.key(0), (16, 16))) * (1 - jnp.eye(16))
    for count in (1.0, 60.0, 200.0, 239.5):
        p = fill(importance, count)
        np.testing.assert_allclose(p, by_root(importance, count), rtol=1e-9)
        np.testing.assert_allclose(p.sum(), count, rtol=1e-12)


def test_keep_is_the_fraction_of_what_is_there():
    importance = jnp.array([[0.0, 5.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(
        keep_probabilities(importance, keep=0.5), keep_probabilities(importance, count=2.0), rtol=1e-15
    )


@pytest.mark.parametrize("count", [4.0, 5.0, 1e9])
def test_everything_and_more_than_everything(count):
    importance = jnp.array([[0.0, 1e-8, 1.0], [0.0, 0.0, 1e8], [3.0, 0.0, 0.0]])
    p = keep_probabilities(importance, count=count)
    np.testing.assert_allclose(p, importance > 0, rtol=1e-12)


def test_edge_cases():
    one = jnp.array([[0.0, 3.0], [0.0, 0.0]])
    np.testing.assert_allclose(keep_probabilities(one, count=0.25), one / 12)
    np.testing.assert_array_equal(keep_probabilities(one, keep=1.0), one > 0)
    equal = jnp.ones((3, 3)) - jnp.eye(3)
    np.testing.assert_allclose(keep_probabilities(equal, count=3), equal / 2, rtol=1e-15)
    # Importance has no scale, however small or large.
    for factor in (1e-300, 1e308):
        np.testing.assert_allclose(keep_probabilities(factor * equal, count=3), equal / 2, rtol=1e-12)
    # Two capped, and what is left of three is shared.
    r = jnp.array([[0.0, 100.0, 100.0], [1.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(keep_probabilities(r, count=3), [[0, 1, 1], [0.25, 0, 0.75], [0, 0, 0]], rtol=1e-12)


def test_vmap_over_counts_and_members_without_synapses():
    importance = jnp.abs(jax.random.normal(jax.random.key(1), (16, 16))) * (1 - jnp.eye(16))
    counts = jnp.array([3.0, 100.0, 239.0])
    batch = quick_jit(jax.vmap(lambda count: keep_probabilities(importance, count=count)))(counts)
    for p, count in zip(batch, counts, strict=True):
        np.testing.assert_allclose(p, fill(importance, count), rtol=1e-12)
    members = jnp.stack([jnp.zeros((16, 16)), importance])
    batch = quick_jit(jax.vmap(lambda r: keep_probabilities(r, keep=0.5)))(members)
    np.testing.assert_allclose(batch[1].sum(), 120, rtol=1e-12)
    assert not bool(jnp.any(batch[0] > 0))


def test_single_precision():
    importance = jnp.exp(jax.random.normal(jax.random.key(2), (16, 16), jnp.float32)) * (
        1 - jnp.eye(16, dtype=jnp.float32)
    )
    p = keep_probabilities(importance, count=100)
    assert p.dtype == jnp.float32
    np.testing.assert_allclose(p, by_root(importance, 100), rtol=1e-5)


def test_errors():
    r = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(jaxprune.InputError, match="exactly one of them"):
        keep_probabilities(r)
    with pytest.raises(jaxprune.InputError, match=r"keep is 0\.5 and count 1"):
        keep_probabilities(r, keep=0.5, count=1)
    for keep in (0.0, -0.1, 1.01, float("nan")):
        with pytest.raises(jaxprune.InputError, match=r"keep is .*\(0, 1\]"):
            keep_probabilities(r, keep=keep)
    for count in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(jaxprune.InputError, match="count is"):
            keep_probabilities(r, count=count)
    with pytest.raises(jaxprune.InputError, match="ranges from -1 to 1"):
        keep_probabilities(r.at[0, 1].set(-1.0), count=1)
    with pytest.raises(jaxprune.InputError, match="synapse at all"):
        keep_probabilities(jnp.zeros((2, 2)), count=1)
    with pytest.raises(jaxprune.InputError, match=r"importance\[0, 1\] is inf"):
        keep_probabilities(r.at[0, 1].set(jnp.inf), count=1)
