"""Estimates of large networks agree with the exact measures within their standard error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import linalg, networks
from jaxprune.linalg import _extremes, parts


@pytest.fixture(scope="module")
def pair():
    W = networks.gaussian(jax.random.key(1), 80)
    A = networks.stable_leak(W, -0.3)
    mask = jax.random.bernoulli(jax.random.key(2), 0.7, A.shape) | jnp.eye(80, dtype=bool)
    return A, A * mask


def test_the_mean_over_all_patterns_is_the_h2_error():
    """With the 2^N patterns of two neurons, and the same weight for each, there is no error left."""
    A, B = jnp.array([[-1.0, 0.5], [-0.7, -2.0]]), jnp.array([[-1.0, 0.0], [-0.9, -1.5]])
    exact = linalg.h2_error(A, B).relative
    found = [linalg.estimate_h2(jax.random.key(seed), A, B, probes=64).relative for seed in range(40)]
    assert np.std(found) > 0
    np.testing.assert_allclose(np.mean(found), exact, atol=5 * np.std(found) / np.sqrt(len(found)))


def test_the_estimate_and_its_standard_error(pair):
    A, B = pair
    exact = float(linalg.h2_error(A, B).relative)
    found = [linalg.estimate_h2(jax.random.key(seed), A, B) for seed in range(40)]
    values, errors = (np.array([float(getattr(one, name)) for one in found]) for name in ("relative", "error"))
    assert abs(values.mean() - exact) < 5 * values.std(ddof=1) / np.sqrt(len(values))
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.4


def test_the_same_network_twice_has_no_error(pair):
    found = linalg.estimate_h2(jax.random.key(0), pair[0], pair[0])
    assert (float(found.relative), float(found.error)) == (0, 0)


def test_what_grows_is_infinite_and_an_original_that_grows_is_nan(pair):
    A, B = pair
    growing = B + (0.05 - linalg.spectral_abscissa(B)) * jnp.eye(len(B))
    assert np.isinf(linalg.estimate_h2(jax.random.key(0), A, growing).relative)
    assert np.isnan(linalg.estimate_h2(jax.random.key(0), growing, A).relative)
    with pytest.raises(jaxprune.InputError, match="probes is 1"):
        linalg.estimate_h2(jax.random.key(0), A, B, probes=1)


@pytest.mark.parametrize("symmetric", [False, True])
def test_all_measures_beside_the_exact_ones(monkeypatch, pair, symmetric):
    monkeypatch.setattr(_extremes, "DENSE", 0)
    A, B = pair
    if symmetric:
        A, B = ((X + X.T) / 2 - 2 * jnp.eye(len(X)) for X in (A, B))
    exact = linalg.measure(A, B)
    C = linalg.stationary_covariance(A)
    found, h2 = linalg.estimate_measures(jax.random.key(0), A, B, C=C)
    assert abs(h2.relative - exact.h2) < 5 * h2.error
    for name in ("slow_modes", "worst_mode", "stationary", "path"):
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name), rtol=1e-6, err_msg=name)
    for name, value in exact.certificate._asdict().items():
        np.testing.assert_allclose(getattr(found.certificate, name), value, rtol=1e-7, err_msg=name)
    assert np.isnan(found.sorted_median)
    single = linalg.estimate_measures(jax.random.key(0), A, B, C=C.astype(jnp.float32)).measures
    np.testing.assert_allclose(single.stationary, exact.stationary, rtol=1e-3)
    assert np.isnan(linalg.estimate_measures(jax.random.key(0), A, B).measures.path)


def test_an_original_prepared_once(pair):
    A, B = pair
    prepared = parts.probe(jax.random.key(0), A)
    np.testing.assert_allclose(parts.h2_of_probes(prepared, B), linalg.estimate_h2(jax.random.key(0), A, B), rtol=1e-12)
    single = parts.probe(jax.random.key(0), A.astype(jnp.float32))
    ours, theirs = (linalg.estimate_measures(one, A, B).h2 for one in (single, prepared))
    np.testing.assert_allclose(ours.relative, theirs.relative, rtol=1e-4)


def test_measures_of_an_unstable_network(pair):
    A, B = pair
    growing = B + (0.05 - linalg.spectral_abscissa(B)) * jnp.eye(len(B))
    found = linalg.estimate_measures(jax.random.key(0), A, growing, C=linalg.stationary_covariance(A)).measures
    assert np.isinf(found.h2)
    assert np.isinf(found.stationary)
