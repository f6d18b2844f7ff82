"""Errors of a pruned matrix, mode by mode of the original."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Inexact

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Matrix
from jaxprune.linalg._reference import Modes, Reference, mode_errors, modes
from jaxprune.linalg._spectrum import eigenvalues, match_eigenvalues, resolve_symmetry, symmetrise


class SpectralErrors(NamedTuple):
    """Errors of a pruned network in eigenvalue, along the mode, and in direction, for each mode of the original, slowest first.

    Attributes:
      eigenvalue: `|μᵢ / λᵢ − 1|` with the pruned eigenvalue μᵢ paired to λᵢ.
      quadratic: `|uᵢ* S vᵢ / λᵢ − 1|` with the left eigenvector u: the relative change of the original's own
        eigenvalue to first order, in decay and frequency together where it is complex. In a symmetric network u = v, and it is
        the relative change of the quadratic form. Unlike sorted eigenvalues it cannot take another mode for a lost one.
      angle: `|vᵢ* S vᵢ| / ‖S vᵢ‖`, the cosine of the angle between vᵢ and `S vᵢ`; 1 for an unmoved direction.
    """

    eigenvalue: Float[Array, " mode"]
    quadratic: Float[Array, " mode"]
    angle: Float[Array, " mode"]


def spectral_errors(A: Matrix | Modes | Reference, B: Matrix, *, symmetric: bool | None = None) -> SpectralErrors:
    """Errors of the pruned matrix S = `B` in eigenvalue, along the mode and in direction, mode by mode of the original.

        ε_λ = |μᵢ / λᵢ − 1|,   ε_v = |uᵢ* S vᵢ / λᵢ − 1|,   cos = |vᵢ* S vᵢ| / ‖S vᵢ‖
        A vᵢ = λᵢ vᵢ,   uᵢ* A = λᵢ uᵢ*,   uᵢ* vᵢ = 1

    Args:
      A: the original, or, computed once for many pruned matrices, its `modes` or `reference`.
      B: the pruned matrix.
      symmetric: whether B is symmetric; by default looked up. Of a traced A it is taken to say the same: where only B is
        symmetric, pass A's `modes`. Real spectra are paired in order, complex ones by optimal assignment
        (`match_eigenvalues`).

    Returns:
      Three arrays over the modes of A, slowest first.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; traced without `symmetric`.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> spectral_errors(A, jnp.diag(jnp.diagonal(A))).eigenvalue
      Array([1.        , 0.33333333], dtype=float64)

    Reference: Moore2020, the three measures of spectrum preservation; left eigenvectors are ours.
    """
    check_square("B", B)
    if isinstance(A, Reference):
        original = A.modes
    else:
        original = A if isinstance(A, Modes) else modes(A, symmetric=None if is_concrete(A) else symmetric)
    symmetric = resolve_symmetry(symmetric, B=B)
    if len(original.eigenvalues) != len(B):
        raise InputError(
            f"B has {len(B)} neurons and A has {len(original.eigenvalues)}: compare a network with its own pruned matrix."
        )
    B = symmetrise(B) if symmetric else B
    pruned = eigenvalues(B, symmetric=symmetric)
    quadratic, angle = mode_errors(original, B)
    return SpectralErrors(eigenvalue_errors(original.eigenvalues, pruned), quadratic, angle)


def eigenvalue_errors(original: Inexact[Array, " mode"], pruned: Inexact[Array, " mode"]) -> Float[Array, " mode"]:
    """Relative error `|μᵢ / λᵢ − 1|` of each eigenvalue of the original, its partner found by `match_eigenvalues`.

    Args:
      original: eigenvalues of the original, slowest first; none is zero.
      pruned: those of the pruned network, as many.

    Example:
      >>> eigenvalue_errors(jnp.array([-1.0, -2.0]), jnp.array([-1.5, -2.0]))
      Array([0.5, 0. ], dtype=float64)
    """
    return jnp.abs(pruned[match_eigenvalues(original, pruned)] / original - 1)
