"""Matrix products whose result is known to be symmetric."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._types import Matrix

SMALLEST = 256


def symmetric_product(left: Float[Array, "post inner"], right: Float[Array, "inner pre"]) -> Matrix:
    """`left @ right` for a product that is symmetric, such as `M (X Mᵀ)` with symmetric X.

    Of large matrices three of the four blocks are multiplied, and the fourth is mirrored; the symmetry of the product is the
    caller's word, and is exact only for the mirrored block.

    Example:
      >>> symmetric_product(jnp.array([[1.0, 2.0]]), jnp.array([[1.0], [2.0]]))
      Array([[5.]], dtype=float64)
    """
    n = len(left)
    if n < SMALLEST:
        return left @ right
    half = n // 2
    top = left[:half] @ right
    corner = left[half:] @ right[:, half:]
    return jnp.concatenate([top, jnp.concatenate([top[:, half:].T, corner], axis=1)])
