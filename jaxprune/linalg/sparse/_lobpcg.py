r"""Both ends of the spectrum of a large symmetric pencil, by a block iteration that solves no equations."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._types import Count, Flag, Real
from jaxprune.linalg.sparse._matrix import SparseMatrix
from jaxprune.linalg.sparse._precondition import Preconditioner, apply

LOOKED_BACK = 10
"""Iterations after which values that have not moved are held to have arrived."""


class Ends(NamedTuple):
    """Eigenpairs at the ends of a pencil's spectrum.

    Attributes:
      values: the lowest, then the highest, all in rising order; each within the range of the pencil's eigenvalues.
      vectors: as columns, of norm one in the inner product of the second matrix.
      residuals: `−B x + θ A x` of each, as columns.
      iterations: products with blocks of vectors.
      settled: whether it ended because residuals are small or ends no longer move.
    """

    values: Float[Array, " mode"]
    vectors: Float[Array, "neuron mode"]
    residuals: Float[Array, "neuron mode"]
    iterations: Count
    settled: Flag


def pencil_ends(
    B: SparseMatrix,
    A: SparseMatrix | None,
    preconditioner: Preconditioner,
    start: Float[Array, "neuron mode"],
    *,
    low: int,
    wanted: tuple[int, ...],
    tolerance: Real,
    from_one: bool,
    max_iterations: int,
) -> Ends:
    """Extreme eigenpairs of `−B x = θ (−A) x` by locally optimal block preconditioned conjugate gradients.

    Each iteration looks for the best vectors at both ends in what the present ones, their preconditioned residuals and the last
    directions span.

    Args:
      B: symmetric.
      A: symmetric, -A positive definite; None stands for minus the identity.
      preconditioner: of -A, or, if A is None, of -B.
      start: independent vectors, as many as are looked for at both ends together.
      low: how many of them belong to the lower end.
      wanted: places of the pairs, in rising order, that decide when to stop.
      tolerance: of their residuals in the norm of the preconditioner, relative; values whose movement in ten iterations is
        below its square, relative, are held to have arrived as well.
      from_one: whether what is sought is the largest deviation of a value from one, which all residuals are compared with; else
        each is compared with its own value.
      max_iterations: most iterations.

    Reference: Knyazev2001.
    """
    tolerance, most = jnp.asarray(tolerance, B.dtype), jnp.asarray(max_iterations)
    return _iterate(B, A, preconditioner, start, tolerance, most, low, wanted, from_one)


@partial(jax.jit, static_argnums=(6, 7, 8))
def _iterate(B, A, preconditioner, start, tolerance, most, low, wanted, from_one):
    places = jnp.asarray(wanted)

    def look(X, KX, MX, values):
        """The preconditioned residuals, and their sizes."""
        residual = KX - MX * values[None, :]
        W = apply(preconditioner, residual)
        return W, jnp.sqrt(jnp.maximum(jnp.sum(residual * W, axis=0), 0))

    def judge(values, sizes, past):
        if from_one:
            # Two matrices that are the same deviate by rounding, which is not looked into.
            least = jnp.finfo(values.dtype).eps ** 0.5
            scale = jnp.full_like(values, jnp.maximum(jnp.max(jnp.abs(values - 1)), least))
            allowed = scale
        else:
            scale = jnp.abs(values)
            allowed = jnp.sqrt(scale)
        small = jnp.all(sizes[places] <= tolerance * allowed[places])
        moved = jnp.abs(past - values[None, :])[:, places]
        return small | jnp.all(moved <= tolerance**2 * jnp.max(scale[places]))

    def step(state):
        X, KX, MX, P, KP, MP, W, values, past, _, _, count = state
        W = W / _positive(jnp.linalg.norm(W, axis=0))[None, :]
        W = W - X @ (MX.T @ W)
        W = W / _positive(jnp.linalg.norm(W, axis=0))[None, :]
        KW, MW = _times(B, W), _times(A, W)
        basis, K, M = (X, W, P), (KX, KW, KP), (MX, MW, MP)
        new, weights = _ritz(_gram(basis, K), _gram(basis, M), X.shape[1], low)
        onward = weights.at[: X.shape[1]].set(0)
        X, KX, MX = (_combine(parts, weights) for parts in (basis, K, M))
        P, KP, MP = (_combine(parts, onward) for parts in (basis, K, M))
        size = _positive(jnp.sqrt(jnp.maximum(jnp.sum(P * MP, axis=0), 0)))[None, :]
        past = jnp.concatenate([past[1:], values[None, :]])
        W, sizes = look(X, KX, MX, new)
        return X, KX, MX, P / size, KP / size, MP / size, W, new, past, sizes, judge(new, sizes, past), count + 1

    X = _orthonormal(start, A)
    none = jnp.zeros_like(X)
    KX, MX = _times(B, X), _times(A, X)
    values = jnp.sum(X * KX, axis=0)
    W, sizes = look(X, KX, MX, values)
    past = jnp.full((LOOKED_BACK, len(values)), jnp.inf, X.dtype)
    state = (X, KX, MX, none, none, none, W, values, past, sizes, jnp.zeros((), bool), jnp.zeros((), int))
    state = lax.while_loop(lambda state: ~state[10] & (state[11] < most), step, state)
    # What has gathered in the products by rounding is left behind.
    X = state[0]
    KX, MX = _times(B, X), _times(A, X)
    size = jnp.sqrt(jnp.sum(X * MX, axis=0))[None, :]
    X, KX, MX = X / size, KX / size, MX / size
    values = jnp.sum(X * KX, axis=0)
    return Ends(values, X, KX - MX * values[None, :], state[11], state[10])


def _times(A, x):
    return x if A is None else -(A @ x)


def _positive(size):
    return jnp.where(size > 0, size, 1)


def _orthonormal(start, A):
    L = jnp.linalg.cholesky(start.T @ _times(A, start))
    return jax.scipy.linalg.solve_triangular(L, start.T, lower=True).T


def _gram(left, right):
    rows = [jnp.concatenate([a.T @ b for b in right], axis=1) for a in left]
    found = jnp.concatenate(rows)
    return (found + found.T) / 2


def _combine(parts: tuple[Array, ...], weights: Any) -> Any:
    width = parts[0].shape[1]
    return sum(part @ weights[place * width : (place + 1) * width] for place, part in enumerate(parts))


def _ritz(K, M, count, low):
    """The best values and vectors in a small space whose basis may be dependent."""
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(M), 0))
    scale = jnp.where(scale > 0, 1 / _positive(scale), 0)
    outer = scale[:, None] * scale[None, :]
    sizes, turns = jnp.linalg.eigh(M * outer)
    there = sizes > 4096 * jnp.finfo(M.dtype).eps
    whiten = scale[:, None] * turns * jnp.where(there, 1 / jnp.sqrt(jnp.where(there, sizes, 1)), 0)[None, :]
    inside = whiten.T @ K @ whiten
    # Directions that depend on others go between the ends, where none is looked for.
    middle = jnp.trace(inside) / jnp.maximum(jnp.sum(there), 1)
    values, vectors = jnp.linalg.eigh(inside + jnp.diag(jnp.where(there, 0, middle)))
    high = count - low
    picked = jnp.concatenate([jnp.arange(low), jnp.arange(len(values) - high, len(values))])
    return values[picked], whiten @ vectors[:, picked]
