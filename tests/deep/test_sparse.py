"""Sparse training against its definition in NumPy."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep
from jaxprune.deep import Schedule, Sparse

KEY = jax.random.key(0)
MODEL = eqx.nn.MLP(6, 4, 10, 1, key=KEY)
W = deep.weights(MODEL)
X = jax.random.normal(KEY, (30, 6)) * jnp.arange(6)[None, :]
_, GRADIENT, HEARD = deep.value_and_gradient(lambda m, x: jnp.mean(jax.vmap(m)(x) ** 2), MODEL, X)
GRADIENT = deep.weights(GRADIENT)
TOTAL = 6 * 10 + 10 * 4


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def test_schedule():
    schedule = Schedule(0.2, begin=0.25, end=0.75)
    for t, expected in ((0, 1), (0.25, 1), (0.5, 0.2 + 0.8 * 0.125), (0.75, 0.2), (1, 0.2)):
        np.testing.assert_allclose(schedule.density(t), expected, rtol=1e-6)
    assert float(Schedule(0.3, 0.5, 0.5).density(0.49)) == 1
    np.testing.assert_allclose(Schedule(0.3, 0.5, 0.5).density(0.51), 0.3)


@pytest.mark.parametrize("layers", ["uniform", "erdos-renyi"])
@pytest.mark.parametrize("keep", [0.05, 0.3, 0.9])
def test_random_masks(layers, keep):
    big = {"a": jnp.ones((100, 300)), "b": jnp.ones((10, 100)), "c": jnp.ones((20, 4, 3, 3))}
    masks = deep.random_masks(KEY, big, keep, layers=layers)
    shares = {name: float(mask.mean()) for name, mask in masks.items()}
    np.testing.assert_allclose(deep.density(masks), keep, atol=1e-3)
    if layers == "uniform":
        np.testing.assert_allclose(list(shares.values()), keep, atol=1e-3)
    else:
        ratio = {name: sum(x.shape) / x.size for name, x in big.items()}
        free = [name for name in big if shares[name] < 1]
        scales = [shares[name] / ratio[name] for name in free]
        np.testing.assert_allclose(scales, scales[0], rtol=0.03)
        assert all(shares[name] == 1 or ratio[name] * scales[0] <= 1 for name in big)
    assert (flat(masks) != flat(deep.random_masks(jax.random.key(1), big, keep, layers=layers))).any() or keep == 1


@pytest.mark.parametrize("score", ["weight", "use", "information"])
@pytest.mark.parametrize("groups", ["global", "layer"])
def test_the_most_important_stay_along_the_schedule(score, groups):
    rule = Sparse(Schedule(0.1, 0, 1), score=score, groups=groups)
    scores, state = deep.importance(W, HEARD, score), rule.init(KEY, W)
    # The best of every layer stays in any case.
    greatest = flat(scores).max()
    scores = jax.tree.map(lambda part: jnp.where(part == part.max(), greatest, part), scores)
    earlier = np.ones(TOTAL)
    for time in (0.0, 0.2, 0.6, 1.0):
        state = rule.update(KEY, state, W, HEARD, time=time)
        density = float(rule.schedule.density(time))
        parts = (
            [(flat(scores), flat(state.masks))]
            if groups == "global"
            else [(np.ravel(s), np.ravel(m)) for s, m in zip(*map(jax.tree.leaves, (scores, state.masks)), strict=True)]
        )
        for values, mask in parts:
            count = int(np.floor(density * len(values) + 0.5))
            assert mask.sum() == count
            assert count == len(values) or values[mask == 1].min() >= values[mask == 0].max()
        assert (flat(state.masks) <= earlier).all()
        earlier = flat(state.masks)


@pytest.mark.parametrize("growth", ["gradient", "gain", "random"])
@pytest.mark.parametrize("start", ["uniform", "erdos-renyi"])
def test_exchange_at_a_constant_number(growth, start):
    rule = Sparse(Schedule(0.3), growth=growth, share=0.4, start=start)
    state = rule.init(KEY, W)
    after = rule.update(jax.random.key(1), state, W, HEARD, time=0.0, gradient=GRADIENT)
    before, now, size, g = (flat(tree) for tree in (state.masks, after.masks, W, GRADIENT))
    count = int(0.4 * before.sum())
    gone, come = (before == 1) & (now == 0), (before == 0) & (now == 1)
    assert gone.sum() == come.sum() == count
    assert np.abs(size)[gone].max() <= np.abs(size)[(before == 1) & (now == 1)].min()
    if growth != "random":
        gain = np.abs(g)
        if growth == "gain":
            power = [
                np.broadcast_to(h.power, s.shape)
                for h, s in zip(
                    jax.tree.leaves(HEARD, is_leaf=lambda n: isinstance(n, deep.Heard)), jax.tree.leaves(W), strict=True
                )
            ]
            gain = gain / np.sqrt(np.concatenate([np.ravel(p) for p in power]) + 1e-12)
        assert gain[come].min() >= gain[(before == 0) & (now == 0)].max()
    later = rule.update(KEY, state, W, HEARD, time=1.0, gradient=GRADIENT)
    np.testing.assert_array_equal(flat(later.masks), before)


@pytest.mark.parametrize("groups", ["global", "layer"])
@pytest.mark.parametrize("growth", ["gradient", "random"])
def test_what_the_schedule_takes_does_not_come_back_at_once(growth, groups):
    rule = Sparse(Schedule(0.1, 0, 1), growth=growth, share=0.5, groups=groups)
    state, came = rule.init(KEY, W), 0
    for number, time in enumerate((0.1, 0.3, 0.5, 0.7)):
        after = rule.update(jax.random.key(number), state, W, HEARD, time=time, gradient=GRADIENT)
        before, now = flat(state.masks), flat(after.masks)
        assert now.sum() == pytest.approx(float(rule.schedule.density(time)) * TOTAL, abs=1)
        came += ((before == 0) & (now == 1)).sum()
        kept = flat(dataclasses.replace(rule, growth="none").update(KEY, state, W, HEARD, time=time).masks)
        assert not ((before == 1) & (kept == 0) & (now == 1)).any()
        state = after
    assert came > 0


def test_no_layer_goes_empty():
    tiny = eqx.tree_at(lambda w: w.layers[1].weight, W, W.layers[1].weight * 1e-6)
    for growth in ("none", "gradient"):
        rule = Sparse(Schedule(0.05), growth=growth)
        state = rule.init(KEY, tiny)
        for time in (0.3, 0.7, 1.0):
            state = rule.update(KEY, state, tiny, HEARD, time=time, gradient=GRADIENT)
        counts = [int(mask.sum()) for mask in jax.tree.leaves(state.masks)]
        assert counts[1] >= 1
        assert sum(counts) == round(0.05 * TOTAL)
        if growth == "none":
            assert int(np.asarray(state.masks.layers[1].weight).argmax()) == int(np.abs(tiny.layers[1].weight).argmax())


def test_errors():
    for make, message in (
        (lambda: Schedule(0.0), "keep is 0"),
        (lambda: Schedule(0.5, 0.8, 0.2), "must be in order"),
        (lambda: Sparse(Schedule(0.5), growth="hope"), "growth is 'hope'"),
        (lambda: Sparse(Schedule(0.5), share=1.0), "share is 1.0"),
        (lambda: Sparse(Schedule(0.5), groups="row"), "groups is 'row'"),
    ):
        with pytest.raises(jaxprune.InputError, match=message):
            make()
    rule = Sparse(Schedule(0.5), growth="gradient")
    with pytest.raises(jaxprune.InputError, match="needs the gradient of the masked network"):
        rule.update(KEY, rule.init(KEY, W), W, HEARD, time=0.0)
