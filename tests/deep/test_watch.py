"""What layers hear, against their inputs computed by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep

KEY = jax.random.key(0)


def mean_loss(model, X):
    return jnp.mean(jax.vmap(model)(X) ** 2)


class Convolutions(eqx.Module):
    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    last: eqx.nn.Linear

    def __init__(self, groups=1):
        keys = jax.random.split(KEY, 3)
        self.first = eqx.nn.Conv2d(2, 4, 3, key=keys[0])
        self.second = eqx.nn.Conv2d(4, 6, 2, groups=groups, key=keys[1])
        self.last = eqx.nn.Linear(6, 3, key=keys[2])

    def inputs(self, x):
        """Of every layer."""
        a = jax.nn.relu(self.first(x))
        b = jax.nn.relu(self.second(a))
        return x, a, b.mean(axis=(1, 2))

    def __call__(self, x):
        return self.last(self.inputs(x)[-1])


def expected(stack):
    """Means over all axes but the second."""
    flat = np.moveaxis(np.asarray(stack), 1, 0).reshape(stack.shape[1], -1)
    return np.abs(flat).mean(axis=1), (flat**2).mean(axis=1)


def check(heard, inputs):
    for found, x in zip(jax.tree.leaves(heard, is_leaf=lambda n: isinstance(n, deep.Heard)), inputs, strict=True):
        size, power = expected(x)
        np.testing.assert_allclose(found.size, size, rtol=1e-5)
        np.testing.assert_allclose(found.power, power, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_linear_and_convolutional_layers(groups):
    model, X = Convolutions(groups), jax.random.normal(KEY, (5, 2, 8, 8))
    inputs = jax.vmap(model.inputs)(X)
    value, gradient, heard = eqx.filter_jit(deep.value_and_gradient)(mean_loss, model, X)
    check(heard, inputs)
    check(deep.activity(lambda m, x: jax.vmap(m)(x), model, X), inputs)
    # The same number and the same gradient, in the same structure.
    plain_value, plain = eqx.filter_value_and_grad(mean_loss)(model, X)
    assert jax.tree.structure(gradient) == jax.tree.structure(plain)
    for a, b in zip(jax.tree.leaves((value, gradient)), jax.tree.leaves((plain_value, plain)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12)


def test_attention_scan_and_checkpoint():
    """A layer that is called under inner maps, in a loop, and computed again in the backward pass."""
    model = eqx.nn.MultiheadAttention(2, 6, key=KEY)
    X = jax.random.normal(KEY, (5, 7, 6))

    def loss(model, X):
        once = eqx.filter_checkpoint(lambda x: model(x, x, x))
        return jax.lax.scan(lambda total, x: (total + jnp.sum(once(x)), None), 0.0, X)[0]

    _, _, heard = deep.value_and_gradient(loss, model, X)
    flat = X.reshape(-1, 6)
    for layer in (heard.query_proj, heard.key_proj, heard.value_proj):
        np.testing.assert_allclose(layer.weight.size, np.abs(flat).mean(axis=0), rtol=1e-6)
    assert deep.names(model) == ["query_proj", "key_proj", "value_proj", "output_proj"]


@pytest.mark.parametrize("hear", [("size", "power"), ("pairs",)])
def test_tokens_of_samples_of_models(hear):
    """Maps within maps, inside what is differentiated and outside of it."""
    models = eqx.filter_vmap(lambda k: eqx.nn.MultiheadAttention(2, 6, key=k))(jax.random.split(KEY, 4))
    X = jax.random.normal(KEY, (4, 5, 7, 6))

    def attend(m, x):
        return jax.vmap(lambda one: m(one, one, one))(x)

    heard = eqx.filter_vmap(lambda m, x: deep.activity(attend, m, x, hear=hear))(models, X)
    for number in range(4):
        layer = jax.tree.map(lambda leaf, number=number: leaf[number], models.query_proj)
        flat = X[number].reshape(-1, 6)
        if hear == ("pairs",):
            found = jax.tree.map(lambda leaf, number=number: leaf[number], heard.query_proj.weight.pairs)
            for mine, expected in zip(found, products(layer, flat, jax.nn.relu(jax.vmap(layer)(flat))), strict=True):
                np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_allclose(heard.query_proj.weight.size[number], np.abs(flat).mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(heard.query_proj.weight.power[number], (flat**2).mean(axis=0), rtol=1e-6)


def test_sums_of_half_precision_are_kept_in_single():
    model = eqx.nn.Linear(3, 2, key=KEY, dtype=jnp.float16)
    X = jnp.full((5000, 3), 10.0, jnp.float16)
    heard = deep.activity(lambda m, x: jax.vmap(m)(x), model, X)
    np.testing.assert_allclose(heard.weight.power, 100.0, rtol=1e-5)


def test_many_models_at_once():
    models = eqx.filter_vmap(lambda k: eqx.nn.MLP(3, 2, 4, 1, key=k))(jax.random.split(KEY, 3))
    X = jax.random.normal(KEY, (3, 10, 3))
    heard = eqx.filter_vmap(lambda m, x: deep.activity(lambda m, x: jax.vmap(m)(x), m, x))(models, X)
    np.testing.assert_allclose(heard.layers[0].weight.size, np.abs(X).mean(axis=1), rtol=1e-6)


def test_layers_that_are_not_called_and_auxiliary_values():
    model = eqx.nn.MLP(3, 2, 4, 1, key=KEY)
    value, _, heard = deep.value_and_gradient(
        lambda m, x: (jnp.sum(m.layers[0](x)), "seen"), model, jnp.ones(3), has_aux=True
    )
    assert value[1] == "seen"
    np.testing.assert_array_equal(heard.layers[1].weight.size, 0)
    with pytest.raises(jaxprune.InputError, match="no layer that can be pruned"):
        deep.activity(lambda m, x: m(x), eqx.nn.LayerNorm(3), jnp.ones(3))
    with pytest.raises(jaxprune.InputError, match="hold no floats"):
        deep.activity(lambda m, x: m(x).argmax(), model, jnp.ones(3))
    layer = eqx.nn.Linear(2, 2, key=KEY)
    shared = eqx.nn.Shared(
        (layer, eqx.nn.Linear(2, 2, key=KEY)), lambda pair: pair[1].weight, lambda pair: pair[0].weight
    )
    with pytest.raises(jaxprune.InputError, match="SharedNode, but must be an array"):
        deep.ones(shared)


def test_scalar_inputs():
    model = eqx.nn.Linear("scalar", 2, key=KEY)
    heard = deep.activity(lambda m, x: jax.vmap(m)(x), model, jnp.array([1.0, -3.0]))
    assert heard.weight.size.tolist() == [2.0]


def products(layer, x, y):
    """Means over samples and positions of both ends of every synapse, by hand."""
    y = np.asarray(y).reshape(*y.shape[:2], -1)
    if isinstance(layer, eqx.nn.Linear):
        patches = np.asarray(x)[:, :, None]
    else:
        patches = jax.lax.conv_general_dilated_patches(x, layer.kernel_size, layer.stride, "VALID")
        patches = np.asarray(patches).reshape(len(x), patches.shape[1], -1)
    number, groups = y.shape[0] * y.shape[2], getattr(layer, "groups", 1)
    found = []
    for power in (1, 2):
        whole = np.einsum("bop,bip->oi", y**power, patches) / number
        rows, columns = whole.shape[0] // groups, whole.shape[1] // groups
        blocks = [whole[g * rows : (g + 1) * rows, g * columns : (g + 1) * columns] for g in range(groups)]
        found.append(np.concatenate(blocks).reshape(layer.weight.shape))
    return [np.einsum("bop->o", y**power) / number for power in (1, 2)] + found


@pytest.mark.parametrize("groups", [1, 2])
def test_pairs_are_products_of_both_ends(groups):
    model, X = Convolutions(groups), jax.random.normal(KEY, (5, 2, 8, 8))
    heard = deep.activity(lambda m, x: jax.vmap(m)(x), model, X, hear=("pairs",))
    layers = (model.first, model.second, model.last)
    leaves = jax.tree.leaves(heard, is_leaf=lambda n: isinstance(n, deep.Heard))
    for layer, x, listened in zip(layers, jax.vmap(model.inputs)(X), leaves, strict=True):
        expected = products(layer, x, jax.nn.relu(jax.vmap(layer)(x)))
        for value, wanted in zip(listened.pairs, expected, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-9)


def test_bcm_is_the_covariance_with_what_moves_the_output():
    model, X = eqx.nn.Linear(3, 4, key=KEY), jax.random.normal(KEY, (50, 3)) + 1
    heard = deep.activity(lambda m, x: jax.vmap(m)(x), model, X, hear=("pairs",))
    y = np.asarray(jax.nn.relu(jax.vmap(model)(X)))
    moved = y * (y - (y**2).mean(axis=0) / np.maximum(y.mean(axis=0), 1e-30))
    expected = np.abs(np.einsum("bo,bi->oi", moved, np.asarray(X)) / len(X))
    found = deep.importance(deep.weights(model), heard, "bcm").weight
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    # A unit that never speaks learns nothing.
    silent = eqx.tree_at(lambda m: m.bias, model, model.bias.at[0].set(-100.0))
    heard = deep.activity(lambda m, x: jax.vmap(m)(x), silent, X, hear=("pairs",))
    assert not np.asarray(deep.importance(deep.weights(silent), heard, "bcm").weight)[0].any()
    with pytest.raises(jaxprune.InputError, match="pairs"):
        deep.importance(deep.weights(model), deep.activity(lambda m, x: jax.vmap(m)(x), model, X), "bcm")
    other = eqx.nn.MLP(3, 2, 4, 1, key=KEY)
    with pytest.raises(jaxprune.InputError, match="they are of two models"):
        deep.importance(
            deep.weights(other),
            deep.activity(
                lambda m, x: jax.vmap(m)(x), eqx.nn.Linear(3, 2, key=KEY), X[:, :3] if X.ndim == 2 else jnp.ones((2, 3))
            ),
            "use",
        )
