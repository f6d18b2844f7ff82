r"""What a large symmetric network does with a few patterns, as a small matrix: block Lanczos with full reorthogonalisation."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune.linalg.sparse._matrix import SparseMatrix

GROUP = 10
"""Steps that are compiled as one program; the basis grows by as many at once."""


class Krylov(NamedTuple):
    """A network M = −A within the space of a few patterns and what it makes of them.

    Attributes:
      basis: orthonormal vectors, as rows; zero where a block brought nothing new.
      small: M between them; the identity where they are zero.
    """

    basis: Float[Array, "inner neuron"]
    small: Float[Array, "inner inner"]


def krylov(A: SparseMatrix, start: Float[Array, "neuron probe"], steps: int) -> Krylov:
    """An orthonormal basis of `z, M z, …, Mᵐ⁻¹ z` for all columns z together, and M in it.

    Args:
      A: symmetric.
      start: patterns.
      steps: m.

    Reference: Golub2013 (block Lanczos); Parlett1998 (reorthogonalisation).
    """
    first = _orthonormal(start.T, jnp.linalg.norm(start, axis=0))
    parts, block, small = (), first, jnp.zeros((0, 0), A.dtype)
    for begin in range(0, steps, GROUP):
        count = min(GROUP, steps - begin)
        group, block, columns = _advance(A, parts, block, count)
        parts = (*parts, group)
        old = small
        small = jnp.zeros((len(columns), len(columns)), A.dtype).at[: len(old), : len(old)].set(old)
        small = small.at[:, len(old) :].set(columns)
    basis = parts[0] if len(parts) == 1 else jnp.concatenate(parts)
    upper = jnp.triu(small, 1)
    diagonal = jnp.where(jnp.all(basis == 0, axis=1), 1, jnp.diagonal(small))
    return Krylov(basis, upper + upper.T + jnp.diag(diagonal))


@partial(jax.jit, static_argnums=3)
def _advance(A, parts, block, count):
    """The next steps: their vectors, the block after them, and M between all vectors up to now and these."""
    width = len(block)
    done = sum(len(part) for part in parts)
    previous = parts[-1][-width:] if parts else jnp.zeros_like(block)
    group = jnp.zeros((count * width, block.shape[1]), block.dtype)
    columns = jnp.zeros((done + count * width, count * width), block.dtype)

    def step(index, state):
        group, block, previous, columns = state
        group = lax.dynamic_update_slice(group, block, (index * width, 0))
        image = -(A @ block.T).T
        sizes = jnp.linalg.norm(image, axis=1)
        beside = block @ image.T
        before = previous @ image.T
        rest = image - beside.T @ block - before.T @ previous
        # The two blocks before hold all of it but rounding, which is taken out after them, and may grow if it is not.
        found = []
        for part in (*parts, group):
            inside = part @ rest.T
            rest = rest - inside.T @ part
            found.append(inside)
        new = jnp.concatenate(found)
        new = lax.dynamic_update_slice(
            new, lax.dynamic_slice(new, (done + index * width, 0), beside.shape) + beside, (done + index * width, 0)
        )
        place = jnp.maximum(done + (index - 1) * width, 0)
        there = jnp.where(done + index > 0, before, 0)
        new = lax.dynamic_update_slice(new, lax.dynamic_slice(new, (place, 0), before.shape) + there, (place, 0))
        columns = lax.dynamic_update_slice(columns, new, (0, index * width))
        return group, _orthonormal(rest, sizes), block, columns

    group, block, _, columns = lax.fori_loop(0, count, step, (group, block, previous, columns))
    return group, block, columns


@jax.jit
def _orthonormal(rows: Any, sizes: Any) -> Any:
    """Rows made orthonormal, one after the other and twice; zero where what is left of one is rounding of its size before."""
    small = jnp.finfo(rows.dtype).eps ** 0.75

    def take_out(place, rows):
        row = rows[place]
        above = jnp.where(jnp.arange(len(rows)) < place, 1, 0).astype(rows.dtype)
        for _ in range(2):
            row = row - (above * (rows @ row)) @ rows
        length = jnp.linalg.norm(row)
        alive = length > small * sizes[place]
        return rows.at[place].set(jnp.where(alive, row / jnp.where(alive, length, 1), 0))

    return lax.fori_loop(0, len(rows), take_out, rows)
