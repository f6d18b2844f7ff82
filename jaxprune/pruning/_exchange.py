"""Swap synapses at a constant number: the least useful go, and the most promising of the removed ones come back."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_positive, is_concrete
from jaxprune.linalg import resolve_symmetry
from jaxprune.pruning._groups import by_groups, check_pairs
from jaxprune.pruning._select import largest


def exchange(
    mask: Any,
    loss: Any,
    gain: Any,
    count: Any,
    *,
    where: Any = None,
    groups: str = "global",
    symmetric: bool = False,
) -> Any:
    r"""Swap synapses at a constant number: remove those of least loss, and grow as many of greatest gain elsewhere.

    Serves regrowth and the sparse training rules that drop and grow. Of equal scores the first in order are taken, on every
    platform.

    Args:
      mask: ones where a synapse is; an array of any shape, or a pytree of them.
      loss: what removing each synapse would cost; looked at where the mask is one.
      gain: what each absent synapse would bring; looked at where the mask is zero.
      count: number of synapses to swap in every group; or one for each: a pytree of numbers for layers, an array (post, 1) for
        rows. Less where there are not so many to remove or to grow.
      where: where synapses can be; everywhere by default.
      groups: within which swaps are made, as in `keep_probabilities`.
      symmetric: swap pairs of a symmetric mask, each decided above the diagonal; `count` still counts entries.

    Returns:
      The new mask, as many ones as before in every group.

    Raises:
      InputError: arrays of different shapes; count negative; `symmetric` with groups within a matrix, or for a mask that is not
        symmetric.

    Example:
      >>> exchange(jnp.array([1.0, 1.0, 0.0, 0.0]), jnp.array([3.0, 1.0, 0.0, 0.0]), jnp.array([0.0, 0.0, 1.0, 2.0]), 1)
      Array([1., 0., 0., 1.], dtype=float64)

    Reference: Mocanu2018, Evci2020 (drop and grow at a constant number).
    """
    for number in jax.tree.leaves(count):
        check_positive("count", np.min(number) if is_concrete(number) else number, zero=True)
    if symmetric:
        check_pairs(groups)
        leaves = jax.tree.leaves(mask)
        if len(leaves) != 1:
            raise InputError("symmetric is True, but mask is not one square matrix: only pairs of one network mirror.")
        resolve_symmetry(True, mask=leaves[0])
        count = jax.tree.map(lambda number: number / 2, count)
    where = jax.tree.map(jnp.ones_like, mask) if where is None else where
    if jax.tree.structure(count) == jax.tree.structure(mask):
        counts = jax.tree.map(_spread, count, mask)
    elif not jax.tree_util.all_leaves([count]):
        raise InputError("count has another structure than mask: pass one number, or one for each of mask's arrays.")
    else:
        counts = jax.tree.map(lambda leaf: _spread(count, leaf), mask)
    return by_groups(partial(_exchange, symmetric=symmetric), groups, mask, loss, gain, where, counts)


def _spread(count, leaf):
    # Of one type, so that a whole number does not compile another program.
    return jnp.broadcast_to(jnp.asarray(count, float), leaf.shape)


@partial(jax.jit, static_argnames="symmetric")
def _exchange(mask, loss, gain, where, counts, *, symmetric):
    present, absent = mask > 0, (mask == 0) & (where > 0)
    if symmetric:
        present, absent = jnp.triu(present, 1), jnp.triu(absent, 1)
    room = jnp.minimum(jnp.sum(present), jnp.sum(absent))
    count = jnp.minimum(jnp.floor(counts.reshape(-1)[0]), room)
    goes = _best(present, -loss, count)
    comes = _best(absent, gain, count)
    change = comes.astype(mask.dtype) - goes.astype(mask.dtype)
    return mask + (change + change.T if symmetric else change)


def _best(candidates, score, count):
    # A score of minus infinity is still better than that of an entry that is no candidate.
    return largest(jnp.where(candidates, jnp.maximum(score, jnp.finfo(score.dtype).min), -jnp.inf), count)
