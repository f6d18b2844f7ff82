"""The continuous Lyapunov and Sylvester equations, by a Cayley transform and repeated doubling."""

import enum
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Count, Matrix, Scalar
from jaxprune.linalg._products import symmetric_product
from jaxprune.linalg._spectrum import resolve_symmetry
from jaxprune.linalg.lapack import inv, lu_factor, lu_solve


class LyapunovCode(enum.IntEnum):
    """Whether a Lyapunov equation was solved; inside an ensemble a member that failed carries its code and NaN."""

    SUCCESSFUL = 0
    UNSTABLE = 1
    NOT_CONVERGED = 2


class LyapunovSolution(NamedTuple):
    """Solution of a Lyapunov equation, with its residual and result code.

    Attributes:
      value: the solution X; NaN where the solve failed.
      residual: `‖A X + X Aᵀ + Q‖_F / (‖Q‖_F + 2 ‖A‖_F ‖X‖_F)`, the normwise backward error.
      doublings: number of doublings used.
      code: a `LyapunovCode`.
    """

    value: Matrix
    residual: Scalar
    doublings: Count
    code: Count


def lyapunov(A: Matrix, Q: Matrix, *, symmetric: bool | None = None, max_doublings: int = 48) -> LyapunovSolution:
    """Solve `A X + X Aᵀ = −Q` for stable A.

    With a shift p > 0 and `M = (A + pI)(A − pI)⁻¹` the solution is the convergent series
    `X = 2p Σⱼ≥₀ Mʲ (A − pI)⁻¹ Q (A − pI)⁻ᵀ (Mᵀ)ʲ`, whose partial sums double in length at each step:

        X ← X + M X Mᵀ,   M ← M²

    The remainder after a step is `M X_∞ Mᵀ` with the new M, so the iteration ends when ‖M‖_F², estimated from a few
    directions before M is squared, is below rounding. The shift is the geometric mean of the largest and smallest eigenvalue
    magnitudes, estimated by power iteration. All the work is one
    factorisation and matrix products: it vmaps, and it suits accelerators. Derivatives with respect to A and Q, forward and
    reverse, are solves of the same equation.

    Args:
      A: dynamics matrix, in 1/time. Assumed stable: every eigenvalue has a negative real part.
      Q: right-hand side, any real square matrix.
      symmetric: the word that Q, and so X, is symmetric, which saves a tenth of the work. By default Q is looked at; a traced
        one takes the general path, which is right for both.
      max_doublings: most doublings; 48 reach a slowest mode 10¹⁴ times slower than the fastest.

    Returns:
      The solution with its residual and a result code: `UNSTABLE` when the series diverges, `NOT_CONVERGED` when it has not
      ended after `max_doublings` (an eigenvalue on, or too near, the imaginary axis).

    Raises:
      InputError: A or Q not square, empty or (outside `jit`) not finite, or of different shapes.

    Example:
      >>> A = jnp.array([[-1.0, 0.0], [1.0, -2.0]])
      >>> solution = lyapunov(A, jnp.eye(2))
      >>> solution.value
      Array([[0.5       , 0.16666667],
             [0.16666667, 0.33333333]], dtype=float64)
      >>> bool(solution.residual < 1e-14), LyapunovCode(int(solution.code)).name
      (True, 'SUCCESSFUL')

    Reference: Smith1968 (the doubling), Penzl1999 (shifts).
    """
    check_square("A", A)
    check_square("Q", Q)
    if A.shape != Q.shape:
        raise InputError(f"Q has shape {Q.shape}, but must have A's shape {A.shape}.")
    if symmetric or is_concrete(Q):
        symmetric = resolve_symmetry(symmetric, Q=Q)
    symmetric = bool(symmetric)
    value, doublings, converged = _solve(max_doublings, symmetric, (A,), Q)
    fixed_A, fixed_X, fixed_Q = lax.stop_gradient((A, value, Q))
    scale = jnp.linalg.norm(fixed_Q) + 2 * jnp.linalg.norm(fixed_A) * jnp.linalg.norm(fixed_X)
    code = _code(value, converged)
    return LyapunovSolution(
        value=jnp.where(code == LyapunovCode.SUCCESSFUL, value, jnp.nan),
        residual=_norm(_operator((fixed_A,), fixed_X, symmetric=symmetric) - fixed_Q) / scale,
        doublings=doublings,
        code=code,
    )


def sylvester(A: Matrix, B: Matrix, Q: Matrix, *, max_doublings: int = 48) -> Matrix:
    """Solve `A X + X Bᵀ = −Q` for stable A and B of one size.

    With Q the identity, X is the stationary covariance `∫₀^∞ e^(A t) e^(Bᵀ t) dt` between two networks that the same
    unit white noise drives. By the doubling of `lyapunov`, `X ← X + M_A X M_Bᵀ`, with one shift for both.

    Args:
      A, B: dynamics matrices, in 1/time. Assumed stable.
      Q: right-hand side, any real square matrix.
      max_doublings: as in `lyapunov`.

    Returns:
      The solution; NaN where the series does not converge. Derivatives as in `lyapunov`.

    Raises:
      InputError: a matrix not square, empty or not finite, or of different sizes.

    Example:
      >>> sylvester(-jnp.eye(1), -2 * jnp.eye(1), jnp.eye(1)).round(4)  # 1 / (1 + 2)
      Array([[0.3333]], dtype=float64)

    Reference: Smith1968.
    """
    check_square("A", A)
    check_square("B", B, like=("A", A))
    check_square("Q", Q, like=("A", A))
    value, _, converged = _solve(max_doublings, False, (A, B), Q)
    return jnp.where(_code(value, converged) == LyapunovCode.SUCCESSFUL, value, jnp.nan)


def _code(value, converged):
    settled = jnp.where(converged, LyapunovCode.SUCCESSFUL, LyapunovCode.NOT_CONVERGED)
    return jnp.where(jnp.all(jnp.isfinite(value)), settled, LyapunovCode.UNSTABLE)


def _norm(X):
    # Not `jnp.linalg.norm`: with Q the identity XLA (jaxlib 0.10.1) takes a minute to compile the sum of squares.
    return jnp.sqrt(jnp.vdot(X, X))


def has_covariance(A: Matrix, C: Matrix) -> Bool[Array, ""]:
    """Whether C, found as the stationary covariance of A, can be one.

    A singular matrix may pass by rounding; then C is as large as rounding is small.
    """
    return _norm(A) * _norm(C) < 0.1 / jnp.finfo(A.dtype).eps


# Below, `sides` holds the matrices to the left and to the right of X: (A, B), or (A,) where they are the same.


def _operator(sides, X, *, symmetric=False):
    image = sides[0] @ X
    return -(image + (image.T if symmetric else X @ sides[-1].T))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _solve(max_doublings, symmetric, sides, Q):
    return _doubling(sides, Q, max_doublings, symmetric)


@_solve.defjvp
def _solve_jvp(max_doublings, symmetric, primals, tangents):
    sides, _ = primals
    moved, dQ = tangents
    value, doublings, converged = _solve(max_doublings, symmetric, *primals)
    turned = tuple(A.T for A in sides)
    # Linear in the tangents, with the transposed equation as its transpose: forward and reverse derivatives follow.
    dX = lax.custom_linear_solve(
        partial(_operator, sides),
        dQ + moved[0] @ value + value @ moved[-1].T,
        solve=lambda _, rhs: _doubling(sides, rhs, max_doublings, False)[0],
        transpose_solve=lambda _, rhs: _doubling(turned, rhs, max_doublings, False)[0],
    )
    no_tangent = np.zeros((), dtype=jax.dtypes.float0)
    return (value, doublings, converged), (dX, no_tangent, no_tangent)


@partial(jax.jit, static_argnums=(2, 3))
def _doubling(sides, Q, max_doublings, symmetric):
    identity = jnp.eye(len(Q), dtype=Q.dtype)
    shift = cayley_shift(sides)
    resolvents = tuple(inv(A - shift * identity) for A in sides)
    transforms = tuple(identity + 2 * shift * resolvent for resolvent in resolvents)
    tolerance = jnp.finfo(Q.dtype).eps

    def extend(X, Ms):
        # The geometric mean of both sides: the remainder of the series is their product.
        sizes = [jnp.sqrt(_squared_norm_of_square(M)) for M in Ms]
        return X + _congruence(Ms, X, symmetric=symmetric), sizes[0] * sizes[-1]

    def more(state):
        _, _, remainder, doublings = state
        return (remainder > tolerance) & (doublings < max_doublings)

    def double(state):
        X, Ms, _, doublings = state
        Ms = tuple(M @ M for M in Ms)
        X, remainder = extend(X, Ms)
        return X, Ms, remainder, doublings + 1

    first, remainder = extend(2 * shift * _congruence(resolvents, Q, symmetric=symmetric), transforms)
    start = (first, transforms, remainder, jnp.ones((), jnp.int32))
    X, _, remainder, doublings = lax.while_loop(more, double, start)
    return X, doublings, remainder <= tolerance


def _congruence(sides, X, *, symmetric):
    """`M X Mᵀ`, or with another matrix on the right."""
    return symmetric_product(sides[0] @ X, sides[0].T) if symmetric else sides[0] @ X @ sides[-1].T


def _squared_norm_of_square(M, probes=8):
    """Squared Frobenius norm of M², estimated without squaring M from what it does to a few fixed vectors."""
    # Chirps: no smooth mode is nearly orthogonal to all of them, as it would be to plain waves.
    phase = jnp.outer(jnp.arange(1.0, len(M) + 1) ** 2, jnp.arange(1.0, probes + 1)) * 2.399963
    vectors = (jnp.sqrt(2.0) * jnp.cos(phase)).astype(M.dtype)
    return jnp.sum((M @ (M @ vectors)) ** 2) / probes


def cayley_shift(sides: tuple[Matrix, ...]) -> Scalar:
    """A shift p for the series of stable matrices: the geometric mean of their largest and smallest eigenvalue magnitudes.

    Example:
      >>> cayley_shift((jnp.diag(jnp.array([-1.0, -4.0])),)).round(1)
      Array(2., dtype=float64)
    """
    spans = [_span(A) for A in sides]
    largest, smallest = jnp.max(jnp.array([span[0] for span in spans])), jnp.min(jnp.array([span[1] for span in spans]))
    shift = jnp.exp((largest + smallest) / 2)
    size = jnp.max(jnp.array([jnp.linalg.norm(A) for A in sides]))
    return jnp.where(jnp.isfinite(shift) & (shift > 0), shift, size)


def _span(A, steps=10):
    """Logarithms of the largest and smallest eigenvalue magnitudes of A, by power iteration from a fixed vector."""
    factors = lu_factor(A)
    start = jnp.cos(jnp.arange(len(A), dtype=A.dtype))

    def growth(apply):
        def step(_, state):
            vector, log_growth = state
            vector = apply(vector)
            size = jnp.linalg.norm(vector)
            return vector / size, log_growth + jnp.log(size)

        first = start / jnp.linalg.norm(start)
        # The first steps only turn the vector towards the dominant directions.
        vector, _ = lax.fori_loop(0, steps // 2, step, (first, jnp.zeros((), A.dtype)))
        _, log_growth = lax.fori_loop(0, steps, step, (vector, jnp.zeros((), A.dtype)))
        return log_growth / steps

    return growth(lambda v: A @ v), -growth(lambda v: lu_solve(*factors, v))
