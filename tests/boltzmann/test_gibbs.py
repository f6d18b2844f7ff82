"""Gibbs chains against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import standard_errors
from machines import SIZES, exact, machine, units_of

import jaxprune
from jaxprune.boltzmann import gibbs_sweep, moments_of, run_gibbs, start_chains

CHAINS = 20_000


@pytest.mark.parametrize("kind", SIZES)
def test_independent_chains_have_the_exact_moments(kind):
    model = machine(kind)
    states = run_gibbs(jax.random.key(1), model, start_chains(jax.random.key(2), model, CHAINS), 100)
    expected = units_of(exact(kind).moments)
    found = units_of(moments_of(states))
    assert standard_errors(found, expected, expected * (1 - expected), CHAINS) < 5


@pytest.mark.parametrize("kind", SIZES)
def test_probabilities_are_those_given_the_other_layers(kind):
    model = machine(kind)
    before = start_chains(jax.random.key(0), model, 7)
    states, on = gibbs_sweep(jax.random.key(1), model, before)
    known = list(before)
    for layer in (*range(1, len(states), 2), *range(0, len(states), 2)):
        field = np.asarray(model.biases[layer])[None, :].repeat(7, 0)
        if layer:
            field = field + np.asarray(known[layer - 1]) @ np.asarray(model.weights[layer - 1]).T
        if layer < len(model.weights):
            field = field + np.asarray(known[layer + 1]) @ np.asarray(model.weights[layer])
        np.testing.assert_allclose(on[layer], 1 / (1 + np.exp(-field)), rtol=1e-12)
        known[layer] = states[layer]
    assert all(set(np.unique(x)) <= {0.0, 1.0} for x in states)


def test_factors_multiply_what_drives_a_layer():
    model = machine()
    before = start_chains(jax.random.key(0), model, 5)
    _, on = gibbs_sweep(jax.random.key(1), model, before, (1.0, 2.0))
    np.testing.assert_allclose(on[1], jax.nn.sigmoid(2 * model.field(before, 1)), rtol=1e-12)


def test_start_knows_biases_only():
    model = machine()
    states = start_chains(jax.random.key(3), model, CHAINS)
    for x, bias in zip(states, model.biases, strict=True):
        p = np.asarray(jax.nn.sigmoid(bias))
        assert standard_errors(jnp.mean(x, axis=0), p, p * (1 - p), CHAINS) < 5
    with pytest.raises(jaxprune.InputError, match="chains is 0"):
        start_chains(jax.random.key(3), model, 0)


def test_same_key_same_chains_one_by_one_and_together():
    model = machine("deep")
    states = start_chains(jax.random.key(0), model, 6)
    once = run_gibbs(jax.random.key(1), model, states, 4)
    keys = jax.random.split(jax.random.key(1), 4)
    step = states
    for key in keys:
        step = gibbs_sweep(key, model, step)[0]
    for a, b in zip(once, step, strict=True):
        np.testing.assert_array_equal(a, b)
