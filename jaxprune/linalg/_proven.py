"""Epsilon of a large symmetric pair: the extreme deviation is found by iteration, and proven by two factorisations."""

import numpy as np
import scipy.linalg
from jaxtyping import Float

CLOSE = 1e-10
"""Relative width of the interval in which epsilon is proven to be."""
STEPS, LOOK = 160, 8
"""Steps of the iteration, at most, and how often it looks whether it is done."""


def proven_epsilon(
    A: Float[np.ndarray, "post pre"],
    B: Float[np.ndarray, "post pre"],
    C: Float[np.ndarray, "post pre"],
    *,
    stable: bool,
) -> float | None:
    """Spectral error of a symmetric pruned matrix, without the deviations that are not extreme.

    With M = −A and M_B = −B, the Lanczos method for `M⁻¹ (M_B − M)` in the scalar product of M, for which the covariance
    is `M⁻¹ / 2`, finds the largest deviation ε in some tens of steps. What it finds is never above the largest, but
    may be another. Therefore `(1 + ε') M − M_B` and `M_B − (1 − ε') M` are factorised at a relative
    10⁻¹⁰ above it: if both are positive definite, no deviation is outside ± ε' (Sylvester's law of inertia).

    Args:
      A, B: the matrices in double precision, entries in C order; A with a whitening.
      C: stationary covariance of A at unit noise.
      stable: whether M_B is known to be positive definite. The second factorisation is then not needed above ε = 1.

    Returns:
      Epsilon; None where it was not proven, and all deviations have to be looked at: of matrices that are nearly the same or
      badly conditioned, so that rounding decides; where the iteration did not end, or missed the extreme one.

    Example:
      >>> A, B = -np.diag([2.0, 3.0, 4.0]), -np.diag([2.0, 3.3, 5.0])
      >>> round(proven_epsilon(A, B, -np.linalg.inv(A) / 2, stable=True), 9)
      0.25

    Reference: Lehoucq1998 (the Lanczos method); Horn2012 (inertia).
    """
    difference = A - B
    epsilon = _largest(difference, C)
    if epsilon is None or not _bounds(epsilon * (1 + CLOSE), A, difference, stable):
        return None
    return epsilon


def _largest(difference, C):
    """The largest deviation in size, as the Lanczos method sees it; None if it does not settle."""
    (product,) = scipy.linalg.get_blas_funcs(("symv",), (C,))
    # Transposed: columns in order for LAPACK, and the same matrices.
    difference, C = difference.T, C.T
    last, image = np.zeros(len(C)), np.random.default_rng(0).standard_normal(len(C))
    vector = product(2, C, image)
    size = np.sqrt(image @ vector)
    diagonal, off = [], [size]
    for step in range(1, STEPS + 1):
        # The vector has length 1 in the scalar product of M, and the image is M times it.
        vector, image = vector / off[-1], image / off[-1]
        onward = product(1, difference, vector)
        diagonal.append(vector @ onward)
        onward -= diagonal[-1] * image
        if step > 1:
            onward -= off[-1] * last
        last, image = image, onward
        vector = product(2, C, image)
        off.append(np.sqrt(max(image @ vector, 0)))
        over = off[-1] <= np.finfo(float).eps * off[1]
        if over or step % LOOK == 0:
            found = _settled(diagonal, off[1:], over)
            if found is not None or over:
                return found
    return None


def _settled(diagonal, off, over):
    """The largest deviation, if it is known closely enough and the other end has settled or cannot be larger."""
    values, vectors = scipy.linalg.eigh_tridiagonal(diagonal, off[:-1])
    sizes, residuals = np.abs(values[[0, -1]]), off[-1] * np.abs(vectors[-1, [0, -1]])
    gaps = np.abs(np.diff(values)[[0, -1]]) if len(values) > 1 else np.zeros(2)
    known = residuals**2 <= CLOSE / 10 * sizes * gaps
    largest = np.argmax(sizes)
    if over or known.all() or (known[largest] and sizes.min() + residuals[1 - largest] <= sizes.max()):
        return float(sizes.max())
    return None


def _bounds(epsilon, A, difference, stable):
    """Whether no deviation is larger."""
    excess = -epsilon * A
    if not _is_definite(excess - difference):
        return False
    return (stable and epsilon >= 1) or _is_definite(excess + difference)


def _is_definite(M):
    (factorise,) = scipy.linalg.get_lapack_funcs(("potrf",), (M,))
    return factorise(M.T, lower=True, clean=False, overwrite_a=True)[1] == 0
