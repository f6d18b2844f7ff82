"""Recurrent weights pruned by a rule: from what the whole network does, then from what the pruned one does."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_fraction, check_square, is_concrete
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
from jaxprune.rnn._rules import RecurrentRule

LOOP_ROUNDS, LOOP_FRACTION = 3, 0.1
"""Turnover within a loop."""


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
    observe: Callable[[Matrix], Activity] | None = None,
    removals: Removals | None = None,
) -> PrunedWeights:
    r"""Prune one square block of recurrent weights by a rule.

    Entries on the diagonal are not pruned and not counted; a fit refits them, and `"radius"` scales them with the others.

    Args:
      key: random key.
      W: weights [post, pre].
      rule: one of `RECURRENT_RULES`, or your own.
      keep: fraction of the nonzero off-diagonal entries to keep, in (0, 1].
      activity: moments of the rates that W carries, where the rule needs them; by default what `observe` sees of W.
      observe: moments of the rates of the network with the weights that it is given, where the rule closes the loop.
      removals: for `"greedy surgeon"`, `surgeon_order` of W without its diagonal, computed before for many fractions (and needed
        inside `jit`).

    Raises:
      InputError: W not square, empty or not finite; keep outside (0, 1] or too small for a synapse; a rule that needs activity
        given none, or of another size, or not finite; a rule that closes the loop given no way to observe.

    Example:
      >>> from jaxprune import rnn
      >>> W = jnp.array([[0.0, 3.0, 1.0], [2.0, 0.0, 0.5], [1.0, 1.5, 0.0]])
      >>> prune_weights(jax.random.key(0), W, rnn.RECURRENT_RULES["magnitude"], keep=0.5).matrix
      Array([[0. , 3. , 0. ],
             [2. , 0. , 0. ],
             [0. , 1.5, 0. ]], dtype=float64)

      A pruned network that is watched while it runs:

      >>> model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=20, outputs=2)
      >>> inputs = jnp.ones((40, 8, 2)) * jax.random.normal(jax.random.key(1), (1, 8, 2))
      >>> import dataclasses
      >>> watch = lambda S: rnn.task_activity(dataclasses.replace(model, W_rec=S), inputs)
      >>> rule = rnn.RECURRENT_RULES["activity+regrow, closed loop"]
      >>> prune_weights(jax.random.key(2), model.recurrent, rule, keep=0.2, observe=watch).mask.sum()
      Array(76., dtype=float64)
    """
    check_loop(rule, observe, "lambda S: task_activity(dataclasses.replace(model, W_rec=S), inputs)")
    if activity is None and observe is not None and rule.needs_activity:
        activity = observe(W)
    pruned = prune_open(key, W, rule, keep=keep, activity=activity, removals=removals)
    if observe is None or activity is None:
        return pruned
    return close_loop([W], [pruned], rule, activity=activity, observe=lambda matrices: observe(matrices[0]))[0]


def check_loop(rule: RecurrentRule, observe: Any, example: str) -> None:
    """Refuse a rule that closes the loop without a way to observe, before anything is computed."""
    if rule.loops and observe is None:
        raise InputError(f"the rule closes the loop {rule.loops} times: pass observe, for example {example}.")


def close_loop(
    blocks: Sequence[Matrix],
    pruned: Sequence[PrunedWeights],
    rule: RecurrentRule,
    *,
    activity: Activity,
    observe: Callable[[list[Matrix]], Activity],
    sign: Float[Array, " neuron"] | None = None,
) -> list[PrunedWeights]:
    """The loops of a rule (see `RecurrentRule`), all blocks at once; under Dale's law every fit obeys it.

    Raises:
      InputError: `observe` sees a network of another size.
    """
    H = activity.second_moment.astype(blocks[0].dtype)
    seen, pruned = jnp.zeros_like(H), list(pruned)
    for loop in range(rule.loops):
        own = observe([part.matrix for part in pruned]).second_moment.astype(H.dtype)
        if own.shape != H.shape:
            raise InputError(f"observe sees {len(own)} neurons, but the activity of the whole network is of {len(H)}.")
        size = jnp.trace(own)
        seen = seen + jnp.where(jnp.isfinite(size), jnp.minimum(1, jnp.trace(H) / size) * own, H)
        mixed = (H + seen / (loop + 1)) / 2
        exchange = {"rounds": LOOP_ROUNDS, "fraction": LOOP_FRACTION} if rule.adjust == "regrow" else {"rounds": 0}
        pruned = [
            obey(W, _turnover(W, part.mask, mixed, **exchange), mixed, sign)
            for W, part in zip(blocks, pruned, strict=True)
        ]
    return pruned


def obey(W: Matrix, pruned: PrunedWeights, H: Matrix | None, sign: Float[Array, " neuron"] | None) -> PrunedWeights:
    """Dale's law after a fit, which may ask a neuron to change what it does to others.

    Wrong signs go, the others are refitted for them, and what is then wrong goes for good.
    """
    if sign is None:
        return pruned
    S = pruned.matrix
    right = (S * sign[None, :] > 0).astype(S.dtype)
    if H is None or bool(jnp.all((right > 0) == (S != 0))):
        return PrunedWeights(S * right, pruned.mask * right)
    refitted = fit_rows(W, right, H.astype(W.dtype))
    lawful = (refitted * sign[None, :] > 0).astype(S.dtype)
    return PrunedWeights(refitted * lawful, pruned.mask * lawful)


def prune_open(key, W, rule, *, keep, activity, removals=None) -> PrunedWeights:
    """`prune_weights` for what the whole network does."""
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
        return _turnover(W, mask, H, rounds=0)
    if rule.adjust == "regrow":
        return _turnover(W, mask, H, rounds=rule.rounds)
    return PrunedWeights(W * everything, mask)


def _turnover(W, mask, H, **options):
    # The diagonal takes no part in the turnover, but is refitted with what stays.
    own = jnp.diag(jnp.diagonal(W))
    if options["rounds"]:
        _, mask = regrow(W - own, mask, H, **options)
    return PrunedWeights(fit_rows(W, mask + (own != 0), H), mask)


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
