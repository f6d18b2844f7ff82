"""Optimal brain surgeon on the rows of a weight matrix: the non-local yardstick."""

import itertools
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from jaxprune._checks import InputError, is_concrete
from jaxprune._types import Count, Mask, Matrix, Real
from jaxprune.linalg._lapack import inv
from jaxprune.pruning._rows import check_same

STAGES = 8
"""Times that removed synapses are taken out of the inverses, so that later removals work on smaller ones."""


def surgeon_importance(W: Matrix, H: Matrix, *, damping: Real = 1e-3) -> Matrix:
    r"""What removing one synapse, the others refitted, costs its neuron: $r_{ij} = w_{ij}^2 / (2 [\bar H^{-1}]_{jj})$.

    $\bar H = H + \text{damping} \cdot I$. One inverse for all; no synapse can know it.

    Raises:
      InputError: W or H not square, empty or not finite, or of different shapes.

    Example:
      >>> surgeon_importance(jnp.array([[0.0, 2.0], [1.0, 0.0]]), jnp.eye(2), damping=0.0)
      Array([[0. , 2. ],
             [0.5, 0. ]], dtype=float64)

    Reference: Hassibi1992.
    """
    check_same(W, H=H)
    inverse = inv(H + damping * jnp.eye(len(H), dtype=H.dtype))
    return W**2 / (2 * jnp.diagonal(inverse)[None, :]) * (1 - jnp.eye(len(W), dtype=W.dtype))


def surgeon_once(W: Matrix, mask: Mask, H: Matrix, *, damping: Real = 1e-3) -> Matrix:
    r"""Survivors move by the sum of what each single removal asks for, as if it were the only one.

    $$s_i = m_i \circ \Bigl(w_i - \sum_{q \notin S_i} \frac{w_{iq}}{[\bar H^{-1}]_{qq}} [\bar H^{-1}]_{q \cdot}\Bigr)$$

    Cheap, and right for one removal; with many the corrections do not know of each other. `fit_rows` does it jointly.

    Raises:
      InputError: a matrix not square, empty or not finite, or of different shapes.

    Reference: Hassibi1992 (the single removal).
    """
    check_same(W, mask=mask, H=H)
    inverse = inv(H + damping * jnp.eye(len(H), dtype=H.dtype))
    return mask * (W - ((1 - mask) * W / jnp.diagonal(inverse)[None, :]) @ inverse)


class Removals(NamedTuple):
    """The order in which the optimal brain surgeon empties every row.

    Attributes:
      order: position at which each synapse goes, from 0; those that are never removed, and zeros of W, stay at N.
      cost: what its removal adds to $\\tfrac12 (w - s) H (w - s)^T$ of its row, all others refitted.
    """

    order: Int[Array, "post pre"]
    cost: Float[Array, "post pre"]


def surgeon_order(W: Matrix, H: Matrix, *, keep: int, ridge: Real = 1e-6) -> Removals:
    r"""Exact greedy removal in every row: take the synapse whose loss costs least, refit all others, repeat.

    $$q = \arg\min_q \frac{s_q^2}{2 [\bar H_S^{-1}]_{qq}}, \qquad
      s \leftarrow s - \frac{s_q}{[\bar H_S^{-1}]_{qq}} [\bar H_S^{-1}]_{q \cdot}, \qquad
      \bar H_S^{-1} \leftarrow \bar H_S^{-1} - \frac{[\bar H_S^{-1}]_{\cdot q} [\bar H_S^{-1}]_{q \cdot}}{[\bar H_S^{-1}]_{qq}}$$

    with $\bar H = H + \rho \tfrac{\operatorname{tr} H}{N} I$. Not local: every decision uses an inverse over all of a neuron's
    inputs. $O(N^3)$ for each row; use double precision. `surgeon_mask` turns the order into masks for any budget, and `fit_rows`
    gives the weights.

    Args:
      W: weights.
      H: second moment of the presynaptic rates.
      keep: number of synapses at which a row is left alone; static.
      ridge: $\rho$.

    Raises:
      InputError: W or H not square, empty or not finite, or of different shapes; keep not between 1 and the number of neurons.

    Reference: Hassibi1992; Frantar2022 (rows by themselves, and one budget for all from their costs).
    """
    check_same(W, H=H)
    if not 1 <= keep <= len(W):
        raise InputError(f"keep is {keep}, but must be between 1 and the {len(W)} inputs of a row.")
    return _order(W, H + ridge * jnp.trace(H) / len(H) * jnp.eye(len(H), dtype=H.dtype), keep)


@partial(jax.jit, static_argnums=2)
def _order(W, H, keep):
    n = len(W)
    inverse = inv(H)
    sizes = [n - (n - keep) * stage // STAGES for stage in range(STAGES + 1)]

    def row(w):
        order = jnp.full(n, n)
        cost = jnp.zeros(n, W.dtype)
        place, s, G = jnp.arange(n), w, inverse
        done = 0
        for size, rest in itertools.pairwise(sizes):

            def remove(step, state):
                s, G, gone, order, cost = state
                diagonal = jnp.diagonal(G)
                price = jnp.where(gone, jnp.inf, s**2 / (2 * jnp.where(gone, 1, diagonal)))
                q = jnp.argmin(price)
                column = G[:, q] / diagonal[q]
                s = s - s[q] * column
                G = G - column[:, None] * G[q][None, :]
                gone = gone.at[q].set(True)
                s = jnp.where(gone, 0, s)
                order = order.at[place[q]].set(done + step)  # noqa: B023
                return s, G, gone, order, cost.at[place[q]].set(price[q])  # noqa: B023

            state = (s, G, jnp.zeros(size, bool), order, cost)
            s, G, gone, order, cost = lax.fori_loop(0, size - rest, remove, state)
            left = jnp.nonzero(~gone, size=rest)[0]
            place, s, G = place[left], s[left], G[left][:, left]
            done += size - rest
        return order, cost

    order, cost = lax.map(row, W)
    return Removals(jnp.where(W != 0, order, n), cost)


def surgeon_mask(W: Matrix, removals: Removals, count: Count | int) -> Mask:
    """Mask of `count` synapses: rows give up synapses in their own order, the cheapest next removal of all rows first.

    Args:
      W: weights.
      removals: from `surgeon_order`.
      count: number of synapses to be left; at least as many as `removals` leaves unordered.

    Raises:
      InputError: count below that.
    """
    n = len(W)
    if is_concrete(removals.order, W, count):
        never = int(jnp.sum((removals.order >= n) & (W != 0)))
        if int(count) < never:
            raise InputError(
                f"count is {int(count)}, but the order given leaves {never} synapses: order with a smaller keep."
            )
    place = removals.order
    rows = jnp.arange(n)[:, None]
    in_order = jnp.zeros((n, n + 1), W.dtype).at[rows, place].set(removals.cost)[:, :n]
    # A removal waits for those before it: costs that fall are raised to the largest so far.
    waiting = lax.cummax(in_order, axis=1)
    price = jnp.where(removals.order < n, waiting[rows, jnp.minimum(place, n - 1)], jnp.inf)
    # Equal prices keep their row's order, as the sort is stable in (price, order).
    ranked = jnp.lexsort((removals.order.reshape(-1), price.reshape(-1)))
    removed = jnp.sum(W != 0) - count
    gone = jnp.zeros(n * n, bool).at[ranked].set(jnp.arange(n * n) < removed)
    return ((W != 0) & ~gone.reshape(n, n)).astype(W.dtype)
