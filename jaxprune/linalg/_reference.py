"""Modes and whitening of an original network, computed once, and comparisons of pruned matrices with them."""

from typing import Any, NamedTuple, overload

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Inexact

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Matrix
from jaxprune.linalg._products import symmetric_product
from jaxprune.linalg._spectrum import is_symmetric, resolve_symmetry, slowest_first, symmetrise
from jaxprune.linalg.lapack import eig, eigh
from jaxprune.linalg.sparse import AnySparse, SlowModes, as_sparse, check_size, is_sparse, times


class Modes(NamedTuple):
    """Eigenmodes of a network, slowest first.

    Attributes:
      eigenvalues: λᵢ, in order of falling real part; real for a symmetric matrix, else complex.
      vectors: unit right eigenvectors v, as columns.
      left: left eigenvectors u, as rows `uᵢ*` with `uᵢ* vⱼ = δᵢⱼ`; of a symmetric matrix the right ones.
        NaN where two modes are one up to rounding, so that u and v are orthogonal.
    """

    eigenvalues: Inexact[Array, " mode"]
    vectors: Inexact[Array, "post mode"]
    left: Inexact[Array, "mode post"]


class Reference(eqx.Module):
    """An original network with its modes and whitening, for comparing pruned ones with it; made by `reference`.

    A pytree, so that many networks are one `vmap`.

    Attributes:
      matrix: A.
      modes: its eigenmodes, slowest first.
      whitening: F with `Fᵀ M F = I` for `M = −½ (A + Aᵀ)`; NaN when M is not positive definite.
      symmetric: whether A is symmetric.
    """

    matrix: Matrix
    modes: Modes
    whitening: Matrix
    symmetric: bool = eqx.field(static=True)


class Projection(NamedTuple):
    """Comparison of a pruned matrix B with its original, as far as it needs no eigenvalues of B; made by `project`.

    Attributes:
      quadratic: `|uᵢ* B vᵢ / λᵢ − 1|` along each mode of the original.
      angle: `|vᵢ* B vᵢ| / ‖B vᵢ‖`.
      deviation: symmetric matrix `Fᵀ (M_B − M) F` whose eigenvalues are the relative errors of the quadratic form: the
        generalised eigenvalues minus one. Zero where the original has no whitening, which eigenvalue solvers can take.
      residual: `B vᵢ − λᵢ vᵢ`, what the original's modes are short of being modes of B, as columns.
    """

    quadratic: Float[Array, " mode"]
    angle: Float[Array, " mode"]
    deviation: Matrix
    residual: Inexact[Array, "post mode"]


def modes(A: Matrix, *, symmetric: bool | None = None) -> Modes:
    """Eigenvalues and eigenvectors of A, slowest mode first.

    Args:
      A: square matrix.
      symmetric: whether A is symmetric; by default looked up.

    Raises:
      InputError: A not square, empty or not finite; traced without `symmetric`.

    Example:
      >>> modes(jnp.array([[-2.0, 1.0], [1.0, -2.0]])).eigenvalues
      Array([-1., -3.], dtype=float64)
    """
    check_square("A", A)
    symmetric = resolve_symmetry(symmetric, A=A)
    if symmetric:
        values, vectors = eigh(symmetrise(A))
        order = slowest_first(values)
        vectors = vectors[:, order]
        return Modes(values[order], vectors, vectors.T)
    values, vectors, left = eig(A)
    order = slowest_first(values)
    vectors, left = vectors[:, order], left[order]
    overlap = jnp.sum(left.T * vectors, axis=0)
    # Where two eigenvalues are one up to rounding, they differ by its square root, and so do the two eigenvectors' directions.
    cosine = jnp.abs(overlap) / (jnp.linalg.norm(left, axis=1) * jnp.linalg.norm(vectors, axis=0))
    known = cosine > jnp.finfo(A.dtype).eps ** 0.5
    return Modes(
        values[order], vectors, jnp.where(known[:, None], left / jnp.where(known, overlap, 1)[:, None], jnp.nan)
    )


def reference(A: Matrix, *, symmetric: bool | None = None) -> Reference:
    """Compute modes and whitening of an original network once, for comparing many pruned versions with it.

    `certify`, `spectral_errors` and `stationary_covariance` take the result in place of A. Of a symmetric network all of it comes
    from one set of eigenvectors.

    Args:
      A: the original dynamics matrix, in 1/time.
      symmetric: whether A is symmetric; by default looked up.

    Raises:
      InputError: A not square, empty or not finite; traced without `symmetric`.

    Example:
      >>> original = reference(jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> original.symmetric, original.modes.eigenvalues
      (True, Array([-1., -3.], dtype=float64))
    """
    check_square("A", A)
    symmetric = resolve_symmetry(symmetric, A=A)
    if symmetric:
        A = symmetrise(A)
        found = modes(A, symmetric=True)
        return Reference(A, found, whitening_of_modes(-found.eigenvalues, found.vectors), True)
    return Reference(A, modes(A, symmetric=False), whitening(A), False)


def project(original: Reference, B: Matrix) -> Projection:
    """Compare a pruned matrix B with its original as far as that needs no eigenvalues of B: errors along modes, deviation.

    Args:
      original: from `reference`.
      B: the pruned matrix, symmetric when the original is.

    Raises:
      InputError: B not square, empty, not finite or of another size; not symmetric, but the original is.

    Example:
      >>> original = reference(jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> project(original, jnp.diag(jnp.array([-2.0, -2.0]))).quadratic
      Array([1.        , 0.33333333], dtype=float64)
    """
    check_square("B", B, like=("A", original.matrix))
    if original.symmetric and is_concrete(B) and not is_symmetric(B):
        raise InputError(
            "B is not symmetric, but its original is: pass reference(A, symmetric=False), which compares with either kind."
        )
    image = B @ original.modes.vectors
    quadratic, angle = _along_modes(original.modes, image)
    if original.symmetric:
        # The whitening is made of the same eigenvectors: one product less than `relative_deviation`.
        values, vectors = original.modes.eigenvalues, original.modes.vectors
        scale = (-values) ** -0.5
        difference = jnp.diag(values) - symmetric_product(vectors.T, image)
        deviation = scale[:, None] * difference * scale[None, :]
        deviation = jnp.where(jnp.all(jnp.isfinite(original.whitening)), deviation, 0)
    else:
        deviation = relative_deviation(original.whitening, original.matrix, B)
    return Projection(quadratic, angle, deviation, image - original.modes.vectors * original.modes.eigenvalues[None, :])


@overload
def mode_errors(found: Modes | SlowModes, B: Matrix) -> tuple[Float[Array, " mode"], Float[Array, " mode"]]: ...
@overload
def mode_errors(found: Modes | SlowModes, B: AnySparse) -> tuple[Float[Array, " mode"], Float[Array, " mode"]]: ...
def mode_errors(found: Modes | SlowModes, B: Any) -> tuple[Float[Array, " mode"], Float[Array, " mode"]]:
    """Errors of a pruned matrix B along each mode of its original: relative change along it, and cosine of the angle.

        |uᵢ* B vᵢ / λᵢ − 1|,   |vᵢ* B vᵢ| / ‖B vᵢ‖

    Args:
      found: modes of the original, from `modes` or `slow_modes`.
      B: the pruned matrix; BCSR or SciPy sparse as well.

    Returns:
      Both, over the modes; the `quadratic` and `angle` of `spectral_errors`.

    Raises:
      InputError: a sparse B that is not square, or of another size.

    Example:
      >>> quadratic, angle = mode_errors(modes(jnp.array([[-2.0, 1.0], [1.0, -2.0]])), jnp.diag(jnp.array([-2.0, -2.0])))
      >>> quadratic, angle
      (Array([1.        , 0.33333333], dtype=float64), Array([1., 1.], dtype=float64))
    """
    if is_sparse(B):
        B = as_sparse("B", B)
        check_size("B", B, len(found.vectors))
        return _along_modes(found, times(B, found.vectors))
    return _along_modes(found, B @ found.vectors)


def _along_modes(found, image):
    along = jnp.sum(found.left.T * image, axis=0)
    form = jnp.sum(found.vectors.conj() * image, axis=0)
    return jnp.abs(along / found.eigenvalues - 1), jnp.abs(form) / jnp.linalg.norm(image, axis=0)


def whitening(A: Matrix) -> Matrix:
    """A matrix F with `Fᵀ M F = I` for `M = −½ (A + Aᵀ)`; NaN when M is not positive definite."""
    return whitening_of_modes(*eigh(-(A + A.T) / 2))


def whitening_of_modes(values: Float[Array, " mode"], vectors: Matrix) -> Matrix:
    """`whitening` from the eigenvalues and eigenvectors of M, in any order."""
    positive = jnp.min(values) > jnp.finfo(values.dtype).eps * len(values) * jnp.max(values)
    return vectors * jnp.where(positive, values, jnp.nan)[None, :] ** -0.5


def relative_deviation(F: Matrix, A: Matrix, B: Matrix) -> Matrix:
    """`Fᵀ (M_B − M) F` for the whitening F of A: its eigenvalues are the generalised eigenvalues minus one.

    Zeros where A has no whitening, which eigenvalue solvers can take; `realised_epsilon` restores the NaN.
    """
    difference = A - B
    deviation = F.T @ ((difference + difference.T) / 2) @ F
    return jnp.where(jnp.all(jnp.isfinite(F)), (deviation + deviation.T) / 2, 0)
