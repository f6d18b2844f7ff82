"""A symmetric pruned matrix beside its original: all measures that need no eigenvectors, from one tridiagonalisation."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._types import Matrix, Scalar
from jaxprune.linalg._reference import Modes
from jaxprune.linalg._spectrum import rounding
from jaxprune.linalg.lapack import apply_reflectors, tridiagonal


class Reduced(NamedTuple):
    """A symmetric pruned matrix B and the modes vᵢ of its original; made by `reduce_symmetric`.

    Attributes:
      diagonal, off: of the tridiagonal matrix with B's eigenvalues.
      squared: the squared H2 norm of the difference, if B is stable; without a meaning if not.
      along: `vᵢᵀ B vᵢ − λᵢ`, the change along each mode.
      image: `‖B vᵢ‖`.
      residual: `‖B vᵢ − λᵢ vᵢ‖`.
    """

    diagonal: Float[Array, " neuron"]
    off: Float[Array, " neuron-1"]
    squared: Scalar
    along: Float[Array, " mode"]
    image: Float[Array, " mode"]
    residual: Float[Array, " mode"]


class _Rows(NamedTuple):
    """What elimination carries from one row to the next; the first is one number, the others one for each mode."""

    inverse: Scalar
    shifted_inverse: Array
    left: Array
    shifted_left: Array
    mode: Array
    form: Array
    shifted_form: Array
    along: Array
    image: Array
    residual: Array


def reduce_symmetric(original: Modes, B: Matrix) -> Reduced:
    r"""The H2 error of a symmetric pruned matrix, and its errors along the original's modes, without its own eigenvectors.

    With Λ and V the original's eigenvalues −aᵢ and eigenvectors, `B = −Q T Qᵀ` with tridiagonal T, and
    `U = Qᵀ V`, what the original's modes are short of being modes of B is `R = Qᵀ (B V − V Λ) = U a − T U`, and

    $$\|G_A - G_B\|_2^2 = \sum_i \frac{1}{2 a_i} \, r_i^T T^{-1} (a_i + T)^{-1} r_i
      = \sum_i \frac{r_i^T T^{-1} r_i - r_i^T (a_i + T)^{-1} r_i}{2 a_i^2}, \qquad r_i = R e_i,$$

    where a tridiagonal form `rᵀ T⁻¹ r` is a sum of squares over the pivots of its factorisation. One tridiagonalisation, one
    product with its orthogonal matrix, and one pass over the rows of U; the eigenvalues of T are left to the caller.

    Args:
      original: modes of the original, symmetric and stable.
      B: the pruned matrix, symmetric.

    Example:
      >>> from jaxprune.linalg import modes
      >>> reduced = reduce_symmetric(modes(-jnp.eye(1)), -2 * jnp.eye(1))  # r^2 / (2 a b (a + b)) with r = a - b
      >>> reduced.squared.round(4), reduced.along
      (Array(0.0833, dtype=float64), Array([-1.], dtype=float64))

    Reference: ours.
    """
    a, U = -original.eigenvalues, original.vectors
    reflectors, diagonal, off, scales = tridiagonal(B)
    if len(B) > 1:
        U = jnp.concatenate([U[:1], apply_reflectors(reflectors[1:, :-1], scales, U[1:])])
    none = jnp.zeros_like(a)
    end = jnp.zeros((1,), a.dtype)

    # Everything in one pass: a row of U is read once, and no other matrix is made.
    def eliminate(rows, row):
        u, following, entry, above, below = row
        image = entry * u + above * rows.mode + below * following
        r = image + a * u
        left = r + above * rows.inverse * rows.left
        shifted_left = r + above * (rows.shifted_inverse * rows.shifted_left)
        inverse = 1 / (-entry - above**2 * rows.inverse)
        shifted_inverse = 1 / (a - entry - above**2 * rows.shifted_inverse)
        return _Rows(
            inverse,
            shifted_inverse,
            left,
            shifted_left,
            u,
            rows.form + left**2 * inverse,
            rows.shifted_form + shifted_left**2 * shifted_inverse,
            rows.along + u * r,
            rows.image + image**2,
            rows.residual + r**2,
        ), None

    start = _Rows(jnp.zeros((), a.dtype), *[none] * 9)
    along_rows = (
        U,
        jnp.concatenate([U[1:], none[None]]),
        diagonal,
        jnp.concatenate([end, off]),
        jnp.concatenate([off, end]),
    )
    rows, _ = lax.scan(eliminate, start, along_rows)
    squared = jnp.sum((rows.form - rows.shifted_form) / (2 * a**2))
    return Reduced(diagonal, off, squared, rows.along, jnp.sqrt(rows.image), jnp.sqrt(rows.residual))


def divergence_of_spectra(
    along: Float[Array, " mode"], original: Float[Array, " mode"], pruned: Float[Array, " mode"]
) -> tuple[Scalar, Scalar]:
    """`information_lost` of a symmetric network's activity at one moment, from the eigenvalues of both networks.

    The sum of the deviations dᵢ is a trace, that of `ln(1 + dᵢ)` a ratio of determinants:

        (1 / 2N) Σᵢ ((vᵢᵀ B vᵢ − λᵢ) / λᵢ − ln(μᵢ / λᵢ))

    Args:
      along: `vᵢᵀ B vᵢ − λᵢ`, `Reduced.along`.
      original: λᵢ, negative.
      pruned: μᵢ, in any order.

    Returns:
      The divergence, infinite where the pruned network is not stable; and the error that rounding may have made, which is not
      small beside a divergence near zero: there, take `stationary_divergence`.

    Example:
      >>> found, _ = divergence_of_spectra(-jnp.ones(1), -jnp.ones(1), -2 * jnp.ones(1))  # (1 - ln 2) / 2
      >>> found.round(4)
      Array(0.1534, dtype=float64)

    Reference: Kullback1951, between two normal distributions.
    """
    stable = jnp.max(pruned) < -rounding(pruned)
    pruned = jnp.where(stable | jnp.isnan(pruned), pruned, -1)
    found = (jnp.mean(along / original) - jnp.mean(jnp.log(-pruned) - jnp.log(-original))) / 2
    precision, largest = jnp.finfo(pruned.dtype).eps, jnp.max(-pruned)
    error = precision * largest * (jnp.mean(-1 / pruned) + jnp.mean(-1 / original)) / 2
    return jnp.where(stable | jnp.isnan(found), found, jnp.inf), error
