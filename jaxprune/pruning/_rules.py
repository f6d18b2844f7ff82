"""Pruning rules: an importance, a choice of survivors, and an adjustment of their weights."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Literal

from jaxprune._checks import InputError, check_choice, check_positive
from jaxprune._types import Matrix, Real
from jaxprune.pruning._importance import (
    activity_importance,
    noise_importance,
    uniform_importance,
    weight_importance,
)
from jaxprune.pruning._kinds import Kind
from jaxprune.pruning._mask import METHODS
from jaxprune.pruning._surgeon import removal_importance, surgeon_importance
from jaxprune.pruning.adjust import Adjust, Strengthen

Importance = Callable[..., Matrix]
"""A function of the weights, or of the weights and the `dynamics.Activity` of their presynaptic neurons."""


def uniform(W: Matrix) -> Matrix:
    """The same for every synapse: `uniform_importance`."""
    return uniform_importance(W, leak=False)


def weight(W: Matrix) -> Matrix:
    """Size of the weight: `weight_importance`."""
    return weight_importance(W, leak=False)


def noise(W, activity) -> Matrix:
    """Weight times the variance of the difference of the neurons that it joins: `noise_importance`."""
    return noise_importance(W, activity.covariance)


@dataclasses.dataclass(frozen=True)
class NoisePower:
    """Weight times a power of that variance: `noise_importance` with an exponent."""

    exponent: Real

    def __call__(self, W, activity) -> Matrix:
        """The importance."""
        return noise_importance(W, activity.covariance, exponent=self.exponent)


def passed_on(W, activity) -> Matrix:
    """Weight times the root mean square of its input: `activity_importance`."""
    return activity_importance(W, activity.second_moment, leak=False)


def surgeon(W, activity) -> Matrix:
    """Error that a single removal causes, all others refitted: `surgeon_importance`."""
    return surgeon_importance(W, activity.second_moment, leak=False)


def greedy(W, activity, *, kind) -> Matrix:
    """Rank of removal, one synapse after the other: `removal_importance`."""
    return removal_importance(W, activity.second_moment, leak=kind != "layer")


def is_plain(importance: Importance) -> bool:
    """Whether an importance is, by its formula, never negative, and symmetric where weights and covariance are."""
    return importance in (uniform, weight, noise) or isinstance(importance, NoisePower)


def _arguments(function):
    """Number of positional arguments without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)


def _asks_for_kind(function):
    parameter = inspect.signature(function).parameters.get("kind")
    return parameter is not None and parameter.kind == inspect.Parameter.KEYWORD_ONLY


@dataclasses.dataclass(frozen=True)
class Rule:
    """A pruning rule: an importance, a choice of survivors, and an adjustment of their weights.

    Settings only, so that it can be a static argument of `jit`.

    Attributes:
      importance: a function `(W)` or `(W, activity)` of the weights [post, pre] and the
        `dynamics.Activity` of their presynaptic neurons, that returns an array of W's shape, not negative. What it gives on the
        diagonal of a network, or where there is no synapse, is not looked at. For a symmetric network see `pairs`. One with a
        keyword-only argument `kind` is told what the weights belong to, as in `prune`.
      method: how survivors are chosen, see `sample_mask`.
      adjust: how their weights are adjusted, from `pruning.adjust`, or your own `Adjust`.
      pairs: the importance of a pair in a symmetric network: `"same"`, which both ends must agree on, or the `"mean"` of both.

    Raises:
      InputError: an importance that is no function of one or two arguments, an unknown method, an adjustment that is none.

    Example:
      A rule of your own: keep what varies most, and compensate.

      >>> from jaxprune import networks
      >>> from jaxprune.pruning import Compensate, Rule, prune
      >>> def variance(W, activity):
      ...     return jnp.abs(W) * jnp.diagonal(activity.covariance)[None, :]
      >>> A = networks.dominant_leak(networks.dale(jax.random.key(0), 30, density=0.5), 0.1)
      >>> pruned = prune(jax.random.key(1), A, Rule(variance, "top", Compensate()), keep=0.5)
      >>> int(pruned.mask.sum()) == round(0.5 * float(((A != 0).sum() - 30)))
      True
    """

    importance: Importance
    method: Literal["bernoulli", "systematic", "top"] = "bernoulli"
    adjust: Adjust = Strengthen()
    pairs: Literal["same", "mean"] = "same"

    def __post_init__(self):
        check_choice("method", self.method, METHODS)
        check_choice("pairs", self.pairs, ("same", "mean"))
        if not callable(self.importance) or _arguments(self.importance) not in (1, 2):
            raise InputError(
                f"importance is {self.importance!r}, but must be a function of the weights, or of the weights and the activity."
            )
        if not isinstance(self.adjust, Adjust):
            raise InputError(
                f"adjust is {self.adjust!r}, but must be an adjustment such as pruning.Compensate() or pruning.Keep()."
            )

    @property
    def needs_activity(self) -> bool:
        """Whether the importance or the adjustment looks at activity."""
        return _arguments(self.importance) == 2 or self.adjust.needs_activity

    def describe(self) -> dict[str, Any]:
        """The rule as plain data, for records: the names of its importance and of its adjustment, and their settings."""
        importance: Any = getattr(self.importance, "__qualname__", type(self.importance).__qualname__)
        if dataclasses.is_dataclass(self.importance) and not isinstance(self.importance, type):
            importance = {"name": importance, **dataclasses.asdict(self.importance)}
        settings = dataclasses.asdict(self.adjust) if dataclasses.is_dataclass(self.adjust) else {}
        return {
            "importance": importance,
            "method": self.method,
            "pairs": self.pairs,
            "adjust": {"name": type(self.adjust).__name__, **settings},
        }


@dataclasses.dataclass(frozen=True)
class NoisePrune(Rule):
    """Keep synapses by their noise importance: a `Rule` with `noise_importance`.

    Attributes:
      exponent: of the variance that a synapse sees; larger ones hold slow modes more firmly. By name: `noise^1.5`.

    Raises:
      InputError: a negative exponent, and what `Rule` refuses.

    Example:
      >>> NoisePrune(adjust=Strengthen(diagonal="original")).method
      'bernoulli'

    Reference: Moore2020; the exponent is ours.
    """

    importance: Importance = dataclasses.field(default_factory=lambda: noise, init=False)
    exponent: Real = dataclasses.field(default=1.0, kw_only=True)

    def __post_init__(self):
        check_positive("exponent", self.exponent, zero=True)
        if self.exponent != 1:
            object.__setattr__(self, "importance", NoisePower(self.exponent))
        super().__post_init__()


@dataclasses.dataclass(frozen=True)
class WeightPrune(Rule):
    """Keep synapses by the size of their weights: a `Rule` with `weight_importance`."""

    importance: Importance = dataclasses.field(default_factory=lambda: weight, init=False)


@dataclasses.dataclass(frozen=True)
class UniformPrune(Rule):
    """Keep synapses at random: a `Rule` with `uniform_importance`."""

    importance: Importance = dataclasses.field(default_factory=lambda: uniform, init=False)


def score_of(rule: Rule, W: Matrix, activity: Any, kind: Kind) -> Matrix:
    """The importance of every entry by the rule, before it is checked."""
    seen = (W,) if _arguments(rule.importance) == 1 else (W, activity)
    return rule.importance(*seen, **({"kind": kind} if _asks_for_kind(rule.importance) else {}))
