"""Learning inside the running network ends where nothing is left to learn."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import pruning, rnn

KEY = jax.random.key(0)
N = 20
MODEL = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.4)
INPUTS = jax.random.normal(jax.random.key(1), (60, 8, 3))


@pytest.mark.parametrize("excitatory", [None, 0.8])
def test_learning_online_ends_where_nothing_is_left_to_learn(excitatory):
    """At the end the error of a neuron's drive is not correlated with the inputs that it has, in the pruned network itself."""
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.2, excitatory=excitatory)
    noise = rnn.InputNoise(1.0, steps=6000, trials=32)
    start = rnn.prune_recurrent(KEY, model, "weight+keep", keep=0.3).model
    learnt = rnn.learn_online(model, start, noise.inputs(KEY, 3))
    there = start.recurrent != 0
    assert not bool(jnp.any(learnt.recurrent[~there] != 0))

    def left(network):
        H = rnn.InputNoise(1.0, steps=2000).activity(jax.random.key(7), network).second_moment
        free = there & (network.recurrent != 0)
        gradient = jnp.where(free, (model.recurrent - network.recurrent) @ H, 0)
        return float(jnp.linalg.norm(gradient)), float(pruning.drive_error(model.recurrent, network.recurrent, H))

    (before, lost), (after, kept) = left(start), left(learnt)
    assert after < 0.1 * before
    assert kept < 0.6 * lost
    if excitatory is not None:
        assert bool(jnp.all(learnt.recurrent * model.sign[None, :] >= 0))


def test_the_unconnected_are_left_alone_and_precision_stays():
    model = jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_array(x) else x, MODEL)
    start = dataclasses.replace(model, W_rec=jnp.where(jnp.arange(N)[:, None] == 3, 0, model.W_rec))
    learnt = rnn.learn_online(model, start, rnn.InputNoise(1.0).inputs(KEY, 3))
    assert learnt.W_rec.dtype == jnp.float32
    np.testing.assert_array_equal(learnt.W_rec[3], 0)
    # The others lost nothing and have nothing to learn.
    np.testing.assert_allclose(learnt.W_rec, start.W_rec, atol=1e-4)


def test_errors():
    for call, words in (
        (lambda: rnn.learn_online(MODEL, MODEL, INPUTS, rate=2.0), "rate is 2"),
        (lambda: rnn.learn_online(MODEL, MODEL, INPUTS[..., :2]), r"must be \(time, trial, 3\)"),
        (
            lambda: rnn.learn_online(MODEL, rnn.ctrnn(KEY, inputs=3, neurons=5, outputs=2), INPUTS),
            r"W_rec of the pruned network is float64\(5, 5\)",
        ),
        (lambda: rnn.learn_online(MODEL, MODEL, INPUTS[:1]), "at least 2"),
        (lambda: rnn.learn_online(eqx.nn.GRUCell(3, N, key=KEY), MODEL, INPUTS), "model is a GRUCell"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
