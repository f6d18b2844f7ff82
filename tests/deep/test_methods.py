"""Known methods by name, on a network that is small enough to look at."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxprune
from jaxprune import deep
from jaxprune.data import inputs

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (60, 8))
Y = (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("name", deep.METHODS)
def test_every_method_ends_at_its_density(name):
    model = eqx.nn.MLP(8, 2, 20, 2, key=KEY)
    training = deep.Training(6, optax.sgd(0.1, momentum=0.9), batch=20, rule=deep.named_method(name, 0.25), probe=30)
    seen = []
    state = deep.fit(KEY, model, X, Y, training, each=lambda state, info: seen.append(float(info.density)))
    assert abs(seen[-1] - 0.25) < 0.01
    fixed = deep.METHODS[name].get("start", "dense") != "dense"
    assert (max(seen) - min(seen) < 1e-6) == fixed
    for W, mask in zip(*map(jax.tree.leaves, (deep.weights(state.model), state.rule.masks)), strict=True):
        assert not np.asarray(W)[np.asarray(mask) == 0].any()


def test_unknown_method():
    with pytest.raises(jaxprune.InputError, match="rigle"):
        deep.named_method("rigle", 0.1)


def test_accuracy_is_counted_in_inference_mode():
    class Dropping(eqx.Module):
        drop: eqx.nn.Dropout

        def __call__(self, x):
            return self.drop(x, key=KEY)

    x = jnp.eye(3).repeat(5, axis=0)
    y = x.argmax(axis=1)
    model = Dropping(eqx.nn.Dropout(0.9))
    assert deep.accuracy(model, None, x, y, batch=4) == 1.0
    assert deep.accuracy(model, None, x, (y + 1) % 3, batch=4) == 0.0
    with pytest.raises(jaxprune.InputError, match="15 inputs and 14 labels"):
        deep.accuracy(model, None, x, y[:14])


def test_inputs_have_channels_first():
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    found = inputs(images, 10)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[1, 2, 0, 3], images[1, 0, 3, 2] / 10, rtol=1e-6)
    assert inputs(images[..., 0], 1).shape == (2, 1, 3, 4)
    with pytest.raises(jaxprune.InputError, match="brightest"):
        inputs(images, 0)
    with pytest.raises(jaxprune.InputError, match="shape"):
        inputs(images[0, 0], 1)
