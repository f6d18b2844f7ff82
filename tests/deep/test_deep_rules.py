"""Rules of use: the properties that they were made for, and counts by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune.deep import Constants, Counter, Heard, Survival, activity, weights

KEY = jax.random.key(0)
LAYER = eqx.nn.Linear(4, 3, key=KEY)


def heard(*sizes):
    """A linear layer's inputs of given size."""
    size = jnp.asarray(sizes, float)
    return jax.tree.map(lambda W: Heard(size, size**2), weights(LAYER))


def run(rule, epochs, tree=None):
    tree = weights(LAYER) if tree is None else tree
    state, seen = rule.init(tree), []
    for activities in epochs:
        state = rule.update(state, tree, activities)
        seen.append(np.asarray(state.masks.weight))
    return seen


@pytest.mark.parametrize("patience", [1, 3])
def test_a_silent_input_loses_everything_after_exactly_k_updates(patience):
    seen = run(Counter(alpha=0.01, patience=patience), [heard(1, 0, 1, 1)] * (patience + 1))
    for number, mask in enumerate(seen, 1):
        assert mask[:, 1].any() == (number < patience)
        assert mask[:, [0, 2, 3]].all()


def test_one_active_epoch_resets_the_count():
    silent, active = heard(1, 0, 1, 1), heard(1, 1, 1, 1)
    seen = run(Counter(alpha=0.01, patience=3), [silent, silent, active, silent, silent, silent])
    assert [bool(mask[:, 1].all()) for mask in seen] == [True] * 5 + [False]


def test_nothing_goes_without_threshold_or_patience():
    quiet = [heard(1, 0, 0.1, 5)] * 6
    assert all(mask.all() for mask in run(Counter(alpha=0), quiet))
    assert all(mask.all() for mask in run(Counter(patience=np.inf), quiet))


def test_threshold_counts_what_was_pruned_too():
    """By hand: theta is the sum over survivors by the number at first; what is gone stays gone."""
    W = np.abs(np.asarray(LAYER.weight))
    a = np.array([1.0, 2.0, 0.5, 3.0])
    mask, counts = np.ones_like(W), np.zeros(W.shape, int)
    for found in run(Counter(alpha=1.2, patience=2), [heard(*a)] * 8):
        c = W * a * mask
        low = (c < 1.2 * c.sum() / W.size) & (mask > 0)
        counts = np.where(low, counts + 1, 0)
        mask = np.where(counts >= 2, 0, mask)
        np.testing.assert_array_equal(found, mask)
    assert 0 < mask.sum() < W.size


@pytest.mark.parametrize("rule", [Counter(alpha=1.0, patience=2), Survival(begin=0)])
def test_a_convolution_on_one_pixel_is_a_linear_layer(rule):
    conv = eqx.nn.Conv2d(4, 3, 1, key=KEY)
    conv = eqx.tree_at(lambda c: c.weight, conv, LAYER.weight[:, :, None, None])
    X = jax.random.uniform(KEY, (20, 4))
    if isinstance(rule, Survival):
        rule = Survival(convolution=rule.linear)
    linear = run(rule, [activity(lambda m, x: jax.vmap(m)(x), LAYER, X)] * 12)
    image = run(rule, [activity(lambda m, x: jax.vmap(m)(x), conv, X[:, :, None, None])] * 12, weights(conv))
    for a, b in zip(linear, image, strict=True):
        np.testing.assert_array_equal(a, b[:, :, 0, 0])
    assert linear[-1].sum() < 12


@pytest.mark.parametrize(
    ("u", "convolution", "linear"), [(0.0, 21, 7), (0.05, 36, 8), (0.2, None, 10), (0.4, None, 17)]
)
def test_epochs_until_a_constant_importance_is_removed(u, convolution, linear):
    rule = Survival()
    for constants, wanted in ((rule.convolution, convolution), (rule.linear, linear)):
        R, removed = jnp.array(constants.reserve), None
        for number in range(2000):
            R = rule.spend(jnp.array(u), R, number, constants)
            if R < 0:
                removed = number + 1
                break
        assert removed == wanted


def test_survival_spends_what_is_in_the_middle_of_its_layer():
    rule = Survival(linear=Constants(1.0, 1.0, 1000.0, 0.0), decay=1.0, begin=0)
    a = np.array([1.0, 2.0, 0.5, 3.0])
    c = np.abs(np.asarray(LAYER.weight)) * a
    u = np.clip((c - c.min()) / (np.percentile(c, 75) - c.min()), 0, 1)
    (mask,) = run(rule, [heard(*a)])
    np.testing.assert_array_equal(mask, 1 + 2 * u - 1 >= 0)
    state = rule.update(rule.init(weights(LAYER)), weights(LAYER), heard(*a))
    np.testing.assert_allclose(state.reserves.weight, 2 * u, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("growth", ["random", "gradient", "gain"])
def test_some_come_elsewhere(growth):
    tree = weights(eqx.nn.Linear(20, 10, key=KEY))
    size = jax.random.uniform(KEY, (20,))
    found = jax.tree.map(lambda W: Heard(size, size**2), tree)
    gradient = jax.tree.map(lambda W: jax.random.normal(jax.random.key(1), W.shape), tree)
    rule = Counter(alpha=0.8, patience=1, growth=growth, share=0.5)
    state, plain = rule.init(tree), Counter(alpha=0.8, patience=1)
    came = 0
    for number in range(4):
        tree = jax.tree.map(lambda W, number=number: jax.random.normal(jax.random.key(number), W.shape), tree)
        arguments = {"key": jax.random.key(number), "gradient": gradient}
        after = rule.update(state, tree, found, **arguments)
        without = plain.update(state, tree, found)
        before, now, kept = (np.asarray(s.masks.weight) for s in (state, after, without))
        removed, absent = (before == 1) & (kept == 0), before == 0
        new = (now == 1) & ~(kept == 1)
        assert not new[~absent].any()
        assert new.sum() == min(removed.sum() // 2, absent.sum())
        np.testing.assert_array_equal(now[~absent], kept[~absent])
        if growth != "random" and new.any():
            gain = np.abs(np.asarray(gradient.weight)) / (np.asarray(size)[None] if growth == "gain" else 1)
            assert gain[new].min() >= gain[absent & ~new].max()
        came += new.sum()
        state = after
    assert came > 0
    with pytest.raises(jaxprune.InputError, match="growth is"):
        rule.update(state, tree, found)


def test_survival_begins_when_it_is_told():
    epochs = [heard(1.0, 2.0, 0.5, 3.0)] * 20
    at_once = run(Survival(begin=0), epochs)
    later = run(Survival(begin=3), epochs)
    assert all(mask.all() for mask in later[:3])
    for a, b in zip(at_once[:-3], later[3:], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not at_once[-4].all()


@pytest.mark.parametrize("rule", [Counter(alpha=1.1, patience=2), Survival(begin=0)])
def test_a_layer_whose_synapses_are_all_alike_is_not_emptied(rule):
    alike = jax.tree.map(jnp.ones_like, weights(LAYER))
    masks = run(rule, [heard(1, 1, 1, 1)] * 30, alike)
    assert all(mask.all() for mask in masks)


@pytest.mark.parametrize("granularity", ["kernel", "filter"])
def test_whole_kernels_and_filters_go_together(granularity):
    conv = eqx.nn.Conv2d(4, 3, 2, key=KEY)
    found = activity(lambda m, x: jax.vmap(m)(x), conv, jax.random.uniform(KEY, (20, 4, 5, 5)))
    mask = run(Counter(patience=1, granularity=granularity), [found], weights(conv))[-1]
    score = np.abs(np.asarray(conv.weight)) * np.asarray(found.weight.size)[None, :, None, None]
    means = score.mean(axis=(2, 3) if granularity == "kernel" else (1, 2, 3), keepdims=True)
    np.testing.assert_array_equal(mask, np.broadcast_to(means >= score.mean(), mask.shape))
    assert 0 < mask.mean() < 1


def test_errors():
    for make, message in (
        (lambda: Counter(alpha=-1.0), "alpha is -1"),
        (lambda: Counter(patience=0), "patience is 0, but must be at least 1"),
        (lambda: Counter(score="size"), "score is 'size', but must be one of 'use'"),
        (lambda: Survival(granularity="row"), "granularity is 'row'"),
        (lambda: Counter(growth="hope"), "growth is 'hope'"),
        (lambda: Counter(share=1.5), "share is 1.5"),
        (lambda: Survival(begin=-1), "begin is -1"),
    ):
        with pytest.raises(jaxprune.InputError, match=message):
            make()
    rule = Counter(score="fisher")
    state = rule.init(weights(LAYER))
    with pytest.raises(jaxprune.InputError, match="needs mean squared gradients"):
        rule.update(state, weights(LAYER), heard(1, 1, 1, 1))
