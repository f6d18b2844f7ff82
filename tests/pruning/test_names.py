"""Names of rules: what each means, and what an unknown one is told."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from helpers import dominant, untyped

import jaxprune
from jaxprune.pruning import (
    RULES,
    Compensate,
    Keep,
    MatchForm,
    MatchRadius,
    NoisePrune,
    Regrow,
    Rule,
    Strengthen,
    UniformPrune,
    WeightPrune,
    named_rule,
    prune,
)
from jaxprune.pruning.adjust import CorrectOnce, Empty, MatchAbscissa, Swap

SCORES = ("noise", "weight", "uniform", "activity", "surgeon", "greedy")
ENDS = {
    "keep": Keep(),
    "radius": MatchRadius(),
    "abscissa": MatchAbscissa(),
    "compensation": Compensate(),
    "form": MatchForm(),
    "regrow": Regrow(),
    "once": CorrectOnce(),
    "swaps": Swap(),
}


def test_a_name_is_an_importance_alone_or_with_an_adjustment():
    assert set(RULES) == {"empty", *SCORES, *(f"{score}+{end}" for score in SCORES for end in ENDS)}
    assert RULES["empty"].adjust == Empty()
    for score in SCORES:
        alone = RULES[score]
        assert (alone.method, alone.adjust) == ("bernoulli", Strengthen())
        for end, adjust in ENDS.items():
            assert RULES[f"{score}+{end}"] == dataclasses.replace(alone, method="top", adjust=adjust)


def test_names():
    assert named_rule("noise") == NoisePrune()
    assert named_rule("weight+compensation") == WeightPrune(method="top", adjust=Compensate())
    assert named_rule("uniform+form") == UniformPrune(method="top", adjust=MatchForm())
    mine = Rule(jnp.abs)
    assert named_rule(mine) is mine


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("weight+compensate", "weight+compensation"),
        ("nois", "noise"),
        ("activity+regrowth", "activity+regrow"),
        ("Noise", "noise"),
        ("noise+refit", "noise+keep"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, near):
    with pytest.raises(jaxprune.InputError, match="the nearest names are") as refusal:
        named_rule(name)
    message = str(refusal.value)
    assert message.startswith(f"rule is {name!r}, but")
    assert near in message.split(";")[0]
    assert "module:Name" in message
    assert all(score in message for score in SCORES)
    assert all(f"+{end}" in message for end in ENDS)
    assert "\n" not in message


def test_what_is_no_name_is_refused():
    for name in ("", "zzz"):
        with pytest.raises(jaxprune.InputError, match="no name is near to that"):
            named_rule(name)
    for rule in (None, 3, NoisePrune, jnp.abs):
        with untyped(), pytest.raises(jaxprune.InputError, match=r"must be a pruning\.Rule or the name of one"):
            prune(jax.random.key(0), dominant("dale"), rule, keep=0.5)


def test_an_exponent_of_the_noise_rule():
    assert named_rule("noise^1.5") == NoisePrune(exponent=1.5)
    assert named_rule("noise^1") == named_rule("noise")
    assert named_rule("noise^1e-1+keep").importance.exponent == 0.1
    assert named_rule("noise^0.5+compensation") == NoisePrune(method="top", adjust=Compensate(), exponent=0.5)
    assert named_rule("noise^2+keep").describe()["importance"] == {"name": "NoisePower", "exponent": 2.0}
    assert named_rule("noise").describe()["importance"] == "noise"
    refused = {
        "noise^1.5.2": "no number",
        "noise^-1": "exponent is -1",
        "noise^nan+keep": "exponent is nan",
        "noise^2+magic": r"one of \+keep",
        "weight^2": "nearest",
    }
    for name, message in refused.items():
        with pytest.raises(jaxprune.InputError, match=message):
            named_rule(name)
