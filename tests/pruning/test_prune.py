"""Pruning in one line: what it is made of, what it refuses, and what it warns of."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, dominant, quick_jit, stationary, weights

import jaxprune
from jaxprune import prune
from jaxprune.linalg import is_symmetric, spectral_abscissa, stationary_covariance
from jaxprune.networks import dominant_leak, stable_leak
from jaxprune.pruning import (
    FragmentationWarning,
    NoisePrune,
    UniformPrune,
    WeightPrune,
    apply_rule,
    compensate,
    count_components,
    keep_probabilities,
    matched_diagonal,
    named_rule,
    noise_importance,
    refit,
    sample_mask,
    strengthen,
    synapse_count,
    weight_importance,
)

KEY = jax.random.key(7)
# Half of the synapses hold these networks together; where a test does not care, it does not want to hear of it either.
pytestmark = pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")


def steps(A, rule, keep, symmetric):
    """The five steps of a rule, one after the other."""
    C = stationary_covariance(A, structure="symmetric" if symmetric else "general")
    importance = noise_importance(A, C) if isinstance(rule, NoisePrune) else weight_importance(A)
    synapses = np.count_nonzero(np.asarray(A) * (1 - np.eye(len(A))))
    unit = 2 if symmetric else 1
    probabilities = keep_probabilities(importance, count=unit * round(keep * synapses / unit))
    mask = sample_mask(KEY, probabilities, symmetric=symmetric, method=rule.method)
    if rule.adjust == "compensate":
        return compensate(A, mask, C, symmetric=symmetric), mask, probabilities, importance
    if rule.adjust == "refit":
        return refit(A, mask, C), mask, probabilities, importance
    matrix = strengthen(A, mask, probabilities, cap=rule.cap)
    return matched_diagonal(A, matrix) if rule.diagonal == "matched" else matrix, mask, probabilities, importance


@pytest.mark.parametrize(
    ("family", "rule"),
    [
        ("clustered", NoisePrune()),
        ("clustered", NoisePrune(diagonal="original", method="systematic")),
        ("clustered", WeightPrune(cap=1.5)),
        ("clustered", named_rule("noise+compensation")),
        ("clustered", named_rule("noise+refit")),
        ("dale", NoisePrune()),
        ("dale", named_rule("weight+compensation")),
    ],
    ids=str,
)
def test_prune_is_its_steps(family, rule):
    A = dominant(family)
    pruned = prune(KEY, A, rule, keep=0.6)
    for got, expected in zip(pruned, steps(A, rule, 0.6, family in SYMMETRIC), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(pruned.matrix) * (1 - np.eye(16)) != 0, np.asarray(pruned.mask) == 1)


def test_a_covariance_known_already_is_used():
    A = dominant("gaussian")
    C = jnp.eye(16) + 0.1
    np.testing.assert_allclose(prune(KEY, A, NoisePrune(), keep=0.5, C=C).importance, noise_importance(A, C))


def test_symmetry_may_be_denied():
    A = dominant("clustered")
    assert is_symmetric(prune(KEY, A, NoisePrune(), keep=0.5).matrix)
    assert not is_symmetric(prune(KEY, A, NoisePrune(), keep=0.5, symmetric=False).matrix)


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_fractions_are_whole_synapses(family):
    A, symmetric = dominant(family), family in SYMMETRIC
    total = int((np.asarray(weights(family)) != 0).sum())
    unit = 2 if symmetric else 1
    for keep in (1e-9, 0.1, 0.5, 0.777, 1.0):
        count = synapse_count(A, keep, symmetric=symmetric)
        assert jnp.issubdtype(count.dtype, jnp.integer)
        assert int(count) % unit == 0
        assert abs(int(count) - keep * total) <= unit / 2
    assert int(synapse_count(A, 1.0, symmetric=symmetric)) == total


def test_keeping_everything_changes_nothing():
    for family in ("clustered", "gaussian"):
        A = dominant(family)
        for rule in (NoisePrune(), UniformPrune(method="top"), named_rule("weight+compensation")):
            pruned = prune(KEY, A, rule, keep=1.0)
            np.testing.assert_allclose(pruned.matrix, A, rtol=1e-12, atol=1e-14)


def test_growing_fractions_nest_and_rules_share_their_coins():
    A = dominant("clustered")
    masks = [np.asarray(prune(KEY, A, NoisePrune(), keep=keep).mask) for keep in (0.2, 0.5, 0.9)]
    assert (masks[0] <= masks[1]).all()
    assert (masks[1] <= masks[2]).all()
    # The same coins: wherever a rule gives no less a chance, it keeps no less.
    noise, uniform = (prune(KEY, A, rule, keep=0.5) for rule in (NoisePrune(), UniformPrune()))
    likelier = np.asarray(noise.probabilities >= uniform.probabilities)
    assert (noise.mask >= uniform.mask)[likelier].all()
    assert (noise.mask <= uniform.mask)[~likelier].all()


def test_dominant_networks_stay_stable_where_the_diagonal_follows():
    for family in ("clustered", "dale", "feedforward"):
        A = dominant(family)
        for seed in range(5):
            pruned = prune(jax.random.key(seed), A, UniformPrune(), keep=0.1)
            assert float(spectral_abscissa(pruned.matrix)) <= -0.1 + 1e-12


def test_jit_over_the_key_alone():
    A = dominant("clustered")
    draw = quick_jit(lambda key: prune(key, A, NoisePrune(), keep=0.5, symmetric=True))
    for got, expected in zip(draw(KEY), prune(KEY, A, NoisePrune(), keep=0.5), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_jit_over_everything_numeric():
    A = dominant("dale")
    for rule in (NoisePrune(), named_rule("noise+compensation")):
        draw = quick_jit(lambda key, A, keep, rule=rule: prune(key, A, rule, keep=keep))
        for got, expected in zip(draw(KEY, A, 0.4), prune(KEY, A, rule, keep=0.4), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


def test_apply_rule_serves_an_ensemble():
    stack = jnp.stack([dominant("clustered", seed) for seed in range(2)])
    covariances = jax.vmap(stationary)(stack)
    keys = jax.random.split(KEY, 2)
    rule = NoisePrune()

    def one(key, A, C):
        return apply_rule(key, A, C, rule, count=synapse_count(A, 0.5, symmetric=True), symmetric=True)

    batch = quick_jit(jax.vmap(one))(keys, stack, covariances)
    for i in range(2):
        alone = prune(keys[i], stack[i], rule, keep=0.5)
        np.testing.assert_array_equal(batch.mask[i], alone.mask)
        np.testing.assert_allclose(batch.matrix[i], alone.matrix, rtol=1e-9, atol=1e-12)


def ring(n=12):
    """A ring of excitatory neurons: any two cuts make two pieces."""
    W = jnp.roll(jnp.eye(n), 1, axis=0)
    return dominant_leak(W + W.T, 0.1)


def test_fragments_are_counted_and_warned_of():
    A = ring()
    rule = UniformPrune(method="top")
    with pytest.warns(FragmentationWarning, match=r"into 6 connected components \(1 before\): 12 synapses stay"):
        pruned = prune(KEY, A, rule, keep=0.5)
    assert count_components(pruned.mask) == 6
    # One pair fewer leaves a chain, which holds.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prune(KEY, A, rule, keep=11 / 12)


def test_components_are_weak_and_may_be_there_before():
    apart = jnp.kron(jnp.eye(2), jnp.ones((2, 2)) - jnp.eye(2))
    assert count_components(apart) == 2
    assert count_components(jnp.array([[0, 0], [1, 0]])) == 1
    assert count_components(jnp.zeros((3, 3), bool)) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prune(KEY, dominant_leak(apart, 0.1), UniformPrune(method="top"), keep=1.0)
    with pytest.warns(
        FragmentationWarning, match=r"into 3 connected components \(2 before\).*at least 2 connected pairs"
    ):
        prune(KEY, dominant_leak(apart, 0.1), UniformPrune(method="top"), keep=0.5)


def test_errors():
    A = dominant("gaussian")
    rule = NoisePrune()
    with pytest.raises(jaxprune.InputError, match="square"):
        prune(KEY, A[:3], rule, keep=0.5)
    with pytest.raises(jaxprune.InputError, match=r"A\[2, 3\] is nan"):
        prune(KEY, A.at[2, 3].set(jnp.nan), rule, keep=0.5)
    with pytest.raises(jaxprune.InputError, match=r"A\[1, 1\] is 0.5.*leak"):
        prune(KEY, A.at[1, 1].set(0.5), rule, keep=0.5)
    for keep in (0.0, 1.5, -0.1, float("nan")):
        with pytest.raises(jaxprune.InputError, match="keep is"):
            prune(KEY, A, rule, keep=keep)
    with pytest.raises(jaxprune.InputError, match=r"keep is 0\.001, which of this network's .* synapses keeps none"):
        prune(KEY, A, rule, keep=0.001)
    with pytest.raises(jaxprune.InputError, match="0 synapses keeps none"):
        prune(KEY, -jnp.eye(3), rule, keep=1.0)
    for unstable in (
        stable_leak(weights("gaussian"), -0.1) + 0.2 * jnp.eye(16),
        stable_leak(weights("clustered"), -0.1) + 0.2 * jnp.eye(16),
    ):
        with pytest.raises(jaxprune.InputError, match="singular or unstable"):
            prune(KEY, unstable, rule, keep=0.5)
    with pytest.raises(jaxprune.InputError, match=r"adjust='refit', which needs a symmetric network"):
        prune(KEY, A, named_rule("noise+refit"), keep=0.5)


@pytest.mark.parametrize("rule", [WeightPrune(), named_rule("uniform+refit")], ids=str)
def test_a_network_that_is_not_symmetric_is_not_pruned_as_if_it_were(rule):
    with pytest.raises(jaxprune.InputError, match="symmetric"):
        prune(KEY, dominant("gaussian"), rule, keep=0.5, symmetric=True)
