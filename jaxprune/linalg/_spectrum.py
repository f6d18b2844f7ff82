"""Eigenvalues, slowest mode first, and the pairing of two spectra."""

import jax.numpy as jnp
import numpy as np
import optax
import scipy.optimize
from jax import Array
from jaxtyping import Inexact, Int

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Matrix, Scalar
from jaxprune.linalg._lapack import eigvals, eigvalsh


def is_symmetric(A: Matrix) -> bool:
    """Whether $A = A^T$ to the last bit."""
    return bool(np.array_equal(np.asarray(A), np.asarray(A).T))


def resolve_symmetry(symmetric: bool | None, **matrices: Matrix) -> bool:
    """The caller's word on whether matrices are symmetric, or a look at them; unknown (inside `jit`) means no.

    Raises:
      InputError: the word is yes, and a matrix whose entries are known is not symmetric.
    """
    skewed = [name for name, matrix in matrices.items() if is_concrete(matrix) and not is_symmetric(matrix)]
    if symmetric and skewed:
        raise InputError(
            f"symmetric is True, but {skewed[0]} is not symmetric: leave it out, or pass (matrix + matrix.T) / 2."
        )
    return bool(is_concrete(*matrices.values()) and not skewed) if symmetric is None else symmetric


def eigenvalues(A: Matrix, *, symmetric: bool) -> Inexact[Array, " mode"]:
    r"""Eigenvalues $\lambda_1, \lambda_2, \dots$ of A in order of falling real part, so that the slowest mode comes first.

    A matrix whose entries are known and that lives on a CPU goes to LAPACK's eigenvalue-only drivers through NumPy, which
    skip the eigenvectors that `jnp.linalg.eigvalsh` would compute and drop. Inside `jit`, and on accelerators, JAX's own.

    Args:
      A: square matrix.
      symmetric: take A as symmetric (only its lower triangle is read): real eigenvalues, several times faster.

    Returns:
      Real eigenvalues when `symmetric`, else complex ones.

    Raises:
      InputError: A not square, empty or not finite.

    Example:
      >>> eigenvalues(jnp.array([[-1.0, 0.0], [1.0, -3.0]]), symmetric=False).real
      Array([-1., -3.], dtype=float64)
    """
    check_square("A", A)
    if on_host(A):
        return jnp.asarray(host_eigenvalues(np.asarray(A), symmetric=symmetric))
    values = (eigvalsh if symmetric else eigvals)(A)
    return values[slowest_first(values)]


def slowest_first(values: Inexact[Array, " mode"]) -> Int[Array, " mode"]:
    """Order of falling real part; of a conjugate pair the one with positive imaginary part first."""
    return jnp.lexsort((-np.imag(values), -np.real(values)))


def spectral_abscissa(A: Matrix, *, symmetric: bool = False) -> Scalar:
    r"""Largest real part of the eigenvalues, $\alpha(A) = \max_i \operatorname{Re} \lambda_i$; A is stable when it is negative.

    Example:
      >>> spectral_abscissa(jnp.array([[-1.0, 4.0], [0.0, -3.0]]))
      Array(-1., dtype=float64)
    """
    return eigenvalues(A, symmetric=symmetric)[0].real


def match_eigenvalues(reference: Inexact[Array, " mode"], other: Inexact[Array, " mode"]) -> Int[Array, " mode"]:
    r"""Pair two spectra: the permutation $\pi$ that minimises $\sum_i |\lambda_i - \mu_{\pi(i)}|^2$.

    Real spectra are paired in sorted order, which is the same thing. Complex ones have no order; they need the assignment
    problem (SciPy's solver where the values are known, Optax's inside `jit`). Squares, because the plain distance has many
    minima on a line, some of which pair most eigenvalues closely at the price of a few absurd ones.

    Args:
      reference: eigenvalues $\lambda$, slowest first.
      other: eigenvalues $\mu$, slowest first.

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
        cost = np.nan_to_num(np.asarray(distance), nan=0.0, posinf=0.0)
        return jnp.asarray(scipy.optimize.linear_sum_assignment(cost)[1])
    rows, columns = optax.assignment.hungarian_algorithm(distance)
    return columns[jnp.argsort(rows)]


def host_eigenvalues(A: np.ndarray, *, symmetric: bool) -> np.ndarray:
    """Eigenvalues of one or many NumPy matrices, slowest first; always complex for general ones."""
    if symmetric:
        return np.linalg.eigvalsh(A)[..., ::-1]
    values = np.linalg.eigvals(A)
    # NumPy returns real numbers for general matrices whose eigenvalues happen to be real.
    values = values.astype(np.result_type(values, np.complex64))
    return np.take_along_axis(values, np.lexsort((-np.imag(values), -np.real(values))), axis=-1)


def on_host(A: Array) -> bool:
    """Whether A's entries are known and lie in this machine's memory, where NumPy may read them without a copy."""
    return is_concrete(A) and all(device.platform == "cpu" for device in jnp.asarray(A).devices())
