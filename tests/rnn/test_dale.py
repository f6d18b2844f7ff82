"""Dale's law: every neuron keeps its sign through fits and loops, and what the law takes is made up for."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxprune import dynamics, pruning, rnn
from jaxprune.rnn._dale import apply_dale

KEY = jax.random.key(0)
N = 20
INPUTS = jax.random.normal(jax.random.key(1), (60, 8, 3))
TASK = rnn.TaskInputs(INPUTS)
THERE = N * (N - 1)


def fit(W, mask, H):
    return pruning.compensate(W, mask, H, leak=False, ridge=1e-6, solver="cholesky")


def test_signs_survive_a_fit():
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, excitatory=0.8)
    activity = TASK.activity(KEY, model)
    pruned, report = rnn.prune_rnn(KEY, model, "activity+compensation", keep=0.2, activity=activity)
    assert bool(jnp.all(pruned.recurrent * model.sign[None, :] >= 0))
    assert int(jnp.sum(pruned.recurrent != 0)) == report.kept[0]
    assert 0.8 * 0.2 * THERE < report.kept[0] <= round(0.2 * THERE)
    # Those left refit for those that the law removed: better than clipping alone.
    lawless = rnn.prune_recurrent(
        KEY,
        dataclasses.replace(model, W_rec=model.recurrent, sign=None),
        "activity+compensation",
        keep=0.2,
        activity=activity,
    ).model.W_rec
    clipped = jnp.where(lawless * model.sign[None, :] > 0, lawless, 0)
    assert bool(jnp.any(clipped != lawless))
    lost = [float(pruning.drive_error(model.recurrent, X, activity.second_moment)) for X in (pruned.recurrent, clipped)]
    assert lost[0] < lost[1]
    pointed = rnn.prune_recurrent(
        KEY, model, "activity+compensation", keep=0.2, activity=activity, where=lambda m: m.W_rec
    ).model
    np.testing.assert_array_equal(pointed.recurrent, pruned.recurrent)


def test_one_refit_by_hand():
    """The weight that turns its sign goes, a self-synapse no less than others; the others of its row are refitted without it."""
    W = jnp.array([[0.5, 1.0, 1.0], [1.0, 0.5, 1.0], [1.0, 1.0, 0.5]])
    sign = jnp.ones(3)
    H = jnp.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.1], [0.5, 0.1, 1.0]])
    activity = dynamics.activity_of(H)
    mask = 1 - jnp.eye(3)
    fitted = W.at[0, 0].set(-0.3).at[1, 2].set(-0.1)  # as a fit might leave them
    pruned = pruning.Pruned(fitted, mask, mask, mask)
    lawful = apply_dale(W, pruned, activity, sign)
    support = jnp.ones((3, 3)).at[0, 0].set(0).at[1, 2].set(0)
    refitted = fit(W, support, H)
    assert [tuple(place) for place in np.argwhere(refitted < 0)] == [(1, 1)]  # which goes for good
    np.testing.assert_allclose(lawful.matrix, refitted.at[1, 1].set(0), atol=1e-9)
    np.testing.assert_array_equal(lawful.mask, support * mask)
    # Without activity nothing can be refitted; a network without the law, or within it, stays as it is.
    np.testing.assert_array_equal(apply_dale(W, pruned, None, sign).matrix, fitted * support)
    assert apply_dale(W, pruned, activity, None) is pruned
    within = pruned._replace(matrix=W)
    np.testing.assert_array_equal(apply_dale(W, within, activity, sign).matrix, W)


def test_a_closed_loop_keeps_the_signs():
    """Every network that is watched is lawful, and what a loop breaks is refitted for the loop's moments."""
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.5, excitatory=0.8)
    watched = []

    class Louder(dynamics.Source):
        """The pruned network has inputs ten times as strong: what it does differs enough to turn a sign."""

        def activity(self, key, network):
            watched.append(network)
            return rnn.TaskInputs(INPUTS if network is model else 10 * INPUTS).activity(key, network)

    pruned, report = rnn.prune_rnn(KEY, model, "activity+compensation", keep=0.5, source=Louder(), loops=1)
    assert len(watched) == 2
    assert all(bool(jnp.all(network.W_rec * model.sign[None, :] >= 0)) for network in (watched[1], pruned))
    before, there = (np.asarray(network.W_rec) != 0 for network in (watched[1], pruned))
    assert report.kept == [there.sum()]
    assert there.sum() < before.sum()
    H, G = (Louder().activity(KEY, network).second_moment for network in watched[:2])
    mixed = (H + jnp.minimum(1, jnp.trace(H) / jnp.trace(G)) * G) / 2
    unbroken = (there == before).all(axis=1)
    assert unbroken.sum() > N / 2
    fitted = fit(model.recurrent, jnp.asarray(there, float), mixed)
    np.testing.assert_allclose(pruned.W_rec[unbroken], fitted[unbroken], atol=1e-8)


def test_strengthened_networks_are_lawful_already():
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, excitatory=0.8)
    lawless = dataclasses.replace(model, W_rec=model.recurrent, sign=None)
    one, other = (rnn.prune_recurrent(KEY, net, "weight", keep=0.3).model for net in (model, lawless))
    np.testing.assert_array_equal(one.recurrent, other.recurrent)
