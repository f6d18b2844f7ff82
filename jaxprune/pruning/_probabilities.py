"""From importance to the probability of staying, by exact water-filling."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxprune._checks import InputError, check_array, check_fraction, check_positive, is_concrete
from jaxprune._types import Real
from jaxprune.pruning._groups import by_groups, pattern


def keep_probabilities(
    importance: Any, *, keep: Real | None = None, count: Real | None = None, where: Any = None, groups: str = "global"
) -> Any:
    """Probabilities in proportion to importance, capped at one, that add up to the wanted number of synapses.

        pᵢⱼ = min(1, K rᵢⱼ),   Σᵢⱼ pᵢⱼ = count

    The scale K is exact: the sum is concave and piecewise linear in K, so Newton's method from below reaches it in as many
    steps as there are rounds of newly capped synapses, and stops when a round caps none. Synapses of importance zero are the
    least important ones: once all others stay for certain, they share what is left of the budget equally.

    Args:
      importance: r, not negative; an array of any shape, or a pytree of them, one for each layer.
      keep: wanted fraction of the synapses, in (0, 1].
      count: instead of `keep`, the wanted number of entries (a mirrored pair counts twice). More than there are synapses means
        all of them.
      where: ones (or True) where there is a synapse, of the same structure; by default where importance is positive.
      groups: which synapses share a budget: "global" (all), "layer" (every array), "row" (every neuron: the first axis), or a
        pattern such as "2:4" (two of every four neighbouring inputs of a neuron, with neither `keep` nor `count`).

    Returns:
      Probabilities, of importance's structure and shapes, symmetric when `importance` is; NaN for importance that is not finite
      (inside `jit`).

    Raises:
      InputError: both or neither of `keep` and `count`, keep outside (0, 1], count not positive or with another budget than the
        global one; importance of another shape than `where`, negative, not finite, or without any synapse; an unknown budget.

    Example:
      >>> r = jnp.array([[0.0, 8.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
      >>> keep_probabilities(r, count=3)
      Array([[0. , 1. , 0.5],
             [0.5, 0. , 0.5],
             [0.5, 0. , 0. ]], dtype=float64)

      A silent neuron's synapses have no importance, but they exist:

      >>> keep_probabilities(jnp.array([[2.0, 0.0, 0.0, 1.0]]), count=3, where=jnp.ones((1, 4)))
      Array([[1. , 0.5, 0.5, 1. ]], dtype=float64)

      >>> keep_probabilities(jnp.array([[4.0, 3.0, 2.0, 1.0]]), groups="2:4")
      Array([[0.8, 0.6, 0.4, 0.2]], dtype=float64)

    Reference: Moore2020 scales p to a wanted number and clips afterwards; refilling what the clip took is ours.
    """
    check_importance(importance, where)
    numbers = pattern(groups)
    if numbers is not None:
        if keep is not None or count is not None:
            raise InputError(f"groups is {groups!r}, which says how many stay: leave out keep and count.")
    elif (keep is None) == (count is None):
        raise InputError(f"keep is {keep} and count {count}, but exactly one of them must be given.")
    elif count is not None:
        if groups != "global":
            raise InputError(f"count is one number, but groups is {groups!r}: pass keep, the fraction of every group.")
        check_positive("count", count)
    else:
        check_fraction("keep", keep)
    where = jax.tree.map(lambda r: r > 0, importance) if where is None else where
    fill = partial(_fill, keep=_float(keep), count=_float(count if numbers is None else numbers[0]))
    return by_groups(fill, groups, importance, jax.tree.map(lambda there: there > 0, where))


def _float(number):
    # Of one type, so that a whole number does not compile another program.
    return None if number is None else jnp.asarray(number, float)


def check_importance(importance: Any, where: Any = None) -> None:
    """Refuse importance that is no array of floats, negative, not finite, of another shape than the synapses, or all zero."""
    leaves = jax.tree.leaves(importance)
    if not leaves:
        raise InputError("importance holds no array: is there a layer at all?")
    for leaf in leaves:
        check_array("importance", leaf)
        if is_concrete(leaf) and np.min(np.asarray(leaf)) < 0:
            raise InputError(
                f"importance has negative entries, the lowest {np.min(np.asarray(leaf)):g}: what is least important is zero."
            )
    support = leaves if where is None else jax.tree.leaves(where)
    if len(support) == len(leaves):
        for leaf, there in zip(leaves, support, strict=True):
            if jnp.shape(leaf) != jnp.shape(there):
                raise InputError(f"importance has shape {leaf.shape}, but there are synapses of shape {there.shape}.")
    if is_concrete(*support) and not any(bool(np.any(np.asarray(there) > 0)) for there in support):
        raise InputError(
            "importance is zero everywhere, and where does not say that there are synapses: is there one at all?"
            if where is None
            else "where is zero everywhere: there is no synapse."
        )


@jax.jit
def _fill(importance, where, *, keep, count):
    # Newton from below needs a start below the solution: the scale at which nothing is capped.
    # A member of an ensemble without any synapse keeps probabilities of zero.
    importance = jnp.where(where, importance, 0)
    largest = jnp.max(importance)
    # To the order of one, by a power of two: that rounds nothing, however the program is compiled. In two steps, as the power
    # may be too large for one.
    _, exponent = jnp.frexp(jnp.where(jnp.isfinite(largest), largest, 1))
    half, one = -exponent // 2, jnp.ones((), importance.dtype)
    importance = importance * jnp.ldexp(one, half) * jnp.ldexp(one, -exponent - half)
    wanted = jnp.sum(where) * keep if count is None else count
    target = jnp.minimum(jnp.asarray(wanted, importance.dtype), jnp.sum(where))
    scored = importance > 0
    first = jnp.minimum(target, jnp.sum(scored))

    def refill(state):
        scale, capped, _ = state
        full = scale * importance >= 1
        rest = jnp.sum(jnp.where(full, 0, importance))
        refilled = jnp.where(rest > 0, (first - jnp.sum(full)) / rest, jnp.inf)
        return jnp.maximum(refilled, scale), jnp.sum(full), capped

    start = (first / jnp.where(largest == 0, 1, jnp.sum(importance)), jnp.array(0), jnp.array(-1))
    scale, _, _ = lax.while_loop(lambda state: state[1] != state[2], refill, start)
    likely = jnp.minimum(1, jnp.where(scored, scale, 0) * importance)
    unscored = where & ~scored
    filled = jnp.where(unscored, (target - first) / jnp.maximum(jnp.sum(unscored), 1), likely)
    return filled + 0 * largest  # NaN, all of them, where any importance is not finite
