"""Identical networks under the same noise do the same, and others differ by what their weights do alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune.dynamics import same_noise
from jaxprune.linalg.sparse import as_sparse
from tests.helpers import dominant

KEY = jax.random.key(0)


@pytest.mark.parametrize("sparse", [False, True])
def test_identical_networks_have_identical_courses(sparse):
    A = dominant("dale")
    networks = [as_sparse("A", one) if sparse else one for one in (A, A, 0.9 * A)]
    found = same_noise(KEY, networks, dt=0.01, steps=100, record_every=5)
    assert found.states.shape == (3, 20, len(A))
    np.testing.assert_allclose(found.times, 0.05 * np.arange(1, 21))
    np.testing.assert_array_equal(found.states[0], found.states[1])
    assert np.abs(found.states[0] - found.states[2]).max() > 1e-3
    some = same_noise(KEY, networks, dt=0.01, steps=100, record_every=5, neurons=jnp.array([3, 1]))
    np.testing.assert_allclose(some.states, found.states[:, :, jnp.array([3, 1])], atol=1e-12)


def test_the_difference_of_two_courses_has_no_noise_in_it():
    dt, A = 0.05, dominant("clustered")
    B = 0.5 * A
    x, y = same_noise(KEY, [A, B], dt=dt, steps=400).states
    np.testing.assert_allclose(jnp.diff(x - y, axis=0), dt * (x @ A.T - y @ B.T)[:-1], atol=1e-12)
    kicks = x[1:] - x[:-1] @ (jnp.eye(len(A)) + dt * A).T
    # Their standard deviation, to five of its standard errors.
    np.testing.assert_allclose(float(jnp.std(kicks)), dt**0.5, rtol=5 / (2 * kicks.size) ** 0.5)


@pytest.mark.parametrize("sparse", [False, True])
def test_networks_of_two_precisions_see_the_same_noise(sparse):
    A = jnp.array([[-2.0, 1.0], [0.5, -2.0]])
    networks = [as_sparse("A", one) if sparse else one for one in (A.astype(jnp.float32), A)]
    for order in (networks, networks[::-1]):
        found = same_noise(KEY, order, dt=0.1, steps=3)
        assert found.states.dtype == found.times.dtype == jnp.float64
        np.testing.assert_array_equal(found.states[0], found.states[1])
    assert same_noise(KEY, networks[:1], dt=0.1, steps=3).states.dtype == jnp.float32


def test_networks_of_two_sizes_are_refused():
    with pytest.raises(jaxprune.InputError, match="networks of 1 and 2 neurons"):
        same_noise(KEY, [-jnp.eye(1), -jnp.eye(2)], dt=0.1, steps=3)
    with pytest.raises(jaxprune.InputError, match="no network"):
        same_noise(KEY, [], dt=0.1, steps=3)
    with pytest.raises(jaxprune.InputError, match="steps is 3"):
        same_noise(KEY, [-jnp.eye(1)], dt=0.1, steps=3, record_every=4)
