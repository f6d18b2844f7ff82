"""Names of rules: one grammar for all networks, and the way to rules of a user's own."""

import difflib
import re
from collections.abc import Callable
from typing import Any

from jaxprune._checks import InputError
from jaxprune.pruning._outside import outside_rule
from jaxprune.pruning._rules import NoisePrune, Rule, UniformPrune, WeightPrune, greedy, passed_on, surgeon
from jaxprune.pruning.adjust import (
    Adjust,
    Compensate,
    CorrectOnce,
    Empty,
    Keep,
    MatchAbscissa,
    MatchForm,
    MatchRadius,
    Regrow,
    Swap,
)

_SCORES: dict[str, Callable[..., Rule]] = {
    "noise": NoisePrune,
    "weight": WeightPrune,
    "uniform": UniformPrune,
    "activity": lambda **settings: Rule(passed_on, pairs="mean", **settings),
    "surgeon": lambda **settings: Rule(surgeon, pairs="mean", **settings),
    "greedy": lambda **settings: Rule(greedy, pairs="mean", **settings),
}
_ADJUSTMENTS: dict[str, Adjust] = {
    "keep": Keep(),
    "radius": MatchRadius(),
    "abscissa": MatchAbscissa(),
    "compensation": Compensate(),
    "form": MatchForm(),
    "regrow": Regrow(),
    "once": CorrectOnce(),
    "swaps": Swap(),
}

RULES: dict[str, Rule] = (
    {name: make() for name, make in _SCORES.items()}
    | {
        f"{name}+{end}": make(method="top", adjust=adjust)
        for name, make in _SCORES.items()
        for end, adjust in _ADJUSTMENTS.items()
    }
    | {"empty": UniformPrune(method="top", adjust=Empty())}
)
"""Every rule by its name, `SCORE` or `SCORE+ADJUSTMENT`, and the control `empty`, which removes every synapse.

A score alone means independent coins and 1/p: `noise`, `weight`, `uniform`, `activity` (what a synapse passes on), `surgeon`
(what a single removal costs) and `greedy` (rank of removal). With an adjustment the most important synapses stay, and their
weights are left as they are (`+keep`), scaled by one factor that restores the spectral radius (`+radius`) or the slowest decay
(`+abscissa`), refitted for every neuron's input (`+compensation`), for the quadratic form (`+form`), refitted and exchanged
(`+regrow`), exchanged without a refit (`+swaps`), or corrected once (`+once`). Not local, but yardsticks: `surgeon`, `greedy`,
`+radius`, `+abscissa`, `+form`, `+once`. `noise^1.5`, alone or with an adjustment, is noise importance with an exponent
(`NoisePrune`). In a symmetric network `activity`, `surgeon` and `greedy`, which look at one end of a synapse, are averaged over
both ends.
"""


def named_rule(rule: Any) -> Rule:
    """The rule of a name: one of `RULES`, `noise^EXPONENT`, or `module:Name` for a rule of your own module.

    A `Rule` is returned as it is.

    Args:
      rule: the name, or a `Rule`.

    Raises:
      InputError: an unknown name (with the nearest ones), a module that cannot be imported, or one that holds no such rule;
        what is neither a rule nor a name.

    Example:
      >>> named_rule("noise+compensation").adjust
      Compensate(solver=None, ridge=None)
    """
    if isinstance(rule, Rule):
        return rule
    if not isinstance(rule, str):
        raise InputError(
            f"rule is {rule!r}, but must be a pruning.Rule or the name of one, such as 'noise' or 'weight+compensation'."
        )
    if ":" in rule:
        return outside_rule(rule)
    if power := re.fullmatch(r"noise\^(.+?)(?:\+([a-z]+))?", rule):
        return _noise_power(rule, *power.groups())
    if rule not in RULES:
        near = difflib.get_close_matches(rule, RULES, n=4, cutoff=0.4)
        hint = f"the nearest names are {', '.join(near)}" if near else "no name is near to that"
        raise InputError(
            f"rule is {rule!r}, but {hint}; a rule is one of {', '.join(_SCORES)}, alone or with one of "
            f"{', '.join('+' + end for end in _ADJUSTMENTS)}, or empty, or noise^EXPONENT, or module:Name for your own."
        )
    return RULES[rule]


def _noise_power(rule, exponent, end):
    """The rule of `noise^EXPONENT`, alone or with an adjustment."""
    try:
        power = float(exponent)
    except ValueError:
        raise InputError(
            f"rule is {rule!r}, but {exponent!r} is no number: an example is noise^1.5+compensation."
        ) from None
    if end is None:
        return NoisePrune(exponent=power)
    if end not in _ADJUSTMENTS:
        raise InputError(
            f"rule is {rule!r}, but an adjustment is one of {', '.join('+' + name for name in _ADJUSTMENTS)}."
        )
    return NoisePrune(method="top", adjust=_ADJUSTMENTS[end], exponent=power)
