"""Training learns, leaves alone what is missing, and is the same alone as in a batch of seeds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import rnn

KEY = jax.random.key(0)


def test_training_learns_and_keeps_what_is_missing():
    task = rnn.flip_flop(time=15, chance=0.3)
    model = rnn.ctrnn(KEY, inputs=2, neurons=24, outputs=2)
    trained, losses = rnn.train(KEY, model, task, steps=300, trials=32, rate=5e-3)
    assert float(losses[-20:].mean()) < 0.5 * float(losses[:20].mean())
    np.testing.assert_array_equal(jnp.diagonal(trained.W_rec), 0)
    assert float(trained.alpha) == float(model.alpha)
    inputs, labels = rnn.batch(jax.random.key(9), task, 200)
    assert float(rnn.accuracy(trained, inputs, labels)) > 0.9 > float(rnn.accuracy(model, inputs, labels))
    mask = (jax.random.uniform(KEY, (24, 24)) < 0.5) & (model.W_rec != 0)
    # As many steps and trials as above: the same compiled loop.
    sparse = rnn.train(KEY, model, task, steps=300, trials=32, rate=5e-3, mask=mask.astype(float)).model
    changed = np.asarray(sparse.W_rec != model.W_rec)
    np.testing.assert_array_equal(changed, np.asarray(mask))


def test_training_is_vmapped_over_seeds():
    def trial(key):
        shown = jax.random.normal(key, (8, 2))
        return shown, (shown[:, 0] > 0).astype(int)

    task = rnn.Task(trial, 2, 2)
    keys = jax.random.split(KEY, 2)
    models = [rnn.ctrnn(key, inputs=2, neurons=8, outputs=2, excitatory=0.75) for key in keys]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *models)
    train = lambda key, model: rnn.train(key, model, task, steps=4, trials=4)  # noqa: E731
    together = eqx.filter_vmap(train)(keys, stacked)
    for index in range(2):
        alone = train(keys[index], models[index])
        np.testing.assert_allclose(together.losses[index], alone.losses, rtol=1e-9)
        np.testing.assert_allclose(together.model.W_rec[index], alone.model.W_rec, atol=1e-9)


def test_errors():
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
