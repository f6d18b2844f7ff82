"""Rules are small frozen settings with checked values."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import dominant, stationary, untyped

import jaxprune
from jaxprune.pruning import (
    RULES,
    NoisePrune,
    UniformPrune,
    WeightPrune,
    named_rule,
    noise_importance,
    uniform_importance,
    weight_importance,
)


def test_each_rule_has_its_importance():
    A = dominant("dale")
    C = stationary(A)
    np.testing.assert_array_equal(NoisePrune().importance(A, C), noise_importance(A, C))
    np.testing.assert_array_equal(WeightPrune().importance(A, C), weight_importance(A))
    np.testing.assert_array_equal(UniformPrune().importance(A, C), uniform_importance(A))


@pytest.mark.parametrize("rule", RULES.values())
def test_rules_are_values_that_jit_can_compare(rule):
    assert rule() == rule()
    assert hash(rule(cap=2.0)) == hash(rule(cap=2.0))
    assert rule(cap=2.0) != rule()
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule().cap = 3.0
    traces = []

    def traced(x, rule):
        traces.append(rule)
        return x

    compiled = jax.jit(traced, static_argnums=1)
    for settings in ({}, {}, {"method": "top"}, {"method": "top"}):
        compiled(jnp.zeros(()), rule(**settings))
    assert traces == [rule(), rule(method="top")]


def test_names():
    assert named_rule("noise") == NoisePrune()
    assert named_rule("weight+compensation") == WeightPrune(method="top", adjust="compensate")
    assert named_rule("uniform+refit") == UniformPrune(method="top", adjust="refit")
    assert {type(named_rule(name)) for name in RULES} == set(RULES.values())
    for name in ("", "noise+", "noise+other", "+refit", "Noise", "noise+refit+refit"):
        with pytest.raises(jaxprune.InputError, match=r"rule is.*one of noise, noise\+compensation"):
            named_rule(name)


@pytest.mark.parametrize("rule", RULES.values())
@pytest.mark.parametrize("setting", ["method", "adjust", "diagonal"])
def test_unknown_settings_are_refused(rule, setting):
    with untyped(), pytest.raises(jaxprune.InputError, match=f"{setting} is 'other', but must be one of"):
        rule(**{setting: "other"})


@pytest.mark.parametrize("cap", [0.5, 0.0, -1.0, float("nan")])
def test_caps_below_one_are_refused(cap):
    with pytest.raises(jaxprune.InputError, match="cap is"):
        NoisePrune(cap=cap)
