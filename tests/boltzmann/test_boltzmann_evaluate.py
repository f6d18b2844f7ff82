"""Codes, reconstructions, classifiers and samples."""

import jax.numpy as jnp
import numpy as np
import pytest
from machines import machine

import jaxprune
from jaxprune.boltzmann import fit_classifier, judge_samples, mean_field, reconstruction_error, top_code

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


def test_errors():
    with pytest.raises(jaxprune.InputError, match="a classifier needs two"):
        fit_classifier(np.eye(3), np.zeros(3, int), np.eye(3), np.zeros(3, int))
