"""Machines before training, and their energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import SIZES, machine

import jaxprune
from jaxprune.boltzmann import BoltzmannMachine, dbm, rbm, receptive_fields, start_chains, visible_bias


@pytest.mark.parametrize("kind", SIZES)
def test_energy_by_loops(kind):
    model = machine(kind)
    states = start_chains(jax.random.key(0), model, 5)
    for chain, found in enumerate(model.energy(states)):
        expected = 0.0
        for layer, bias in enumerate(model.biases):
            expected -= sum(float(b) * float(x) for b, x in zip(bias, states[layer][chain], strict=True))
        for layer, W in enumerate(model.weights):
            for post, pre in np.ndindex(*W.shape):
                expected -= (
                    float(W[post, pre]) * float(states[layer + 1][chain, post]) * float(states[layer][chain, pre])
                )
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", SIZES)
def test_field_is_the_energy_between_off_and_on(kind):
    model = machine(kind)
    states = start_chains(jax.random.key(0), model, 4)
    for layer in range(len(states)):
        field = model.field(states, layer)
        for unit in range(states[layer].shape[1]):
            off, on = (
                tuple(x.at[:, unit].set(value) if at == layer else x for at, x in enumerate(states))
                for value in (0.0, 1.0)
            )
            np.testing.assert_allclose(field[:, unit], model.energy(off) - model.energy(on), atol=1e-12)


def test_draw():
    model = rbm(jax.random.key(0), visible=200, hidden=300, sd=0.3, hidden_bias=-4.0, visible_bias=-1.0)
    assert model.weights[0].dtype == jnp.float32
    assert 0.29 < float(model.weights[0].std()) < 0.31
    assert set(np.unique(model.biases[1])) == {-4.0}
    assert set(np.unique(model.biases[0])) == {-1.0}
    deep = dbm(jax.random.key(0), visible=9, hidden=(9, 4), masks=(receptive_fields((3, 3), 3), None), dtype=float)
    np.testing.assert_array_equal(np.asarray(deep.weights[0]) != 0, np.asarray(receptive_fields((3, 3), 3)) > 0)
    assert deep.astype(jnp.float32).weights[1].dtype == jnp.float32


def test_receptive_fields():
    mask = np.asarray(receptive_fields((4, 5), 3))
    for post in range(20):
        for pre in range(20):
            near = abs(post // 5 - pre // 5) <= 1 and abs(post % 5 - pre % 5) <= 1
            assert mask[post, pre] == near
    with pytest.raises(jaxprune.InputError, match="size is 4, but must be odd"):
        receptive_fields((5, 5), 4)


def test_visible_bias_has_the_means_of_the_data():
    data = jnp.asarray(np.random.default_rng(0).random((5000, 3)) < [0.1, 0.5, 1.0], float)
    found = jax.nn.sigmoid(visible_bias(data))
    np.testing.assert_allclose(found, data.mean(axis=0), atol=1e-3)
    assert np.isfinite(visible_bias(data)).all()


def test_errors():
    key = jax.random.key(0)
    with pytest.raises(jaxprune.InputError, match="layers have 3, 0 units"):
        rbm(key, visible=3, hidden=0)
    with pytest.raises(jaxprune.InputError, match=r"masks\[0\] has shape \(3, 2\), but between these layers"):
        rbm(key, visible=3, hidden=2, mask=jnp.ones((3, 2)))
    with pytest.raises(jaxprune.InputError, match="2 masks for 1 layers"):
        dbm(key, visible=3, hidden=(2,), masks=(None, None))
    with pytest.raises(jaxprune.InputError, match="visible_bias has shape"):
        rbm(key, visible=3, hidden=2, visible_bias=jnp.zeros(2))
    model = rbm(key, visible=3, hidden=2)
    with pytest.raises(jaxprune.InputError, match=r"weights\[0\] is not zero where masks\[0\] is"):
        BoltzmannMachine(model.biases, model.weights, (jnp.zeros((2, 3), jnp.float32),))
    with pytest.raises(jaxprune.InputError, match=r"masks\[0\] must hold zeros and ones"):
        BoltzmannMachine(model.biases, model.weights, (jnp.full((2, 3), 0.5, jnp.float32),))
    with pytest.raises(jaxprune.InputError, match="every value must be 0 or 1"):
        visible_bias(np.full((10, 2), 255))
