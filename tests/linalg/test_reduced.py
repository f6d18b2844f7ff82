"""Measures from one tridiagonalisation, against the ones from all eigenvectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import weights

from jaxprune import linalg, networks
from jaxprune.linalg import parts


def pair(size):
    """A symmetric stable network, and one with other weights."""
    A = networks.stable_leak(weights("clustered"), -0.3)
    noise = jax.random.normal(jax.random.key(1), A.shape)
    return linalg.reference(A), A * (1 + size * (noise + noise.T) / 2)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 0.2])
def test_the_tridiagonal_form_needs_no_eigenvectors(size):
    original, B = pair(size)
    reduced = jax.jit(parts.reduce_symmetric)(original.modes, B)
    T = np.diag(reduced.diagonal) + np.diag(reduced.off, 1) + np.diag(reduced.off, -1)
    values = jnp.asarray(np.linalg.eigvalsh(T)[::-1])
    np.testing.assert_allclose(values, linalg.eigenvalues(B), rtol=1e-10)
    expected = linalg.h2_error(original, B)
    np.testing.assert_allclose(reduced.squared, expected.difference**2, rtol=1e-6 if size < 1e-6 else 1e-9)
    relative = parts.relative_h2(original.modes.eigenvalues, reduced.squared, values)
    np.testing.assert_allclose(relative, expected.relative, rtol=1e-6)
    seen, rates = linalg.project(original, B), original.modes.eigenvalues
    np.testing.assert_allclose(np.abs(reduced.along / rates), seen.quadratic, atol=1e-13)
    np.testing.assert_allclose(np.abs(rates + reduced.along) / reduced.image, seen.angle, rtol=1e-12)
    np.testing.assert_allclose(reduced.residual, np.linalg.norm(seen.residual, axis=0), rtol=1e-9, atol=1e-14)
    lost, error = parts.divergence_of_spectra(reduced.along, rates, values)
    exact = linalg.information_lost(original, B).stationary
    assert abs(float(lost - exact)) <= float(error)
    assert float(error) < 1e-14


def test_one_neuron_and_what_is_not_stable():
    a = jnp.array([-1.0])
    reduced = parts.reduce_symmetric(linalg.modes(jnp.array([[-1.0]])), jnp.array([[-2.0]]))
    np.testing.assert_allclose(
        reduced.squared, linalg.h2_error(-jnp.eye(1), -2 * jnp.eye(1)).difference ** 2, rtol=1e-12
    )
    assert float(parts.relative_h2(a, reduced.squared, jnp.array([0.5]))) == np.inf
    assert np.isnan(float(parts.relative_h2(-a, reduced.squared, a)))
    assert np.isnan(float(parts.relative_h2(a, reduced.squared, jnp.array([jnp.nan]))))
    lost = [float(parts.divergence_of_spectra(a, a, jnp.array([value]))[0]) for value in (0.0, 0.5, np.nan)]
    np.testing.assert_array_equal(lost, [np.inf, np.inf, np.nan])
