"""Exact water-filling against a root-finder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import FAMILIES, SYMMETRIC, dominant, quick_jit, stationary, untyped

import jaxprune
from jaxprune.pruning import keep_probabilities, noise_importance

fill = quick_jit(lambda importance, count: keep_probabilities(importance, count=count))
fill_where = quick_jit(lambda importance, where, count: keep_probabilities(importance, count=count, where=where))


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


def by_hand(importance, where, count):
    """Water-filling of a few numbers, one cap after the other; zeros share what is left."""
    r, there = np.ravel(importance), np.ravel(where) > 0
    p, scored = np.zeros(r.size), there & (np.ravel(importance) > 0)
    first = min(count, scored.sum())
    full = np.zeros(r.size, bool)
    while scored.any():
        free = scored & ~full
        scale = (first - full.sum()) / r[free].sum() if free.any() else 0
        if not (scale * r[free] > 1).any():
            p[free] = scale * r[free]
            break
        full |= free & (scale * r >= 1)
    p[full] = 1
    rest = there & ~scored
    p[rest] = (min(count, there.sum()) - first) / max(rest.sum(), 1)
    return p.reshape(np.shape(importance))


def with_zeros(shape, seed=0):
    """Importances of which a third are zero, and synapses of which a fifth are missing."""
    rng = np.random.default_rng(seed)
    where = rng.random(shape) < 0.8
    return jnp.asarray(np.exp(rng.normal(size=shape)) * (rng.random(shape) < 0.67) * where), jnp.asarray(where)


@pytest.mark.parametrize("shape", [(6, 8), (4, 3, 2, 2), (20,)])
def test_synapses_without_importance_are_the_least_important_ones(shape):
    importance, where = with_zeros(shape)
    total, scored = int(where.sum()), int((importance > 0).sum())
    assert 0 < scored < total
    for count in (1, scored - 1, scored, scored + 1, (scored + total) / 2, total, total + 5):
        p = fill_where(importance, where, count)
        np.testing.assert_allclose(p, by_hand(importance, where, count), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(p.sum(), min(count, total), rtol=1e-12)
    np.testing.assert_array_equal(keep_probabilities(importance, keep=1.0, where=where), where)
    # Said by numbers it is the same, and a score where no synapse is says nothing.
    np.testing.assert_array_equal(
        keep_probabilities(importance + 5.0 * ~where, count=3, where=where.astype(float)),
        keep_probabilities(importance, count=3.0, where=where),
    )


def test_importance_zero_everywhere_says_nothing_about_synapses_that_exist():
    where = jnp.array([[True, True, False], [True, False, True]])
    np.testing.assert_allclose(keep_probabilities(jnp.zeros((2, 3)), count=3, where=where), 0.75 * where)


LAYERS = {name: with_zeros(shape, seed) for seed, (name, shape) in enumerate({"a": (6, 8), "b": (4, 2, 2, 2)}.items())}
IMPORTANCE, WHERE = ({name: layer[part] for name, layer in LAYERS.items()} for part in range(2))


def groups_of(name, groups):
    """Slices of one layer that share a budget."""
    importance, where = (np.asarray(value).reshape(len(value), -1) for value in LAYERS[name])
    width = {"layer": importance.size, "row": importance.shape[1], "2:4": 4}[groups]
    return zip(importance.reshape(-1, width), where.reshape(-1, width), strict=True)


@pytest.mark.parametrize("groups", ["layer", "row", "2:4"])
def test_every_group_has_its_own_budget(groups):
    keep = None if groups == "2:4" else 0.6
    p = keep_probabilities(IMPORTANCE, keep=keep, where=WHERE, groups=groups)
    for name in LAYERS:
        assert p[name].shape == IMPORTANCE[name].shape
        rows = np.asarray(p[name]).reshape(len(p[name]), -1)
        parts = [by_hand(r, there, 2 if keep is None else keep * there.sum()) for r, there in groups_of(name, groups)]
        np.testing.assert_allclose(rows.reshape(len(parts), -1), parts, rtol=1e-9, atol=1e-12)


def test_the_global_budget_is_over_all_layers():
    p = keep_probabilities(IMPORTANCE, count=30, where=WHERE)
    flat = [np.concatenate([np.ravel(tree[name]) for name in LAYERS]) for tree in (IMPORTANCE, WHERE, p)]
    np.testing.assert_allclose(flat[2], by_hand(*flat[:2], 30), rtol=1e-9, atol=1e-12)
    total = sum(int(where.sum()) for where in WHERE.values())
    same = keep_probabilities(IMPORTANCE, keep=30 / total, where=WHERE)
    for name in LAYERS:
        np.testing.assert_allclose(same[name], p[name], rtol=1e-12)


def test_errors():
    r = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    for call, words in (
        (lambda: keep_probabilities(r), "exactly one of them"),
        (lambda: keep_probabilities(r, keep=0.5, count=1), r"keep is 0\.5 and count 1"),
        (lambda: keep_probabilities(r.at[0, 1].set(-1.0), count=1), "negative entries, the lowest -1"),
        (lambda: keep_probabilities(jnp.zeros((2, 2)), count=1), "is there one at all"),
        (lambda: keep_probabilities(r, count=1, where=jnp.zeros((2, 2))), "there is no synapse"),
        (lambda: keep_probabilities(r.at[0, 1].set(jnp.inf), count=1), r"importance\[0, 1\] is inf"),
        (lambda: keep_probabilities(r.at[0, 1].set(jnp.nan), count=1), r"importance\[0, 1\] is nan"),
        (lambda: keep_probabilities(r.astype(jnp.float16), count=1), "dtype float16"),
        (lambda: keep_probabilities([[0.0, 1.0]], count=1), "importance is a float, but must be an array"),
        (lambda: keep_probabilities({}, count=1), "importance holds no array"),
        (
            lambda: keep_probabilities(r, count=1, where=jnp.ones(3)),
            r"shape \(2, 2\), but there are synapses of shape \(3,\)",
        ),
        (lambda: keep_probabilities({"a": r}, count=1, where={"b": r}), "different structures"),
        (lambda: keep_probabilities(jnp.ones((2, 6)), groups="2:4"), "6 inputs, which 4 does not divide"),
        (lambda: keep_probabilities(jnp.ones((2, 8)), groups="2:4", keep=0.5), "leave out keep and count"),
        (lambda: keep_probabilities(jnp.ones((2, 8)), groups="2:4", count=8), "leave out keep and count"),
        (lambda: keep_probabilities(r, count=1, groups="row"), "pass keep, the fraction of every group"),
        (lambda: keep_probabilities(r, keep=0.5, groups="column"), "groups is 'column'"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words) as refusal:
            call()
        assert "\n" not in str(refusal.value)
    for keep in (0.0, -0.1, 1.01, float("nan")):
        with pytest.raises(jaxprune.InputError, match=r"keep is .*\(0, 1\]"):
            keep_probabilities(r, keep=keep)
    for count in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(jaxprune.InputError, match="count is"):
            keep_probabilities(r, count=count)


def test_importance_that_is_not_finite_is_no_probability():
    """Inside `jit`, where it cannot be refused."""
    r = jnp.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])
    for bad in (jnp.nan, jnp.inf):
        p = jax.jit(lambda r: keep_probabilities(r, count=2, where=jnp.ones_like(r)))(r.at[0, 1].set(bad))
        assert bool(jnp.isnan(p).all())
        rows = jax.jit(lambda r: keep_probabilities(r, keep=0.5, groups="row", where=jnp.ones_like(r)))(
            r.at[0, 1].set(bad)
        )
        np.testing.assert_array_equal(jnp.isnan(rows), [[True] * 3, [False] * 3])
