"""Least squares over the surviving inputs of every neuron, by one Cholesky factorisation for each row."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jax import lax

from jaxprune._checks import is_concrete
from jaxprune._types import Mask, Matrix, Moment, Real

WIDTH = 32
"""Systems are solved at a size rounded up to a multiple of this, so that few sizes are compiled."""

GROUP = 64
"""Rows that are solved at the size of the fullest of them; rows of like size come together."""


TRIES = 6
"""Times that a row is held ten times as firmly, if rounding makes its system indefinite."""


def solve_rows(W: Matrix, support: Mask, H: Moment, hold: Real) -> Matrix:
    """Solve `S (H + hold I) = W (H + hold I)` on the support, row by row.

    In single precision, rounding can make the system of a row indefinite that has fewer patterns of activity than inputs. Such a
    row is solved with a larger hold, if there is any.
    """
    n = W.shape[1]
    target = W @ H + hold * W
    # One more presynaptic neuron, which does nothing, for the empty places of short rows.
    padded = jnp.zeros((n + 1, n + 1), H.dtype).at[:n, :n].set(H)
    if not is_concrete(support):
        return _solve(support, W, target, padded, hold, n)
    counts = (np.asarray(support) > 0).sum(axis=1)
    groups = np.array_split(np.argsort(counts, kind="stable"), -(-len(W) // GROUP))
    widths = [min(-(-max(counts[group].max(), 1) // WIDTH) * WIDTH, n) for group in groups]
    solved = [
        _solve(support[group], W[group], target[group], padded, hold, int(width))
        for group, width in zip(groups, widths, strict=True)
    ]
    return jnp.zeros_like(W).at[np.concatenate(groups)].set(jnp.concatenate(solved))


@partial(jax.jit, static_argnums=5)
def _solve(support, W, target, padded, hold, width):
    n = len(padded) - 1

    def row(there, wanted, hold):
        place = jnp.nonzero(there, size=width, fill_value=n)[0]
        diagonal = jnp.where(place < n, hold, 1.0)
        factor = jax.scipy.linalg.cho_factor(padded[place[:, None], place[None, :]] + jnp.diag(diagonal))
        solution = jax.scipy.linalg.cho_solve(factor, jnp.append(wanted, 0)[place])
        return jnp.zeros(n, target.dtype).at[place].set(solution, mode="drop")

    def held_more(arguments):
        there, own, wanted, found = arguments

        def again(state, _):
            solution, held = state
            fine = jnp.all(jnp.isfinite(solution))
            held = jnp.where(fine, held, 10 * held)
            solution = lax.cond(fine, lambda: solution, lambda: row(there, wanted + (held - hold) * own, held))
            return (solution, held), None

        # Of known length, so that it has a derivative.
        return lax.scan(again, (found, jnp.asarray(hold, found.dtype)), length=TRIES)[0][0]

    # Row after row: jaxlib's batched factorisations must not meet on a CPU (see linalg/lapack.py).
    found = lax.map(lambda of: row(of[0], of[1], hold), (support, target))
    fine = jnp.all(jnp.isfinite(found)) | ~(hold > 0)
    return lax.cond(fine, lambda: found, lambda: lax.map(held_more, (support, W, target, found)))
