"""Tasks: shapes, keys, and that their labels follow from what is shown."""

import functools

import jax
import numpy as np
import pytest
from helpers import quick_jit, untyped

import jaxprune
from jaxprune import rnn

KEY = jax.random.key(0)


@functools.cache
def batch_of(name):
    """A compiled batch of 200 trials of a task by its name."""
    return quick_jit(lambda key: rnn.batch(key, rnn.TASKS[name](), 200))


@pytest.mark.parametrize("name", rnn.TASKS)
def test_trials(name):
    task = rnn.TASKS[name]()
    trials = batch_of(name)(KEY)
    assert trials.inputs.shape[1:] == (200, task.inputs)
    assert trials.labels.shape == trials.inputs.shape[:2]
    labels = np.asarray(trials.labels)
    assert labels.min() == -1
    assert set(np.unique(labels)) - {-1} <= set(range(task.outputs))
    assert ((labels >= 0).sum(axis=0) > 0).all()
    np.testing.assert_array_equal(batch_of(name)(KEY).inputs, trials.inputs)
    one = quick_jit(task.trial)(jax.random.split(KEY, 200)[3])
    np.testing.assert_allclose(one[0], trials.inputs[:, 3], atol=1e-12)
    np.testing.assert_array_equal(one[1], labels[:, 3])


def answers(labels):
    return np.array([column[column >= 0][0] for column in np.asarray(labels).T])


def test_decision_is_the_stronger_stream():
    task = rnn.perceptual_decision(noise=0.0)
    trials = quick_jit(lambda key: rnn.batch(key, task, 300))(KEY)
    shown = np.asarray(trials.inputs)[:15, :, 1:].mean(axis=0)
    np.testing.assert_array_equal(answers(trials.labels), 1 + shown.argmax(axis=1))


def test_match_is_the_same_symbol():
    trials = batch_of("delayed match")(KEY)
    x = np.asarray(trials.inputs)[:, :, 1:]
    same = x[:5].mean(axis=0).argmax(axis=1) == x[15:20].mean(axis=0).argmax(axis=1)
    np.testing.assert_array_equal(answers(trials.labels), np.where(same, 1, 2))
    assert 0.3 < same.mean() < 0.7


def test_flip_flop_remembers_the_last_pulse():
    trials = batch_of("flip-flop")(KEY)
    for shown, labels in zip(np.asarray(trials.inputs).swapaxes(0, 1), np.asarray(trials.labels).T, strict=True):
        last, since = None, 0
        for (down, up), label in zip(shown, labels, strict=True):
            since += 1
            if max(down, up) > 0.6:
                last, since = int(up > down), 0
            assert label == (last if since >= 2 else -1)


def test_ring_walks_on():
    trials = batch_of("ring sequence")(KEY)
    place = np.asarray(trials.inputs)[:12, :, 1:].mean(axis=0).argmax(axis=1)
    labels = np.asarray(trials.labels)
    for step in range(15):
        np.testing.assert_array_equal(labels[17 + step], 1 + (place + step // 3) % 8)


def test_errors():
    with untyped(), pytest.raises(jaxprune.InputError, match="stimulus is too small"):
        rnn.perceptual_decision(stimulus=0)
    with untyped(), pytest.raises(jaxprune.InputError, match="time is too small"):
        rnn.flip_flop(time=3)
