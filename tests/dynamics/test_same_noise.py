"""Identical networks under the same noise do the same, and others differ by what their weights do alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune.dynamics import Linear, Tanh, same_noise, sparse_same_noise
from jaxprune.linalg.sparse import as_sparse
from tests.helpers import dominant

KEY = jax.random.key(0)


def test_identical_networks_have_identical_courses():
    A = dominant("dale")
    found = same_noise(KEY, [Linear(A), Linear(A), Linear(0.9 * A), Tanh(A)], dt=0.01, steps=100, record_every=5)
    assert found.states.shape == (4, 20, len(A))
    np.testing.assert_allclose(found.times, 0.05 * np.arange(1, 21))
    np.testing.assert_array_equal(found.states[0], found.states[1])
    assert np.abs(found.states[0] - found.states[2]).max() > 1e-3


def test_increments_are_those_of_all_networks():
    """Without drift that differs, the difference of two courses has no noise in it: x' - y' = a x - b y."""
    a, b, dt = 1.0, 2.0, 0.1
    x, y = same_noise(KEY, [Linear(-a * jnp.eye(1)), Linear(-b * jnp.eye(1))], dt=dt, steps=50).states[:, :, 0]
    np.testing.assert_allclose(np.diff(x - y), dt * (b * y - a * x)[:-1], atol=1e-12)
    A, B = (as_sparse("A", -rate * jnp.eye(1)) for rate in (a, b))
    x, y = sparse_same_noise(KEY, [A, B], neurons=jnp.array([0]), dt=dt, steps=50).states[:, :, 0]
    np.testing.assert_allclose(np.diff(x - y), dt * (b * y - a * x)[:-1], atol=1e-12)


def test_sparse_networks_step_as_they_should():
    A = dominant("clustered")
    sparse = as_sparse("A", A)
    neurons = jnp.arange(len(A))
    one = sparse_same_noise(KEY, [sparse, sparse], neurons=neurons, dt=0.01, steps=40, record_every=1).states
    np.testing.assert_array_equal(one[0], one[1])
    kicks = one[0, 1:] - one[0, :-1] @ (jnp.eye(len(A)) + 0.01 * A).T
    np.testing.assert_allclose(float(jnp.std(kicks)), 0.1, rtol=0.1)
    some = sparse_same_noise(KEY, [sparse], neurons=neurons[3:5], dt=0.01, steps=40, record_every=4).states
    np.testing.assert_allclose(some[0], one[0, 3::4, 3:5], atol=1e-12)


def test_networks_of_two_sizes_are_refused():
    with pytest.raises(jaxprune.InputError, match="networks of 1 and 2 neurons"):
        same_noise(KEY, [Linear(-jnp.eye(1)), Linear(-jnp.eye(2))], dt=0.1, steps=3)
    with pytest.raises(jaxprune.InputError, match="no network"):
        sparse_same_noise(KEY, [], neurons=jnp.array([0]), dt=0.1, steps=3)
