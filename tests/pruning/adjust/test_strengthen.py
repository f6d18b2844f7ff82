"""1/p strengthening and the diagonal that follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, dominant, quick_jit, rounding, row_slack, standard_errors, untyped, weights

import jaxprune
from jaxprune.pruning import (
    NoisePrune,
    Strengthen,
    keep_probabilities,
    matched_diagonal,
    sample_mask,
    strengthen,
    weight_importance,
)
from jaxprune.pruning.adjust import Survivors

DRAWS = 4000


def probabilities(A, keep=0.4):
    return keep_probabilities(weight_importance(A), keep=keep)


@pytest.mark.parametrize("method", ["bernoulli", "systematic"])
def test_the_mean_over_draws_of_pairs_is_the_original(method):
    """Without pairs: test_properties.py."""
    A = dominant("clustered")
    p = probabilities(A)

    def draw(key):
        pruned = strengthen(A, sample_mask(key, p, symmetric=True, method=method), p)
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


def test_the_diagonal_stays_or_is_like_any_other():
    A = dominant("gaussian")
    half, p = jnp.full_like(A, 0.5), jnp.full_like(A, 0.25)
    layer = strengthen(A, half, p, leak=False)
    np.testing.assert_allclose(layer, 2 * A)
    network = strengthen(A, half, p)
    np.testing.assert_array_equal(network, strengthen(A, half, p, leak=True))
    np.testing.assert_array_equal(jnp.diagonal(network), jnp.diagonal(A))
    np.testing.assert_array_equal(strengthen(A[:5], half[:5], p[:5]), layer[:5])


def survivors_of(kind, symmetric=False):
    A = dominant("clustered" if symmetric else "gaussian")
    p = probabilities(A)
    mask = sample_mask(jax.random.key(1), p, symmetric=symmetric)
    fixed = jnp.eye(len(A)) if kind != "layer" else jnp.zeros_like(A)
    return Survivors(A, mask, fixed, p, None, kind, symmetric)


def test_the_leak_follows_in_a_linear_network_and_no_other():
    for symmetric in (True, False):
        linear = survivors_of("linear", symmetric)
        A, mask, p = linear.weights, linear.mask, linear.probabilities
        grown = strengthen(A, mask, p)
        S, same = Strengthen()(linear)
        assert same is mask
        np.testing.assert_array_equal(S, matched_diagonal(A, grown))
        np.testing.assert_array_equal(S, Strengthen(diagonal="matched")(linear)[0])
        np.testing.assert_array_equal(Strengthen(diagonal="original")(linear)[0], grown)
    recurrent = Strengthen()(survivors_of("recurrent"))[0]
    np.testing.assert_array_equal(recurrent, grown)
    layer = Strengthen()(survivors_of("layer"))[0]
    np.testing.assert_array_equal(layer, grown * (1 - jnp.eye(len(A))))
    for kind in ("recurrent", "layer"):
        with pytest.raises(jaxprune.InputError, match=f"diagonal is 'matched', but a network of kind '{kind}'"):
            Strengthen(diagonal="matched")(survivors_of(kind))


def test_a_cap_is_a_factor_and_its_quantile_is_over_all_synapses():
    recurrent = survivors_of("recurrent")
    A, mask, p = recurrent.weights, recurrent.mask, np.asarray(recurrent.probabilities)
    np.testing.assert_array_equal(Strengthen(cap=1.5)(recurrent)[0], strengthen(A, mask, jnp.asarray(p), cap=1.5))
    for quantile in (0.5, 1.0):
        cap = np.quantile(1 / p[p > 0], quantile)
        kept = np.asarray(mask) > 0
        gain = np.asarray(Strengthen(cap_quantile=quantile)(recurrent)[0])[kept] / np.asarray(A)[kept]
        np.testing.assert_allclose(gain, np.minimum(1 / p[kept], cap), rtol=1e-12)
    assert (1 / p[kept] > np.quantile(1 / p[p > 0], 0.5)).any()


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
    for cap in (0.99, 0.0, -1.0, float("nan")):
        for call in (lambda cap: strengthen(A, ones, ones, cap=cap), lambda cap: Strengthen(cap=cap)):
            with pytest.raises(jaxprune.InputError, match="cap is"):
                call(cap)
    for call, words in (
        (lambda: strengthen(A, ones, ones.at[0, 0].set(jnp.nan)), r"probabilities\[0, 0\] is nan"),
        (lambda: strengthen(A, ones[:2], ones), "mask has shape"),
        (lambda: strengthen(A[:2], ones[:2], ones[:2], leak=True), "no diagonal of leaks"),
        (lambda: matched_diagonal(A, ones[:2]), "pruned has shape"),
        (lambda: Strengthen(cap_quantile=0.0), "cap_quantile is 0"),
        (lambda: Strengthen(cap_quantile=1.1), "cap_quantile is 1.1"),
        (lambda: Strengthen(cap=2.0, cap_quantile=0.5), "both given"),
        (lambda: Strengthen(diagonal="other"), "diagonal is 'other', but must be one of"),
        (lambda: NoisePrune(adjust=Strengthen(cap=0.5)), "cap is 0.5"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
