"""Importance by the optimal brain surgeon, row by row; not local, for comparison."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError
from jaxprune._types import Matrix, Moment, Real
from jaxprune.linalg import lapack
from jaxprune.pruning._importance import check_moment
from jaxprune.pruning._kinds import without_diagonal

STAGES = 8
"""Times that removed synapses are taken out of the inverses, so that later removals work on smaller ones."""


def surgeon_importance(W: Matrix, H: Moment, *, damping: Real = 1e-3, leak: bool | None = None) -> Matrix:
    """Error of a neuron's drive when one synapse is removed and the others refitted, `rᵢⱼ = wᵢⱼ² / (2 [H̄⁻¹]ⱼⱼ)`.

    With `H̄ = H + damping · I`. One inverse for all; no synapse can know it.

    Args:
      W: weights.
      H: second moment of the presynaptic activity.
      damping: added to H's diagonal, in the units of H.
      leak: as in `weight_importance`.

    Raises:
      InputError: W or H empty or not finite, or of shapes that do not fit.

    Example:
      >>> surgeon_importance(jnp.array([[0.0, 2.0], [1.0, 0.0]]), jnp.eye(2), damping=0.0)
      Array([[0. , 2. ],
             [0.5, 0. ]], dtype=float64)

    Reference: Hassibi1992.
    """
    check_moment(W, H, names=("W", "H"))
    inverse = lapack.inv(H + damping * jnp.eye(len(H), dtype=H.dtype))
    return W**2 / (2 * jnp.diagonal(inverse)[None, :]) * without_diagonal(W, leak)


def removal_importance(W: Matrix, H: Moment, *, least: int = 1, ridge: Real = 1e-6, leak: bool | None = None) -> Matrix:
    """Rank at which the greedy optimal brain surgeon removes each synapse: the later, the more important.

    In every row it takes the synapse whose loss costs least, refits all others, and repeats:

        q = argmin s_q² / (2 P_qq),   s ← s − (s_q / P_qq) P_q·,   P ← P − P_·q P_q· / P_qq

    with P the inverse of `H̄ = H + ρ (tr H / N) I` among the synapses that are left. Rows then give up synapses in their own
    order, the cheapest next removal of all rows first. Keep the largest ranks (method "top"), and `compensate` gives the
    weights. Not local: every decision uses an inverse over all of a neuron's inputs. O(N³) for each row; use double
    precision.

    Args:
      W: weights; zeros are no synapses.
      H: second moment of the presynaptic activity.
      least: number of inputs at which a row is left alone, its own neuron counted; those share the highest rank; static.
      ridge: ρ.
      leak: as in `weight_importance`; leaks, and a neuron's synapse with itself, are never removed, but refitted.

    Returns:
      Ranks from 1, zero where W is, and for leaks.

    Raises:
      InputError: W or H empty or not finite, or of shapes that do not fit; least not between 1 and the number of inputs.

    Example:
      >>> removal_importance(jnp.array([[3.0, 1.0, 2.0]]), jnp.eye(3))
      Array([[3., 1., 2.]], dtype=float64)

    Reference: Hassibi1992; Frantar2022 (rows by themselves, and one budget for all from their costs).
    """
    check_moment(W, H, names=("W", "H"))
    if not 1 <= least <= W.shape[1]:
        raise InputError(f"least is {least}, but must be between 1 and the {W.shape[1]} inputs of a row.")
    # A zero on the diagonal is nothing that could be refitted.
    held = (W != 0) & (without_diagonal(W, leak) == 0)
    order, cost = _order(W, held, H + ridge * jnp.trace(H) / len(H) * jnp.eye(len(H), dtype=H.dtype), least)
    return _rank(W * without_diagonal(W, leak), order, cost)


@partial(jax.jit, static_argnums=3)
def _order(W, held, H, least):
    """Place of every synapse in its row's order of removal, the number of inputs for those never removed, and its cost."""
    n = W.shape[1]
    inverse = lapack.inv(H)
    sizes = [n - (n - least) * stage // STAGES for stage in range(STAGES + 1)]

    def row(arguments):
        w, held = arguments
        order = jnp.full(n, n)
        cost = jnp.zeros(n, W.dtype)
        place, s, stays, G = jnp.arange(n), w, held, inverse
        done = 0
        for size, rest in itertools.pairwise(sizes):

            def remove(step, state, stays=stays, place=place, done=done):
                s, G, gone, order, cost = state
                diagonal = jnp.diagonal(G)
                price = jnp.where(gone | stays, jnp.inf, s**2 / (2 * jnp.where(gone, 1, diagonal)))
                q = jnp.argmin(price)
                column = G[:, q] / diagonal[q]
                s = s - s[q] * column
                G = G - column[:, None] * G[q][None, :]
                gone = gone.at[q].set(True)
                s = jnp.where(gone, 0, s)
                order = order.at[place[q]].set(done + step)
                return s, G, gone, order, cost.at[place[q]].set(price[q])

            state = (s, G, jnp.zeros(size, bool), order, cost)
            s, G, gone, order, cost = lax.fori_loop(0, size - rest, remove, state)
            left = jnp.nonzero(~gone, size=rest)[0]
            place, s, stays, G = place[left], s[left], stays[left], G[left][:, left]
            done += size - rest
        return order, cost

    order, cost = lax.map(row, (W, held))
    return jnp.where(W != 0, order, n), cost


@jax.jit
def _rank(W, order, cost):
    posts, n = W.shape
    rows = jnp.arange(posts)[:, None]
    in_order = jnp.zeros((posts, n + 1), W.dtype).at[rows, order].set(cost)[:, :n]
    # A removal waits for those before it: costs that fall are raised to the largest so far.
    waiting = lax.cummax(in_order, axis=1)
    price = jnp.where(order < n, waiting[rows, jnp.minimum(order, n - 1)], jnp.inf)
    # Equal prices keep their row's order, as the sort is stable in (price, order).
    ranked = jnp.lexsort((order.reshape(-1), price.reshape(-1)))
    rank = jnp.zeros(W.size, W.dtype).at[ranked].set(jnp.arange(1, W.size + 1, dtype=W.dtype)).reshape(W.shape)
    removed = jnp.sum(order < n)
    return jnp.where(W != 0, jnp.minimum(rank, removed + 1), 0)
