"""Errors of a pruned matrix, mode by mode of the original."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Inexact

from jaxprune._checks import InputError, check_square
from jaxprune._types import Matrix
from jaxprune.linalg._lapack import eig, eigh
from jaxprune.linalg._spectrum import eigenvalues, match_eigenvalues, resolve_symmetry, slowest_first


class Modes(NamedTuple):
    """Eigenmodes of a network, slowest first.

    Attributes:
      eigenvalues: $\\lambda_i$, in order of falling real part; real for a symmetric matrix, else complex.
      vectors: unit right eigenvectors, as columns.
    """

    eigenvalues: Inexact[Array, " mode"]
    vectors: Inexact[Array, "post mode"]


class SpectralErrors(NamedTuple):
    """How far each mode of a network moves when it is pruned. Modes of the original, slowest first.

    Attributes:
      eigenvalue: $|\\mu_i / \\lambda_i - 1|$ with the pruned eigenvalue $\\mu_i$ paired to $\\lambda_i$.
      quadratic: $|v_i^* S v_i / \\lambda_i - 1|$, the relative change of the quadratic form along the eigenvector.
      angle: $|v_i^* S v_i| \\,/\\, \\|S v_i\\|$, the cosine of the angle between $v_i$ and $S v_i$; 1 for an unmoved direction.
    """

    eigenvalue: Float[Array, " mode"]
    quadratic: Float[Array, " mode"]
    angle: Float[Array, " mode"]


def modes(A: Matrix, *, symmetric: bool | None = None) -> Modes:
    """Eigenvalues and unit right eigenvectors of A, slowest mode first.

    Args:
      A: square matrix.
      symmetric: whether A is symmetric; by default looked up (inside `jit`, where it cannot be, taken as false).

    Raises:
      InputError: A not square, empty or not finite.

    Example:
      >>> modes(jnp.array([[-2.0, 1.0], [1.0, -2.0]])).eigenvalues
      Array([-1., -3.], dtype=float64)
    """
    check_square("A", A)
    symmetric = resolve_symmetry(symmetric, A=A)
    values, vectors = (eigh if symmetric else eig)(A)
    order = slowest_first(values)
    return Modes(values[order], vectors[:, order])


def spectral_errors(A: Matrix | Modes, B: Matrix, *, symmetric: bool | None = None) -> SpectralErrors:
    r"""Errors of the pruned matrix S = `B` along the modes $A v_i = \lambda_i v_i$ of the original.

    $$\epsilon_\lambda = |\mu_i / \lambda_i - 1|, \qquad \epsilon_v = |v_i^* S v_i / \lambda_i - 1|, \qquad
      \cos = |v_i^* S v_i| / \|S v_i\|$$

    Args:
      A: the original, or its `modes` (computed once for many pruned matrices).
      B: the pruned matrix.
      symmetric: whether B is symmetric; by default looked up. Real spectra are paired in order, complex ones by optimal
        assignment (`match_eigenvalues`).

    Returns:
      Three arrays over the modes of A, slowest first.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> spectral_errors(A, jnp.diag(jnp.diagonal(A))).eigenvalue
      Array([1.        , 0.33333333], dtype=float64)

    Reference: Moore2020, the three measures of spectrum preservation.
    """
    original = A if isinstance(A, Modes) else modes(A)
    check_square("B", B)
    if len(original.eigenvalues) != len(B):
        raise InputError(
            f"B has {len(B)} neurons and A has {len(original.eigenvalues)}: compare a network with its own pruned matrix."
        )
    symmetric = resolve_symmetry(symmetric, B=B)
    pruned = eigenvalues(B, symmetric=symmetric)
    quadratic, angle = directional_errors(original, B @ original.vectors)
    return SpectralErrors(eigenvalue_errors(original.eigenvalues, pruned), quadratic, angle)


def eigenvalue_errors(original: Inexact[Array, " mode"], pruned: Inexact[Array, " mode"]) -> Float[Array, " mode"]:
    """Relative error of each eigenvalue of the original, its partner found by `match_eigenvalues`."""
    return jnp.abs(pruned[match_eigenvalues(original, pruned)] / original - 1)


def directional_errors(
    original: Modes, image: Inexact[Array, "post mode"]
) -> tuple[Float[Array, " mode"], Float[Array, " mode"]]:
    """Change of the quadratic form along each eigenvector, and cosine of the angle it turns by, from `image` = B @ vectors."""
    form = jnp.sum(original.vectors.conj() * image, axis=0)
    quadratic = jnp.abs(form / original.eigenvalues - 1)
    return quadratic, jnp.abs(form) / jnp.linalg.norm(image, axis=0)
