"""Pruning in one line: what it is made of, what it refuses, and what it warns of."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, SYMMETRIC, dominant, driven, quick_jit, stationary, untyped, weights

import jaxprune
from jaxprune import prune
from jaxprune.dynamics import Activity, activity_of
from jaxprune.linalg import is_symmetric, spectral_abscissa, stationary_covariance
from jaxprune.networks import count_components, dale, dominant_leak, stable_leak
from jaxprune.pruning import (
    Compensate,
    FragmentationWarning,
    Keep,
    MatchForm,
    NoisePrune,
    Rule,
    Strengthen,
    UniformPrune,
    UnstableWarning,
    WeightPrune,
    apply_rule,
    compensate,
    keep_probabilities,
    matched_diagonal,
    named_rule,
    noise_importance,
    sample_mask,
    strengthen,
    synapse_count,
    weight_importance,
)
from jaxprune.pruning.adjust import Adjust, match_form

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
    if rule.adjust == Compensate():
        return compensate(A, mask, C, symmetric=symmetric), mask, probabilities, importance
    if rule.adjust == MatchForm():
        return match_form(A, mask, C), mask, probabilities, importance
    matrix = strengthen(A, mask, probabilities, cap=rule.adjust.cap)
    if rule.adjust.diagonal != "original":
        matrix = matched_diagonal(A, matrix)
    return matrix, mask, probabilities, importance


@pytest.mark.parametrize(
    ("family", "rule"),
    [
        ("clustered", NoisePrune()),
        ("clustered", NoisePrune(method="systematic", adjust=Strengthen(diagonal="original"))),
        ("clustered", WeightPrune(adjust=Strengthen(cap=1.5))),
        ("clustered", named_rule("noise+compensation")),
        ("clustered", named_rule("noise+form")),
        ("dale", NoisePrune()),
        ("dale", named_rule("weight+compensation")),
    ],
)
def test_prune_is_its_steps(family, rule):
    A = dominant(family)
    pruned = prune(KEY, A, rule, keep=0.6)
    for got, expected in zip(pruned, steps(A, rule, 0.6, family in SYMMETRIC), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(pruned.matrix) * (1 - np.eye(16)) != 0, np.asarray(pruned.mask) == 1)


def test_a_rule_may_be_a_name():
    A = dominant("dale")
    for got, expected in zip(
        prune(KEY, A, "noise+compensation", keep=0.5),
        prune(KEY, A, NoisePrune(method="top", adjust=Compensate()), keep=0.5),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)


def test_activity_known_already_is_used():
    A = dominant("gaussian")
    C = jnp.eye(16) + 0.1
    pruned = prune(KEY, A, named_rule("noise+compensation"), keep=0.5, activity=activity_of(C))
    np.testing.assert_allclose(pruned.importance, noise_importance(A, C))
    np.testing.assert_allclose(pruned.matrix, compensate(A, pruned.mask, C), rtol=1e-9, atol=1e-12)
    # Importance looks at the covariance, fits at the second moment.
    shifted = prune(KEY, A, "noise+compensation", keep=0.5, activity=Activity(jnp.linspace(0, 1, 16), C))
    np.testing.assert_array_equal(shifted.mask, pruned.mask)
    H = C + jnp.outer(jnp.linspace(0, 1, 16), jnp.linspace(0, 1, 16))
    np.testing.assert_allclose(shifted.matrix, compensate(A, pruned.mask, H), rtol=1e-9, atol=1e-12)


def test_symmetry_may_be_denied():
    A = dominant("clustered")
    assert is_symmetric(prune(KEY, A, NoisePrune(), keep=0.5).matrix)
    assert not is_symmetric(prune(KEY, A, NoisePrune(), keep=0.5, symmetric=False).matrix)


def test_symmetry_up_to_rounding_is_made_exact():
    A = dominant("clustered")
    rounded = A * (1 + 1e-15 * jnp.triu(jnp.ones((SIZE, SIZE)), 1))
    assert not np.array_equal(rounded, rounded.T)
    for name in ("noise", "activity", "noise+compensation", "noise+once"):
        pruned = prune(KEY, rounded, name, keep=0.5)
        for value in pruned:
            np.testing.assert_array_equal(value, value.T)


def test_a_layer_prunes_its_diagonal_too():
    """A square one if it is said to be one, any other in any case."""
    W = weights("gaussian") + jnp.diag(jnp.linspace(0.01, 3, SIZE))
    size = np.abs(np.asarray(W))
    for layer, options in ((W, {"kind": "layer"}), (W[:5], {}), (W[:, :5], {"kind": "layer"})):
        synapses = int((layer != 0).sum())
        pruned = prune(KEY, layer, "weight+keep", keep=0.5, **options)
        part = size[: layer.shape[0], : layer.shape[1]]
        largest = part >= np.sort(part.ravel())[-round(0.5 * synapses)]
        np.testing.assert_array_equal(pruned.mask, largest)
        np.testing.assert_array_equal(pruned.matrix, np.where(largest, layer, 0))
    on_diagonal = np.diagonal(prune(KEY, W, "weight+keep", keep=0.5, kind="layer").mask)
    assert 0 < on_diagonal.sum() < SIZE
    # Coins and 1/p: no leak is matched, none is original.
    pruned = prune(KEY, W, "weight", keep=0.5, kind="layer")
    chance = np.where(pruned.mask == 1, pruned.probabilities, 1)
    np.testing.assert_allclose(pruned.matrix, pruned.mask * W / chance, rtol=1e-12)


def test_a_recurrent_network_keeps_its_self_synapses_and_does_not_count_them():
    W = weights("gaussian") + jnp.diag(jnp.linspace(0.01, 3, SIZE).at[4].set(0))
    off_diagonal = 1 - np.eye(SIZE)
    for name in ("weight", "weight+keep", "activity+compensation"):
        pruned = prune(KEY, W, name, keep=0.5, kind="recurrent", activity=activity_of(driven().H))
        np.testing.assert_array_equal(np.diagonal(pruned.mask), 0)
        np.testing.assert_array_equal(np.diagonal(pruned.matrix) != 0, np.diagonal(W) != 0)
        assert name == "weight" or int(pruned.mask.sum()) == round(0.5 * np.count_nonzero(W * off_diagonal))
        if name != "activity+compensation":
            np.testing.assert_array_equal(np.diagonal(pruned.matrix), np.diagonal(W))


def test_a_square_matrix_is_a_linear_network_and_any_other_a_layer():
    A, W = dominant("gaussian"), weights("gaussian")[:5]
    for matrix, kind in ((A, "linear"), (W, "layer")):
        for got, expected in zip(
            prune(KEY, matrix, "weight", keep=0.5), prune(KEY, matrix, "weight", keep=0.5, kind=kind), strict=True
        ):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("rule", ["weight+keep", "noise+compensation", "activity+regrow"])
def test_rows_have_their_own_budget(rule):
    A = dominant("gaussian")
    pruned = prune(KEY, A, rule, keep=0.5, groups="row")
    synapses = np.count_nonzero(np.asarray(A) * (1 - np.eye(SIZE)), axis=1)
    assert (synapses % 2).any()  # halves go up
    np.testing.assert_array_equal(np.sum(pruned.mask, axis=1), (synapses + 1) // 2)


def test_patterns_of_a_layer():
    layer = jax.random.normal(jax.random.key(1), (5, SIZE))
    size = np.abs(np.asarray(layer)).reshape(-1, 4)
    pruned = prune(KEY, layer, "weight+keep", groups="2:4")
    expected = size >= np.sort(size, axis=1)[:, -2:-1]
    np.testing.assert_array_equal(np.reshape(pruned.mask, (-1, 4)), expected)
    coins = prune(KEY, layer, "weight", groups="2:4")
    np.testing.assert_allclose(np.reshape(coins.probabilities, (-1, 4)).sum(axis=1), 2, rtol=1e-12)


def test_silent_inputs_are_the_least_important_and_exist():
    """Eight of sixteen inputs never fire: their synapses go first, and with room for more they stay."""
    layer = jax.random.normal(jax.random.key(1), (5, SIZE))
    fires = (jnp.arange(SIZE) % 2).astype(float)
    activity = activity_of(jnp.diag(fires))
    for keep, few in ((0.4, True), (0.75, False), (1.0, False)):
        mask = np.asarray(prune(KEY, layer, "activity+compensation", keep=keep, activity=activity).mask)
        assert mask.sum() == round(keep * layer.size)
        assert not few or not mask[:, fires == 0].any()
        assert few or mask[:, fires == 1].all()


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
        draw = quick_jit(lambda key, A, keep, rule=rule: prune(key, A, rule, keep=keep, symmetric=False))
        for got, expected in zip(draw(KEY, A, 0.4), prune(KEY, A, rule, keep=0.4), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


def test_apply_rule_serves_an_ensemble():
    stack = jnp.stack([dominant("clustered", seed) for seed in range(2)])
    covariances = jax.vmap(stationary)(stack)
    keys = jax.random.split(KEY, 2)
    rule = NoisePrune()

    def one(key, A, C):
        count = synapse_count(A, 0.5, symmetric=True)
        return apply_rule(key, A, activity_of(C), rule, count=count, symmetric=True)

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


def test_what_was_apart_before_is_no_fragment():
    apart = jnp.kron(jnp.eye(2), jnp.ones((2, 2)) - jnp.eye(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prune(KEY, dominant_leak(apart, 0.1), UniformPrune(method="top"), keep=1.0)
    with pytest.warns(
        FragmentationWarning, match=r"into 3 connected components \(2 before\).*at least 2 connected pairs"
    ):
        prune(KEY, dominant_leak(apart, 0.1), UniformPrune(method="top"), keep=0.5)


def lower(W):
    """An importance that says nothing above the diagonal."""
    return jnp.tril(jnp.abs(W))


def test_an_importance_that_is_not_symmetric_is_not_for_pairs():
    A = dominant("clustered")
    rule = Rule(lower, "top", Keep())
    for symmetric in (None, True):
        with pytest.raises(
            jaxprune.InputError, match=r"importance is not symmetric.*pairs='mean'.*, or pass symmetric=False"
        ):
            prune(KEY, A, rule, keep=0.5, symmetric=symmetric)
    directed = prune(KEY, A, rule, keep=0.25, symmetric=False)
    np.testing.assert_array_equal(directed.importance, lower(A) * (1 - jnp.eye(SIZE)))
    assert not np.triu(directed.mask).any()
    # Where only the running program can tell, it says so by NaN; the same rule without pairs is fine.
    both = [
        quick_jit(lambda key, A, both=both: prune(key, A, rule, keep=0.25, symmetric=both).matrix)(KEY, A)
        for both in (True, False)
    ]
    assert bool(jnp.all(jnp.isnan(both[0])))
    np.testing.assert_array_equal(both[1], directed.matrix)
    # Symmetric up to rounding is symmetric, and made exact.
    rough = Rule(lambda W: jnp.abs(W) * (1 + 1e-16 * jnp.arange(SIZE)[:, None] * jnp.ones_like(W)), "top", Keep())
    pruned = prune(KEY, A, rough, keep=0.5)
    np.testing.assert_array_equal(pruned.mask, pruned.mask.T)


def test_a_negative_or_unknown_importance_gives_nan_inside_jit():
    A = dominant("gaussian")
    for importance in (lambda W: W, lambda W: W * jnp.nan, lambda W: jnp.abs(W) / 0.0):
        rule = Rule(importance)
        matrix = quick_jit(lambda key, A, rule=rule: prune(key, A, rule, keep=0.5, symmetric=False).matrix)(KEY, A)
        assert bool(jnp.all(jnp.isnan(matrix)))


@dataclasses.dataclass(frozen=True)
class Deaf(Adjust):
    """An adjustment that asks for activity and does not use it."""

    needs_activity = True

    def __call__(self, survivors):
        return Keep()(survivors)


@pytest.mark.parametrize("rule", [named_rule("noise"), named_rule("weight+keep"), Rule(jnp.abs, "top", Deaf())])
def test_activity_that_failed_does_not_pass_for_silence(rule):
    """A member of an ensemble that is unstable: NaN where the rule looks at activity, and nothing to it where it does not."""
    A = dominant("gaussian")

    @quick_jit
    def matrix(C):
        count = synapse_count(A, 0.5, symmetric=False)
        return apply_rule(KEY, A, activity_of(C), rule, count=count, symmetric=False).matrix

    failed = matrix(jnp.full((SIZE, SIZE), jnp.nan))
    assert bool(jnp.all(jnp.isnan(failed) if rule.needs_activity else jnp.isfinite(failed)))
    assert bool(jnp.all(jnp.isfinite(matrix(stationary(A)))))


def test_errors():
    A, W = dominant("gaussian"), weights("gaussian")
    ones = jnp.ones((3, 8))
    activity = activity_of(jnp.eye(5))
    for call, words in (
        (lambda: prune(KEY, A[:3], "noise", keep=0.5, kind="linear"), "kind is 'linear', but the weights have shape"),
        (lambda: prune(KEY, A, "noise", keep=0.5, kind="square"), "kind is 'square', but must be one of"),
        (lambda: prune(KEY, A.at[2, 3].set(jnp.nan), "noise", keep=0.5), r"A\[2, 3\] is nan"),
        (lambda: prune(KEY, A.at[1, 1].set(0.5), "noise", keep=0.5), r"A\[1, 1\] is 0.5.*leak"),
        (lambda: prune(KEY, A, "noise", keep=0.001), r"keep is 0\.001, which of this network's .* synapses keeps none"),
        (lambda: prune(KEY, -jnp.eye(3), "noise", keep=1.0), "A has no synapse"),
        (lambda: prune(KEY, jnp.zeros((3, 4)), "weight", keep=1.0, groups="row"), "there is no synapse"),
        (lambda: prune(KEY, A, "noise"), "keep is not given"),
        (lambda: prune(KEY, ones, "weight", keep=0.5, groups="2:4"), "which says how many stay: leave keep out"),
        (lambda: prune(KEY, ones, "weight", groups="2:3"), "3 does not divide"),
        (lambda: prune(KEY, ones, "weight", keep=0.5, groups="column"), "groups is 'column'"),
        (lambda: prune(KEY, dominant("clustered"), "noise", keep=0.5, groups="row"), "or pass symmetric=False"),
        (lambda: prune(KEY, ones, "weight", keep=0.5, symmetric=True), "symmetric is True, but kind is 'layer'"),
        (lambda: prune(KEY, W, "noise", keep=0.5, kind="recurrent"), "the rule looks at activity, but"),
        (
            lambda: prune(KEY, W, "noise", keep=0.5, activity=activity),
            "activity is of 5 neurons, but the weights have 16",
        ),
        (lambda: prune(KEY, A, "noise", keep=0.5, activity=jnp.eye(16)), "must be a dynamics.Activity"),
        (lambda: prune(KEY, A, "noise+form", keep=0.5), "needs a symmetric linear network"),
        (lambda: prune(KEY, ones, "weight+radius", keep=0.5), "no spectral radius"),
        (lambda: prune(0, A, "noise", keep=0.5), "key is 0, but must be a typed random key"),
        (lambda: prune(jax.random.PRNGKey(0), A, "noise", keep=0.5), "must be a typed random key: pass jax.random.key"),
        (lambda: prune(jax.random.split(KEY), A, "noise", keep=0.5), r"key holds \(2,\) keys"),
        (lambda: prune(KEY, [[-1.0, 0.5], [0.5, -1.0]], "noise", keep=0.5), "A is a list, but must be an array"),
        (lambda: prune(KEY, A.astype(jnp.float16), "noise", keep=0.5), "A has dtype float16"),
        (lambda: prune(KEY, A, "nose", keep=0.5), "the nearest names are noise"),
        (lambda: jax.jit(lambda A: prune(KEY, A, "noise", keep=0.5))(A), "A is traced, so that its symmetry"),
        (
            lambda: prune(KEY, A, Rule(lambda W: W[0]), keep=0.5),
            r"importance has shape \(16,\), but the weights have \(16, 16\)",
        ),
        (lambda: prune(KEY, A, Rule(lambda W: 1.0), keep=0.5), r"importance has shape \(\)"),
        (lambda: prune(KEY, A, Rule(lambda W: W), keep=0.5), "importance has negative entries"),
        (lambda: prune(KEY, A, Rule(lambda W: W * jnp.nan), keep=0.5), r"importance\[0, \d+\] is nan"),
        (lambda: prune(KEY, dominant("clustered"), Rule(lambda W: W / 0), keep=0.5), r"importance\[0, \d+\] is inf"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words) as refusal:
            call()
        assert "\n" not in str(refusal.value)
    for keep in (0.0, 1.5, -0.1, float("nan")):
        with pytest.raises(jaxprune.InputError, match="keep is"):
            prune(KEY, A, "noise", keep=keep)
    for family in ("gaussian", "clustered"):
        unstable = stable_leak(weights(family), -0.1) + 0.2 * jnp.eye(16)
        with pytest.raises(jaxprune.InputError, match="singular or unstable"):
            prune(KEY, unstable, "noise", keep=0.5)


@pytest.mark.parametrize("rule", ["weight", "uniform+form"])
def test_a_network_that_is_not_symmetric_is_not_pruned_as_if_it_were(rule):
    with pytest.raises(jaxprune.InputError, match="symmetric is True, but A is not symmetric"):
        prune(KEY, dominant("gaussian"), rule, keep=0.5, symmetric=True)


def test_an_importance_that_was_measured():
    """It takes the place of the rule's own, and is checked as that is."""
    A = dominant("clustered")
    own = noise_importance(A, stationary_covariance(A))
    for rule in ("noise", "weight", "noise+compensation"):
        given = prune(KEY, A, rule, keep=0.5, importance=own)
        np.testing.assert_allclose(given.importance, own, rtol=1e-9)
    np.testing.assert_array_equal(
        prune(KEY, A, "noise", keep=0.5, importance=own).mask, prune(KEY, A, "noise", keep=0.5).mask
    )
    for wrong, words in ((own[:3, :3], "same network"), (-own, "negative"), (own.at[0, 1].set(jnp.nan), "finite")):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            prune(KEY, A, "noise", keep=0.5, importance=wrong)


def test_a_network_that_becomes_unstable_is_a_warning():
    W = dale(jax.random.key(0), 60, density=0.3, gain=0.7)
    A = W - jnp.eye(len(W))
    with pytest.warns(UnstableWarning, match=r"is unstable \(spectral abscissa \d.*noise\+compensation"):
        pruned = prune(KEY, A, "noise", keep=0.2)
    assert spectral_abscissa(pruned.matrix) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prune(KEY, A, "noise", keep=0.2, warn=False)


def test_a_network_that_decays_only_by_rounding_is_a_warning():
    """A neuron without slack that loses its inputs has no leak left."""
    A = dominant_leak(jnp.array([[0.0, 2.0, 0.0], [0.5, 0.0, 1.0], [0.0, 1.0, 0.0]])).at[0, 0].add(-1.0)
    last = jnp.array([[0.0, 9.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.1, 0.0]])
    rule = Rule(weight_importance, "top", Strengthen(diagonal="matched"))
    with pytest.warns(UnstableWarning, match="is marginal"):
        prune(KEY, A, rule, keep=0.75, importance=last)
