"""The k largest of many numbers, without sorting them."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float

from jaxprune._types import Real, Scalar


def kth_largest(values: Float[Array, "*any"], k: Real) -> Scalar:
    """The k-th largest of floats (k traced), by bisection of their bit patterns; infinite for k = 0.

    Example:
      >>> kth_largest(jnp.array([3.0, -1.0, 2.0]), 2)
      Array(2., dtype=float64)
    """
    bits = jnp.finfo(values.dtype).bits
    kind = jnp.dtype(f"uint{bits}")
    top = jnp.ones((), kind) << (bits - 1)
    pattern = lax.bitcast_convert_type(jnp.where(values == 0, 0, values), kind)
    # Patterns that sort as the numbers do: those of negative numbers run backwards, below all others.
    ordered = jnp.where(pattern >= top, ~pattern, pattern | top)

    def halve(step, floor):
        candidate = floor | (jnp.ones((), kind) << (bits - 1 - step).astype(kind))
        return jnp.where(jnp.sum(ordered >= candidate) >= k, candidate, floor)

    found = lax.fori_loop(0, bits, halve, jnp.zeros((), kind))
    threshold = lax.bitcast_convert_type(jnp.where(found >= top, found ^ top, ~found), values.dtype)
    return jnp.where(k > 0, threshold, jnp.inf)


def largest(values: Float[Array, "*any"], k: Real) -> Bool[Array, "*any"]:
    """Where the k largest are; of equal ones the first in order, on every platform.

    Example:
      >>> largest(jnp.array([3.0, 1.0, 2.0, 2.0]), 2)
      Array([ True, False,  True, False], dtype=bool)
    """
    threshold = kth_largest(values, k)
    above, tied = values > threshold, values == threshold
    place = jnp.cumsum(tied.reshape(-1)).reshape(values.shape)
    return above | (tied & (place <= k - jnp.sum(above)))
