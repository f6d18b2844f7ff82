"""Pruning rules: what counts as important, how survivors are drawn, and how they adjust."""

import abc
import dataclasses
from typing import Literal

from jaxprune._checks import InputError, check_choice
from jaxprune._types import Matrix
from jaxprune.pruning._importance import noise_importance, uniform_importance, weight_importance
from jaxprune.pruning._mask import METHODS

ADJUSTMENTS = ("strengthen", "compensate", "refit")
DIAGONALS = ("matched", "original")


@dataclasses.dataclass(frozen=True)
class Rule(abc.ABC):
    """A pruning rule; configuration only, so that it can be a static argument of `jit`.

    Attributes:
      method: how the mask is drawn, see `sample_mask`.
      adjust: what survivors do: `"strengthen"` by 1/p, `"compensate"` (local), or `"refit"` (symmetric networks only).
      diagonal: with `"strengthen"`, the leak: `"matched"` to the weights or `"original"`. The others fit the leak as well.
      cap: with `"strengthen"`, the largest amplification; None for no cap.

    Raises:
      InputError: an unknown method, adjustment or diagonal; a cap below 1.
    """

    method: Literal["bernoulli", "systematic", "top"] = "bernoulli"
    adjust: Literal["strengthen", "compensate", "refit"] = "strengthen"
    diagonal: Literal["matched", "original"] = "matched"
    cap: float | None = None

    def __post_init__(self):
        check_choice("method", self.method, METHODS)
        check_choice("adjust", self.adjust, ADJUSTMENTS)
        check_choice("diagonal", self.diagonal, DIAGONALS)
        if self.cap is not None and not self.cap >= 1:
            raise InputError(
                f"cap is {self.cap:g}, but must be at least 1: the largest factor by which a synapse may grow."
            )

    @abc.abstractmethod
    def importance(self, A: Matrix, C: Matrix) -> Matrix:
        """Importance of every synapse of A, given the stationary covariance C."""


@dataclasses.dataclass(frozen=True)
class NoisePrune(Rule):
    """Keep what the noise says is important: `noise_importance`.

    Example:
      >>> NoisePrune(diagonal="original")
      NoisePrune(method='bernoulli', adjust='strengthen', diagonal='original', cap=None)

    Reference: Moore2020.
    """

    def importance(self, A: Matrix, C: Matrix) -> Matrix:
        """`noise_importance(A, C)`."""
        return noise_importance(A, C)


@dataclasses.dataclass(frozen=True)
class WeightPrune(Rule):
    """Keep what is strong: `weight_importance`."""

    def importance(self, A: Matrix, C: Matrix) -> Matrix:
        """`weight_importance(A)`; the covariance is not looked at."""
        del C
        return weight_importance(A)


@dataclasses.dataclass(frozen=True)
class UniformPrune(Rule):
    """Keep synapses at random: `uniform_importance`."""

    def importance(self, A: Matrix, C: Matrix) -> Matrix:
        """`uniform_importance(A)`; the covariance is not looked at."""
        del C
        return uniform_importance(A)


RULES: dict[str, type[Rule]] = {"noise": NoisePrune, "weight": WeightPrune, "uniform": UniformPrune}
_SUFFIXES: dict[str, dict] = {
    "": {},
    "+compensation": {"method": "top", "adjust": "compensate"},
    "+refit": {"method": "top", "adjust": "refit"},
}


def named_rule(name: str) -> Rule:
    """The rule of a name: `noise`, `weight` or `uniform`, alone (independent coins, 1/p strengthening, matched diagonal) or
    followed by `+compensation` or `+refit` (the most important ones stay, and adjust).

    Raises:
      InputError: an unknown name.

    Example:
      >>> named_rule("noise+compensation")
      NoisePrune(method='top', adjust='compensate', diagonal='matched', cap=None)
    """
    known = [base + suffix for base in RULES for suffix in _SUFFIXES]
    if name not in known:
        raise InputError(f"rule is {name!r}, but must be one of {', '.join(known)}.")
    base, plus, rest = name.partition("+")
    return RULES[base](**_SUFFIXES[plus + rest])
