"""Accuracy against a count by hand."""

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


def test_errors():
    for labels, words in (
        (jnp.full((60, 8), -2), "labels holds -2"),
        (jnp.full((60, 8), 3), "labels holds 3, but must be between 0 and 2"),
        (jnp.full((60, 8), -1), "no scored step"),
        (jnp.zeros((60, 7), int), "labels has shape"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            rnn.accuracy(MODEL, INPUTS, labels)
