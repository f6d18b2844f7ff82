"""What survivors can do with what they see: keep each neuron's drive, or the whole quadratic form."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Mask, Matrix, Real, Scalar
from jaxprune.linalg import resolve_symmetry


def compensate(A: Matrix, mask: Mask, C: Matrix, *, symmetric: bool | None = None, max_iterations: int = 500) -> Matrix:
    r"""Adjust the surviving weights and leaks so that every neuron keeps its drive under the noise.

    $$\min_S \; E \, \| (A - S) x \|^2 = \min_S \; \operatorname{tr} (A - S)\, C\, (A - S)^T, \qquad
      s_{ij} = 0 \text{ where } m_{ij} = 0 \ (i \ne j)$$

    Each row is its own problem, in what that neuron sees: its inputs, their covariance, and its own drive; gradient descent on
    it is the local delta rule $\dot s_{ij} \propto (a_i^T x - s_i^T x)\, x_j$. With `symmetric` the two ends of a pair share
    one weight, which follows the mean of their two delta rules. Solved by conjugate gradients on all rows at once, matrix
    products only; the start $S = A$ on the support is only ever improved on.

    Nothing promises stability: `linalg.certify` the result.

    Args:
      A: dynamics matrix.
      mask: ones where a synapse stays.
      C: covariance of the activity, positive definite on each row's support.
      symmetric: keep S symmetric; by default when A and the mask are (inside `jit`, where that is unknown, no).
      max_iterations: most conjugate-gradient steps.

    Returns:
      The pruned matrix.

    Raises:
      InputError: an argument not square, empty or not finite, or of different shapes.

    Example:
      Two inputs that always move together: the survivor takes over.

      >>> A = jnp.array([[-3.0, 1.0, 1.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
      >>> C = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.999], [0.0, 0.999, 1.0]])
      >>> compensate(A, jnp.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), C)[0]
      Array([-3.   ,  1.999,  0.   ], dtype=float64)

    Reference: Widrow1960, the delta rule; Hassibi1992 for compensation by second-order information.
    """
    _check(A, mask, C)
    symmetric = resolve_symmetry(symmetric, A=A, mask=mask)
    return _compensate(A, mask, C, symmetric, max_iterations)


def refit(A: Matrix, mask: Mask, C: Matrix, *, blend: Real = 1.0, max_iterations: int = 500) -> Matrix:
    r"""Adjust a symmetric pruned network towards the original's quadratic form, where the slow modes weigh most.

    $$\min_S \; (1 - \beta) \frac{\operatorname{tr} E C E}{\operatorname{tr} C / N}
      + \beta \frac{\operatorname{tr} E C E C}{(\operatorname{tr} C / N)^2}, \qquad E = A - S = E^T$$

    With $C \propto M^{-1}$ ($M = -A$ symmetric) the second term is $\|M^{-1/2} (M - M_S) M^{-1/2}\|_F^2$, the mean-square form
    of the certificate's epsilon; the first is `compensate`. Unlike that, the second is not local. Between the two, `blend`
    trades the median mode ($\beta = 0$) against the worst ($\beta = 1$).

    Args:
      A: symmetric dynamics matrix.
      mask: symmetric mask.
      C: stationary covariance.
      blend: $\beta$, in [0, 1].
      max_iterations: most conjugate-gradient steps.

    Returns:
      The symmetric pruned matrix.

    Raises:
      InputError: an argument not square, empty or not finite, or of different shapes; A or mask not symmetric; blend outside
        [0, 1].

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> refit(A, jnp.zeros((2, 2)), jnp.array([[2.0, 1.0], [1.0, 2.0]]) / 6)
      Array([[-1.2,  0. ],
             [ 0. , -1.2]], dtype=float64)
    """
    _check(A, mask, C)
    resolve_symmetry(True, A=A, mask=mask)
    if is_concrete(blend) and not 0 <= float(blend) <= 1:
        raise InputError(f"blend is {float(blend):g}, but must be in [0, 1].")
    return _refit(A, mask, C, blend, max_iterations)


@partial(jax.jit, static_argnums=(3, 4))
def _compensate(A, mask, C, symmetric, max_iterations):
    return _project(A, mask, _shared_drive(C) if symmetric else _drive(C), max_iterations)


@partial(jax.jit, static_argnums=4)
def _refit(A, mask, C, blend, max_iterations):
    scale = jnp.trace(C) / len(C)
    drive, form = _shared_drive(C / scale), _form(C / scale)
    metric = _Metric(
        lambda E: (1 - blend) * drive.apply(E) + blend * form.apply(E),
        (1 - blend) * drive.diagonal + blend * form.diagonal,
        drive.total,
    )
    return _project(A, mask, metric, max_iterations)


class _Metric(NamedTuple):
    """A quadratic form on matrices: its operator, the operator's diagonal, and the sum over one independent problem."""

    apply: Callable[[Matrix], Matrix]
    diagonal: Matrix
    total: Callable[[Matrix], Scalar]


def _drive(C):
    diagonal = jnp.broadcast_to(jnp.diagonal(C)[None, :], C.shape)
    return _Metric(lambda E: E @ C, diagonal, lambda E: jnp.sum(E, axis=1, keepdims=True))


def _symmetric(product):
    # To the last bit, so that what is symmetric by construction is symmetric to every later look.
    return (product + product.T) / 2


def _shared_drive(C):
    variance = jnp.diagonal(C)
    return _Metric(
        lambda E: _symmetric(E @ C), (variance[:, None] + variance[None, :]) / 2, lambda E: jnp.sum(E, keepdims=True)
    )


def _form(C):
    variance = jnp.diagonal(C)
    return _Metric(
        lambda E: _symmetric(C @ E @ C),
        variance[:, None] * variance[None, :] + _symmetric(C) ** 2,
        lambda E: jnp.sum(E, keepdims=True),
    )


def _project(A, mask, metric, max_iterations):
    """Minimise the metric of A - S over S on the support, by conjugate gradients with the diagonal as preconditioner."""
    support = jnp.maximum(mask, jnp.eye(len(A), dtype=A.dtype))
    tolerance = jnp.finfo(A.dtype).eps ** (4 / 3)  # of squared residuals

    def ratio(a, b):
        return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)

    def descend(state):
        S, residual, direction, size, step = state
        image = support * metric.apply(direction)
        rate = ratio(size, metric.total(direction * image))
        S = S + rate * direction
        residual = residual - rate * image
        scaled = residual / metric.diagonal
        new_size = metric.total(residual * scaled)
        return S, residual, scaled + ratio(new_size, size) * direction, new_size, step + 1

    start = A * support
    residual = support * metric.apply(A - start)
    scaled = residual / metric.diagonal
    size = metric.total(residual * scaled)
    # A residual is small or not beside the drive that the neuron had, not beside what it lost, which may be nothing.
    full = support * metric.apply(A)
    enough = tolerance * metric.total(full * full / metric.diagonal)

    def unfinished(state):
        return jnp.any(state[3] > enough) & (state[4] < max_iterations)

    return lax.while_loop(unfinished, descend, (start, residual, scaled, size, jnp.array(0)))[0]


def _check(A, mask, C):
    for name, value in (("A", A), ("mask", mask), ("C", C)):
        check_square(name, value)
        if value.shape != A.shape:
            raise InputError(f"{name} has shape {value.shape} and A has {A.shape}: all must be of the same network.")
