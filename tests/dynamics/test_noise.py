"""Noise against its autocovariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE

from jaxprune.dynamics import OrnsteinUhlenbeck, White, coloured

DRAWS = jax.random.normal(jax.random.key(0), (20_000, SIZE))


def test_white():
    sigma = jnp.linspace(0.0, 2.0, SIZE)
    _, increments = White(sigma).increments(None, DRAWS, 0.25)
    np.testing.assert_allclose(increments, np.asarray(sigma) * 0.5 * np.asarray(DRAWS), atol=1e-14)


@pytest.mark.parametrize("tau", [0.1, 2.0])
def test_ornstein_uhlenbeck(tau):
    sigma, dt = 0.7, 0.04
    noise = OrnsteinUhlenbeck(sigma, tau=tau)
    state, increments = noise.increments(noise.init(DRAWS[0]), DRAWS[1:], dt)
    values = np.asarray(increments) / dt
    np.testing.assert_allclose(values[0], sigma / np.sqrt(2 * tau) * np.asarray(DRAWS[0]), atol=1e-12)
    for lag in (0, 1, 5):
        found = (values[: len(values) - lag] * values[lag:]).mean(axis=0)
        expected = sigma**2 / (2 * tau) * np.exp(-lag * dt / tau)
        # SIZE independent neurons: their scatter is the error of their mean.
        assert abs(found.mean() - expected) < 5 * found.std(ddof=1) / np.sqrt(SIZE)
    assert state.shape == (SIZE,)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.95])
def test_coloured_noise_is_stationary_and_forgets_at_its_rate(memory):
    sd, lags = 1.7, (0, 1, 3, 10)
    values = np.asarray(coloured(sd * DRAWS[0], DRAWS[1:], memory, sd))
    for lag in lags:
        found = (values[: len(values) - lag] * values[lag:]).mean(axis=0)
        # SIZE independent neurons: their scatter is the error of their mean.
        assert abs(found.mean() - sd**2 * memory**lag) < 5 * found.std(ddof=1) / np.sqrt(SIZE)
    # From the first step on: many processes, each started in its stationary state, after one and after two steps.
    for step in (0, 1):
        first = np.asarray(coloured(sd * DRAWS[:5000], DRAWS[5000:15_000].reshape(2, 5000, SIZE), memory, sd)[step])
        assert abs((first**2).mean() - sd**2) < 5 * sd**2 * np.sqrt(2 / first.size)


def test_without_memory_coloured_noise_is_white():
    sd = jnp.linspace(0.0, 2.0, SIZE)
    found = coloured(jnp.full(SIZE, 7.0), DRAWS[:50], 0.0, sd)
    np.testing.assert_array_equal(found, sd[None, :] * DRAWS[:50])


def test_coloured_noise_step_by_step_with_a_memory_and_size_for_each_trial():
    memory, sd = jnp.array([[0.2], [0.9]]), jnp.array([[1.0], [3.0]])
    draws = DRAWS[:20].reshape(10, 2, SIZE)
    eta, expected = np.asarray(draws[0]), []
    for kick in np.asarray(draws[1:]):
        eta = np.asarray(memory) * eta + np.asarray(sd) * np.sqrt(1 - np.asarray(memory) ** 2) * kick
        expected.append(eta)
    np.testing.assert_allclose(coloured(draws[0], draws[1:], memory, sd), expected, atol=1e-13)


def test_precision_of_coloured_noise_follows_the_draws():
    single = DRAWS[:5].astype(jnp.float32)
    assert coloured(single[0], single[1:], 0.5, 2.0).dtype == jnp.float32


def test_blocks_continue_each_other():
    noise = OrnsteinUhlenbeck(1.0, tau=0.5)
    start = noise.init(DRAWS[0])
    _, whole = noise.increments(start, DRAWS[1:101], 0.04)
    middle, first = noise.increments(start, DRAWS[1:41], 0.04)
    _, second = noise.increments(middle, DRAWS[41:101], 0.04)
    np.testing.assert_allclose(jnp.concatenate([first, second]), whole, atol=1e-13)
