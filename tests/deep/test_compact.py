"""The same outputs from fewer units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep
from jaxprune.deep import compact, sparse_weights
from jaxprune.deep._networks import Dense, LeNet5

KEY = jax.random.key(0)


def thinned(model, keep, key=KEY):
    """At random, so that many units lose everything on one side; biases are not zero."""
    W = deep.weights(model)
    masks = jax.tree.map(
        lambda w: (jax.random.uniform(jax.random.fold_in(key, w.size), w.shape) < keep).astype(w.dtype), W
    )
    model = deep.masked(model, masks)
    return jax.tree.map(lambda a: a + 0.1 if eqx.is_inexact_array(a) and a.ndim in (1, 3) else a, model)


@pytest.mark.parametrize("keep", [0.02, 0.1])
def test_dense_networks(keep):
    model = thinned(Dense(KEY, (20, 50, 40, 5)), keep)
    x = jax.random.normal(KEY, (30, 20))
    small = compact(model, x)
    np.testing.assert_allclose(jax.vmap(small)(x), jax.vmap(model)(x), atol=1e-5)
    sizes = [layer.weight.shape for layer in small.layers]
    assert sizes[0][0] == sizes[1][1] < 50
    assert sizes[1][0] == sizes[2][1] < 40
    for before, after in zip(small.layers[:-1], small.layers[1:], strict=True):
        if before.weight.shape[0] > 1:
            assert (np.asarray(before.weight) != 0).any(axis=1).all()
            assert (np.asarray(after.weight) != 0).any(axis=0).all()
        assert before.out_features == after.in_features == before.weight.shape[0]


def test_convolutions_and_what_is_flattened():
    model = LeNet5(KEY, side=16)
    masks = deep.ones(model)
    masks = eqx.tree_at(
        lambda m: (m.convolutions[0].weight, m.convolutions[1].weight, m.layers[0].weight),
        masks,
        (
            masks.convolutions[0].weight.at[:7].set(0),
            masks.convolutions[1].weight.at[:, 10:].set(0).at[3:9].set(0),
            masks.layers[0].weight.at[:, 20:30].set(0).at[5].set(0),
        ),
    )
    model = deep.masked(model, masks)
    model = jax.tree.map(lambda a: a + 0.1 if eqx.is_inexact_array(a) and a.ndim in (1, 3) else a, model)
    x = jax.random.normal(KEY, (5, 1, 16, 16))
    small = compact(model, x)
    np.testing.assert_allclose(jax.vmap(small)(x), jax.vmap(model)(x), rtol=1e-4, atol=1e-4)
    assert small.convolutions[0].weight.shape[0] == 3
    assert small.convolutions[1].weight.shape[:2] == (34, 3)
    assert small.layers[0].weight.shape == (499, 34)
    assert small.convolutions[0].out_channels == 3


def test_nothing_to_do_and_no_chain():
    model = Dense(KEY, (6, 5, 4))
    x = jax.random.normal(KEY, (3, 6))
    same = compact(model, x)
    for a, b in zip(jax.tree.leaves(model), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)
    attention = eqx.nn.MultiheadAttention(2, 6, qk_size=4, key=KEY)
    with pytest.raises(jaxprune.InputError, match="only chains of layers can be compacted"):
        compact(attention, jnp.ones((2, 3, 6)), forward=lambda m, x: jax.vmap(lambda one: m(one, one, one))(x))


def test_models_that_are_no_chain_are_refused():
    class Residual(eqx.Module):
        first: eqx.nn.Linear
        second: eqx.nn.Linear

        def __call__(self, x):
            return x + self.second(jax.nn.relu(self.first(x)) + x)

    layers = eqx.nn.Linear(6, 6, key=KEY), eqx.nn.Linear(6, 6, key=KEY)
    dead = eqx.tree_at(lambda layer: layer.weight, layers[0], layers[0].weight.at[:3].set(0))
    dead = eqx.tree_at(lambda layer: layer.bias, dead, jnp.zeros(6))
    normed = eqx.nn.Sequential([layers[0], eqx.nn.LayerNorm(6), layers[1]])
    grouped = eqx.nn.Sequential([eqx.nn.Conv2d(2, 4, 1, key=KEY), eqx.nn.Conv2d(4, 4, 1, groups=2, key=KEY)])
    for model, data, message in (
        (Residual(dead, layers[1]), jnp.ones((3, 6)), "no chain"),
        (normed, jnp.ones((3, 6)), "holds LayerNorm"),
        (grouped, jnp.ones((3, 2, 4, 4)), "2 groups"),
        (Dense(KEY, (6, 5, 4)), jnp.ones((3, 5)), "cannot be run on the data"),
    ):
        with pytest.raises(jaxprune.InputError, match=message):
            compact(model, data)
    times = deep.inference_times(normed, jnp.ones((3, 6)), repeats=1)
    assert np.isnan(times.compact)
    assert times.dense > 0


def test_sparse_matrices():
    model = thinned(Dense(KEY, (20, 50, 5)), 0.1)
    found = sparse_weights(model)
    for layer, W in zip(model.layers, found.values(), strict=True):
        np.testing.assert_array_equal(W.toarray(), layer.weight)
        assert W.nnz == int((layer.weight != 0).sum())
