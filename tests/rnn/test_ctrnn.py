"""The network against its equation, written with NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune.rnn import CTRNN, ctrnn, run

KEY = jax.random.key(0)
INPUTS = jax.random.normal(jax.random.key(1), (9, 4, 3))


def network(**options):
    return ctrnn(KEY, inputs=3, neurons=12, outputs=2, **options)


PHI = {"tanh": np.tanh, "relu": lambda v: np.maximum(v, 0), "linear": lambda v: v}


@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize("excitatory", [None, 0.75])
def test_equation(activation, excitatory):
    model = network(activation=activation, excitatory=excitatory, alpha=0.3)
    phi, W, v = PHI[activation], np.asarray(model.recurrent), np.zeros((4, 12))
    for u, y in zip(np.asarray(INPUTS), run(model, INPUTS), strict=True):
        v = 0.7 * v + 0.3 * (u @ np.asarray(model.W_in).T + phi(v) @ W.T)
        np.testing.assert_allclose(y, phi(v) @ np.asarray(model.W_out).T, atol=1e-12)


@pytest.mark.parametrize("activation", PHI)
def test_gain_is_the_slope(activation):
    model, v = network(activation=activation), jnp.linspace(-2, 2, 12)[None, :]
    slope = jax.vmap(jax.grad(lambda x: model.rates(x)))(v[0])
    np.testing.assert_allclose(model.gain(v)[0], slope, atol=1e-12)


def test_dale_keeps_signs_whatever_the_weights():
    model = network(excitatory=0.75)
    flipped = CTRNN(**{name: getattr(model, name) for name in ("W_in", "b_in", "b_rec", "W_out", "b_out", "alpha", "sign")},
                    W_rec=-model.W_rec)  # fmt: skip
    np.testing.assert_array_equal(flipped.recurrent, model.recurrent)
    assert bool((model.recurrent[:, :9] >= 0).all() and (model.recurrent[:, 9:] <= 0).all())
    balance = ctrnn(KEY, inputs=1, neurons=400, outputs=1, excitatory=0.8).recurrent.sum(axis=1)
    assert abs(float(balance.mean())) < 5 * float(balance.std()) / np.sqrt(400)


@pytest.mark.parametrize("noise", ["voltage", "rate"])
def test_noise_in_and_out_of_the_nonlinearity(noise):
    model = CTRNN(
        W_in=jnp.zeros((1, 1)), b_in=jnp.zeros(1), W_rec=jnp.full((1, 1), 0.5), b_rec=jnp.zeros(1), W_out=jnp.ones((1, 1)),
        b_out=jnp.zeros(1), alpha=0.2, activation="linear", noise=noise,
    )  # fmt: skip
    steps, trials, sd = 400, 400, 0.7
    last = run(model, jnp.zeros((steps, trials, 1)), key=KEY, sd=sd)[-1, :, 0]
    # v <- (1 - a (1 - w)) v + a c sd z is a first-order process with c = 1 in the current, c = w through the rate.
    size = 1.0 if noise == "voltage" else 0.5
    variance = (0.2 * size * sd) ** 2 / (1 - (1 - 0.2 * 0.5) ** 2)
    assert abs(float(last.var()) / variance - 1) < 5 * np.sqrt(2 / trials)


def test_the_same_key_the_same_noise_however_long_the_run():
    model = network()
    whole = run(model, INPUTS, key=KEY, sd=0.5)
    np.testing.assert_allclose(run(model, INPUTS[:4], key=KEY, sd=0.5), whole[:4], atol=1e-14)
    assert bool(jnp.any(whole != run(model, INPUTS)))


def test_single_precision_networks_take_inputs_of_any():
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), network())
    np.testing.assert_allclose(run(model, INPUTS), run(network(), INPUTS), atol=1e-5)
    assert run(model, INPUTS, key=KEY, sd=0.1).dtype == jnp.float32


def test_errors():
    model = network()
    good = {name: getattr(model, name) for name in ("W_in", "b_in", "W_rec", "b_rec", "W_out", "b_out")}
    with untyped():
        for change, words in (
            ({"b_rec": jnp.zeros(3)}, r"b_rec has shape \(3,\), but with 12 neurons it must be \(12,\)"),
            ({"W_out": jnp.zeros((2, 5))}, "W_out has shape"),
            ({"sign": jnp.ones(3)}, "sign has shape"),
            ({"alpha": 0.0}, "alpha is 0"),
            ({"alpha": 1.5}, "alpha is 1.5"),
            ({"activation": "sine"}, "activation is 'sine'"),
            ({"noise": "loud"}, "noise is 'loud'"),
        ):
            with pytest.raises(jaxprune.InputError, match=words):
                CTRNN(**(good | change))
        with pytest.raises(jaxprune.InputError, match="W_out has shape"):
            CTRNN(**{name: np.asarray(value) for name, value in (good | {"W_out": jnp.zeros((2, 5))}).items()})
        for call, words in (
            (lambda: run(model, INPUTS[..., :2]), r"must be \(time, trial, 3\)"),
            (lambda: run(model, INPUTS, sd=0.1), "sd was given without a key"),
            (lambda: network(excitatory=1.0), "both kinds"),
            (lambda: ctrnn(KEY, inputs=0, neurons=3, outputs=1), "inputs is 0"),
        ):
            with pytest.raises(jaxprune.InputError, match=words):
                call()
