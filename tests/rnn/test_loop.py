"""Closed loops, written out by hand: what they fit for, what they watch, and under which noise."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped
from one_network import ACTIVITY, INPUTS, KEY, MODEL, TASK, N, W, fit

import jaxprune
from jaxprune import dynamics, pruning, rnn

RULE = pruning.RULES["activity+compensation"]


@dataclasses.dataclass(eq=False)
class Watched(dynamics.Source):
    """A source that remembers what it was asked; `see(key, model)` answers."""

    see: Callable[[Any, Any], dynamics.Activity] = TASK.activity
    keys: list = dataclasses.field(default_factory=list)
    models: list = dataclasses.field(default_factory=list)

    def activity(self, key, model):
        self.keys.append(key)
        self.models.append(model)
        return self.see(key, model)


def in_turn(*moments):
    """Activity of mean zero with these second moments, one after the other."""
    left = iter(moments)
    return Watched(lambda key, model: dynamics.Activity(jnp.zeros(N), next(left)))


def prune(source, loops, rule=RULE, **options):
    return rnn.prune_recurrent(KEY, MODEL, rule, keep=0.3, source=source, loops=loops, **options).blocks[0]


@pytest.mark.parametrize(("size", "share"), [(0.5, 1.0), (40.0, 1 / 40)])
def test_one_loop_fits_for_both_networks_alike(size, share):
    """Half of the whole network's moments, half of the pruned one's, which are scaled down to the whole's power."""
    H = ACTIVITY.second_moment
    other = jnp.cov(jax.random.normal(jax.random.key(5), (N, 3 * N)))
    G = size * other * jnp.trace(H) / jnp.trace(other)
    S, mask, _, _ = prune(in_turn(G), 1, activity=ACTIVITY)
    np.testing.assert_allclose(S, fit(W, mask, (H + share * G) / 2), atol=1e-9)


def test_moments_that_are_not_finite_are_replaced_by_those_of_the_whole():
    """Of two loops, one counts."""
    H = ACTIVITY.second_moment
    other = 0.01 * jnp.cov(jax.random.normal(jax.random.key(5), (N, 3 * N)))
    assert float(jnp.trace(other)) < float(jnp.trace(H))
    for lost in (jnp.nan, jnp.inf):
        S, mask, _, _ = prune(in_turn(jnp.full((N, N), lost), other), 2, activity=ACTIVITY)
        np.testing.assert_allclose(S, fit(W, mask, (H + (H + other) / 2) / 2), atol=1e-9)


def test_loops_watch_the_pruned_network_and_mean_what_they_saw():
    source = Watched()
    S, mask, _, _ = prune(source, 3)
    assert len(source.models) == 4
    np.testing.assert_array_equal(source.models[0].W_rec, W)  # without activity given, the whole network first
    opened = prune(TASK, 0)
    np.testing.assert_array_equal(source.models[1].W_rec, opened.matrix)
    np.testing.assert_array_equal(mask, opened.mask)
    H, *own = (TASK.activity(KEY, model).second_moment for model in source.models)
    for loop in (1, 2, 3):
        scaled = [jnp.minimum(1, jnp.trace(H) / jnp.trace(G)) * G for G in own[:loop]]
        reached = source.models[loop + 1].W_rec if loop < 3 else S
        np.testing.assert_allclose(reached, fit(W, mask, (H + sum(scaled) / loop) / 2), atol=1e-9)


def test_every_loop_sees_noise_of_its_own():
    noise = rnn.InputNoise(steps=60, trials=8, burn_in=0)
    source = Watched(noise.activity)
    S = prune(source, 3).matrix
    shown = [noise.inputs(key, 3) for key in source.keys]
    assert len(shown) == 4
    for first in range(4):
        for second in range(first):
            apart = np.corrcoef(np.ravel(shown[first]), np.ravel(shown[second]))[0, 1]
            assert abs(apart) < 5 / np.sqrt(shown[0].size)
    # The same key, the same noise; another key, another.
    again = Watched(noise.activity)
    np.testing.assert_array_equal(prune(again, 3).matrix, S)
    other = Watched(noise.activity)
    rnn.prune_recurrent(jax.random.key(1), MODEL, RULE, keep=0.3, source=other, loops=3)
    words = [{bytes(np.asarray(jax.random.key_data(key))) for key in x.keys} for x in (source, again, other)]
    assert words[0] == words[1]
    assert len(words[0] | words[2]) == 8


def test_regrowth_in_a_loop_is_shorter():
    """Three rounds, in the first of which a tenth of the synapses is exchanged, for the moments of that loop."""
    rule = pruning.Rule(pruning.RULES["activity"].importance, "top", pruning.Regrow(rounds=4))
    H, G = ACTIVITY.second_moment, jnp.cov(jax.random.normal(jax.random.key(5), (N, 3 * N)))
    G = 0.9 * G * jnp.trace(H) / jnp.trace(G)
    start = prune(None, 0, rule, activity=ACTIVITY)
    found = prune(in_turn(G), 1, rule, activity=ACTIVITY)
    S, mask = pruning.adjust.regrow(W, start.mask, (H + G) / 2, rounds=3, fraction=0.1)
    np.testing.assert_array_equal(found.mask, mask)
    np.testing.assert_allclose(found.matrix, S, atol=1e-9)
    assert bool(jnp.any(mask != start.mask))


@pytest.mark.parametrize("seed", range(3))
def test_a_closed_loop_fits_what_the_pruned_network_does(seed):
    """Under lasting inputs a pruned network strays; what its neurons then miss is what a loop sees and an open rule does not."""
    key = jax.random.key(seed)
    model = rnn.ctrnn(key, inputs=3, neurons=N, outputs=2, gain=2.5)
    source = rnn.TaskInputs(jnp.broadcast_to(0.5 * jax.random.normal(jax.random.key(3), (1, 8, 3)), (60, 8, 3)))
    missed = {}
    for loops in (0, 8):
        pruned = rnn.prune_recurrent(key, model, "activity+regrow", keep=0.2, source=source, loops=loops).model
        own = source.activity(key, pruned).second_moment
        missed[loops] = float(pruning.drive_error(model.W_rec, pruned.W_rec, own))
        assert int((pruned.W_rec != 0).sum()) == round(0.2 * N * (N - 1))
    assert missed[8] < 0.7 * missed[0]


def test_a_closed_loop_of_gates():
    """All gates of the network that is watched are pruned ones."""
    cell = eqx.nn.GRUCell(3, N, key=KEY)
    source = Watched(rnn.CellInputs(INPUTS).activity)
    pruned, report = rnn.prune_rnn(KEY, cell, RULE, keep=0.25, source=source, loops=2)
    kept = N * (N - 1) // 4
    assert report.kept == [kept] * 3
    assert len(source.models) == 3
    np.testing.assert_array_equal(source.models[0].weight_hh, cell.weight_hh)
    assert all(int((network.weight_hh != 0).sum()) == 3 * (kept + N) for network in (*source.models[1:], pruned))


def test_a_source_of_another_network_is_refused():
    # The whole network's activity is given; what is watched in the loop is not this network.
    other = dynamics.FromStates(lambda key, model: jnp.ones((5, 3)))
    with untyped(), pytest.raises(jaxprune.InputError, match=r"the source sees 3 neurons, but .* is of 20"):
        prune(other, 1, activity=ACTIVITY)
