"""Tasks: shapes, keys, and that their labels follow from what is shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import rnn

KEY = jax.random.key(0)


@pytest.mark.parametrize("name", rnn.TASKS)
def test_trials(name):
    task = rnn.TASKS[name]()
    trials = rnn.batch(KEY, task, 200)
    assert trials.inputs.shape[1:] == (200, task.inputs)
    assert trials.labels.shape == trials.inputs.shape[:2]
    labels = np.asarray(trials.labels)
    assert labels.min() == -1
    assert set(np.unique(labels)) - {-1} <= set(range(task.outputs))
    assert ((labels >= 0).sum(axis=0) > 0).all()
    again = rnn.batch(KEY, task, 200)
    np.testing.assert_array_equal(again.inputs, trials.inputs)
    one = task.trial(jax.random.split(KEY, 200)[3])
    np.testing.assert_allclose(one[0], trials.inputs[:, 3], atol=1e-12)


def answers(labels):
    return np.array([column[column >= 0][0] for column in np.asarray(labels).T])


def test_decision_is_the_stronger_stream():
    trials = rnn.batch(KEY, rnn.perceptual_decision(noise=0.0), 300)
    shown = np.asarray(trials.inputs)[:15, :, 1:].mean(axis=0)
    np.testing.assert_array_equal(answers(trials.labels), 1 + shown.argmax(axis=1))


def test_match_is_the_same_symbol():
    trials = rnn.batch(KEY, rnn.delayed_match(), 300)
    x = np.asarray(trials.inputs)[:, :, 1:]
    same = x[:5].mean(axis=0).argmax(axis=1) == x[15:20].mean(axis=0).argmax(axis=1)
    np.testing.assert_array_equal(answers(trials.labels), np.where(same, 1, 2))
    assert 0.3 < same.mean() < 0.7


def test_flip_flop_remembers_the_last_pulse():
    trials = rnn.batch(KEY, rnn.flip_flop(), 50)
    for shown, labels in zip(np.asarray(trials.inputs).swapaxes(0, 1), np.asarray(trials.labels).T, strict=True):
        last, since = None, 0
        for (down, up), label in zip(shown, labels, strict=True):
            since += 1
            if max(down, up) > 0.6:
                last, since = int(up > down), 0
            assert label == (last if since >= 2 else -1)


def test_ring_walks_on():
    trials = rnn.batch(KEY, rnn.ring_sequence(), 50)
    place = np.asarray(trials.inputs)[:12, :, 1:].mean(axis=0).argmax(axis=1)
    labels = np.asarray(trials.labels)
    for step in range(15):
        np.testing.assert_array_equal(labels[17 + step], 1 + (place + step // 3) % 8)


def test_errors():
    with untyped(), pytest.raises(jaxprune.InputError, match="stimulus is too small"):
        rnn.perceptual_decision(stimulus=0)
    with untyped(), pytest.raises(jaxprune.InputError, match="time is too small"):
        rnn.flip_flop(time=3)


def test_training_learns_and_keeps_what_is_missing():
    task = rnn.flip_flop(time=15, chance=0.3)
    model = rnn.ctrnn(KEY, inputs=2, neurons=24, outputs=2)
    mask = (jax.random.uniform(KEY, (24, 24)) < 0.5) & (model.W_rec != 0)
    trained, losses = rnn.train(KEY, model, task, steps=300, trials=32, rate=5e-3)
    assert float(losses[-20:].mean()) < 0.5 * float(losses[:20].mean())
    np.testing.assert_array_equal(jnp.diagonal(trained.W_rec), 0)
    assert float(trained.alpha) == float(model.alpha)
    trials = rnn.batch(jax.random.key(9), task, 200)
    assert float(rnn.accuracy(trained, *trials)) > 0.9 > float(rnn.accuracy(model, *trials))
    sparse = rnn.train(KEY, model, task, steps=5, trials=8, mask=mask.astype(float)).model
    changed = np.asarray(sparse.W_rec != model.W_rec)
    np.testing.assert_array_equal(changed, np.asarray(mask))


def test_training_is_vmapped_over_seeds():
    import equinox as eqx

    task = rnn.flip_flop(time=8)
    keys = jax.random.split(KEY, 2)
    models = [rnn.ctrnn(key, inputs=2, neurons=8, outputs=2, excitatory=0.75) for key in keys]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *models)
    train = lambda key, model: rnn.train(key, model, task, steps=4, trials=4)  # noqa: E731
    together = eqx.filter_vmap(train)(keys, stacked)
    for index in range(2):
        alone = train(keys[index], models[index])
        np.testing.assert_allclose(together.losses[index], alone.losses, rtol=1e-9)
        np.testing.assert_allclose(together.model.W_rec[index], alone.model.W_rec, atol=1e-9)


def test_training_errors():
    model = rnn.ctrnn(KEY, inputs=2, neurons=8, outputs=2)
    for arguments, words in (
        ({"steps": 0}, "steps is 0"),
        ({"trials": 0}, "trials is 0"),
        ({"rate": 0.0}, "rate is 0"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            rnn.train(KEY, model, rnn.flip_flop(), **arguments)
    with pytest.raises(jaxprune.InputError, match="2 inputs and 2 outputs, but the task has 3 and 3"):
        rnn.train(KEY, model, rnn.perceptual_decision())
