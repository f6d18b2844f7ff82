"""Codes, reconstructions, classifiers and samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import exact, machine

import jaxprune
from jaxprune.boltzmann import (
    assess,
    fit_classifier,
    judge_samples,
    log_likelihood,
    mean_field,
    mean_log_likelihood,
    reconstruction_error,
    run_gibbs,
    start_chains,
    top_code,
    units_left,
)

DATA = jnp.asarray(np.random.default_rng(0).integers(0, 2, (25, 5)), float)


def test_code_and_reconstruction_are_the_mean_field(monkeypatch):
    from jaxprune.boltzmann import _binary

    model = machine("deep")
    states = mean_field(model, DATA).states
    np.testing.assert_allclose(top_code(model, DATA), states[2], atol=1e-3)
    rebuilt = 1 / (1 + np.exp(-(np.asarray(model.biases[0]) + np.asarray(states[1]) @ np.asarray(model.weights[0]))))
    expected = np.abs(np.asarray(DATA) - rebuilt).mean()
    np.testing.assert_allclose(reconstruction_error(model, DATA), expected, atol=1e-4)
    monkeypatch.setattr(_binary, "CHUNK", 10)
    np.testing.assert_allclose(top_code(model, DATA, tolerance=1e-12, sweeps=500), top_code(model, DATA), atol=1e-3)
    np.testing.assert_allclose(reconstruction_error(model, DATA), expected, atol=1e-4)
    with pytest.raises(jaxprune.InputError, match="every value must be 0 or 1"):
        top_code(model, DATA * 2)


def test_classifier_and_what_it_says_of_samples():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    inputs = np.eye(3)[labels] * (rng.random((600, 3)) < 0.95)
    judge = fit_classifier(inputs[:400], labels[:400], inputs[400:], labels[400:])
    np.testing.assert_allclose(judge.error, np.mean(judge.fitted.predict(inputs[400:]) != labels[400:]))
    assert judge.error < 0.1
    one = judge_samples(judge, (jnp.asarray(np.eye(3)[[0] * 50]), jnp.zeros((50, 1))))
    all_three = judge_samples(judge, (jnp.asarray(np.eye(3)[[0, 1, 2] * 50]), jnp.zeros((150, 1))))
    # Collapse onto one class shows in the entropy alone.
    np.testing.assert_allclose(one.confidence, all_three.confidence, atol=0.05)
    assert one.entropy < 0.4
    assert abs(all_three.entropy - np.log(3)) < 0.01
    np.testing.assert_allclose(all_three.classes.sum(), 1)
    unsure = judge_samples(judge, (jnp.zeros((5, 3)), jnp.zeros((5, 1))))
    assert unsure.confidence < one.confidence


@pytest.mark.parametrize("kind", ["restricted", "deep"])
def test_mean_log_likelihood_against_enumeration(kind):
    model = machine(kind)
    data = jnp.asarray(np.random.default_rng(1).integers(0, 2, (200, model.sizes[0])), float)
    expected = float(log_likelihood(model, data, exact(kind).log_partition).mean())
    for reference in (None, 1 - data):
        found = mean_log_likelihood(jax.random.key(0), model, data, reference=reference, temperatures=300, runs=300)
        assert 0 < found.error < 0.02
        assert abs(found.value - expected) < 5 * found.error
    with pytest.raises(jaxprune.InputError, match="every value must be 0 or 1"):
        mean_log_likelihood(jax.random.key(0), model, data, reference=data * 2)


def test_assessment_is_its_parts(monkeypatch):
    from jaxprune.boltzmann import _binary

    monkeypatch.setattr(_binary, "CHUNK", 10)
    model, rng = machine("deep"), np.random.default_rng(0)
    train, test = (rng.integers(0, 2, (count, 5)).astype(float) for count in (200, 137))
    labels, test_labels = train[:, 0].astype(int), test[:, 0].astype(int)
    judge = fit_classifier(train, labels, test, test_labels)
    key = jax.random.key(0)
    chains = run_gibbs(key, model, start_chains(key, model, 100), 20)
    found = assess(key, model, train, labels, test, test_labels, judge=judge, chains=chains, temperatures=300, runs=300)
    assert found.weights == sum(int(mask.sum()) for mask in model.masks)
    assert found.units == sum(int(alive.sum()) for alive in units_left(model.masks)[1:])
    expected = float(log_likelihood(model, jnp.asarray(test), exact("deep").log_partition).mean())
    assert abs(found.log_likelihood - expected) < 5 * found.log_partition_error < 0.1
    np.testing.assert_allclose(found.reconstruction, reconstruction_error(model, test), rtol=1e-6)
    code = fit_classifier(top_code(model, train), labels, top_code(model, test), test_labels)
    np.testing.assert_allclose(found.code_error, code.error, atol=1e-12)
    shuffled = fit_classifier(top_code(model, train), labels, top_code(model, test[::-1]), test_labels)
    assert shuffled.error > code.error  # the code tells the classes apart
    dreams = judge_samples(judge, chains)
    assert (found.confidence, found.entropy) == (dreams.confidence, dreams.entropy)


def test_errors():
    with pytest.raises(jaxprune.InputError, match="a classifier needs two"):
        fit_classifier(np.eye(3), np.zeros(3, int), np.eye(3), np.zeros(3, int))
