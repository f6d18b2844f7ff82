"""Random vectors in which the slow modes of a network are large, and the preconditioner that these modes ask for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey
from jaxprune.linalg.sparse._condition import condition
from jaxprune.linalg.sparse._matrix import SparseMatrix, diagonal_of
from jaxprune.linalg.sparse._precondition import Preconditioner
from jaxprune.linalg.sparse._singular import check_singular
from jaxprune.linalg.sparse._solve import SolveCode, solve

PATIENCE = 25
"""Iterations after which the leak alone is held to be too weak a preconditioner, and clusters are looked for."""
CLOSE = 0.1
"""Error of the solves in the energy norm; of columns whose norm is about the root of the number of neurons."""


class Start(NamedTuple):
    """Where iterations on a network begin.

    Attributes:
      vectors: `M⁻¹ D^(1/2) ξ` with normal ξ and M = −A, roughly, as columns.
      preconditioner: of M.
      smallest: a lower bound of the smallest eigenvalue of the preconditioned M.
      guaranteed: whether the bound is proven, by dominance; else it is half of what an iteration sees.
      products: number of products with blocks of vectors.
    """

    vectors: Float[Array, "neuron mode"]
    preconditioner: Preconditioner
    smallest: float
    guaranteed: bool
    products: int


def find_start(key: PRNGKey, A: SparseMatrix, columns: int) -> Start | None:
    """Vectors to begin with, and a preconditioner; None where -A is not positive definite.

    Args:
      key: random key.
      A: symmetric.
      columns: number of vectors.
    """
    leak = -diagonal_of(A)
    if not bool(jnp.all(leak > 0)):
        return None
    look_key, draw_key = jax.random.split(key)
    known = condition(look_key, A, clusters=False)
    if known is None or (not known.guaranteed and _has_no_slack(A)):
        return None
    y = jnp.sqrt(leak)[:, None] * jax.random.normal(draw_key, (len(leak), columns), A.dtype)
    found = solve(A, y, known.preconditioner, smallest=known.smallest, tolerance=CLOSE, max_iterations=PATIENCE)
    if int(found.code) == SolveCode.NOT_DEFINITE:
        return None
    if int(found.code) == SolveCode.NOT_CONVERGED:
        known = condition(look_key, A, clusters=True)
        if known is None:
            return None
    return Start(found.value, *known[:3], int(found.iterations))


def _has_no_slack(A):
    """Whether part of a network is known to be singular, which no iteration tells from slow."""
    try:
        check_singular(A)
    except InputError:
        return True
    return False
