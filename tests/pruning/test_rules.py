"""Rules are small frozen settings with checked values."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, stationary, untyped

import jaxprune
from jaxprune import pruning
from jaxprune.dynamics import activity_of
from jaxprune.pruning import (
    RULES,
    Compensate,
    Keep,
    NoisePrune,
    Regrow,
    Rule,
    Strengthen,
    UniformPrune,
    WeightPrune,
    prune,
)
from jaxprune.pruning._rules import score_of

KEY = jax.random.key(0)
pytestmark = pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")


def test_each_rule_has_its_importance():
    A = dominant("dale")
    C = stationary(A)
    activity = activity_of(C)._replace(mean=jnp.linspace(0, 1, SIZE))
    H = activity.second_moment
    off_diagonal = 1 - jnp.eye(SIZE)
    expected = {
        "noise": pruning.noise_importance(A, C),
        "weight": pruning.weight_importance(A),
        "uniform": pruning.uniform_importance(A),
        "activity": pruning.activity_importance(A, H),
        "surgeon": pruning.surgeon_importance(A, H),
        "greedy": pruning.removal_importance(A, H),
    }
    for name, importance in expected.items():
        np.testing.assert_array_equal(score_of(RULES[name], A, activity, "linear") * off_diagonal, importance)
    assert {name for name in expected if not RULES[name].needs_activity} == {"weight", "uniform"}
    assert RULES["weight+compensation"].needs_activity
    assert not RULES["weight+radius"].needs_activity


def test_both_ends_of_a_pair_say_the_same():
    """What looks at the sender, or at the receiver, is averaged over both where that is asked for, and else refused."""
    A = dominant("clustered")
    activity = activity_of(stationary(A))
    lower = Rule(lambda W: jnp.tril(jnp.abs(W)), pairs="mean")
    for rule in (*(RULES[name] for name in ("activity", "surgeon", "greedy")), lower):
        by_end = score_of(rule, A, activity, "linear") * (1 - jnp.eye(SIZE)) * (A != 0)
        assert float(jnp.abs(by_end - by_end.T).max()) > 1e-6
        by_pair, directed = (
            prune(KEY, A, rule, keep=0.5, symmetric=both, activity=activity).importance for both in (True, False)
        )
        np.testing.assert_array_equal(by_pair, (by_end + by_end.T) / 2)
        np.testing.assert_array_equal(directed, by_end)
    with pytest.raises(jaxprune.InputError, match="not symmetric"):
        prune(KEY, A, dataclasses.replace(lower, pairs="same"), keep=0.5)


@pytest.mark.parametrize("rule", [NoisePrune, WeightPrune, UniformPrune])
def test_rules_are_values_that_jit_can_compare(rule):
    capped = Strengthen(cap=2.0)
    assert rule() == rule()
    assert hash(rule(adjust=capped)) == hash(rule(adjust=Strengthen(cap=2.0)))
    assert rule(adjust=capped) != rule()
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule().method = "top"
    traces = []

    def traced(x, rule):
        traces.append(rule)
        return x

    compiled = jax.jit(traced, static_argnums=1)
    for settings in ({}, {}, {"method": "top"}, {"method": "top"}):
        compiled(jnp.zeros(()), rule(**settings))
    assert traces == [rule(), rule(method="top")]


def varied(W, activity):
    return jnp.abs(W) * jnp.diagonal(activity.covariance)[None, :]


class Steeper:
    """An importance with a setting: an object that can be called."""

    def __init__(self, power):
        self.power = power

    def __call__(self, W, activity, scale=1.0):
        return scale * jnp.abs(W) ** self.power


@pytest.mark.parametrize(
    ("importance", "by_hand"),
    [
        (jnp.abs, lambda A, C: np.abs(A)),
        (lambda W: W**2, lambda A, C: A**2),
        (varied, lambda A, C: np.abs(A) * np.diag(C)),
        (Steeper(3), lambda A, C: np.abs(A) ** 3),
        (functools.partial(jnp.power, jnp.full((SIZE, SIZE), 2.0)), lambda A, C: 2.0**A),
        (jax.jit(varied), lambda A, C: np.abs(A) * np.diag(C)),
    ],
)
def test_a_rule_of_ones_own_from_a_function_of_one_or_two_arguments(importance, by_hand):
    """What it says on the diagonal, or where no synapse is, is not looked at."""
    A = dominant("gaussian")
    pruned = prune(KEY, A, Rule(importance, "top", Keep()), keep=0.5)
    scores = np.where(np.eye(SIZE) + (A == 0) > 0, 0, by_hand(np.asarray(A), np.asarray(stationary(A))))
    np.testing.assert_allclose(pruned.importance, scores, rtol=1e-9, atol=1e-12)
    order = np.argsort(-scores, axis=None, kind="stable")[: int(pruned.mask.sum())]
    np.testing.assert_array_equal(np.flatnonzero(pruned.mask), np.sort(order))


def test_a_function_of_other_arguments_is_no_importance():
    for importance in (lambda: 1, lambda a, b, c: a, 3, None, "noise", lambda *, W: W):
        with (
            untyped(),
            pytest.raises(jaxprune.InputError, match="must be a function of the weights, or of the weights and"),
        ):
            Rule(importance)


@pytest.mark.parametrize("rule", [NoisePrune, functools.partial(Rule, jnp.abs)])
def test_unknown_settings_are_refused(rule):
    with untyped(), pytest.raises(jaxprune.InputError, match="pairs is 'other', but must be one of"):
        rule(pairs="other")
    with untyped(), pytest.raises(jaxprune.InputError, match="method is 'other', but must be one of"):
        rule(method="other")
    for adjust in ("compensate", None, Compensate):
        with untyped(), pytest.raises(jaxprune.InputError, match="but must be an adjustment such as"):
            rule(adjust=adjust)


def test_a_rule_as_plain_data():
    described = Rule(varied, "top", Regrow(rounds=3)).describe()
    assert json.loads(json.dumps(described)) == {
        "importance": "varied",
        "method": "top",
        "pairs": "same",
        "adjust": {"name": "Regrow", "rounds": 3, "fraction": 0.3, "fit": {"solver": None, "ridge": None}},
    }
    assert Rule(Steeper(2)).describe()["importance"] == "Steeper"
    described = [json.dumps(rule.describe()) for rule in RULES.values()]
    assert len(set(described)) == len(RULES)
