"""Bounds: formulas, monotonicity, refused assumptions, and a draw that keeps its promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import dominant, quick_jit

import jaxprune
from jaxprune.linalg import certify, stationary_covariance
from jaxprune.networks import clustered, dominant_leak, gaussian
from jaxprune.pruning import (
    keep_probabilities,
    matched_diagonal,
    noise_importance,
    sample_mask,
    strengthen,
    theory,
    weight_importance,
)


def test_formulas():
    for epsilon, n, sigma, c in [(0.5, 100, 1.0, 4.0), (1.0, 2000, 0.3, 6.0), (0.05, 7, 2.0, 3.5)]:
        scale = theory.keep_scale(epsilon, n, sigma=sigma, c=c)
        np.testing.assert_allclose(scale, 2 * c * np.log(n) / (epsilon**2 * sigma**2), rtol=1e-14)
        np.testing.assert_allclose(
            theory.failure_probability(n, c=c), min(1, n ** (1 - c / 3) + n ** (1 - c / 2)), rtol=1e-12
        )
        np.testing.assert_allclose(
            theory.diagonal_failure_probability(n, c=c), min(1, 2 * n ** (1 - c / 3)), rtol=1e-12
        )
        np.testing.assert_allclose(
            theory.expected_synapses(epsilon, n, c=c), 2 * c * n * np.log(n) / epsilon**2, rtol=1e-14
        )
    np.testing.assert_allclose(theory.keep_scale(0.5, 100), 8 * np.log(100) / 0.25, rtol=1e-14)


def test_monotonicity():
    epsilons = np.linspace(0.1, 1, 5)
    assert np.all(np.diff([float(theory.keep_scale(epsilon, 100)) for epsilon in epsilons]) < 0)
    assert np.all(np.diff([float(theory.expected_synapses(epsilon, 100)) for epsilon in epsilons]) < 0)
    constants = np.linspace(3.5, 9, 5)
    for bound in (theory.failure_probability, theory.diagonal_failure_probability):
        assert np.all(np.diff([float(bound(1000, c=c)) for c in constants]) < 0)
        assert np.all(np.diff([float(bound(n, c=6.0)) for n in (10, 100, 1000)]) < 0)
        assert float(bound(1000, c=1.0)) == 1
    # The kept fraction of a dense network falls towards zero.
    assert np.all(np.diff([float(theory.expected_synapses(1.0, n)) / n**2 for n in (10, 100, 1000)]) < 0)


@pytest.mark.parametrize("sigma", [1.0, 0.3])
def test_theorem_probabilities_know_no_noise_scale_and_keep_to_their_bound(sigma):
    A = dominant("clustered")
    C = stationary_covariance(A, sigma)
    p = theory.theorem_probabilities(A, C, 0.9, sigma=sigma)
    leverage = theory.leverage(A, C, sigma=sigma)
    np.testing.assert_allclose(p, np.minimum(1, 4 * np.log(16) / 0.81 * np.asarray(leverage)), rtol=1e-12)
    assert float(p.sum()) <= float(theory.expected_synapses(0.9, 16))


def test_implied_epsilon_inverts_the_theorem():
    A = dominant_leak(clustered(jax.random.key(0), (8, 5, 3), bridges=10, density=1.0), 0.1)
    for sigma, c in ((1.0, 0.5), (0.3, 1.0)):
        importance = noise_importance(A, stationary_covariance(A, sigma))
        p = jnp.minimum(1, theory.keep_scale(0.8, 16, sigma=sigma, c=c) * importance)
        np.testing.assert_allclose(theory.implied_epsilon(importance, p, sigma=sigma, c=c), 0.8, rtol=1e-10)
        filled = keep_probabilities(importance, keep=0.3)
        scale = (np.asarray(filled) / np.where(importance > 0, importance, 1))[(filled > 0) & (filled < 1)]
        expected = np.sqrt(2 * c * np.log(16) / (scale[0] * sigma**2))
        np.testing.assert_allclose(theory.implied_epsilon(importance, filled, sigma=sigma, c=c), expected, rtol=1e-10)
        assert float(theory.implied_epsilon(importance, (importance > 0).astype(float), sigma=sigma, c=c)) == 0


def test_the_promise_is_kept_where_it_is_made_and_broken_with_too_few_synapses():
    """N = 60 excitatory neurons at epsilon 1: the bound allows a tenth of the draws to fail; twenty times fewer synapses do."""
    A = dominant_leak(jnp.abs(gaussian(jax.random.key(3), 60, symmetric=True)), 0.05)
    C = stationary_covariance(A)
    c, draws = 6.0, 30

    def error(key, p):
        S = matched_diagonal(A, strengthen(A, sample_mask(key, p, symmetric=True), p))
        return certify(A, S, symmetric=True).epsilon

    every = quick_jit(jax.vmap(error, (0, None)))
    keys = jax.random.split(jax.random.key(0), draws)

    p = theory.theorem_probabilities(A, C, 1.0, c=c)
    assert ((p > 0) & (p < 1)).sum() > 1000
    allowed = float(theory.failure_probability(60, c=c))
    assert allowed < 0.1
    assert (every(keys, p) > 1).mean() <= allowed
    assert (every(keys, p / 20) > 1).mean() > 0.9


def test_networks_that_the_theorem_does_not_speak_of_are_refused():
    A = dominant("clustered")
    C = stationary_covariance(A)
    theory.check_assumptions(A)
    theory.check_assumptions(dominant("clustered", slack=0.0))
    with pytest.raises(jaxprune.InputError, match="not symmetric"):
        theory.theorem_probabilities(dominant("gaussian"), C, 0.5)
    with pytest.raises(jaxprune.InputError, match=r"slack -0\.05.*dominant_leak"):
        theory.theorem_probabilities(A + 0.15 * jnp.eye(16), C, 0.5)
    for epsilon in (0.0, -0.5, 1.5, float("nan")):
        for call in (
            lambda epsilon: theory.keep_scale(epsilon, 10),
            lambda epsilon: theory.expected_synapses(epsilon, 10),
            lambda epsilon: theory.theorem_probabilities(A, C, epsilon),
        ):
            with pytest.raises(jaxprune.InputError, match=r"epsilon is .*\(0, 1\]"):
                call(epsilon)
    with pytest.raises(jaxprune.InputError, match="sigma is 0"):
        theory.keep_scale(0.5, 10, sigma=0.0)
    with pytest.raises(jaxprune.InputError, match="c is -1"):
        theory.keep_scale(0.5, 10, c=-1.0)
    with pytest.raises(jaxprune.InputError, match="sigma is 0"):
        theory.leverage(A, C, sigma=0.0)


def test_weight_minimises_the_summed_variance_of_the_entries():
    """At equal expected count, sum a^2 (1/p - 1) is least for p in proportion to |a|."""
    A = dominant("clustered")

    def variance(importance):
        p = np.asarray(keep_probabilities(importance, keep=0.5))
        return float(np.sum(np.asarray(A)[p > 0] ** 2 * (1 / p[p > 0] - 1)))

    weight = weight_importance(A)
    others = [weight * jnp.exp(0.1 * jax.random.normal(key, A.shape)) for key in jax.random.split(jax.random.key(0), 5)]
    for importance in (noise_importance(A, stationary_covariance(A)), *others):
        assert variance(weight) < variance(importance)


def test_precision_follows_the_matrix():
    A = dominant("clustered").astype(jnp.float32)
    C = stationary_covariance(A)
    assert theory.leverage(A, C).dtype == jnp.float32
    assert theory.theorem_probabilities(A, C, 0.9).dtype == jnp.float32
