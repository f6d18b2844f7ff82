r"""Solve a large symmetric network's equation, and know how far every synapse is from the exact answer."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._codes import Code
from jaxprune._types import Count, Real, Scalar
from jaxprune.linalg.sparse._matrix import SparseMatrix
from jaxprune.linalg.sparse._precondition import Preconditioner, apply

Block = Float[Array, "neuron probe"]
MOST = 2000
"""Most iterations."""


class SolveCode(Code):
    """How a solve ended."""

    CONVERGED = 0, "the error of every column is below the tolerance."
    NOT_CONVERGED = (
        1,
        "conjugate gradients did not reach the tolerance: allow more iterations, increase the leak (slack), or take "
        "preconditioner='clusters'.",
    )
    NOT_DEFINITE = 2, "the network is singular or unstable: -A is not positive definite; increase the leak."


class Solved(NamedTuple):
    """Solution of `−A x = y` for each column.

    Attributes:
      value: x.
      error: of each column, `‖x − x_exact‖_M` with M = −A at most; about that where the smallest eigenvalue that was
        passed is an estimate.
      iterations: number of them; each multiplies A once with the whole block.
      code: a `SolveCode`.
    """

    value: Block
    error: Float[Array, " probe"]
    iterations: Count
    code: Count


def solve(
    A: SparseMatrix,
    y: Block,
    preconditioner: Preconditioner,
    *,
    smallest: Real,
    tolerance: Real,
    max_iterations: int = MOST,
) -> Solved:
    """Solve `M x = y`, M = −A symmetric and positive definite, by preconditioned conjugate gradients on a block of columns.

    It ends when an upper bound of the error in the *energy norm*, `‖e‖_M = √(eᵀ M e)`, is below the tolerance for every
    column. For y of covariance M, x has the covariance M⁻¹, and for any synapse w between i and j of sign s with
    `b = eᵢ − s eⱼ` and leverage `l = |w| bᵀ M⁻¹ b`,

        |bᵀ e|² = |(M^(−1/2) b)ᵀ M^(1/2) e|² ≤ bᵀ M⁻¹ b ‖e‖_M²

    so that the standard deviation that *any* synapse sees is off by at most the share ‖e‖_M, whatever its leverage: a weak
    bridge of a slow mode as much as any other. A small Euclidean residual promises no such thing: slow modes carry little of y.
    The bound is that of Gauss-Radau quadrature, which costs a few numbers for each column.

    Args:
      A: dynamics matrix, symmetric.
      y: right-hand sides, as columns.
      preconditioner: from `precondition`.
      smallest: a lower bound of the smallest eigenvalue of the preconditioned M, positive: for diagonally dominant A and either
        preconditioner the least share of its leak that a neuron has as slack, `least_slack`. The error's bound holds if this
        does.
      tolerance: of ‖e‖_M, an absolute number; for columns of covariance M, ‖x‖_M is about √N.
      max_iterations: most of them.

    Returns:
      The solution, its error bounds, and how it ended.

    Raises:
      InputError: smallest or the tolerance not positive.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> A = sparse.as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> how = sparse.precondition(A)
      >>> sparse.solve(A, jnp.array([[1.0], [0.0]]), how, smallest=0.5, tolerance=1e-12).value.round(4)
      Array([[0.6667],
             [0.3333]], dtype=float64)

    Reference: Hestenes1952 (conjugate gradients); Meurant2013 (the bound, by Gauss-Radau quadrature).
    """
    if not float(smallest) > 0:
        raise InputError(
            f"smallest is {float(smallest):g}, but must be positive: a lower bound of the preconditioned matrix's eigenvalues."
        )
    if not float(tolerance) > 0:
        raise InputError(f"tolerance is {float(tolerance):g}, but must be positive: of the error in the energy norm.")
    smallest, tolerance = jnp.asarray(smallest, A.dtype), jnp.asarray(tolerance, A.dtype)
    return _iterate(A, y, preconditioner, smallest, tolerance, jnp.asarray(max_iterations))


@jax.jit
def _iterate(A, y, preconditioner, smallest, tolerance, max_iterations):
    def start():
        scaled = apply(preconditioner, y)
        size = jnp.sum(y * scaled, axis=0, keepdims=True)
        radau = jnp.full_like(size, 1 / smallest)
        return jnp.zeros_like(y), y, scaled, size, radau, jnp.sqrt(size * radau), jnp.ones((), bool), jnp.zeros((), int)

    def step(state):
        x, residual, direction, size, radau, _, definite, count = state
        image = -(A @ direction)
        curvature = jnp.sum(direction * image, axis=0, keepdims=True)
        # A column that is solved exactly has no direction left.
        moving = size > 0
        definite &= jnp.all((curvature > 0) | ~moving)
        rate = jnp.where(moving, size / jnp.where(moving, curvature, 1), 0)
        x, residual = x + rate * direction, residual - rate * image
        scaled = apply(preconditioner, residual)
        new = jnp.sum(residual * scaled, axis=0, keepdims=True)
        grown = jnp.where(moving, new / jnp.where(moving, size, 1), 0)
        beyond = radau - rate
        radau = beyond / (smallest * beyond + grown)
        # At the end of the digits the recurrence breaks down; the plain bound holds all the same.
        radau = jnp.where((beyond > 0) & (radau <= 1 / smallest), radau, 1 / smallest)
        error = jnp.where(new > 0, jnp.sqrt(new * radau), 0)
        return x, residual, scaled + grown * direction, new, radau, error, definite, count + 1

    def unfinished(state):
        return jnp.any(state[5] > tolerance) & state[6] & (state[7] < max_iterations)

    x, _, _, _, _, error, definite, count = lax.while_loop(unfinished, step, start())
    ended = jnp.where(jnp.all(error <= tolerance), SolveCode.CONVERGED, SolveCode.NOT_CONVERGED)
    return Solved(x, error[0], count, jnp.where(definite, ended, SolveCode.NOT_DEFINITE))


def smallest_ritz(
    A: SparseMatrix, preconditioner: Preconditioner, start: Float[Array, " neuron"], steps: int = 60
) -> Scalar:
    """The smallest eigenvalue of the preconditioned -A as far as conjugate gradients from one vector see it: not below it.

    Args:
      A: dynamics matrix, symmetric.
      preconditioner: from `precondition`.
      start: a random vector.
      steps: iterations.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> A = sparse.as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> sparse.smallest_ritz(A, sparse.precondition(A), jnp.array([1.0, 0.5]), steps=2).round(6)
      Array(0.5, dtype=float64)

    Reference: Golub2013, the tridiagonal matrix of conjugate gradients.
    """
    diagonal, beside = _tridiagonal(A, preconditioner, start, steps)
    return jnp.linalg.eigvalsh(jnp.diag(diagonal) + jnp.diag(beside, 1) + jnp.diag(beside, -1))[0]


@partial(jax.jit, static_argnums=3)
def _tridiagonal(A, preconditioner, start, steps):
    y = start[:, None]

    def step(state: Any, _: None) -> Any:
        residual, direction, size, before, grown = state
        image = -(A @ direction)
        curvature = jnp.sum(direction * image)
        alive = (size > 0) & (curvature > 0)
        rate = jnp.where(alive, size / jnp.where(alive, curvature, 1), 0)
        residual = residual - rate * image
        scaled = apply(preconditioner, residual)
        new = jnp.where(alive, jnp.sum(residual * scaled), 0)
        ratio = jnp.where(alive, new / jnp.where(alive, size, 1), 0)
        inverse = jnp.where(alive, 1 / jnp.where(alive, rate, 1), jnp.inf)
        entry = jnp.where(alive, inverse + jnp.where(before > 0, grown / jnp.where(before > 0, before, 1), 0), jnp.inf)
        return (residual, scaled + ratio * direction, new, rate, ratio), (entry, jnp.sqrt(ratio) * inverse)

    scaled = apply(preconditioner, y)
    none = jnp.zeros((), A.dtype)
    state = (y, scaled, jnp.sum(y * scaled), none, none)
    diagonal, beside = lax.scan(step, state, None, length=steps)[1]
    # What comes after an exact solution is no part of the matrix: it is put far away from the smallest eigenvalue.
    known = jnp.isfinite(diagonal)
    far = jnp.max(jnp.where(known, diagonal, 0)) * 10
    linked = known[1:] & jnp.isfinite(beside[:-1])
    return jnp.where(known, diagonal, far), jnp.where(linked, beside[:-1], 0)
