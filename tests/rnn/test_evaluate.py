"""Accuracy against a count by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import rnn

MODEL = rnn.ctrnn(jax.random.key(0), inputs=3, neurons=20, outputs=3)
INPUTS = jax.random.normal(jax.random.key(1), (60, 8, 3))


def test_accuracy_is_the_share_of_scored_steps_that_are_right():
    labels = jax.random.randint(jax.random.key(2), (60, 8), -1, 3)
    chosen = np.argmax(np.asarray(rnn.run(MODEL, INPUTS)), axis=-1)
    right = scored = 0
    for answer, label in zip(chosen.ravel(), np.asarray(labels).ravel(), strict=True):
        if label >= 0:
            scored += 1
            right += answer == label
    assert 0 < scored < labels.size
    np.testing.assert_allclose(rnn.accuracy(MODEL, INPUTS, labels), right / scored, rtol=1e-12)


def test_chance_is_the_share_of_the_most_frequent_scored_label():
    labels = np.asarray(jax.random.randint(jax.random.key(2), (60, 8), -1, 3))
    scored = labels[labels >= 0]
    best = max((scored == answer).mean() for answer in range(3))
    for level in (rnn.chance_level(jnp.asarray(labels)), jax.jit(rnn.chance_level)(jnp.asarray(labels))):
        np.testing.assert_allclose(level, best, rtol=1e-12)
    assert float(rnn.chance_level(jnp.full((3, 2), -1).at[0, 0].set(4))) == 1
    constant = dataclasses.replace(MODEL, W_out=jnp.zeros((3, 20)), b_out=jnp.eye(3)[np.bincount(scored).argmax()])
    np.testing.assert_allclose(rnn.accuracy(constant, INPUTS, jnp.asarray(labels)), best, rtol=1e-12)


def test_swapped_time_and_trials_are_told_from_what_the_network_does():
    inputs = jax.random.normal(jax.random.key(1), (60, 60, 3))
    labels = jnp.argmax(rnn.run(MODEL, inputs), axis=-1)
    rnn.check_axes(MODEL, inputs, labels)
    swapped = (jnp.swapaxes(inputs, 0, 1), labels.T)
    # Shapes would let them pass, and even some of their accuracy.
    assert 0.4 < float(rnn.accuracy(MODEL, *swapped)) < 0.8
    with pytest.raises(
        jaxprune.InputError, match=r"seem to be \(trial, time\) and not \(time, trial\): .* and 1.000 with"
    ):
        rnn.check_axes(MODEL, *swapped)
    with pytest.raises(jaxprune.InputError, match=r"seem to be \(trial, time\)"):
        rnn.prune_rnn(jax.random.key(0), MODEL, "weight+keep", keep=0.5, trials=rnn.TrialSet(*swapped))


def test_axes_that_nothing_tells_are_accepted():
    labels = jax.random.randint(jax.random.key(2), (60, 8), 0, 3)
    rnn.check_axes(MODEL, INPUTS, labels)
    rnn.check_axes(MODEL, jnp.swapaxes(INPUTS, 0, 1), labels.T)


def test_errors():
    for labels, words in (
        (jnp.full((60, 8), -2), "labels holds -2"),
        (jnp.full((60, 8), 3), "labels holds 3, but must be between 0 and 2"),
        (jnp.full((60, 8), -1), "no scored step"),
        (jnp.zeros((60, 7), int), "labels has shape"),
        (jnp.zeros((8, 60), int), "swap the axes of whichever is"),
    ):
        for call in (rnn.accuracy, rnn.check_axes):
            with untyped(), pytest.raises(jaxprune.InputError, match=words):
                call(MODEL, INPUTS, labels)
    with untyped(), pytest.raises(jaxprune.InputError, match="put the inputs last"):
        rnn.check_axes(MODEL, jnp.moveaxis(INPUTS, 2, 0), jnp.zeros((60, 8), int))
