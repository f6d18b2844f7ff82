"""Removing synapses and units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import exact, machine

import jaxprune
from jaxprune.boltzmann import (
    CRITERIA,
    choose,
    delete_units,
    divergence,
    enumerate_machine,
    isolate_units,
    remove,
    start_chains,
    units_left,
    weight_size,
)

KEY = jax.random.key(0)


@pytest.mark.parametrize("kind", ["restricted", "deep", "deeper"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_the_least_important_share_of_each_layer_goes(kind, share):
    model = machine(kind)
    for new, old, W in zip(
        choose(KEY, model, weight_size(model), remove=share), model.masks, model.weights, strict=True
    ):
        there = int(old.sum())
        assert int(new.sum()) == there - round(share * there)
        size = np.abs(np.asarray(W))
        assert size[np.asarray(new) > 0].min() >= size[(np.asarray(old) > 0) & (np.asarray(new) == 0)].max(initial=0)


def test_zero_scores_go_all_and_no_others():
    model = machine()
    there = int(model.masks[0].sum())
    score = np.asarray(weight_size(model)[0]).copy()
    places = np.argwhere(score > 0)
    score[tuple(places[: there // 2].T)] = 0
    gone = {tuple(place) for place in places[: there // 2]}
    mask = np.asarray(choose(KEY, model, (jnp.asarray(score),), remove=0.2)[0])
    assert {tuple(place) for place in np.argwhere((mask == 0) & (np.asarray(model.masks[0]) > 0))} == gone
    # Without the rule the quota is kept, out of the zeros at random.
    mask = choose(KEY, model, (jnp.asarray(score),), remove=0.2, zeros=False)[0]
    assert int(mask.sum()) == there - round(0.2 * there)
    assert {tuple(place) for place in np.argwhere((np.asarray(mask) == 0) & (np.asarray(model.masks[0]) > 0))} <= gone
    # Fewer zeros than the quota: the next ones go, too.
    mask = choose(KEY, model, (jnp.asarray(score),), remove=0.7)[0]
    assert int(mask.sum()) == there - round(0.7 * there)


def test_layers_have_shares_of_their_own():
    model = machine("deep")
    masks = choose(KEY, model, weight_size(model), remove=(0.1, 0.5))
    for new, old, share in zip(masks, model.masks, (0.1, 0.5), strict=True):
        assert int(new.sum()) == int(old.sum()) - round(share * int(old.sum()))


def test_random_choice_hangs_on_the_key():
    model = machine()
    score = CRITERIA["uniform"](KEY, model, exact().moments)
    first, again, other = (choose(jax.random.key(seed), model, score, remove=0.5)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_biases_take_over_the_mean_of_what_was_lost():
    model, moments = machine("deep"), exact("deep").moments
    masks = choose(KEY, model, weight_size(model), remove=0.5)
    after = remove(model, masks, moments)
    for layer, bias in enumerate(model.biases):
        expected = np.asarray(bias).copy()
        for unit in range(len(expected)):
            if layer:
                W, mask = np.asarray(model.weights[layer - 1]), np.asarray(masks[layer - 1])
                for pre in range(W.shape[1]):
                    if mask[unit, pre] == 0:
                        expected[unit] += W[unit, pre] * float(moments.means[layer - 1][pre])
            if layer < len(model.weights):
                W, mask = np.asarray(model.weights[layer]), np.asarray(masks[layer])
                for post in range(W.shape[0]):
                    if mask[post, unit] == 0:
                        expected[unit] += W[post, unit] * float(moments.means[layer + 1][post])
        np.testing.assert_allclose(after.biases[layer], expected, atol=1e-12)
    plain = remove(model, masks)
    for layer, mask in enumerate(masks):
        np.testing.assert_array_equal(plain.weights[layer], model.weights[layer] * mask)
        np.testing.assert_array_equal(after.weights[layer], plain.weights[layer])
        np.testing.assert_array_equal(plain.biases[layer], model.biases[layer])


def test_bias_step_loses_less():
    """On each of a few machines: the divergence of the visible units."""
    for seed in range(4):
        model, found = machine("restricted", 1.0, seed), exact("restricted", 1.0, seed)
        masks = choose(KEY, model, weight_size(model), remove=0.4)

        def lost(machine, truth=found.log_visible):
            return float(divergence(truth, enumerate_machine(machine, visible=True).log_visible))

        assert lost(remove(model, masks, found.moments)) < lost(remove(model, masks))


def test_isolated_units():
    """A unit that lost one side loses the other; what that empties goes, too."""
    low = np.ones((3, 2))
    low[0] = 0
    high = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    new = isolate_units([jnp.asarray(low), jnp.asarray(high)])
    # Unit 0 hears nothing, unit 2 is not read; then top unit 0, which heard unit 0 only, is alone.
    np.testing.assert_array_equal(new[0], [[0, 0], [1, 1], [0, 0]])
    np.testing.assert_array_equal(new[1], [[0, 0, 0], [0, 1, 0]])
    assert [alive.tolist() for alive in units_left(new)] == [[1, 1], [0, 1, 0], [0, 1]]
    for a, b in zip(isolate_units(new), new, strict=True):
        np.testing.assert_array_equal(a, b)


def test_deleted_units_leave_the_distribution_alone():
    model = machine("deep")
    masks = isolate_units([model.masks[0].at[1].set(0), model.masks[1].at[2].set(0)])
    pruned = remove(model, masks)
    chains = start_chains(KEY, pruned, 6)
    small, left, units = delete_units(pruned, chains)
    assert small.sizes == (5, 3, 2)
    assert [list(unit) for unit in units] == [[0, 1, 2, 3, 4], [0, 2, 3], [0, 1]]
    for x, y, unit in zip(left, chains, units, strict=True):
        np.testing.assert_array_equal(x, y[:, unit])
    before, after = (enumerate_machine(m, visible=True) for m in (pruned, small))
    np.testing.assert_allclose(before.log_visible, after.log_visible, atol=1e-12)
    np.testing.assert_allclose(before.moments.pairs[0][units[1]], after.moments.pairs[0], atol=1e-12)
    assert delete_units(small).model.sizes == small.sizes


def test_precision_is_the_machine_s():
    model = machine().astype(jnp.float32)
    for moments in (None, exact().moments):
        after = remove(model, [jnp.ones_like(mask, dtype=float) for mask in model.masks], moments)
        assert {leaf.dtype for leaf in jax.tree.leaves(after)} == {jnp.dtype(jnp.float32)}
    with pytest.raises(jaxprune.InputError, match="masks have shapes"):
        remove(model, [])


def test_errors():
    model = machine("deep")
    score = weight_size(model)
    with pytest.raises(jaxprune.InputError, match=r"remove is 1, but must be in \[0, 1\)"):
        choose(KEY, model, score, remove=1.0)
    with pytest.raises(jaxprune.InputError, match="3 shares to remove"):
        choose(KEY, model, score, remove=(0.1, 0.1, 0.1))
    with pytest.raises(jaxprune.InputError, match="the layer of weights 0 would lose its last synapse"):
        choose(KEY, model, score, remove=0.99)
    with pytest.raises(jaxprune.InputError, match="negative or no numbers"):
        choose(KEY, model, tuple(-s for s in score), remove=0.5)
    with pytest.raises(jaxprune.InputError, match="all 4 units of hidden layer 1"):
        delete_units(remove(model, [jnp.zeros_like(mask) for mask in model.masks]))
    with pytest.raises(jaxprune.InputError, match="outside jit"):
        jax.jit(lambda m: delete_units(m).model)(model)
