"""Annealed importance sampling against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import SIZES, exact, machine

import jaxprune
from jaxprune.boltzmann import log_partition


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("informed", [False, True])
def test_estimate_within_its_standard_error(kind, informed):
    model, found = machine(kind), exact(kind)
    means = found.moments.means if informed else None
    estimates = [
        log_partition(jax.random.key(seed), model, means=means, temperatures=200, chains=200) for seed in range(8)
    ]
    # Of the mean of eight: five of its standard errors.
    value = np.mean([float(e.value) for e in estimates])
    error = np.sqrt(np.mean([float(e.error) ** 2 for e in estimates]) / 8)
    assert abs(value - float(found.log_partition)) < 5 * error
    assert error < 0.02
    # The error says how much estimates differ.
    spread = np.std([float(e.value) for e in estimates], ddof=1)
    assert 0.3 < spread / (error * np.sqrt(8)) < 2.5


def test_independent_units_are_exact():
    model = machine()
    alone = jaxprune.boltzmann.remove(model, [jnp.zeros_like(model.masks[0])])
    found = log_partition(jax.random.key(0), alone, temperatures=3, chains=5)
    expected = sum(float(jnp.sum(jax.nn.softplus(bias))) for bias in model.biases)
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    assert float(found.error) < 1e-12
    np.testing.assert_allclose(found.effective, 5, rtol=1e-12)


def test_more_temperatures_less_error():
    model = machine("deep", 2.0)
    few, many = (log_partition(jax.random.key(0), model, temperatures=number, chains=300).error for number in (5, 500))
    assert float(many) < float(few) / 3


def test_errors():
    model = machine()
    for options, message in (
        ({"temperatures": 0}, "temperatures is 0"),
        ({"chains": 1}, "chains is 1"),
        ({"means": (jnp.zeros(3), jnp.zeros(4))}, r"\[3, 4\] units, but the machine has \[6, 4\]"),
    ):
        with pytest.raises(jaxprune.InputError, match=message):
            log_partition(jax.random.key(0), model, **options)
