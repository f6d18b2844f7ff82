"""The weights on a mask whose response to noise is nearest to the original's: not local, the yardstick of local adjustments."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_square
from jaxprune._types import Mask, Matrix
from jaxprune.linalg import lyapunov, resolve_symmetry, spectral_abscissa, sylvester, symmetrise
from jaxprune.linalg.lapack import eigh


class MatchedResponse(NamedTuple):
    """Result of `match_response`.

    Attributes:
      matrix: the pruned matrix.
      relative: its relative H2 error.
      iterations: of L-BFGS.
      converged: whether it ended by itself.
    """

    matrix: Matrix
    relative: float
    iterations: int
    converged: bool


def match_response(
    A: Matrix,
    mask: Mask,
    start: Matrix,
    *,
    symmetric: bool | None = None,
    iterations: int = 500,
    tolerance: float = 1e-7,
) -> MatchedResponse:
    """Minimise the H2 error over all weights on a mask and all leaks, by L-BFGS.

        min over S of J(S) = tr (C_A + C_S − 2 X),   S C_S + C_S Sᵀ = −I,   A X + X Sᵀ = −I

    with the gradient `2 (Q C_S − Yᵀ X)`, where `Sᵀ Q + Q S = −I` and `Aᵀ Y + Y S = −I`; of symmetric networks
    `½ S⁻² − 2 Xᵀ X`. A local minimum, from a given start: how good weights on this mask can be, for comparison with
    adjustments that are local. It runs outside `jit`.

    Args:
      A: the original dynamics matrix, in 1/time, stable.
      mask: ones where a synapse stays; leaks are always free.
      start: a matrix that is stable on that mask, such as `compensate` gives; what is not on the mask is left out.
      symmetric: whether both ends of a pair share one weight; by default looked up.
      iterations: most of them.
      tolerance: largest entry of the projected gradient at the end, of the relative squared error.

    Returns:
      The matrix, its error, and how the search ended.

    Raises:
      InputError: arguments not square, of different shapes or not finite; a network or a start that is not stable.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> found = match_response(A, jnp.zeros((2, 2)), jnp.diag(jnp.diagonal(A)))
      >>> found.matrix.diagonal().round(3), round(found.relative, 3)
      (Array([-1.601, -1.601], dtype=float64), 0.363)

    Reference: Zhou1996 for the norm, Wilson1970 for its gradient; Liu1989 for L-BFGS.
    """
    import scipy.optimize  # half a second, which few programs need

    check_square("A", A)
    for name, value in (("mask", mask), ("start", start)):
        check_square(name, value, like=("A", A))
    symmetric = resolve_symmetry(symmetric, A=A, mask=mask, start=start)
    support = (np.asarray(mask) != 0) | np.eye(len(A), dtype=bool)
    start = start * support
    for name, value in (("A", A), ("start", start)):
        if not float(spectral_abscissa(value, symmetric=symmetric)) < 0:
            raise InputError(
                f"{name} is not stable{' on the mask' if name == 'start' else ''}: no response to noise ends."
            )
    rows, columns = np.nonzero(np.triu(support) if symmetric else support)
    # A pair of mirrored entries is one number.
    double = np.where(rows == columns, 1.0, 2.0) if symmetric else np.ones(len(rows))
    own = _own(A, symmetric)
    before = eigh(symmetrise(A)) if symmetric else A

    def matrix(values):
        S = np.zeros(A.shape)
        S[rows, columns] = values
        if symmetric:
            S[columns, rows] = values
        return jnp.asarray(S, A.dtype)

    def loss(values):
        squared, gradient = _value_and_gradient(before, matrix(values), symmetric)
        # What is not stable is worse than silence; the line search steps back.
        if not np.isfinite(squared) or squared + own > UNSTABLE * own:
            return UNSTABLE, np.zeros_like(values)
        return float(squared / own) + 1, np.asarray(gradient, float)[rows, columns] * double / float(own)

    first = np.asarray(start, float)[rows, columns]
    if not loss(first)[0] < UNSTABLE:
        raise InputError(
            "start is so nearly unstable that its response to noise cannot be measured: begin with larger leaks."
        )
    options = {"maxiter": iterations, "maxfun": 4 * iterations, "gtol": tolerance, "ftol": 1e-15, "maxcor": 30}
    found = scipy.optimize.minimize(loss, first, jac=True, method="L-BFGS-B", options=options)
    return MatchedResponse(matrix(found.x), float(np.sqrt(max(found.fun, 0))), int(found.nit), bool(found.success))


UNSTABLE = 1e6
"""Relative squared error that stands for an unstable network."""


def _own(A, symmetric):
    """Squared H2 norm of the original."""
    if symmetric:
        return jnp.sum(-0.5 / eigh(symmetrise(A))[0])
    return jnp.trace(lyapunov(A, jnp.eye(len(A), dtype=A.dtype), symmetric=True).value)


@partial(jax.jit, static_argnums=2)
def _value_and_gradient(original, S, symmetric):
    """tr C_S - 2 tr X and its gradient; not finite where S is not stable."""
    if symmetric:
        (a, V), (b, U) = original, eigh(S)
        stable = jnp.max(b) < 0
        X = V @ ((V.T @ U) / -(a[:, None] + b[None, :])) @ U.T
        gradient = (U * (0.5 / b**2)[None, :]) @ U.T - 2 * X.T @ X
        return jnp.where(stable, jnp.sum(-0.5 / b) - 2 * jnp.trace(X), jnp.inf), (gradient + gradient.T) / 2
    identity = jnp.eye(len(S), dtype=S.dtype)
    C, Q = (lyapunov(B, identity, symmetric=True).value for B in (S, S.T))
    X, Y = sylvester(original, S, identity), sylvester(original.T, S.T, identity)
    return jnp.trace(C) - 2 * jnp.trace(X), 2 * (Q @ C - Y.T @ X)
