"""From probabilities to a mask: independent coins, a negatively dependent tournament, or the largest."""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_array, check_choice, check_key
from jaxprune._types import PRNGKey
from jaxprune.linalg import resolve_symmetry
from jaxprune.pruning._groups import by_groups, check_pairs, pattern
from jaxprune.pruning._select import kth_largest

METHODS = ("bernoulli", "systematic", "top")


def sample_mask(
    key: PRNGKey,
    probabilities: Any,
    *,
    symmetric: bool | None = None,
    method: Literal["bernoulli", "systematic", "top"] = "bernoulli",
    groups: str = "global",
) -> Any:
    """Draw a mask of ones and zeros, in which each synapse stays with its probability.

    - `"bernoulli"`: independent coins, `E[mᵢⱼ] = pᵢⱼ`.
    - `"systematic"`: exact count, `Σ m = Σ p` (rounded up or down at random if that is not an integer), still with
      `E[mᵢⱼ] = pᵢⱼ`. Synapses play a knock-out tournament, neighbours in row order first: of two with probabilities a
      and b, one is settled and the other goes on with what is left of a + b. The law is strongly Rayleigh, hence negatively
      dependent: that one synapse stays makes no other likelier to stay, and each neuron keeps close to its share. Unlike
      a fixed step through the cumulative sum it has no preferred lattice.
    - `"top"`: the `round(Σ p)` largest, ties broken at random; with water-filled probabilities these are
      the synapses of largest importance. Not random otherwise, and not unbiased.

    Args:
      key: random key; the same key gives the same mask, and for `"bernoulli"` masks of growing p are nested.
      probabilities: p in [0, 1], an array of any shape or a pytree of them, as from `keep_probabilities`.
      symmetric: decide once per pair (from the upper triangle) and mirror; by default when the probabilities are one symmetric
        matrix.
      method: as above.
      groups: within which the number is exact, as in `keep_probabilities`.

    Returns:
      Mask of ones and zeros, of the probabilities' structure and shapes.

    Raises:
      InputError: probabilities empty or not finite; a square matrix that is traced, without `symmetric`; an unknown method or
        budget; `symmetric` with groups within a matrix; a key that is no typed key.

    Example:
      >>> p = jnp.array([[0.0, 0.5, 0.5], [0.5, 0.0, 1.0], [0.5, 1.0, 0.0]])
      >>> mask = sample_mask(jax.random.key(0), p, symmetric=True, method="systematic")
      >>> int(mask.sum()), bool((mask == mask.T).all())
      (4, True)

    Reference: Moore2020 (independent coins); Deville1998, Srinivasan2001 (pivotal tournament); Branden2012 (it is strongly
    Rayleigh).
    """
    check_key("key", key)
    check_choice("method", method, METHODS)
    pattern(groups)
    leaves = jax.tree.leaves(probabilities)
    for leaf in leaves:
        check_array("probabilities", leaf)
    square = len(leaves) == 1 and leaves[0].ndim == 2 and leaves[0].shape[0] == leaves[0].shape[1]
    if symmetric and not square:
        raise InputError(
            "symmetric is True, but probabilities is not one square matrix: only pairs of one network mirror."
        )
    symmetric = bool(square and resolve_symmetry(symmetric, probabilities=leaves[0]))
    if symmetric:
        check_pairs(groups)
    if method == "bernoulli" and len(leaves) > 1:
        groups = "layer"  # coins are independent: nothing is gained by joining the layers
    elif method == "bernoulli":
        groups = "global"
    return by_groups(partial(_sample, symmetric=symmetric, method=method), groups, probabilities, key=key)


@partial(jax.jit, static_argnames=("symmetric", "method"))
def _sample(key, probabilities, *, symmetric, method):
    p = jnp.triu(probabilities, 1) if symmetric else probabilities
    draw = {"bernoulli": _bernoulli, "systematic": _tournament, "top": _top}[method]
    mask = draw(key, p).astype(p.dtype)
    return mask + mask.T if symmetric else mask


def _bernoulli(key, p):
    return jax.random.uniform(key, p.shape, p.dtype) < p


def _tournament(key, p):
    size = p.size
    levels = max(size - 1, 0).bit_length()
    share = jnp.zeros(2**levels, p.dtype).at[:size].set(p.reshape(-1))
    player = jnp.arange(2**levels)
    mask = jnp.zeros(2**levels, bool)
    eps = float(jnp.finfo(p.dtype).eps)
    rounding = min(size * eps, eps**0.5)
    for level in range(levels):
        a, b = share[0::2], share[1::2]
        total = a + b
        # A total of one up to rounding (the last match of a whole number of synapses) counts as overfull on every platform.
        overfull = total >= 1 - rounding
        # Overfull: one of the two is settled as kept, else as removed; the chances keep both expectations.
        chance_a = jnp.where(overfull, _ratio(1 - b, 2 - total), _ratio(b, total))
        settle_a = jax.random.uniform(jax.random.fold_in(key, level), a.shape, p.dtype) < chance_a
        settled = jnp.where(settle_a, player[0::2], player[1::2])
        mask = mask.at[settled].set(overfull, unique_indices=True)
        player = jnp.where(settle_a, player[1::2], player[0::2])
        share = jnp.where(overfull, jnp.maximum(total - 1, 0), total)
    last = jax.random.uniform(jax.random.fold_in(key, levels), (), p.dtype) < share[0]
    return mask.at[player[0]].set(last)[:size].reshape(p.shape)


def _ratio(part, whole):
    # Of two players without chance either may be settled: both stay as they are.
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 1)


def _top(key, p):
    # Halves go up, on whichever side of them the sum is rounded.
    total = jnp.sum(p) * (1 + 4 * jnp.finfo(p.dtype).eps)
    count = jnp.minimum(jnp.floor(total + 0.5).astype(jnp.int32), jnp.sum(p > 0))
    threshold = kth_largest(p, count)
    above = p > threshold
    tied = (p == threshold) & (p > 0)
    ticket = jnp.where(tied, jax.random.uniform(key, p.shape, p.dtype, minval=jnp.finfo(p.dtype).tiny), 0)
    missing = count - jnp.sum(above)
    last = kth_largest(ticket, missing)
    drawn = ticket > last
    # Tickets have few random bits in single precision: of those that share the last one, the first in order stay.
    shared = tied & (ticket == last)
    place = jnp.cumsum(shared.reshape(-1)).reshape(p.shape)
    return above | drawn | (shared & (place <= missing - jnp.sum(drawn)))
