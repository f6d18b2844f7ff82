"""What synapses cost, against the measures themselves after small changes, and the coins that follow."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SYMMETRIC, untyped, weights

import jaxprune
from jaxprune import dynamics, linalg, networks, pruning
from jaxprune.pruning import keep_probabilities, theory
from jaxprune.pruning.theory import cost_importance, synapse_cost

MEASURES: tuple[Any, ...] = ("entries", "path", "stationary", "response")
KEY = jax.random.key(2)


def network(family="clustered", slack=0.1):
    return networks.dominant_leak(weights(family), slack)


def pairs(A):
    return np.argwhere(np.triu(np.asarray(A), 1) != 0)


def changed(A, i, j, share):
    """One pair, and its leaks, changed by a share of its weight."""
    w = A[i, j]
    step = share * w
    return A.at[i, j].add(step).at[j, i].add(step).at[i, i].add(-share * abs(w)).at[j, j].add(-share * abs(w))


def damage(A, B, measure):
    n = len(A)
    if measure == "entries":
        off = np.asarray(B - A) * (1 - np.eye(n))
        return float(np.sum(off**2)) / 2
    if measure == "response":
        return float(linalg.h2_error(A, B).difference) ** 2
    return n * float(getattr(linalg.information_lost(A, B), measure))


@pytest.mark.parametrize("family", SYMMETRIC)
@pytest.mark.parametrize("measure", MEASURES)
def test_it_is_what_a_small_change_costs(measure, family):
    A = network(family)
    cost, share = synapse_cost(A, measure), 1e-4
    for i, j in pairs(A)[::7]:
        # Up and down, so that the third order cancels.
        both = [damage(A, changed(A, i, j, s), measure) for s in (share, -share)]
        expected = share**2 * float(A[i, j]) ** 2 * float(cost[i, j])
        np.testing.assert_allclose(np.mean(both), expected, rtol=2e-4)


@pytest.mark.parametrize("slack", [1e-4, 0.1, 10.0])
def test_the_response_is_the_sum_over_pairs_of_modes(slack):
    A = network(slack=slack)
    a, V = np.linalg.eigh(-np.asarray(A))
    kernel = 1 / (2 * a[:, None] * a[None, :] * (a[:, None] + a[None, :]))
    cost = synapse_cost(A, "response")
    for i, j in pairs(A)[::5]:
        q = (V[i] - np.sign(float(A[i, j])) * V[j]) ** 2
        np.testing.assert_allclose(cost[i, j], q @ kernel @ q, rtol=1e-6)
    # From a reference, and compiled, the same.
    np.testing.assert_allclose(synapse_cost(linalg.reference(A), "response"), cost, rtol=1e-12)
    compiled = jax.jit(jax.vmap(lambda a: synapse_cost(linalg.reference(a, symmetric=True), "response")))(A[None])
    np.testing.assert_allclose(compiled[0], cost, rtol=1e-10)
    np.testing.assert_array_equal(cost, cost.T)


def test_two_coins_are_old_friends():
    A = network()
    C = linalg.stationary_covariance(A)
    np.testing.assert_allclose(cost_importance(A, "entries"), pruning.weight_importance(A), rtol=1e-12)
    np.testing.assert_allclose(cost_importance(A, "stationary"), pruning.noise_importance(A, C), rtol=1e-9)


@pytest.mark.parametrize(("exponent", "measure"), [(0.0, "entries"), (0.5, "path"), (1.0, "stationary")])
def test_one_family_of_powers(exponent, measure):
    A = network()
    activity = dynamics.activity_of(linalg.stationary_covariance(A))
    found = pruning.prune(KEY, A, pruning.NoisePrune(exponent=exponent), keep=1.0, activity=activity).importance
    np.testing.assert_allclose(found, cost_importance(A, measure), rtol=1e-7)
    # That of the response is nearly one of the family, too.
    there = np.triu(np.asarray(A), 1) != 0
    slope = np.polyfit(*(np.log(np.asarray(synapse_cost(A, m))[there]) for m in ("path", "response")), 1)[0]
    assert 2 < slope < 4


@pytest.mark.parametrize("measure", MEASURES)
def test_each_measure_is_damaged_least_by_its_own_coin(measure):
    A = network()
    cost, there = synapse_cost(A, measure), A != 0
    damages = {
        other: float(theory.first_order_damage(A, cost, keep_probabilities(cost_importance(A, other), keep=0.3)))
        for other in MEASURES
    }
    assert min(damages, key=damages.__getitem__) == measure
    # Nor does moving a little probability between any two synapses help.
    best = keep_probabilities(cost_importance(A, measure), keep=0.3)
    inside = jnp.where(there & (best < 0.95) & ~jnp.eye(len(A), dtype=bool), 1.0, 0.0)
    for key in jax.random.split(KEY, 20):
        step = jax.random.normal(key, A.shape) * inside
        step = (step + step.T) * 1e-3
        step = (step - inside * jnp.sum(step) / jnp.sum(inside)) * best
        step = step - inside * best * jnp.sum(step) / jnp.sum(inside * best)
        assert float(theory.first_order_damage(A, cost, best + step)) >= damages[measure] * (1 - 1e-9)


def test_the_first_order_is_right_for_coins_that_nearly_always_come_up():
    A = network(slack=1.0)
    p = jnp.where(A != 0, 0.999, 0.0) * (1 - jnp.eye(len(A)))
    expected = float(theory.first_order_damage(A, synapse_cost(A, "response"), p))

    def one(key):
        mask = pruning.sample_mask(key, p, symmetric=True)
        B = pruning.matched_diagonal(A, pruning.strengthen(A, mask, p))
        return linalg.h2_error(A, B, symmetric=True).difference ** 2

    drawn = jax.vmap(one)(jax.random.split(KEY, 4000))
    error = float(drawn.std()) / np.sqrt(len(drawn))
    assert abs(float(drawn.mean()) - expected) < 4 * error + 0.02 * expected


def test_refusals_and_networks_that_are_not_stable():
    with pytest.raises(jaxprune.InputError, match="not symmetric"):
        synapse_cost(networks.dominant_leak(weights("dale"), 0.1), "path")
    with untyped(), pytest.raises(jaxprune.InputError, match="measure"):
        synapse_cost(network(), "epsilon")  # type: ignore[arg-type]
    unstable = network() - 0.7 * jnp.diag(jnp.diagonal(network()))
    for measure in MEASURES[1:]:
        with pytest.raises(jaxprune.InputError, match="unstable"):
            synapse_cost(unstable, measure)
        inside = jax.jit(lambda A, m=measure: synapse_cost(linalg.reference(A, symmetric=True), m))(unstable)
        assert np.isnan(inside[0, 1])


def test_a_synapse_knows_the_cost_of_the_response_from_the_scatter_of_its_own_variance():
    """Two local numbers: the running variance of the difference, and how much it varies from one stretch of time to the next."""
    A = network(slack=1.0)
    watch, dt, batches, blocks = dynamics.Differences(A), 0.02, 200, 10
    steps = batches * blocks * dynamics.SPAN
    observer = dynamics.BatchMeans(watch, blocks=blocks)
    seen = dynamics.simulate(
        KEY, dynamics.Linear(A), jnp.zeros(len(A)), dt=dt, steps=steps, method="exact", observe=observer
    ).observed
    measured = watch.matrix(dynamics.squared_autocovariance(seen.error, steps * dt), len(A))
    there = np.asarray(A * (1 - jnp.eye(len(A)))) != 0
    ratio = np.asarray(measured / synapse_cost(A, "response"))[there]
    # Each is known to sqrt(2 / 200), 10 %; synapses of one run are not independent.
    assert abs(ratio.mean() - 1) < 0.06
    assert ratio.std() < 0.2


def test_a_synapse_that_never_stays_does_infinite_damage():
    A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
    for cost in (0.0, 1.0):
        assert theory.first_order_damage(A, jnp.full((2, 2), cost), jnp.zeros((2, 2))) == jnp.inf
    with untyped(), pytest.raises(jaxprune.InputError, match="probabilities has shape"):
        theory.first_order_damage(A, jnp.ones((2, 2)), jnp.ones((3, 3)))


def test_what_has_no_costs():
    for A, message in ((jnp.ones((2, 3)), "square"), (jnp.full((2, 2), jnp.nan), "finite")):
        with untyped(), pytest.raises(jaxprune.InputError, match=message):
            synapse_cost(A, "entries")
