"""The nearest matrix on a support in a quadratic metric, by conjugate gradients: matrix products only."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxprune._types import Mask, Matrix, Moment, Real, Scalar


class Metric(NamedTuple):
    """A quadratic form on matrices: its operator, the operator's diagonal, and the sum over one independent problem."""

    apply: Callable[[Matrix], Matrix]
    diagonal: Matrix
    total: Callable[[Matrix], Scalar]


def row_drive(C: Moment, rows: int) -> Metric:
    """`tr E C Eᵀ`, every row a problem of its own."""
    diagonal = jnp.broadcast_to(jnp.diagonal(C)[None, :], (rows, len(C)))
    return Metric(lambda E: E @ C, diagonal, lambda E: jnp.sum(E, axis=1, keepdims=True))


def pair_drive(C: Moment) -> Metric:
    """`tr E C E` for symmetric E."""
    variance = jnp.diagonal(C)
    return Metric(
        lambda E: _symmetric(E @ C), (variance[:, None] + variance[None, :]) / 2, lambda E: jnp.sum(E, keepdims=True)
    )


def quadratic_form(C: Moment) -> Metric:
    """`tr E C E C` for symmetric E."""
    variance = jnp.diagonal(C)
    return Metric(
        lambda E: _symmetric(C @ E @ C),
        variance[:, None] * variance[None, :] + _symmetric(C) ** 2,
        lambda E: jnp.sum(E, keepdims=True),
    )


def blend(first: Metric, second: Metric, share: Real) -> Metric:
    """The share of the second metric, and the rest of the first."""
    return Metric(
        lambda E: (1 - share) * first.apply(E) + share * second.apply(E),
        (1 - share) * first.diagonal + share * second.diagonal,
        first.total,
    )


def held(metric: Metric, hold: Real) -> Metric:
    """The metric and `hold` times the squared Frobenius norm."""
    return Metric(lambda E: metric.apply(E) + hold * E, metric.diagonal + hold, metric.total)


def project(A: Matrix, support: Mask, metric: Metric, max_iterations: int) -> Matrix:
    """Minimise the metric of A - S over S on the support, by conjugate gradients with the diagonal as preconditioner."""
    tolerance = jnp.finfo(A.dtype).eps ** (4 / 3)  # of squared residuals

    def ratio(a, b):
        return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)

    # An input that is never active has no diagonal: its weights stay as they are.
    precondition = ratio(1, metric.diagonal)

    def descend(state):
        S, residual, direction, size, step = state
        image = support * metric.apply(direction)
        rate = ratio(size, metric.total(direction * image))
        S = S + rate * direction
        residual = residual - rate * image
        scaled = precondition * residual
        new_size = metric.total(residual * scaled)
        return S, residual, scaled + ratio(new_size, size) * direction, new_size, step + 1

    start = A * support
    residual = support * metric.apply(A - start)
    scaled = precondition * residual
    size = metric.total(residual * scaled)
    # A residual is small or not beside the drive that the neuron had, not beside what it lost, which may be nothing.
    full = support * metric.apply(A)
    enough = tolerance * metric.total(full * precondition * full)

    def unfinished(state):
        return jnp.any(state[3] > enough) & (state[4] < max_iterations)

    return lax.while_loop(unfinished, descend, (start, residual, scaled, size, jnp.array(0)))[0]


def _symmetric(product):
    # To the last bit, so that what is symmetric by construction is symmetric to every later look.
    return (product + product.T) / 2
