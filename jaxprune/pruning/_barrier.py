"""Sparse weighted networks with the smallest certificate that is known how to make: not local, a yardstick for small networks."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

from jaxprune._checks import InputError, check_square, check_whole
from jaxprune._types import Count, Matrix
from jaxprune.linalg import rounding, symmetrise
from jaxprune.linalg.lapack import eigh
from jaxprune.pruning._assumptions import check_assumptions

STEPS_PER_PAIR = 4
"""Most choices for each pair that is to stay; the same pair may be chosen again."""


class Sparsified(NamedTuple):
    """Result of `barrier_sparsify`.

    Attributes:
      matrix: the pruned matrix, its leaks matched to its weights.
      pairs: number of pairs that it has.
      steps: number of choices.
    """

    matrix: Matrix
    pairs: Count
    steps: Int[Array, ""]


def barrier_sparsify(A: Matrix, pairs: int) -> Sparsified:
    r"""Choose pairs of synapses, and new weights, one after the other, so that every direction is kept alike.

    Without its slack, `M = −A − diag(slack)` is the sum of all pairs' `|w| b bᵀ` (see `theory`). With F
    the inverse root of M on its range, of dimension r, the whitened pairs `v = √|w| Fᵀ b` sum to the identity,
    `Σ v vᵀ = Iᵣ`. From nothing, each step adds `t v vᵀ` for the pair with the most room between two barriers,

    $$U(v) = \frac{v^T (u' - S)^{-2} v}{\Phi^u - \Phi^{u'}} + v^T (u' - S)^{-1} v \;\le\; \frac1t \;\le\;
      L(v) = \frac{v^T (S - l')^{-2} v}{\Phi_{l'} - \Phi_l} - v^T (S - l')^{-1} v,$$

    with `Φᵘ = tr (u − S)⁻¹`, `Φₗ = tr (S − l)⁻¹`, and both barriers move on. With
    `d r` pairs asked for, the largest and the smallest eigenvalue of the sum are after `d' r` steps in a ratio of at most
    `(√d + 1)(√d + d') / ((√d − 1)(d' − √d))`, near `((√d + 1) / (√d − 1))²` if no pair is chosen
    twice. The sum is then scaled so that they are as far above 1 as below, and the slack added as it was, which only lowers
    epsilon.

    Args:
      A: symmetric, diagonally dominant dynamics matrix, in 1/time; with or without slack.
      pairs: number of pairs of synapses to keep, more than there are neurons.

    Returns:
      The pruned matrix; it may have fewer pairs where the same ones are chosen again and again.

    Raises:
      InputError: A not square, empty or not finite, or not as `theory.check_assumptions` asks; not more pairs than neurons, or
        more than there are.

    Example:
      >>> from jaxprune import linalg, networks
      >>> A = networks.dominant_leak(jnp.ones((12, 12)) - jnp.eye(12), 0.1)
      >>> found = barrier_sparsify(A, 36)
      >>> int(found.pairs), bool(linalg.certify(A, found.matrix).epsilon < 0.87)  # 2 sqrt(d) / (d + 1) at d = 3
      (36, True)

    Reference: Batson2012.
    """
    check_square("A", A)
    check_assumptions(A)
    check_whole("pairs", pairs, least=1)
    n, there = len(A), int(jnp.sum(jnp.triu(A, 1) != 0))
    if not n < pairs <= there:
        raise InputError(
            f"pairs is {pairs}, but must be above the number of neurons, {n}, and at most that of pairs, {there}."
        )
    W = symmetrise(A - jnp.diag(jnp.diagonal(A)))
    matched = jnp.sum(jnp.abs(W), axis=1)
    slack = -jnp.diagonal(A) - matched
    values, vectors = eigh(jnp.diag(matched) - W)
    seen = np.asarray(values > rounding(values))
    weights, chosen, steps = _choose(W, vectors[:, seen] / jnp.sqrt(values[seen])[None, :], jnp.asarray(pairs))
    S = jnp.sign(W) * weights
    return Sparsified(S - jnp.diag(jnp.sum(jnp.abs(S), axis=1) + slack), chosen, steps)


@jax.jit
def _choose(W, F, pairs):
    """Sizes of the weights, symmetric, zero where nothing was chosen; and how many pairs and steps there were."""
    n, rank = F.shape
    dtype = W.dtype
    sizes, sign = jnp.abs(W), jnp.sign(W)
    d = pairs.astype(dtype) / rank
    root = jnp.sqrt(d)
    # In units in which the lower barrier moves by one.
    upper_step = (root + 1) / (root - 1)
    upper, lower = rank * (d + root) / (root - 1), -rank * root

    def forms(P):
        """`vᵀ P v` for every pair."""
        G = F @ P @ F.T
        own = jnp.diagonal(G)
        return sizes * (own[:, None] + own[None, :] - 2 * sign * G)

    def more(state):
        _, _, _, _, chosen, steps = state
        return (chosen < pairs) & (steps < STEPS_PER_PAIR * pairs)

    def step(state):
        S, added, upper, lower, _, steps = state
        values, vectors = eigh(S)
        next_upper, next_lower = upper + upper_step, lower + 1
        above, below = 1 / (next_upper - values), 1 / (values - next_lower)
        fall = jnp.sum(1 / (upper - values)) - jnp.sum(above)
        rise = jnp.sum(below) - jnp.sum(1 / (values - lower))
        U = forms((vectors * (above**2 / fall + above)[None, :]) @ vectors.T)
        L = forms((vectors * (below**2 / rise - below)[None, :]) @ vectors.T)
        room = jnp.where(jnp.triu(sizes) > 0, L - U, -jnp.inf)
        i, j = jnp.unravel_index(jnp.argmax(room), room.shape)
        t = 2 / (L[i, j] + U[i, j])
        v = jnp.sqrt(sizes[i, j]) * (F[i] - sign[i, j] * F[j])
        added = added.at[i, j].add(t).at[j, i].add(t)
        return (
            S + t * jnp.outer(v, v),
            added,
            next_upper,
            next_lower,
            jnp.sum(jnp.triu(added) > 0, dtype=jnp.int32),
            steps + 1,
        )

    zero = jnp.zeros((), jnp.int32)
    start = (jnp.zeros((rank, rank), dtype), jnp.zeros((n, n), dtype), upper, lower, zero, zero)
    S, added, _, _, chosen, steps = lax.while_loop(more, step, start)
    values = eigh(S)[0]
    return sizes * added * 2 / (values[0] + values[-1]), chosen, steps
