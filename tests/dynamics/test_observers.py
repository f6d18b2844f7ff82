"""Running statistics against the same statistics of the stored states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, untyped

import jaxprune
from jaxprune.dynamics import BatchMeans, Differences, Linear, Moments, effective_samples, simulate
from jaxprune.pruning import noise_importance

STATES = 3.0 + jax.random.normal(jax.random.key(1), (60, SIZE)) @ jax.random.normal(jax.random.key(2), (SIZE, SIZE))


def watched(observer, states=STATES, blocks=(7, 1, 30, 22), weights=None):
    weights = jnp.ones(len(states)) if weights is None else weights
    carry, start = observer.init(states.shape[1], states.dtype), 0
    for length in blocks:
        carry = observer.update(carry, states[start : start + length], weights[start : start + length])
        start += length
    assert start == len(states)
    return observer.result(carry)


def test_moments():
    result = watched(Moments())
    np.testing.assert_allclose(result.mean, np.mean(STATES, axis=0), atol=1e-12)
    np.testing.assert_allclose(result.covariance, np.cov(STATES.T, bias=True), atol=1e-11)
    assert float(result.weight) == len(STATES)


def test_moments_beside_a_large_common_activity():
    far = STATES + 1e8
    np.testing.assert_allclose(watched(Moments(), far).covariance, np.cov(STATES.T, bias=True), rtol=1e-5, atol=1e-5)


def test_differences_are_those_of_the_synapses():
    A = dominant("dale")
    observer = Differences(A)
    C = jnp.asarray(np.cov(STATES.T, bias=True))
    values = observer.matrix(watched(observer), SIZE)
    np.testing.assert_allclose(jnp.abs(A) * values, noise_importance(A, C), atol=1e-10)
    assert len(observer.post) == int(((A != 0) & ~jnp.eye(SIZE, dtype=bool)).sum())


@pytest.mark.parametrize("forget", [0.02, 0.5])
def test_forgetting(forget):
    weights = (1 - forget) ** np.arange(len(STATES) - 1, -1, -1)
    mean = np.average(STATES, axis=0, weights=weights)
    centred = np.asarray(STATES) - mean
    covariance = (centred * weights[:, None]).T @ centred / weights.sum()
    result = watched(Moments(forget))
    np.testing.assert_allclose(result.mean, mean, atol=1e-10)
    np.testing.assert_allclose(result.covariance, covariance, atol=1e-10)
    A = dominant("dale")
    observer = Differences(A, forget=forget)
    expected = noise_importance(A, jnp.asarray(covariance))
    np.testing.assert_allclose(jnp.abs(A) * observer.matrix(watched(observer), SIZE), expected, atol=1e-9)


@pytest.mark.parametrize("make", [Moments, lambda: Differences(dominant("dale"))])
def test_states_of_weight_zero_do_not_count(make):
    burnt = watched(make(), weights=(jnp.arange(60) >= 8).astype(float))
    kept = watched(make(), STATES[8:], blocks=(30, 22))
    for a, b in zip(jax.tree.leaves(burnt), jax.tree.leaves(kept), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


def test_batch_means():
    result = watched(BatchMeans(Moments(), blocks=2), blocks=(10,) * 6)
    batches = np.array([np.cov(STATES[i : i + 20].T, bias=True) for i in (0, 20, 40)])
    assert int(result.batches) == 3
    np.testing.assert_allclose(result.value.covariance, np.cov(STATES.T, bias=True), atol=1e-11)
    np.testing.assert_allclose(result.error.covariance, batches.std(0, ddof=1) / np.sqrt(3), atol=1e-11)


def test_batch_means_leave_out_blocks_of_the_burn_in():
    weights = (jnp.arange(60) >= 5).astype(float)
    result = watched(BatchMeans(Moments()), blocks=(10,) * 6, weights=weights)
    batches = np.array([np.mean(STATES[i : i + 10], axis=0) for i in range(10, 60, 10)])
    assert int(result.batches) == 5
    np.testing.assert_allclose(result.value.mean, STATES[5:].mean(0), atol=1e-11)
    np.testing.assert_allclose(result.error.mean, batches.std(0, ddof=1) / np.sqrt(5), atol=1e-11)


def test_too_few_batches_have_no_error():
    assert bool(jnp.isnan(watched(BatchMeans(Moments()), blocks=(60,)).error.covariance).all())


def test_effective_samples_of_independent_ones():
    rng = np.random.default_rng(0)
    variances = rng.normal(size=(4000, 50)).var(axis=1, ddof=1)
    found = effective_samples(jnp.asarray(variances.mean()), jnp.asarray(variances.std(ddof=1)))
    # The relative error of a standard deviation over 4000 values is 1 / sqrt(8000), that of its square twice as large.
    assert abs(float(found) / 49 - 1) < 5 * 2 / np.sqrt(8000)


def test_memory_of_a_simulation_does_not_depend_on_its_steps():
    A = dominant("gaussian")

    def memory(steps):
        def run(key):
            return simulate(key, Linear(A), jnp.zeros(SIZE), dt=0.05, steps=steps, observe=Moments()).observed

        analysis = jax.jit(run).lower(jax.random.key(0)).compile().memory_analysis()
        return analysis.temp_size_in_bytes + analysis.output_size_in_bytes

    assert memory(1_024) == memory(1_048_576)


def test_errors():
    with untyped():
        for make in (Moments, lambda forget: Differences(-jnp.eye(2), forget=forget)):
            with pytest.raises(jaxprune.InputError, match="forget is 1"):
                make(1.0)
        with pytest.raises(jaxprune.InputError, match="blocks is 0"):
            BatchMeans(Moments(), blocks=0)
        with pytest.raises(jaxprune.InputError, match=r"forget=0\.1"):
            BatchMeans(Moments(0.1))
        with pytest.raises(jaxprune.InputError, match="traced"):
            jax.jit(lambda A: Differences(A).sign)(-jnp.eye(2))
