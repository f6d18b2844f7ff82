"""Masks: means, counts, dependence, ties, mirrors."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, quick_jit, standard_errors, untyped

import jaxprune
from jaxprune.pruning import keep_probabilities, sample_mask

DRAWS = 4000
METHODS = ("bernoulli", "systematic", "top")


def probabilities(symmetric, count=90, dtype=float):
    """Probabilities from nearly 0 to exactly 1, some synapses missing, of whole sum."""
    importance = jnp.exp(1.5 * jax.random.normal(jax.random.key(0), (SIZE, SIZE), dtype))
    importance = jnp.where(jax.random.uniform(jax.random.key(1), (SIZE, SIZE)) < 0.7, importance, 0)
    importance = jnp.triu(importance, 1) + jnp.triu(importance, 1).T if symmetric else importance
    return keep_probabilities(importance * (1 - jnp.eye(SIZE, dtype=dtype)), count=count)


@functools.cache
def sampler(symmetric, method):
    """Compiled once for all tests."""
    return quick_jit(jax.vmap(lambda key, p: sample_mask(key, p, symmetric=symmetric, method=method), (0, None)))


def masks(p, draws=DRAWS, *, symmetric, method="bernoulli"):
    return np.asarray(sampler(symmetric, method)(jax.random.split(jax.random.key(2), draws), p))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_masks_are_zeros_and_ones_where_they_may_be(method, symmetric):
    p = probabilities(symmetric)
    drawn = masks(p, symmetric=symmetric, method=method)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert not drawn[:, np.asarray(p) == 0].any()
    if method != "top":
        assert drawn[:, np.asarray(p) == 1].all()
    if symmetric:
        np.testing.assert_array_equal(drawn, drawn.transpose(0, 2, 1))
    if method != "bernoulli":
        np.testing.assert_array_equal(drawn.sum(axis=(1, 2)), 90)


@pytest.mark.parametrize("method", ["bernoulli", "systematic"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_every_synapse_stays_with_its_probability(method, symmetric):
    p = np.asarray(probabilities(symmetric))
    assert ((p > 0) & (p < 1)).sum() > 50
    drawn = masks(jnp.asarray(p), symmetric=symmetric, method=method)
    assert standard_errors(drawn.mean(axis=0), p, p * (1 - p), DRAWS) < 5


def pairwise_products(count, method, draws=40_000):
    """Mean of m_i m_j over draws, for all pairs of synapses of a network of four neurons that are not certain."""
    p = keep_probabilities(jnp.arange(16.0).reshape(4, 4) * (1 - jnp.eye(4)), count=count)
    drawn = masks(p, draws, symmetric=False, method=method).reshape(draws, -1)
    chance = np.asarray(p).reshape(-1)
    uncertain = (chance > 0) & (chance < 1)
    return drawn[:, uncertain].T @ drawn[:, uncertain] / draws, chance[uncertain], draws


def test_coins_are_independent():
    products, chance, draws = pairwise_products(5, "bernoulli")
    expected = np.outer(chance, chance)
    pairs = ~np.eye(len(chance), dtype=bool)
    assert standard_errors(products[pairs], expected[pairs], (expected * (1 - expected))[pairs], draws) < 5


@pytest.mark.parametrize("count", [2, 5, 9])
def test_systematic_draws_are_negatively_dependent(count):
    products, chance, draws = pairwise_products(count, "systematic")
    independent = np.outer(chance, chance)
    error = np.sqrt(independent * (1 - independent) / draws)
    pairs = ~np.eye(len(chance), dtype=bool)
    assert (products - independent - 5 * error)[pairs].max() < 0
    # With the count fixed the covariances with one synapse add up to minus its variance, so they cannot all be zero.
    covariance = np.where(pairs, products - independent, 0)
    np.testing.assert_allclose(
        covariance.sum(axis=1), -chance * (1 - chance), atol=5 * np.sqrt(len(chance)) * error.max()
    )


def test_systematic_counts_are_rounded_at_random():
    p = probabilities(False, count=40.25)
    drawn = masks(p, symmetric=False, method="systematic")
    counts = drawn.sum(axis=(1, 2))
    assert set(counts) == {40, 41}
    assert standard_errors((counts == 41).mean(), 0.25, 0.25 * 0.75, DRAWS) < 5
    assert standard_errors(drawn.mean(axis=0), p, p * (1 - p), DRAWS) < 5


@pytest.mark.parametrize("symmetric", [True, False])
def test_systematic_draws_do_not_hang_on_the_rounding_of_the_probabilities(symmetric):
    """The last two of a whole number of synapses have a chance of one between them, up to rounding."""
    p = probabilities(symmetric)
    rng = np.random.default_rng(0)
    straight = masks(p, symmetric=symmetric, method="systematic")
    for _ in range(4):
        shaken = np.asarray(p) * (1 - 1e-15 * np.triu(rng.random(p.shape)))
        shaken = np.triu(shaken) + np.triu(shaken, 1).T if symmetric else shaken
        np.testing.assert_array_equal(masks(jnp.asarray(shaken), symmetric=symmetric, method="systematic"), straight)


def test_systematic_shares_are_close_to_fair_for_every_neuron():
    p = probabilities(False)
    fair = np.asarray(p).sum(axis=1)
    spread = {}
    for method in ("bernoulli", "systematic"):
        spread[method] = ((masks(p, symmetric=False, method=method).sum(axis=2) - fair) ** 2).mean(axis=0)
    # Row sums of independent coins have variance sum p (1 - p); negative dependence may only lower it. The variance of the
    # estimate of a variance is that of a squared deviation, twice its square for the normal sums that these resemble.
    coins = (np.asarray(p) * (1 - np.asarray(p))).sum(axis=1)
    assert standard_errors(spread["bernoulli"], coins, 2 * coins**2, DRAWS) < 5
    assert (spread["systematic"] < coins * (1 + 5 * np.sqrt(2 / DRAWS))).all()
    assert spread["systematic"].sum() < 0.5 * coins.sum()


@pytest.mark.parametrize("symmetric", [True, False])
def test_top_keeps_the_largest(symmetric):
    p = np.asarray(probabilities(symmetric, count=60))
    mask, *_ = masks(jnp.asarray(p), symmetric=symmetric, method="top")
    assert (p < 1).sum() > 60  # the largest are not simply the certain ones
    expected = np.zeros_like(p)
    if symmetric:
        upper = np.triu(p, 1)
        expected.flat[np.argsort(-upper, axis=None, kind="stable")[:30]] = 1
        expected += expected.T
    else:
        expected.flat[np.argsort(-p, axis=None, kind="stable")[:60]] = 1
    assert p[mask == 1].min() >= p[(mask == 0) & (p > 0)].max()
    # Which of the certain ones is first does not matter when all of them stay.
    np.testing.assert_array_equal(mask, expected)


def test_ties_at_the_top_are_broken_evenly():
    p = jnp.array([[0.0, 0.9, 0.4], [0.4, 0.0, 0.4], [0.4, 0.5, 0.0]])  # sums to 3: .9, .5, and one of four
    drawn = masks(p, symmetric=False, method="top")
    np.testing.assert_array_equal(drawn.sum(axis=(1, 2)), 3)
    assert drawn[:, 0, 1].all()
    assert drawn[:, 2, 1].all()
    tied = drawn.mean(axis=0)[np.asarray(p) == 0.4]
    assert standard_errors(tied, 0.25, 0.25 * 0.75, DRAWS) < 5


def test_top_of_many_ties_in_single_precision_has_the_exact_count():
    # A million equal probabilities draw tickets of 23 random bits: some draw the same one, now and then the last that counts.
    p = jnp.full((1024, 1024), 0.25, jnp.float32) * (1 - jnp.eye(1024, dtype=jnp.float32))
    draw = quick_jit(lambda key, p: jnp.sum(sample_mask(key, p, symmetric=False, method="top"), dtype=jnp.int32))
    counts = {int(draw(key, p)) for key in jax.random.split(jax.random.key(4), 12)[4:8]}
    assert len(counts) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_nothing_and_everything(method, symmetric):
    full = 1 - jnp.eye(SIZE)
    for p in (full, 0 * full):
        drawn = masks(p, symmetric=symmetric, method=method)
        np.testing.assert_array_equal(drawn, np.broadcast_to(p, drawn.shape))


@pytest.mark.parametrize("method", METHODS)
def test_one_and_two_neurons(method):
    draw = quick_jit(lambda p: sample_mask(jax.random.key(0), p, symmetric=False, method=method))
    for p in (jnp.zeros((1, 1)), jnp.array([[0.0, 1.0], [0.0, 0.0]])):
        np.testing.assert_array_equal(draw(p), p)


def test_coins_of_growing_probability_are_nested():
    few, many = probabilities(False, count=40), probabilities(False, count=100)
    assert bool(jnp.all(few <= many))
    for symmetric in (True, False):
        smaller, larger = (masks(p, symmetric=symmetric) for p in (few, many))
        assert (smaller <= larger).all()
        assert smaller.sum() < larger.sum()


@pytest.mark.parametrize("method", METHODS)
def test_only_the_upper_triangle_decides_for_pairs(method):
    p = probabilities(True)
    whole = masks(p, symmetric=True, method=method)
    half = masks(jnp.triu(p), symmetric=True, method=method)
    np.testing.assert_array_equal(whole, half)


@pytest.mark.parametrize("method", METHODS)
def test_single_precision(method):
    p = probabilities(False, dtype=jnp.float32)
    mask = quick_jit(lambda key, p: sample_mask(key, p, symmetric=False, method=method))(jax.random.key(0), p)
    assert mask.dtype == jnp.float32
    assert set(np.unique(mask)) == {0.0, 1.0}


WHERE = {
    "a": jnp.asarray(np.random.default_rng(0).random((3, 8)) < 0.8),
    "b": jnp.asarray(np.random.default_rng(1).random((2, 2, 2, 2)) < 0.8),
}
IMPORTANCE = {
    # Every second synapse says nothing.
    name: jnp.exp(jax.random.normal(jax.random.key(3), there.shape)) * (jnp.arange(there.size).reshape(there.shape) % 2)
    for name, there in WHERE.items()
}


def group_sums(tree, groups):
    """Sums of a pytree of arrays over every group, each array with one more axis in front for draws."""
    flat = [np.asarray(leaf).reshape(len(leaf), leaf.shape[1], -1) for leaf in jax.tree.leaves(tree)]
    if groups == "global":
        return sum(leaf.sum(axis=(1, 2)) for leaf in flat)[:, None]
    if groups == "layer":
        return np.stack([leaf.sum(axis=(1, 2)) for leaf in flat], axis=1)
    width = {"row": None, "2:4": 4}[groups]
    parts = [leaf.reshape(len(leaf), -1, width or leaf.shape[2]).sum(axis=2) for leaf in flat]
    return np.concatenate(parts, axis=1)


@functools.cache
def layer_sampler(method, groups):
    """As `sampler`, for layers; coins do not know of groups."""
    if method == "bernoulli" and groups != "row":
        return layer_sampler(method, "row")
    return quick_jit(jax.vmap(lambda key, p: sample_mask(key, p, method=method, groups=groups), (0, None)))


def layer_masks(p, method, groups):
    return layer_sampler(method, groups)(jax.random.split(jax.random.key(5), 1000), p)


@pytest.mark.parametrize(
    ("method", "groups"),
    # Tournaments of layers are those of arrays by themselves.
    [case for case in itertools.product(METHODS, ("global", "layer", "row", "2:4")) if case != ("systematic", "layer")],
)
def test_budgets_of_layers_of_any_shape(method, groups):
    """Exact counts in every group (coins in the mean), over silent synapses too, and every synapse with its probability."""
    keep = None if groups == "2:4" else 0.7
    p = keep_probabilities(IMPORTANCE, keep=keep, where=WHERE, groups=groups)
    drawn = layer_masks(p, method, groups)
    wanted = group_sums(jax.tree.map(lambda leaf: leaf[None], p), groups)
    counts = group_sums(drawn, groups)
    if method == "systematic":
        assert (np.abs(counts - wanted) < 1).all()
    if method == "top":
        np.testing.assert_array_equal(counts, np.broadcast_to(np.floor(wanted + 0.5 + 1e-9), counts.shape))
    for name, there in WHERE.items():
        assert set(np.unique(drawn[name])) == {0.0, 1.0}
        assert not np.asarray(drawn[name])[:, ~np.asarray(there)].any()
        if method != "top":
            chance = np.asarray(p[name])
            assert standard_errors(drawn[name].mean(axis=0), chance, chance * (1 - chance), 1000) < 5
    silent = np.concatenate([np.ravel(there & (IMPORTANCE[name] == 0)) for name, there in WHERE.items()])
    kept = np.concatenate([np.asarray(drawn[name]).reshape(1000, -1) for name in WHERE], axis=1)[:, silent]
    assert 0 < kept.mean() < 1


@pytest.mark.parametrize("method", METHODS)
def test_to_keep_all_keeps_silent_synapses_too(method):
    for groups in ("global", "row"):
        drawn = layer_masks(keep_probabilities(IMPORTANCE, keep=1.0, where=WHERE, groups=groups), method, groups)
        for name, there in WHERE.items():
            np.testing.assert_array_equal(drawn[name], np.broadcast_to(there, drawn[name].shape))


def test_layers_and_neurons_draw_for_themselves():
    """Equal chances are not equal coins."""
    even = {name: jnp.full(there.shape, 0.5) for name, there in WHERE.items()}
    coins = layer_masks(even, "bernoulli", "global")
    assert not np.array_equal(coins["a"][0].ravel()[:16], coins["b"][0].ravel())
    rows = [layer_masks(even, "systematic", "row")[name][0].reshape(-1, 8) for name in WHERE]
    assert all(len(np.unique(np.asarray(part), axis=0)) > 1 for part in rows)
    assert not np.array_equal(rows[0][:2], rows[1])


def test_pairs_by_default_where_the_probabilities_are_one_symmetric_matrix():
    p, key = probabilities(True), jax.random.key(0)
    mask = sample_mask(key, p)
    np.testing.assert_array_equal(mask, sample_mask(key, p, symmetric=True))
    np.testing.assert_array_equal(
        sample_mask(key, p.at[0, 1].add(-0.01)), sample_mask(key, p.at[0, 1].add(-0.01), symmetric=False)
    )
    assert not np.array_equal(mask, sample_mask(key, p, symmetric=False))


def test_errors():
    key, p = jax.random.key(0), jnp.full((2, 2), 0.5)
    for call, words in (
        (lambda: sample_mask(key, jnp.array([[0.0, jnp.nan], [0.0, 0.0]])), r"probabilities\[0, 1\] is nan"),
        (lambda: sample_mask(key, p.astype(jnp.float16)), "dtype float16"),
        (lambda: sample_mask(key, [[0.5]]), "probabilities is a float"),
        (lambda: sample_mask(0, p), "key is 0, but must be a typed random key"),
        (lambda: sample_mask(jax.random.PRNGKey(0), p), "must be a typed random key: pass jax.random.key"),
        (lambda: sample_mask(jax.random.split(key), p), r"key holds \(2,\) keys, but one is needed"),
        (lambda: sample_mask(key, p, method="luck"), "method is 'luck', but must be one of"),
        (lambda: sample_mask(key, p, groups="column"), "groups is 'column'"),
        (lambda: sample_mask(key, p, groups="2:4", symmetric=False, method="top"), "4 does not divide"),
        (lambda: sample_mask(key, p, groups="row"), "two rows: use 'global', or pass symmetric=False"),
        (lambda: sample_mask(key, jnp.ones((2, 3)), symmetric=True), "not one square matrix"),
        (lambda: sample_mask(key, [p, p], symmetric=True), "not one square matrix"),
        (lambda: sample_mask(key, p.at[0, 1].set(1.0), symmetric=True), "probabilities is not symmetric"),
        (lambda: jax.jit(sample_mask)(key, p), "probabilities is traced, so that its symmetry cannot be looked up"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words) as refusal:
            call()
        assert "\n" not in str(refusal.value)
