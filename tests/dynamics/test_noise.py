"""Noise against its autocovariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE

from jaxprune.dynamics import OrnsteinUhlenbeck, White

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


def test_blocks_continue_each_other():
    noise = OrnsteinUhlenbeck(1.0, tau=0.5)
    start = noise.init(DRAWS[0])
    _, whole = noise.increments(start, DRAWS[1:101], 0.04)
    middle, first = noise.increments(start, DRAWS[1:41], 0.04)
    _, second = noise.increments(middle, DRAWS[41:101], 0.04)
    np.testing.assert_allclose(jnp.concatenate([first, second]), whole, atol=1e-13)
