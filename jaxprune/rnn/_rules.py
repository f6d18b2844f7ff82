"""Rules for recurrent weights without a leak: which synapses stay, and how the drive is restored."""

import dataclasses
from typing import Literal

from jaxprune._checks import InputError, check_choice, check_fraction

SCORES = ("uniform", "weight", "noise", "activity", "surgeon", "greedy surgeon")
ADJUSTMENTS = ("none", "radius", "strengthen", "surgeon", "fit", "regrow")


@dataclasses.dataclass(frozen=True)
class RecurrentRule:
    r"""A rule for recurrent weights: a choice of synapses, and a way to restore what their loss takes away.

    A pruned network strays from the states of the whole one, into directions that nobody asked it to keep. A rule with `loops`
    then watches the pruned network while it runs, and fits its synapses (with `"regrow"`, after three rounds in which at first a
    tenth of them is exchanged) under

    $$H_k = \tfrac12 H + \tfrac1{2k} \sum_{l \le k} a_l H^{(l)}, \qquad
      a_l = \min(1, \operatorname{tr} H / \operatorname{tr} H^{(l)}), \qquad k = 1, \dots, \text{loops},$$

    H from the whole network and $H^{(l)}$ from the pruned one after l - 1 loops. One that runs away counts no more than the
    whole; once it is not finite, H takes its place. The drive that is wanted is what all synapses, lost ones too, would give at
    the states that the pruned network visits: each synapse still sees all that it needs.

    Attributes:
      score: what counts as important: `"uniform"` (nothing), `"weight"`, `"noise"` (`noise_importance`), `"activity"`
        (`activity_importance`), `"surgeon"` (`surgeon_importance`), `"greedy surgeon"` (`surgeon_order`).
      draw: `"top"` or independent coins, `"bernoulli"`.
      adjust: `"none"`; `"radius"`: one factor for all that restores the spectral radius; `"strengthen"` by 1/p; `"surgeon"`
        (`surgeon_once`); `"fit"` (`fit_rows`); `"regrow"` (`regrow`, which also changes which synapses stay).
      cap: with `"strengthen"`, the quantile of 1/p above which it is cut; None for no cap.
      rounds: rounds of `"regrow"` before any loop.
      loops: number of loops, with `"fit"` or `"regrow"`.

    Raises:
      InputError: an unknown score, draw or adjustment; cap outside (0, 1]; rounds or loops not whole, or negative; loops with
        another adjustment.

    Example:
      >>> RecurrentRule("weight", adjust="fit").needs_activity
      True

    Reference: Ross2011 (aggregation of the states that a learner itself visits).
    """

    score: Literal["uniform", "weight", "noise", "activity", "surgeon", "greedy surgeon"] = "activity"
    draw: Literal["top", "bernoulli"] = "top"
    adjust: Literal["none", "radius", "strengthen", "surgeon", "fit", "regrow"] = "fit"
    cap: float | None = None
    rounds: int = 10
    loops: int = 0

    def __post_init__(self):
        check_choice("score", self.score, SCORES)
        check_choice("draw", self.draw, ("top", "bernoulli"))
        check_choice("adjust", self.adjust, ADJUSTMENTS)
        if self.cap is not None:
            check_fraction("cap", self.cap)
        for name in ("rounds", "loops"):
            value = getattr(self, name)
            if value != int(value) or value < 0:
                raise InputError(f"{name} is {value:g}, but must be a whole number, 0 or more.")
        if self.loops and self.adjust not in ("fit", "regrow"):
            raise InputError(
                f"loops is {self.loops}, but adjust is {self.adjust!r}: only a fit or regrowth can be looped."
            )

    @property
    def needs_activity(self) -> bool:
        """Whether the rule looks at activity."""
        return self.score not in ("uniform", "weight") or self.adjust in ("surgeon", "fit", "regrow")


RECURRENT_RULES: dict[str, RecurrentRule] = {
    "random": RecurrentRule("uniform", adjust="none"),
    "magnitude": RecurrentRule("weight", adjust="none"),
    "magnitude, radius": RecurrentRule("weight", adjust="radius"),
    "uniform, 1/p": RecurrentRule("uniform", "bernoulli", "strengthen"),
    "weight, 1/p": RecurrentRule("weight", "bernoulli", "strengthen"),
    "noise, mask": RecurrentRule("noise", adjust="none"),
    "noise, radius": RecurrentRule("noise", adjust="radius"),
    "noise, 1/p": RecurrentRule("noise", "bernoulli", "strengthen"),
    "noise, 1/p capped": RecurrentRule("noise", "bernoulli", "strengthen", cap=0.5),
    "surgeon, once": RecurrentRule("surgeon", adjust="surgeon"),
    "random+fit": RecurrentRule("uniform", adjust="fit"),
    "magnitude+fit": RecurrentRule("weight", adjust="fit"),
    "noise+fit": RecurrentRule("noise", adjust="fit"),
    "activity+fit": RecurrentRule("activity", adjust="fit"),
    "activity+regrow": RecurrentRule("activity", adjust="regrow"),
    "activity+regrow, closed loop": RecurrentRule("activity", adjust="regrow", loops=8),
    "surgeon, rows": RecurrentRule("greedy surgeon", adjust="fit"),
    "surgeon, rows, closed loop": RecurrentRule("greedy surgeon", adjust="fit", loops=8),
}
"""Every rule and control by name. Not local, but yardsticks: all with `surgeon` (inverses) or `radius` (one factor for all)."""
