"""Eigenvalues, slowest mode first, and the pairing of two spectra."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Inexact, Int

from jaxprune._checks import InputError, check_square, is_concrete, on_host
from jaxprune._types import Matrix, Scalar
from jaxprune.linalg.lapack import eigvals, eigvalsh


def is_symmetric(A: Matrix) -> bool:
    """Whether a matrix is symmetric up to rounding, `|aᵢⱼ − aⱼᵢ| ≤ N ε max |a|`, with ε of its dtype.

    Args:
      A: a matrix whose entries are known; one that is not square is not symmetric.

    Example:
      >>> is_symmetric(jnp.array([[1.0, 2.0], [2.0 + 1e-15, 1.0]])), is_symmetric(jnp.array([[1.0, 2.0], [2.1, 1.0]]))
      (True, False)
    """
    entries = np.asarray(A)
    if entries.ndim != 2 or entries.shape[0] != entries.shape[1]:
        return False
    if np.array_equal(entries, entries.T):
        return True
    if not np.issubdtype(entries.dtype, np.floating):
        return False
    allowed = len(entries) * np.finfo(entries.dtype).eps * np.max(np.abs(entries))
    return bool(np.max(np.abs(entries - entries.T)) <= allowed)


def symmetrise(A: Matrix) -> Matrix:
    """Average a matrix with its transpose, which makes it symmetric to the last bit; one that is so already stays as it is.

    Args:
      A: square matrix.

    Example:
      >>> symmetrise(jnp.array([[1.0, 2.0], [4.0, 1.0]]))
      Array([[1., 3.],
             [3., 1.]], dtype=float64)
    """
    return (A + A.T) / 2


def resolve_symmetry(symmetric: bool | None, **matrices: Matrix) -> bool:
    """Whether matrices are symmetric: as the caller says, or, with None, by a look at their entries.

    Args:
      symmetric: the caller's word, or None.
      matrices: the matrices, by the names that error messages give them.

    Returns:
      True if all of them are symmetric (`is_symmetric`).

    Raises:
      InputError: the word is yes, and a matrix whose entries are known is not symmetric; there is no word, and a matrix is
        traced (inside `jit` or `vmap`), so that its entries cannot be looked at.

    Example:
      >>> resolve_symmetry(None, A=jnp.eye(2), B=jnp.array([[1.0, 2.0], [0.0, 1.0]]))
      False
    """
    if symmetric is not None and not symmetric:
        return False
    skewed = [name for name, matrix in matrices.items() if is_concrete(matrix) and not is_symmetric(matrix)]
    if symmetric and skewed:
        raise InputError(
            f"symmetric is True, but {skewed[0]} is not symmetric: leave it out, or pass (matrix + matrix.T) / 2."
        )
    if symmetric or skewed:
        return bool(symmetric)
    traced = [name for name, matrix in matrices.items() if not is_concrete(matrix)]
    if traced:
        raise InputError(
            f"{traced[0]} is traced, so that its symmetry cannot be looked up: pass symmetric=True or symmetric=False."
        )
    return True


def eigenvalues(A: Matrix, *, symmetric: bool | None = None) -> Inexact[Array, " mode"]:
    """Eigenvalues λ₁, λ₂, … of A in order of falling real part, so that the slowest mode comes first.

    A matrix whose entries are known and that lives on a CPU goes to LAPACK's eigenvalue-only drivers through NumPy, which
    skip the eigenvectors that `jnp.linalg.eigvalsh` would compute and drop. Inside `jit`, and on accelerators, JAX's own.

    Args:
      A: square matrix.
      symmetric: whether A is symmetric, which makes its eigenvalues real and several times faster to find; by default looked
        up. What rounding left asymmetric is averaged.

    Returns:
      Real eigenvalues when `symmetric`, else complex ones.

    Raises:
      InputError: A not square, empty or not finite; traced without `symmetric`.

    Example:
      >>> eigenvalues(jnp.array([[-1.0, 0.0], [1.0, -3.0]]), symmetric=False).real
      Array([-1., -3.], dtype=float64)
    """
    check_square("A", A)
    symmetric = resolve_symmetry(symmetric, A=A)
    if symmetric:
        A = symmetrise(A)
    if on_host(A):
        return jnp.asarray(host_eigenvalues(np.asarray(A), symmetric=symmetric))
    values = (eigvalsh if symmetric else eigvals)(A)
    return values[slowest_first(values)]


def slowest_first(values: Inexact[Array, " mode"]) -> Int[Array, " mode"]:
    """Order of falling real part; of a conjugate pair the one with positive imaginary part first."""
    return jnp.lexsort((-np.imag(values), -np.real(values)))


def spectral_abscissa(A: Matrix, *, symmetric: bool | None = None) -> Scalar:
    """Largest real part of the eigenvalues, `α(A) = maxᵢ Re λᵢ`; A is stable when it is negative.

    Args:
      A: dynamics matrix, in 1/time.
      symmetric: as in `eigenvalues`.

    Raises:
      InputError: A not square, empty or not finite; traced without `symmetric`.

    Example:
      >>> spectral_abscissa(jnp.array([[-1.0, 4.0], [0.0, -3.0]]))
      Array(-1., dtype=float64)
    """
    return eigenvalues(A, symmetric=symmetric)[0].real


def rounding(eigenvalues: Inexact[Array, " mode"]) -> Scalar:
    """Size below which an eigenvalue of a matrix is not told from zero: N times the precision times the largest.

    Args:
      eigenvalues: all of the matrix, in 1/time.

    Example:
      >>> float(rounding(jnp.array([-1.0, -4.0]))) == 2 * 4 * float(jnp.finfo(float).eps)
      True
    """
    return len(eigenvalues) * jnp.finfo(eigenvalues.dtype).eps * jnp.max(jnp.abs(eigenvalues))


def match_eigenvalues(reference: Inexact[Array, " mode"], other: Inexact[Array, " mode"]) -> Int[Array, " mode"]:
    """Pair the eigenvalues of two networks: the permutation π that minimises `Σᵢ |λᵢ − μ_π(i)|²`.

    Real spectra are paired in sorted order, which is the same thing. Complex ones have no order; they need the assignment
    problem (SciPy's solver where the values are known, Optax's inside `jit`). Squares, because the plain distance has many
    minima on a line, some of which pair most eigenvalues closely at the price of a few absurd ones.

    Args:
      reference: eigenvalues λ, slowest first.
      other: eigenvalues μ, slowest first.

    Returns:
      Indices into `other`.

    Example:
      >>> match_eigenvalues(jnp.array([-1 + 1j, -1 - 1j]), jnp.array([-1 - 1.1j, -1 + 0.9j]))
      Array([1, 0], dtype=int64)

    Reference: Hoffman1953 (for normal matrices this distance is at most that of the matrices).
    """
    if not (jnp.iscomplexobj(reference) or jnp.iscomplexobj(other)):
        return jnp.argsort(-other)[jnp.argsort(jnp.argsort(-reference))]
    distance = jnp.abs(reference[:, None] - other[None, :]) ** 2
    if is_concrete(distance):
        # A spectrum that is not finite pairs with nothing; the caller sees NaN in its errors.
        import scipy.optimize  # half a second, which few programs need

        cost = np.nan_to_num(np.asarray(distance), nan=0.0, posinf=0.0)
        return jnp.asarray(scipy.optimize.linear_sum_assignment(cost)[1])
    import optax

    rows, columns = optax.assignment.hungarian_algorithm(distance)
    return columns[jnp.argsort(rows)]


def host_eigenvalues(A: np.ndarray, *, symmetric: bool) -> np.ndarray:
    """Eigenvalues of one or many NumPy matrices, slowest first; always complex for general ones.

    Args:
      A: `(..., post, pre)`.
      symmetric: whether all are symmetric; only the lower triangles are read then.

    Returns:
      `(..., mode)`.

    Example:
      >>> host_eigenvalues(np.array([[[-2.0, 1.0], [1.0, -2.0]]]), symmetric=True)
      array([[-1., -3.]])
    """
    if symmetric:
        return np.linalg.eigvalsh(A)[..., ::-1]
    values = np.linalg.eigvals(A)
    # NumPy returns real numbers for general matrices whose eigenvalues happen to be real.
    values = values.astype(np.result_type(values, np.complex64))
    return np.take_along_axis(values, np.lexsort((-np.imag(values), -np.real(values))), axis=-1)
