"""1/p strengthening and the diagonal that follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, dominant, quick_jit, rounding, row_slack, standard_errors, untyped, weights

import jaxprune
from jaxprune.pruning import keep_probabilities, matched_diagonal, sample_mask, strengthen, weight_importance

DRAWS = 4000


def probabilities(A, keep=0.4):
    return keep_probabilities(weight_importance(A), keep=keep)


@pytest.mark.parametrize("family", ["clustered", "dale"])
@pytest.mark.parametrize("method", ["bernoulli", "systematic"])
def test_the_mean_over_draws_is_the_original(family, method):
    A = dominant(family)
    p = probabilities(A)

    def draw(key):
        pruned = strengthen(A, sample_mask(key, p, symmetric=family in SYMMETRIC, method=method), p)
        return pruned, matched_diagonal(A, pruned)

    pruned, matched = quick_jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), DRAWS))
    positive = np.where(p > 0, p, 1)
    variance = np.asarray(A) ** 2 * (1 / positive - 1) * ~np.eye(len(A), dtype=bool)
    assert standard_errors(pruned.mean(axis=0), A, variance, DRAWS) < 5
    # Coins are independent within a row, so the leak's variance is the row's sum; systematic draws only lower it.
    leak = np.asarray(matched.mean(axis=0)).diagonal()
    assert standard_errors(leak, np.diagonal(A), variance.sum(axis=1), DRAWS) < 5


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_by_hand(family):
    A = dominant(family)
    p = probabilities(A)
    mask = sample_mask(jax.random.key(1), p, symmetric=family in SYMMETRIC)
    assert 0 < (p[mask == 1]).min() < 1 / 1.5
    for cap in (None, 1.5):
        expected = np.diag(np.diagonal(A))
        for i, j in np.argwhere(mask):
            gain = 1 / p[i, j] if cap is None else min(cap, 1 / p[i, j])
            expected[i, j] = A[i, j] * gain
        np.testing.assert_allclose(strengthen(A, mask, p, cap=cap), expected, rtol=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_keeps_its_slack(family):
    A = dominant(family, slack=0.0) + jnp.diag(jnp.linspace(-1.0, 0.5, 16))
    p = probabilities(A, keep=0.2)
    mask = sample_mask(jax.random.key(2), p, symmetric=family in SYMMETRIC)
    matched = matched_diagonal(A, strengthen(A, mask, p))
    np.testing.assert_allclose(row_slack(matched), row_slack(A), rtol=0, atol=rounding(matched))
    off_diagonal = ~np.eye(len(A), dtype=bool)
    np.testing.assert_array_equal(np.asarray(matched)[off_diagonal], np.asarray(strengthen(A, mask, p))[off_diagonal])


def test_matched_diagonal_ignores_the_diagonal_it_replaces():
    A = dominant("gaussian")
    np.testing.assert_array_equal(matched_diagonal(A, A + 7 * jnp.eye(16)), matched_diagonal(A, A))
    np.testing.assert_allclose(matched_diagonal(A, A), A, rtol=1e-14)


def test_everything_kept_is_the_original():
    A = dominant("dale")
    mask = (weights("dale") != 0).astype(float)
    np.testing.assert_array_equal(strengthen(A, mask, mask), A)


def test_a_cap_may_be_traced():
    A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
    p = jnp.array([[0.0, 0.1], [0.5, 0.0]])
    pruned = jax.jit(lambda cap: strengthen(A, jnp.ones((2, 2)), p, cap=cap))(4.0)
    np.testing.assert_allclose(pruned, [[-2.0, 4.0], [2.0, -2.0]])


def test_precision_follows_the_matrix():
    A = dominant("clustered").astype(jnp.float32)
    p = probabilities(A)
    pruned = strengthen(A, sample_mask(jax.random.key(3), p, symmetric=True), p, cap=3.0)
    assert pruned.dtype == matched_diagonal(A, pruned).dtype == jnp.float32


def test_errors():
    A = dominant("clustered")
    ones = jnp.ones_like(A)
    for cap in (0.99, -1.0, float("nan")):
        with pytest.raises(jaxprune.InputError, match="cap is"):
            strengthen(A, ones, ones, cap=cap)
    with pytest.raises(jaxprune.InputError, match=r"probabilities\[0, 0\] is nan"):
        strengthen(A, ones, ones.at[0, 0].set(jnp.nan))
    with untyped(), pytest.raises(jaxprune.InputError, match="mask has shape"):
        strengthen(A, ones[:2], ones)
    with untyped(), pytest.raises(jaxprune.InputError, match="pruned has shape"):
        matched_diagonal(A, ones[:2])
