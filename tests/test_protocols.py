"""What every exported rule does on every family, and every function of arrays inside `jit`."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DIRECTED, SIZE, SYMMETRIC, dominant, quick_jit, stationary

from jaxprune import linalg, networks, prune, pruning
from jaxprune.pruning import RULES, Pruned, Rule, apply_rule, keep_probabilities, synapse_count

KEEP = 0.6
KEYS = jax.random.split(jax.random.key(11), 2)
ADJUSTMENTS = {
    "matched": {},
    "original": {"diagonal": "original"},
    "compensate": {"adjust": "compensate"},
    "refit": {"adjust": "refit"},
}
METHODS = ("bernoulli", "systematic", "top")
CASES = [
    (method, adjustment, symmetric)
    for method, adjustment, symmetric in itertools.product(METHODS, ADJUSTMENTS, (True, False))
    # Refit is for symmetric networks, and the original diagonal is the matched one's first half, whatever drew the mask.
    if (symmetric or adjustment != "refit") and (method == "bernoulli" or adjustment != "original")
]


def rule_of(name, method, adjustment):
    return RULES[name](method=method, **ADJUSTMENTS[adjustment])


@dataclasses.dataclass(frozen=True)
class OneOf(Rule):
    """The exported rule with a traced number, so that all of them are compiled together."""

    number: jax.Array | int = 0

    def importance(self, A, C):
        return jax.lax.switch(self.number, [rule().importance for rule in RULES.values()], A, C)


@functools.cache
def ensemble(symmetric, dtype="float64"):
    """One network of every family, with covariances."""
    A = jnp.stack([dominant(family) for family in (SYMMETRIC if symmetric else DIRECTED)])
    return A.astype(dtype), jax.vmap(stationary)(A).astype(dtype)


def apply(key, A, C, rule, symmetric):
    return apply_rule(key, A, C, rule, count=synapse_count(A, KEEP, symmetric=symmetric), symmetric=symmetric)


@functools.cache
def prune_all(method, adjustment, symmetric):
    """Every rule on every network of the ensemble with every key: arrays [rule, network, key, post, pre]."""

    def one(number, key, A, C):
        return apply(key, A, C, OneOf(method=method, **ADJUSTMENTS[adjustment], number=number), symmetric)

    for axes in ((None, 0, None, None), (None, None, 0, 0), (0, None, None, None)):
        one = jax.vmap(one, axes)
    return quick_jit(one)(jnp.arange(len(RULES)), KEYS, *ensemble(symmetric))


@pytest.mark.parametrize(("method", "adjustment", "symmetric"), CASES)
def test_what_every_rule_promises_for_every_family(method, adjustment, symmetric):
    networks, covariances = ensemble(symmetric)
    before = np.array(networks), np.array(covariances)
    everything = prune_all(method, adjustment, symmetric)
    assert all(value.shape == (len(RULES), len(networks), len(KEYS), SIZE, SIZE) for value in everything)
    assert all(value.dtype == networks.dtype for value in everything)
    np.testing.assert_array_equal(networks, before[0])
    np.testing.assert_array_equal(covariances, before[1])

    everything = Pruned(*(np.asarray(value) for value in everything))
    off_diagonal = 1 - np.eye(SIZE)
    for network, A in enumerate(np.asarray(networks)):
        count = int(synapse_count(jnp.asarray(A), KEEP, symmetric=symmetric))
        synapses = A * off_diagonal != 0
        matrix, mask, probabilities, importance = (value[:, network] for value in everything)
        assert set(np.unique(mask)) <= {0.0, 1.0}
        np.testing.assert_array_equal(importance > 0, np.broadcast_to(synapses, importance.shape))
        np.testing.assert_array_equal(probabilities > 0, importance > 0)
        assert probabilities.max() <= 1
        np.testing.assert_allclose(probabilities.sum(axis=(-1, -2)), count, rtol=1e-12)
        assert method == "bernoulli" or (mask.sum(axis=(-1, -2)) == count).all()
        np.testing.assert_array_equal(matrix * off_diagonal != 0, mask == 1)
        assert not mask[..., ~synapses].any()
        if adjustment == "original":
            np.testing.assert_array_equal(matrix[..., np.eye(SIZE) == 1], np.broadcast_to(np.diag(A), mask.shape[:-1]))
        if symmetric:
            for value in (matrix, mask, probabilities, importance):
                np.testing.assert_array_equal(value, value.swapaxes(-1, -2))
        for number, name in enumerate(RULES):
            assert (method == "top" and name != "uniform") or not np.array_equal(mask[number, 0], mask[number, 1])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("method", "adjustment", "symmetric"), CASES)
def test_alone_and_step_by_step_a_network_fares_as_in_a_compiled_ensemble(name, method, adjustment, symmetric):
    networks, covariances = ensemble(symmetric)
    everything = prune_all(method, adjustment, symmetric)
    alone = apply(KEYS[1], networks[-1], covariances[-1], rule_of(name, method, adjustment), symmetric)
    member = Pruned(*(value[list(RULES).index(name), -1, 1] for value in everything))
    np.testing.assert_array_equal(member.mask, alone.mask)
    for got, expected in zip(member, alone, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "adjustment", "symmetric"),
    [
        ("bernoulli", "matched", False),
        ("systematic", "compensate", False),
        ("top", "compensate", True),
        ("top", "refit", True),
    ],
)
def test_single_precision_stays_single(method, adjustment, symmetric):
    networks, covariances = ensemble(symmetric, "float32")
    for A, C in zip(networks, covariances, strict=True):
        pruned = apply(KEYS[0], A, C, rule_of("noise", method, adjustment), symmetric)
        assert all(value.dtype == jnp.float32 for value in pruned)
        count = int(synapse_count(A, KEEP, symmetric=symmetric))
        np.testing.assert_allclose(pruned.probabilities.sum(), count, rtol=SIZE**2 * np.finfo(np.float32).eps)
        assert method == "bernoulli" or int(pruned.mask.sum()) == count


def test_rules_and_families_are_all_there():
    """A rule or family that is exported later must join the tables of these tests."""
    exported = {
        value for value in vars(pruning).values() if isinstance(value, type) and issubclass(value, pruning.Rule)
    }
    assert exported - {pruning.Rule} == set(RULES.values())
    families = {"clustered", "gaussian", "dale", "feedforward", "low_rank"}
    others = {"Connectome", "dominant_leak", "read_edges", "read_matrix", "stable_leak", "write_matrix"}
    public = {name for name, value in vars(networks).items() if callable(value) and not name.startswith("_")}
    assert public == families | others


A = dominant("clustered")
MASK = (A != 0).astype(float) * (1 - jnp.eye(SIZE))
HALF = 0.5 * A
C = stationary(A)
CLOSED_OVER = {
    "prune": lambda key: prune(key, A, pruning.NoisePrune(), keep=0.5).matrix,
    "keep_probabilities": lambda key: keep_probabilities(MASK, keep=0.5),
    "sample_mask": lambda key: pruning.sample_mask(key, MASK / 2, symmetric=True),
    "strengthen": lambda key: pruning.matched_diagonal(A, pruning.strengthen(A, MASK, MASK, cap=2.0)),
    "compensate": lambda key: pruning.compensate(A, MASK, C),
    "refit": lambda key: pruning.refit(A, MASK, C),
    "theorem_probabilities": lambda key: pruning.theory.theorem_probabilities(A, C, 0.9),
    "noise_importance": lambda key: pruning.noise_importance(A, C),
    "stationary_covariance": lambda key: linalg.stationary_covariance(A),
    "lyapunov": lambda key: linalg.lyapunov(A, C).value,
    "certify": lambda key: linalg.certify(A, HALF).epsilon,
    "modes": lambda key: linalg.modes(A).eigenvalues,
    "spectral_errors": lambda key: linalg.spectral_errors(linalg.modes(A, symmetric=True), A).quadratic,
    "spectral_abscissa": lambda key: linalg.spectral_abscissa(A),
    "match_eigenvalues": lambda key: linalg.match_eigenvalues(jnp.arange(3.0) + 1j, jnp.arange(3.0) - 1j),
    "dominant_leak": lambda key: networks.dominant_leak(A, 0.1),
    "stable_leak": lambda key: networks.stable_leak(A, -0.1),
}


@pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
@pytest.mark.parametrize("function", CLOSED_OVER)
def test_arrays_from_outside_may_be_used_inside_jit(function):
    """Arrays that a compiled function closes over are known, but nothing computed from them is."""
    call = CLOSED_OVER[function]
    inside = quick_jit(call)(KEYS[0])
    np.testing.assert_allclose(inside.real, call(KEYS[0]).real, rtol=1e-8, atol=1e-9)
