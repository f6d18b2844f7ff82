"""Running means of normalisation, against those of the inputs by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep

KEY = jax.random.key(0)


class Normed(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout
    last: eqx.nn.Linear

    def __init__(self, mode="batch"):
        keys = jax.random.split(KEY, 2)
        self.conv = eqx.nn.Conv2d(2, 4, 3, key=keys[0], dtype=float)
        self.norm = eqx.nn.BatchNorm(4, axis_name="batch", mode=mode, dtype=float)
        self.drop = eqx.nn.Dropout(0.5)
        self.last = eqx.nn.Linear(4, 3, key=keys[1], dtype=float)

    def __call__(self, x, state):
        x, state = self.norm(self.conv(x), state)
        return self.last(self.drop(jax.nn.relu(x).mean(axis=(1, 2)), key=KEY)), state


def by_hand(norm, seen):
    seen = np.asarray(seen)
    mean, variance = (f(seen, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))
    return (seen - mean) / np.sqrt(variance + norm.eps)


@pytest.mark.parametrize("mode", ["batch", "ema"])
def test_means_are_those_of_the_inputs(mode):
    model, state = eqx.nn.make_with_state(Normed)(mode)
    model = eqx.nn.inference_mode(model)
    x = 3 * jax.random.normal(KEY, (200, 2, 6, 6)) + 1
    seen = jax.vmap(model.conv)(x)
    expected = by_hand(model.norm, seen)
    # What was remembered before is forgotten.
    wrong = deep.recalibrate(model, state, x + 5)
    calibrated = deep.recalibrate(model, wrong, x, batch=500)
    found, _ = jax.vmap(lambda image: model.norm(image, calibrated), axis_name="batch")(seen)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # In parts, and of inputs in an order: the same.
    x = x[jnp.argsort(x[:, 0, 0, 0])].at[:50].add(7)
    seen = jax.vmap(model.conv)(x)
    parts = deep.recalibrate(model, wrong, x, batch=90)
    found, _ = jax.vmap(lambda image: model.norm(image, parts), axis_name="batch")(seen)
    np.testing.assert_allclose(found, by_hand(model.norm, seen), atol=1e-6)
    assert jax.tree.structure(calibrated) == jax.tree.structure(state)


def test_nothing_to_calibrate():
    model = eqx.nn.MLP(2, 2, 4, 1, key=KEY)
    assert deep.recalibrate(model, None, jnp.ones((3, 2))) is None
    with pytest.raises(jaxprune.InputError, match="no inputs"):
        deep.recalibrate(*eqx.nn.make_with_state(Normed)(), jnp.ones((0, 2, 6, 6)))


def test_layers_are_pruned_with_their_normalisation():
    model, state = eqx.nn.make_with_state(Normed)()
    model = eqx.nn.inference_mode(model)
    x = jax.random.normal(KEY, (300, 2, 6, 6))
    state = deep.recalibrate(model, state, x)

    def error(pruned):
        want, _ = deep.predict(model, state, x)
        have, _ = deep.predict(pruned.model, pruned.extra, x)
        return float(jnp.mean((want - have) ** 2) / jnp.var(want))

    found = deep.prune_layers(KEY, model, keep=0.5, data=x, extra=state)
    assert [layer.kept for layer in found.layers] == [36, 6]
    stale = found._replace(extra=state)
    plain = deep.prune_layers(KEY, model, "weight+keep", keep=0.5, data=x, extra=state)
    assert error(found) < min(error(stale), error(plain))
    for pruned in (found, plain):
        seen = jax.vmap(pruned.model.conv)(x)
        normed, _ = jax.vmap(lambda image, p=pruned: p.model.norm(image, p.extra), axis_name="batch")(seen)
        np.testing.assert_allclose(normed, by_hand(model.norm, seen), atol=1e-6)
    with pytest.raises(jaxprune.InputError, match="leave one out"):
        deep.prune_layers(KEY, model, keep=0.5, data=x, extra=state, forward=lambda m, x: x)
