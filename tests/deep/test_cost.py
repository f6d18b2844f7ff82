"""Synapses, operations and sparse layers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep

KEY = jax.random.key(0)
MODEL = eqx.nn.MLP(6, 3, 16, 1, key=KEY)
HALF = deep.masked(MODEL, deep.random_masks(KEY, deep.weights(MODEL), 0.5))


def test_operations():
    first, last = deep.cost(HALF, jnp.ones((5, 6)))
    assert (first.synapses, first.operations, last.synapses, last.operations) == (96, 192, 48, 96)
    assert first.kept + last.kept == 72
    assert first.kept_operations == 2 * first.kept
    model = deep.LeNet5(KEY)
    layers = deep.cost(model, jnp.ones((1, 1, 28, 28)))
    assert [layer.operations for layer in layers] == [
        2 * 24**2 * 20 * 25, 2 * 8**2 * 50 * 20 * 25, 2 * 800 * 500, 2 * 500 * 10,
    ]  # fmt: skip
    with pytest.raises(jaxprune.InputError, match="cannot be run"):
        deep.cost(MODEL, jnp.ones((5, 7)))


def test_a_layer_that_is_called_twice_counts_twice():
    model = eqx.nn.Linear(4, 4, key=KEY)
    (layer,) = deep.cost(model, jnp.ones((2, 4)), forward=lambda m, x: jax.vmap(lambda one: m(m(one)))(x))
    assert layer.operations == 2 * 2 * 16


def test_sparse_layers_compute_the_same():
    x = jax.random.normal(KEY, (7, 6))
    sparse = deep.sparse_layers(HALF)
    np.testing.assert_allclose(jax.vmap(sparse)(x), jax.vmap(HALF)(x), atol=1e-6)
    np.testing.assert_allclose(sparse(x[0]), HALF(x[0]), atol=1e-6)
    assert sum(layer.matrix.nse for layer in sparse.layers) == 72
    empty = deep.sparse_layers(jax.tree.map(jnp.zeros_like, eqx.nn.Linear(3, 2, key=KEY)))
    assert not np.asarray(empty(jnp.ones(3))).any()


def test_times_where_there_is_a_smaller_form_and_where_not():
    assert all(np.isfinite(deep.inference_times(HALF, jnp.ones((4, 6)), repeats=1)))
    pair = (eqx.nn.Linear(6, 5, key=KEY), eqx.nn.Linear(6, 3, key=KEY))
    found = deep.inference_times(
        pair, jnp.ones((4, 6)), forward=lambda m, x: [jax.vmap(layer)(x) for layer in m], repeats=1
    )
    assert np.isnan(found.compact)
    assert found.dense > 0 < found.sparse


def test_operations_count_every_call():
    attention = eqx.nn.MultiheadAttention(2, 6, key=KEY)
    found = deep.cost(attention, jnp.ones((3, 7, 6)), forward=lambda m, x: jax.vmap(lambda one: m(one, one, one))(x))
    assert [layer.operations for layer in found] == [2 * 7 * 36] * 4
    again = eqx.nn.Linear(6, 6, key=KEY)

    def five_times(m, x):
        return jax.vmap(lambda one: jax.lax.scan(lambda c, _: (m(c), None), one, None, length=5)[0])(x)

    assert deep.cost(again, jnp.ones((3, 6)), forward=five_times)[0].operations == 2 * 5 * 36
