"""Information lost, against closed forms, samples, quadrature, and the likelihood of simulated paths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from helpers import DIRECTED, FAMILIES, SYMMETRIC, untyped, weights

import jaxprune
from jaxprune import linalg, networks

KEY = jax.random.key(5)


def stable(family, seed=0):
    return networks.stable_leak(weights(family, seed), -0.3)


def thinned(A, seed=1):
    """Some synapses less, and a leak that is a little faster; symmetric where A is."""
    mask = jnp.triu(jax.random.bernoulli(jax.random.key(seed), 0.8, A.shape), 1)
    lower = (
        mask.T if np.array_equal(A, A.T) else jnp.tril(jax.random.bernoulli(jax.random.key(seed + 1), 0.8, A.shape), -1)
    )
    return A * (mask + lower + jnp.eye(len(A))) - 0.1 * jnp.eye(len(A))


def covariance(A):
    return scipy.linalg.solve_continuous_lyapunov(np.asarray(A), -np.eye(len(A)))


@pytest.mark.parametrize("family", FAMILIES)
def test_both_are_their_definitions(family):
    A, B = stable(family), thinned(stable(family))
    C, D = covariance(A), covariance(B)
    n = len(A)
    logs = np.linalg.slogdet(D)[1] - np.linalg.slogdet(C)[1]
    stationary = 0.5 * (np.trace(np.linalg.solve(D, C)) - n + logs) / n
    change = np.asarray(A - B)
    found = linalg.information_lost(A, B)
    np.testing.assert_allclose(found.stationary, stationary, rtol=1e-8)
    np.testing.assert_allclose(found.path, 0.5 * np.trace(change @ C @ change.T) / n, rtol=1e-8)
    # The general way gives the same for symmetric networks, and a reference the same as the matrix.
    for other in (
        linalg.information_lost(A, B, symmetric=False),
        linalg.information_lost(linalg.reference(A), B),
        jax.jit(lambda a, b: linalg.information_lost(a, b, symmetric=family in SYMMETRIC))(A, B),
    ):
        np.testing.assert_allclose(other, found, rtol=1e-7)
    np.testing.assert_allclose(linalg.information_lost(A, A), 0, atol=1e-12)


@pytest.mark.parametrize("family", SYMMETRIC)
def test_one_synapse_whose_leaks_follow(family):
    A = networks.dominant_leak(weights(family), 0.1)
    C = covariance(A)
    i, j = np.argwhere(np.triu(np.asarray(A), 1) != 0)[3]
    w = float(A[i, j])
    B = A.at[i, j].set(0).at[j, i].set(0).at[i, i].add(abs(w)).at[j, j].add(abs(w))
    leverage = 2 * abs(w) * (C[i, i] + C[j, j] - 2 * np.sign(w) * C[i, j])
    expected = 0.5 * (-leverage - np.log(1 - leverage)) / len(A)
    found = linalg.information_lost(A, B)
    np.testing.assert_allclose(found.stationary, expected, rtol=1e-7)
    deviation = linalg.project(linalg.reference(A), B).deviation
    np.testing.assert_allclose(linalg.stationary_divergence(jnp.linalg.eigvalsh(deviation)), expected, rtol=1e-7)
    # Each end loses w (x_i - s x_j).
    np.testing.assert_allclose(found.path, 2 * w**2 * leverage / (2 * abs(w)) / 2 / len(A), rtol=1e-9)


def test_stationary_is_the_mean_log_ratio_of_densities():
    A, B = stable("dale"), thinned(stable("dale"))
    C, D = covariance(A), covariance(B)
    rng, n = np.random.default_rng(0), len(A)
    samples = rng.multivariate_normal(np.zeros(n), C, 200_000)
    ratio = scipy.stats.multivariate_normal(cov=C).logpdf(samples) - scipy.stats.multivariate_normal(cov=D).logpdf(
        samples
    )
    error = ratio.std() / np.sqrt(len(ratio)) / n
    assert abs(ratio.mean() / n - float(linalg.information_lost(A, B).stationary)) < 4 * error


def test_path_is_the_rate_of_the_log_likelihood_ratio():
    # Girsanov, on simulated trajectories of the original: ln dP/dQ over a time T grows by T N times the rate.
    A, B = stable("clustered directed"), thinned(stable("clustered directed"))
    n, dt, steps, paths, sigma = len(A), 0.005, 400, 2000, 0.7
    rng, change = np.random.default_rng(1), np.asarray(A - B)
    x = rng.multivariate_normal(np.zeros(n), sigma**2 * covariance(A), paths)
    total = np.zeros(paths)
    for _ in range(steps):
        noise = rng.standard_normal((paths, n)) * np.sqrt(dt)
        drift = x @ change.T / sigma
        total += np.sum(drift * noise, axis=1) + 0.5 * np.sum(drift**2, axis=1) * dt
        x = x + x @ np.asarray(A).T * dt + sigma * noise
    rate = total / (n * dt * steps)
    # Euler steps of .005 move the covariance by less than a hundredth.
    expected = float(linalg.information_lost(A, B).path)
    assert abs(rate.mean() - expected) < 4 * rate.std() / np.sqrt(paths) + 0.01 * expected


def test_path_is_an_integral_over_frequencies():
    A, B = stable("gaussian"), thinned(stable("gaussian"))
    change, identity = np.asarray(A - B), np.eye(len(A))

    def spectrum(w):
        return np.sum(np.abs(change @ np.linalg.inv(1j * w * identity - np.asarray(A))) ** 2)

    value = scipy.integrate.quad(spectrum, 0, np.inf, limit=400)[0] / np.pi
    np.testing.assert_allclose(linalg.information_lost(A, B).path, value / 2 / len(A), rtol=1e-6)


@pytest.mark.parametrize("family", ["clustered", *DIRECTED[:2]])
def test_of_networks_that_are_not_stable(family):
    A = stable(family)
    unstable = A + 0.5 * jnp.eye(len(A))
    found = linalg.information_lost(A, unstable)
    assert float(found.stationary) == np.inf
    np.testing.assert_allclose(found.path, 0.125 * np.trace(covariance(A)) / len(A), rtol=1e-8)
    assert np.isnan(linalg.information_lost(unstable, A).stationary)
    # Members of an ensemble do not disturb each other.
    together = jax.vmap(lambda b: linalg.information_lost(A, b, symmetric=family in SYMMETRIC))(
        jnp.stack([A, unstable])
    )
    np.testing.assert_allclose(together.stationary, [0, np.inf], atol=1e-12)


def test_marginal_networks_are_infinitely_far():
    # A neuron without inputs and without leak never comes back.
    A = networks.dominant_leak(weights("clustered"), 0.2)
    B = A.at[0].set(0).at[:, 0].set(0)
    assert float(linalg.information_lost(A, B).stationary) == np.inf
    barely = jnp.array([0.3, -1 + 1e-16, 0.1])
    assert float(linalg.stationary_divergence(barely)) == np.inf
    assert np.isnan(linalg.stationary_divergence(barely.at[2].set(jnp.nan)))


@pytest.mark.parametrize("symmetric", [True, False])
def test_derivatives(symmetric):
    A, B = stable("clustered"), thinned(stable("clustered"))
    direction = jax.random.normal(KEY, A.shape)
    direction = direction + direction.T

    def along(step):
        lost = linalg.information_lost(A, B + step * direction, symmetric=symmetric)
        return lost.stationary + lost.path

    numeric = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=1e-6)


def test_errors():
    with untyped(), pytest.raises(jaxprune.InputError, match="own pruned matrix"):
        linalg.information_lost(-jnp.eye(3), -jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match="finite"):
        linalg.information_lost(-jnp.eye(2), jnp.full((2, 2), jnp.nan))
