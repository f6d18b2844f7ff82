"""From importance to the probability of staying, by exact water-filling."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxprune._checks import InputError, check_fraction, check_positive, check_square, is_concrete
from jaxprune._types import Matrix, Real


def keep_probabilities(importance: Matrix, *, keep: Real | None = None, count: Real | None = None) -> Matrix:
    r"""Probabilities in proportion to importance, capped at one, that add up to the wanted number of synapses.

    $$p_{ij} = \min(1, K r_{ij}), \qquad \sum_{ij} p_{ij} = \text{count}$$

    The scale K is exact: the sum is concave and piecewise linear in K, so Newton's method from below reaches it in as many
    steps as there are rounds of newly capped synapses, and stops when a round caps none.

    Args:
      importance: r, not negative; zero means "no synapse" and stays at probability zero.
      keep: wanted fraction of the positive entries of `importance`, in (0, 1].
      count: instead of `keep`, the wanted number of entries (a mirrored pair counts twice). More than there are positive
        entries means all of them.

    Returns:
      Probabilities, full N x N, symmetric when `importance` is.

    Raises:
      InputError: both or neither of `keep` and `count`, keep outside (0, 1], count not positive, importance negative, not
        finite or zero everywhere.

    Example:
      >>> r = jnp.array([[0.0, 8.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
      >>> keep_probabilities(r, count=3)
      Array([[0. , 1. , 0.5],
             [0.5, 0. , 0.5],
             [0.5, 0. , 0. ]], dtype=float64)

    Reference: Moore2020 scales p to a wanted number and clips afterwards; refilling what the clip took is ours.
    """
    check_square("importance", importance)
    if is_concrete(importance):
        lowest, highest = np.min(np.asarray(importance)), np.max(np.asarray(importance))
        if lowest < 0 or highest == 0:
            raise InputError(
                f"importance ranges from {lowest:g} to {highest:g}, but must not be negative and must be positive somewhere: "
                "is there a synapse at all?"
            )
    if keep is not None and count is None:
        check_fraction("keep", keep)
        count = keep * jnp.sum(importance > 0)
    elif count is not None and keep is None:
        check_positive("count", count)
    else:
        raise InputError(f"keep is {keep} and count {count}, but exactly one of them must be given.")
    return _fill(importance, jnp.asarray(count, importance.dtype))


@jax.jit
def _fill(importance, count):
    # Newton from below needs a start below the solution: the scale at which nothing is capped.
    # A member of an ensemble without any synapse keeps probabilities of zero.
    largest = jnp.max(importance)
    # In two steps, kept apart: compiled code multiplies by the reciprocal, which of a huge number is lost.
    root = jnp.sqrt(jnp.where(largest == 0, 1, largest))
    importance = lax.optimization_barrier(importance / root) / root
    target = jnp.minimum(count, jnp.sum(importance > 0))

    def refill(state):
        scale, capped, _ = state
        full = scale * importance >= 1
        rest = jnp.sum(jnp.where(full, 0, importance))
        refilled = jnp.where(rest > 0, (target - jnp.sum(full)) / rest, jnp.inf)
        return jnp.maximum(refilled, scale), jnp.sum(full), capped

    start = (target / jnp.where(largest == 0, 1, jnp.sum(importance)), jnp.array(0), jnp.array(-1))
    scale, _, _ = lax.while_loop(lambda state: state[1] != state[2], refill, start)
    return jnp.where(importance > 0, jnp.minimum(1, jnp.where(importance > 0, scale, 0) * importance), 0)
