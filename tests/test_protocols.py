"""What every named rule does on every family, and every function of arrays inside `jit`."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DIRECTED, SIZE, SYMMETRIC, dominant, quick_jit, stationary, weights

import jaxprune
from jaxprune import linalg, networks, prune, pruning
from jaxprune.dynamics import Activity, activity_of
from jaxprune.pruning import RULES, Pruned, Rule, apply_rule, keep_probabilities, readjust, synapse_count
from jaxprune.pruning._rules import score_of

KEEP = 0.6
KEYS = jax.random.split(jax.random.key(11), 2)
SCORES = [name for name in RULES if "+" not in name and name not in ("greedy", "empty")]
"""Compiled together; the greedy surgeon takes as long to compile as all others, and is tried alone; the control without synapses
has a score that nothing depends on."""
ADJUSTMENTS = {
    "matched": pruning.Strengthen(),
    "original": pruning.Strengthen(diagonal="original"),
    **{name.partition("+")[2]: rule.adjust for name, rule in RULES.items() if name.startswith("noise+")},
}
METHODS = ("bernoulli", "systematic", "top")
CASES = [
    (method, adjustment, symmetric)
    for method, adjustment, symmetric in itertools.product(METHODS, ADJUSTMENTS, (True, False))
    # The form is for symmetric networks, exchange without a refit for directed ones. What does not look at how a mask was drawn
    # is tried on masks of one kind.
    if adjustment != ("swaps" if symmetric else "form")
    and (method == {"original": "bernoulli"}.get(adjustment, "top") or adjustment in ("matched", "compensation"))
]


def rule_of(name, method, adjustment):
    return Rule(RULES[name].importance, method, ADJUSTMENTS[adjustment], RULES[name].pairs)


@functools.cache
def ensemble(symmetric, dtype="float64"):
    """One network of every family, with covariances."""
    A = jnp.stack([dominant(family) for family in (SYMMETRIC if symmetric else DIRECTED)])
    return A.astype(dtype), jax.vmap(stationary)(A).astype(dtype)


def apply(key, A, C, rule, symmetric):
    activity = Activity(jnp.zeros(len(A), A.dtype), C)
    return apply_rule(key, A, activity, rule, count=synapse_count(A, KEEP, symmetric=symmetric), symmetric=symmetric)


def over(*axes, function):
    """Compiled over one axis after the other, the last one outermost."""
    for axis in axes:
        function = jax.vmap(function, axis)
    return quick_jit(function)


@functools.cache
def scores(symmetric):
    """What every importance says of every network: [score, network, post, pre]."""

    def one(A, C):
        activity = activity_of(C)
        return jnp.stack([score_of(RULES[name], A, activity, "linear") for name in SCORES])

    return jnp.swapaxes(over(0, function=one)(*ensemble(symmetric)), 0, 1)


@functools.cache
def draw_all(method, symmetric):
    """Every score on every network of the ensemble with every key, up to the mask."""
    rule = Rule(jnp.abs, method, pruning.Keep(), "mean")

    def one(key, A, importance):
        count = synapse_count(A, KEEP, symmetric=symmetric)
        return apply_rule(key, A, None, rule, count=count, symmetric=symmetric, importance=importance)

    axes = (0, None, None), (None, 0, 0), (None, None, 0)
    return over(*axes, function=one)(KEYS, ensemble(symmetric)[0], scores(symmetric))


@functools.cache
def prune_all(method, adjustment, symmetric):
    """All of these adjusted: arrays [score, network, key, post, pre]. In steps, so that each is compiled once."""

    def one(pruned, A, C):
        return readjust(A, pruned, ADJUSTMENTS[adjustment], activity_of(C), kind="linear", symmetric=symmetric)

    axes = (0, None, None), (0, 0, 0), (0, None, None)
    return over(*axes, function=one)(draw_all(method, symmetric), *ensemble(symmetric))


@pytest.mark.parametrize(("method", "adjustment", "symmetric"), CASES)
def test_what_every_rule_promises_for_every_family(method, adjustment, symmetric):
    networks, covariances = ensemble(symmetric)
    before = np.array(networks), np.array(covariances)
    everything = prune_all(method, adjustment, symmetric)
    assert all(value.shape == (len(SCORES), len(networks), len(KEYS), SIZE, SIZE) for value in everything)
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
        if adjustment == "keep":
            np.testing.assert_array_equal(matrix, A * (mask + np.eye(SIZE)))
        assert not mask[..., ~synapses].any()
        if adjustment == "original":
            np.testing.assert_array_equal(matrix[..., np.eye(SIZE) == 1], np.broadcast_to(np.diag(A), mask.shape[:-1]))
        if symmetric:
            for value in (matrix, mask, probabilities, importance):
                np.testing.assert_array_equal(value, value.swapaxes(-1, -2))
        for number, name in enumerate(SCORES):
            # Exchange may end with the same synapses wherever it began.
            fixed = adjustment in ("regrow", "swaps") or (method == "top" and name != "uniform")
            assert fixed or not np.array_equal(mask[number, 0], mask[number, 1])


@pytest.mark.parametrize(("method", "adjustment", "symmetric"), CASES)
def test_alone_and_step_by_step_a_network_fares_as_in_a_compiled_ensemble(method, adjustment, symmetric):
    networks, covariances = ensemble(symmetric)
    everything = prune_all(method, adjustment, symmetric)
    for number, name in enumerate(SCORES):
        alone = apply(KEYS[1], networks[-1], covariances[-1], rule_of(name, method, adjustment), symmetric)
        member = Pruned(*(value[number, -1, 1] for value in everything))
        np.testing.assert_array_equal(member.mask, alone.mask)
        for got, expected in zip(member, alone, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_greedy_surgeon_is_a_rule_like_others(symmetric):
    networks, covariances = ensemble(symmetric)
    pruned = apply(KEYS[0], networks[0], covariances[0], RULES["greedy+compensation"], symmetric)
    assert int(pruned.mask.sum()) == int(synapse_count(networks[0], KEEP, symmetric=symmetric))
    assert not symmetric or bool((pruned.matrix == pruned.matrix.T).all())
    least_kept = jnp.min(jnp.where(pruned.mask > 0, pruned.importance, jnp.inf))
    removed = (pruned.mask == 0) & (pruned.importance > 0)
    assert float(jnp.max(jnp.where(removed, pruned.importance, 0))) <= float(least_kept)


KINDS = {"symmetric": ("linear", "clustered"), "directed": ("linear", "dale"), "recurrent": ("recurrent", "gaussian")}


@functools.cache
def one_network(setting):
    """A network of each kind and its activity; the recurrent one has synapses of some neurons with themselves, and a mean."""
    kind, family = KINDS[setting]
    activity = activity_of(stationary(dominant(family)))
    if kind == "linear":
        return dominant(family), activity
    own = jnp.diag(jnp.where(jnp.arange(SIZE) % 3 == 0, 0.3, 0.0))
    return weights(family) + own, activity._replace(mean=jnp.linspace(0, 0.5, SIZE))


def prune_one(setting, name, key=KEYS[0]):
    W, activity = one_network(setting)
    return prune(key, W, name, keep=KEEP, kind=KINDS[setting][0], symmetric=setting == "symmetric", activity=activity)


REFUSED = {
    (pruning.MatchForm, "directed"): "needs a symmetric linear network",
    (pruning.MatchForm, "recurrent"): "needs a symmetric linear network",
    (pruning.adjust.Swap, "symmetric"): "are for directed networks",
    (pruning.adjust.MatchAbscissa, "recurrent"): "slowest decay",
}


@pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
@pytest.mark.parametrize("setting", KINDS)
def test_every_name_on_every_kind_of_network(setting):
    W, activity = one_network(setting)
    before = [np.array(value) for value in (W, activity.mean, activity.covariance)]
    kind = KINDS[setting][0]
    synapses = np.asarray((W != 0) & ~jnp.eye(SIZE, dtype=bool))
    count = int(synapse_count(W, KEEP, symmetric=setting == "symmetric"))
    leak = np.diag(np.diagonal(W)) if kind == "linear" else np.zeros((SIZE, SIZE))
    always = np.diag(np.diagonal(W) != 0)
    radius = lambda S: np.abs(np.linalg.eigvals(np.asarray(S) - leak)).max()  # noqa: E731
    for name, rule in RULES.items():
        if (refused := REFUSED.get((type(rule.adjust), setting))) is not None:
            with pytest.raises(jaxprune.InputError, match=refused):
                prune_one(setting, name)
            continue
        pruned = prune_one(setting, name)
        matrix, mask, probabilities, importance = (np.asarray(value) for value in pruned)
        assert set(np.unique(mask)) == ({0.0} if name == "empty" else {0.0, 1.0}), name
        assert not mask[~synapses].any(), name
        assert rule.method != "top" or mask.sum() == (0 if name == "empty" else count), name
        assert np.isfinite(matrix).all(), name
        assert not matrix[(mask == 0) & ~always].any(), name
        np.testing.assert_array_equal(importance > 0, synapses, err_msg=name)
        np.testing.assert_allclose(probabilities.sum(), count, rtol=1e-12, err_msg=name)
        if setting == "symmetric":
            for value in (matrix, mask, probabilities, importance):
                np.testing.assert_array_equal(value, value.T, err_msg=name)
        if rule.adjust == pruning.adjust.MatchAbscissa():
            slowest = lambda S: np.linalg.eigvals(np.asarray(S)).real.max()  # noqa: E731
            slower_anyway = slowest(matrix) > slowest(W) and np.diagonal(W).max() > slowest(W)
            assert slower_anyway or slowest(matrix) == pytest.approx(slowest(W), rel=1e-9), name
        if rule.adjust == pruning.MatchRadius():
            np.testing.assert_allclose(radius(matrix), radius(W), rtol=1e-9, err_msg=name)
        for got, expected in zip(prune_one(setting, name), pruned, strict=True):
            np.testing.assert_array_equal(got, expected, err_msg=name)
        if rule.method == "bernoulli":
            assert not np.array_equal(prune_one(setting, name, KEYS[1]).mask, mask), name
    for value, expected in zip((W, activity.mean, activity.covariance), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_recurrent_network_fares_inside_jit_as_outside():
    names = ("noise", "weight+radius", "uniform+keep", "activity+compensation", "surgeon+once", "greedy+keep")
    inside = quick_jit(lambda key: {name: prune_one("recurrent", name, key) for name in names})(KEYS[0])
    for name, pruned in inside.items():
        for got, expected in zip(pruned, prune_one("recurrent", name), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9, err_msg=name)


def test_names_say_what_is_done():
    assert isinstance(RULES["empty"].adjust, pruning.adjust.Empty)
    for name, rule in RULES.items():
        if name == "empty":
            continue
        score, plus, end = name.partition("+")
        assert rule.importance == RULES[score].importance
        assert (rule.method, rule.adjust) == (
            ("top", ADJUSTMENTS[end]) if plus else ("bernoulli", pruning.Strengthen())
        )


@pytest.mark.parametrize(
    ("method", "adjustment", "symmetric"),
    [
        ("bernoulli", "matched", False),
        ("systematic", "compensation", False),
        ("top", "compensation", True),
        ("top", "form", True),
    ],
)
def test_single_precision_stays_single(method, adjustment, symmetric):
    networks, covariances = ensemble(symmetric, "float32")
    rule = rule_of("noise", method, adjustment)
    compiled = quick_jit(lambda A, C: apply(KEYS[0], A, C, rule, symmetric))
    for A, C in zip(networks, covariances, strict=True):
        pruned = compiled(A, C)
        assert all(value.dtype == jnp.float32 for value in pruned)
        count = int(synapse_count(A, KEEP, symmetric=symmetric))
        np.testing.assert_allclose(pruned.probabilities.sum(), count, rtol=SIZE**2 * np.finfo(np.float32).eps)
        assert method == "bernoulli" or int(pruned.mask.sum()) == count


def test_rules_adjustments_and_families_are_all_there():
    """What is exported later must join the tables of these tests."""
    exported = {value for value in vars(pruning).values() if isinstance(value, type) and issubclass(value, Rule)}
    assert exported - {Rule} == {type(rule) for rule in RULES.values()} - {Rule}
    assert {name.partition("+")[0] for name in RULES} == {*SCORES, "greedy", "empty"}
    adjust = pruning.adjust
    classes = {getattr(adjust, name) for name in adjust.__all__ if isinstance(getattr(adjust, name), type)}
    adjustments = {value for value in classes if issubclass(value, adjust.Adjust)} - {adjust.Adjust}
    assert adjustments == {type(value) for value in ADJUSTMENTS.values()} | {adjust.Empty}
    families = {"clustered", "gaussian", "dale", "feedforward", "low_rank"}
    others = {
        "Ensemble",
        "NamedNetwork",
        "celegans",
        "count_components",
        "dominant_leak",
        "perron_bound",
        "power_law_sizes",
        "read_edges",
        "read_matrix",
        "scaled_inputs",
        "sparse_clustered",
        "sparse_scale_free",
        "stable_leak",
    }
    public = {name for name in networks.__all__ if callable(getattr(networks, name))}
    assert public == families | others | {"matrix_bytes", "write_matrix"}


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
    "match_form": lambda key: pruning.adjust.match_form(A, MASK, C),
    "exchange": lambda key: pruning.exchange(MASK.at[0].set(0), MASK, MASK, 3),
    "activity_of": lambda key: activity_of(C).second_moment,
    "reference": lambda key: linalg.reference(A).whitening,
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
    "stable_leak": lambda key: networks.stable_leak(A, -0.1, symmetric=True),
    "scaled_inputs": lambda key: networks.scaled_inputs(A, 0.5),
}


@pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
@pytest.mark.parametrize("function", CLOSED_OVER)
def test_arrays_from_outside_may_be_used_inside_jit(function):
    """Arrays that a compiled function closes over are known, but nothing computed from them is."""
    call = CLOSED_OVER[function]
    inside = quick_jit(call)(KEYS[0])
    np.testing.assert_allclose(inside.real, call(KEYS[0]).real, rtol=1e-8, atol=1e-9)
