"""The H2 error against the integral that defines it, and against simulated networks under the same noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from helpers import FAMILIES, SYMMETRIC, weights

import jaxprune
from jaxprune import linalg, networks

KEY = jax.random.key(3)


def stable(family, seed=0):
    return networks.stable_leak(weights(family, seed), -0.3)


def perturbed(A):
    """Weights off by a fifth at random (symmetric where A is), and a faster leak."""
    noise = jax.random.normal(jax.random.key(1), A.shape)
    noise = (noise + noise.T) / 2 if np.array_equal(A, A.T) else noise
    B = A * (1 + 0.2 * noise)
    return B - max(0.2, float(linalg.spectral_abscissa(B)) + 0.1) * jnp.eye(len(B))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_integral_of_the_squared_impulse_response_difference(family):
    A, B = stable(family), perturbed(stable(family))
    dt, steps = 0.05, 4000  # to e^-20 and below
    responses = linalg.impulse_responses(A, B, dt=dt, steps=steps)
    squared = np.concatenate([[0.0], np.asarray(responses.difference) ** 2])
    np.testing.assert_allclose(responses.pruned, linalg.impulse_responses(B, A, dt=dt, steps=steps).original, rtol=1e-9)
    result = linalg.h2_error(A, B)
    np.testing.assert_allclose(result.difference**2, scipy.integrate.simpson(squared, dx=dt), rtol=1e-4)
    C = scipy.linalg.solve_continuous_lyapunov(np.asarray(A), -np.eye(len(A)))
    np.testing.assert_allclose(result.norm, np.sqrt(np.trace(C)), rtol=1e-9)
    np.testing.assert_allclose(result.pruned_norm, linalg.h2_error(B, A).norm, rtol=1e-9)
    np.testing.assert_allclose(result.relative, result.difference / result.norm, rtol=1e-12)
    for other in (
        linalg.h2_error(A, B, symmetric=False),
        linalg.h2_error(linalg.reference(A), B),
        jax.jit(linalg.h2_error)(A, B),
        jax.vmap(lambda a: linalg.h2_error(a, B, symmetric=family in SYMMETRIC))(A[None]),
    ):
        np.testing.assert_allclose(np.ravel(other), np.ravel(result), rtol=1e-8)


def test_small_errors_of_symmetric_networks_are_exact():
    A = stable("clustered")
    assert float(linalg.h2_error(A, A).relative) < 1e-14
    # All leaks a little faster: every mode by itself.
    a = -np.linalg.eigvalsh(np.asarray(A))
    step = 1e-9
    expected = np.sqrt(np.sum(step**2 / (2 * a * (a + step) * (2 * a + step))))
    np.testing.assert_allclose(linalg.h2_error(A, A - step * jnp.eye(len(A))).difference, expected, rtol=1e-5)
    assert float(linalg.h2_error(stable("dale"), stable("dale")).relative) < 1e-6


@pytest.mark.parametrize("family", ["clustered", "dale"])
@pytest.mark.parametrize("size", [1e-10, 1e-6, 1e-2])
def test_small_errors_of_all_networks_are_exact(family, size):
    """To first order the difference of the states is E with B E + E B' = -(D Y + Y' D'), all of it of the size of the change."""
    A = stable(family)
    D = jax.random.normal(jax.random.key(1), A.shape)
    D = (D + D.T) / 2 if family in SYMMETRIC else D
    found = jax.jit(linalg.h2_error)(A, A + size * D)  # traced: the general way
    exact = _first_order(np.asarray(A), np.asarray(D))
    np.testing.assert_allclose(found.difference / size, exact, rtol=1e-6 + 20 * size)


def _first_order(A, D):
    C = scipy.linalg.solve_continuous_lyapunov(A, -np.eye(len(A)))
    Y = scipy.linalg.solve_sylvester(A, A.T, -C @ D.T)
    return np.sqrt(np.trace(scipy.linalg.solve_continuous_lyapunov(A, -(D @ Y + Y.T @ D.T))))


@pytest.mark.parametrize("symmetric", [True, False])
def test_what_is_not_finite_is_not_infinite(symmetric):
    """Within an ensemble a member that failed gives NaN, one that is unstable infinity."""
    A = stable("clustered")
    members = jnp.stack([A, jnp.full_like(A, jnp.nan), A + 10 * jnp.eye(len(A))])
    h2 = jax.vmap(lambda B: linalg.h2_error(A, B, symmetric=symmetric).relative)(members)
    np.testing.assert_allclose(h2, [0, np.nan, np.inf], atol=1e-7)
    lost = jax.vmap(lambda B: linalg.information_lost(A, B, symmetric=symmetric).stationary)(members)
    np.testing.assert_allclose(lost, [0, np.nan, np.inf], atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("neurons", [2, 3, 5, 8, 12, 20, 40])
def test_a_marginal_original_has_no_measure(neurons, directed, seed):
    """All excite one another and the leak has no slack: up to rounding, which depends on the size, one mode never decays."""
    W = jax.random.uniform(jax.random.key(seed), (neurons, neurons)) * (1 - jnp.eye(neurons))
    A = networks.dominant_leak(W if directed else (W + W.T) / 2)
    B = A - 0.1 * jnp.eye(neurons)
    assert np.isnan(linalg.h2_error(A, B).relative)
    lost = linalg.information_lost(A, B)
    assert np.isnan(lost.stationary)
    assert np.isnan(lost.path)
    found = linalg.measure(A, B)
    assert np.isnan([found.h2, found.stationary, found.path]).all()


def test_it_is_the_distance_of_two_networks_under_the_same_noise():
    A, B = stable("clustered directed"), perturbed(stable("clustered directed"))
    n, dt, paths = len(A), 0.01, 4000
    rng = np.random.default_rng(0)
    x, y = np.zeros((paths, n)), np.zeros((paths, n))
    for _ in range(2500):
        noise = rng.standard_normal((paths, n)) * np.sqrt(dt)
        x, y = x + dt * x @ np.asarray(A).T + noise, y + dt * y @ np.asarray(B).T + noise
    squared = np.sum((x - y) ** 2, axis=1)
    expected = float(linalg.h2_error(A, B).difference) ** 2
    assert abs(squared.mean() - expected) < 4 * squared.std() / np.sqrt(paths) + 0.02 * expected


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_of_networks_that_are_not_stable(family):
    A = stable(family)
    unstable, symmetric = A + jnp.eye(len(A)), family in SYMMETRIC
    found = linalg.h2_error(A, unstable)
    np.testing.assert_allclose(found.norm, linalg.h2_error(A, A).norm, rtol=1e-9)
    assert [float(value) for value in found[1:]] == [np.inf] * 3
    assert np.isnan(linalg.h2_error(unstable, A).relative)
    assert np.isnan(linalg.h2_error(unstable, unstable).relative)
    together = jax.vmap(lambda b: linalg.h2_error(A, b, symmetric=symmetric).relative)(jnp.stack([A, unstable]))
    assert float(together[1]) == np.inf
    assert float(together[0]) < 1e-6


def test_marginal_networks_are_infinitely_far():
    A = networks.dominant_leak(weights("clustered"), 0.2)
    B = A.at[0].set(0).at[:, 0].set(0)  # a neuron that never comes back
    assert float(linalg.h2_error(A, B).relative) == np.inf


def test_derivatives():
    A, B = stable("clustered"), perturbed(stable("clustered"))
    direction = jax.random.normal(KEY, A.shape)
    along = lambda step: linalg.h2_error(A, B + step * direction, symmetric=False).difference ** 2  # noqa: E731
    numeric = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=1e-6)


def test_errors():
    with pytest.raises(jaxprune.InputError, match="not symmetric"):
        linalg.h2_error(stable("dale"), stable("dale"), symmetric=True)
