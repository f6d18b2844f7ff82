"""Rules for recurrent weights without a leak: which synapses stay, and how the drive is restored."""

import dataclasses
from typing import Literal, NamedTuple

import jax.numpy as jnp

from jaxprune._checks import InputError, check_choice, check_fraction, check_square, is_concrete
from jaxprune._types import Mask, Matrix, PRNGKey, Real
from jaxprune.linalg import eigenvalues
from jaxprune.pruning import (
    Removals,
    activity_importance,
    fit_rows,
    keep_probabilities,
    noise_importance,
    regrow,
    sample_mask,
    strengthen,
    surgeon_importance,
    surgeon_mask,
    surgeon_once,
    surgeon_order,
    synapse_count,
    uniform_importance,
    weight_importance,
)
from jaxprune.rnn._activity import Activity

SCORES = ("uniform", "weight", "noise", "activity", "surgeon", "greedy surgeon")
ADJUSTMENTS = ("none", "radius", "strengthen", "surgeon", "fit", "regrow")


@dataclasses.dataclass(frozen=True)
class RecurrentRule:
    """A rule for recurrent weights: a choice of synapses, and a way to restore what their loss takes away.

    Attributes:
      score: what counts as important: `"uniform"` (nothing), `"weight"`, `"noise"` (`noise_importance`), `"activity"`
        (`activity_importance`), `"surgeon"` (`surgeon_importance`), `"greedy surgeon"` (`surgeon_order`).
      draw: `"top"` or independent coins, `"bernoulli"`.
      adjust: `"none"`; `"radius"`: one factor for all that restores the spectral radius; `"strengthen"` by 1/p; `"surgeon"`
        (`surgeon_once`); `"fit"` (`fit_rows`); `"regrow"` (`regrow`, which also changes which synapses stay).
      cap: with `"strengthen"`, the quantile of 1/p above which it is cut; None for no cap.
      rounds: rounds of `"regrow"`.

    Raises:
      InputError: an unknown score, draw or adjustment; cap outside (0, 1].
    """

    score: Literal["uniform", "weight", "noise", "activity", "surgeon", "greedy surgeon"] = "activity"
    draw: Literal["top", "bernoulli"] = "top"
    adjust: Literal["none", "radius", "strengthen", "surgeon", "fit", "regrow"] = "fit"
    cap: float | None = None
    rounds: int = 10

    def __post_init__(self):
        check_choice("score", self.score, SCORES)
        check_choice("draw", self.draw, ("top", "bernoulli"))
        check_choice("adjust", self.adjust, ADJUSTMENTS)
        if self.cap is not None:
            check_fraction("cap", self.cap)

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
    "surgeon, rows": RecurrentRule("greedy surgeon", adjust="fit"),
}
"""Every rule and control by name; the last one is not local, a yardstick."""


class PrunedWeights(NamedTuple):
    """Recurrent weights after pruning, and the mask of those that stay (diagonal not counted)."""

    matrix: Matrix
    mask: Mask


def prune_weights(
    key: PRNGKey,
    W: Matrix,
    rule: RecurrentRule,
    *,
    keep: Real,
    activity: Activity | None = None,
    removals: Removals | None = None,
) -> PrunedWeights:
    r"""Prune one square block of recurrent weights by a rule.

    Entries on the diagonal are not pruned and not counted; a fit refits them, and `"radius"` scales them with the others.

    Args:
      key: random key.
      W: weights [post, pre].
      rule: one of `RECURRENT_RULES`, or your own.
      keep: fraction of the nonzero off-diagonal entries to keep, in (0, 1].
      activity: moments of the rates that W carries, where the rule needs them.
      removals: for `"greedy surgeon"`, `surgeon_order` of W without its diagonal, computed before for many fractions (and needed
        inside `jit`).

    Raises:
      InputError: W not square, empty or not finite; keep outside (0, 1] or too small for a synapse; a rule that needs activity
        given none, or of another size, or not finite.

    Example:
      >>> W = jnp.array([[0.0, 3.0, 1.0], [2.0, 0.0, 0.5], [1.0, 1.5, 0.0]])
      >>> prune_weights(jax.random.key(0), W, RECURRENT_RULES["magnitude"], keep=0.5).matrix
      Array([[0. , 3. , 0. ],
             [2. , 0. , 0. ],
             [0. , 1.5, 0. ]], dtype=float64)
    """
    check_square("W", W)
    check_fraction("keep", keep)
    H, C = _moments(W, rule, activity)
    own = jnp.diag(jnp.diagonal(W))
    count = synapse_count(W, keep, symmetric=False)
    if is_concrete(count) and int(count) == 0:
        raise InputError(f"keep is {float(keep):g}, which keeps no synapse at all: raise it.")
    if rule.score == "greedy surgeon":
        if removals is None:
            removals = surgeon_order(W - own, H, keep=max(int(count) // (2 * len(W)), 1))
        mask, probabilities = surgeon_mask(W - own, removals, count), jnp.ones_like(W)
    else:
        importance = {
            "uniform": lambda: uniform_importance(W),
            "weight": lambda: weight_importance(W),
            "noise": lambda: noise_importance(W, C),
            "activity": lambda: activity_importance(W, H),
            "surgeon": lambda: surgeon_importance(W, H),
        }[rule.score]()
        probabilities = keep_probabilities(importance, count=count)
        mask = sample_mask(key, probabilities, symmetric=False, method=rule.draw)
    return _adjust(W, own, mask, probabilities, H, rule)


def _adjust(W, own, mask, probabilities, H, rule):
    everything = mask + (own != 0)
    if rule.adjust == "strengthen":
        cap = None
        if rule.cap is not None:
            cap = jnp.nanquantile(jnp.where(probabilities > 0, 1 / probabilities, jnp.nan), rule.cap)
        return PrunedWeights(strengthen(W, mask, probabilities, cap=cap), mask)
    if rule.adjust == "radius":
        thinned = W * everything
        left = _radius(thinned)
        # What is left of a network without cycles has no radius to restore.
        alive = left > len(W) * jnp.finfo(W.dtype).eps * jnp.linalg.norm(W)
        return PrunedWeights(jnp.where(alive, _radius(W) / jnp.where(alive, left, 1), 1) * thinned, mask)
    if rule.adjust == "surgeon":
        return PrunedWeights(surgeon_once(W, everything, H), mask)
    if rule.adjust == "fit":
        return PrunedWeights(fit_rows(W, everything, H), mask)
    if rule.adjust == "regrow":
        # The diagonal takes no part in the turnover, but is refitted with what stays.
        _, mask = regrow(W - own, mask, H, rounds=rule.rounds)
        return PrunedWeights(fit_rows(W, mask + (own != 0), H), mask)
    return PrunedWeights(W * everything, mask)


def _radius(W):
    return jnp.max(jnp.abs(eigenvalues(W, symmetric=False)))


def _moments(W, rule, activity):
    if not rule.needs_activity:
        return jnp.zeros_like(W), jnp.zeros_like(W)
    if activity is None:
        raise InputError(
            f"the rule scores by {rule.score!r} and adjusts by {rule.adjust!r}, which needs activity: pass moments, for example "
            "InputNoise().activity(key, model) or task_activity(model, inputs)."
        )
    H = activity.second_moment
    check_square("the second moment of the activity", H)
    if H.shape != W.shape:
        raise InputError(f"activity is of {len(H)} neurons, but the weights are of {len(W)}.")
    return H.astype(W.dtype), activity.covariance.astype(W.dtype)
