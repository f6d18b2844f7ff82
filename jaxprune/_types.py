"""Array types and the glossary of axis names used in signatures.

==========  ===========================================================
axis        meaning
==========  ===========================================================
post, pre   neurons, as receivers (rows) and senders (columns)
mode        eigenmodes, slowest (largest real part) first
members     networks of an ensemble
time        time steps
==========  ===========================================================
"""

import jaxtyping
from jax import Array
from jaxtyping import Bool, Float, Int, Num

PRNGKey = jaxtyping.Key[Array, ""]
"""One typed random key, from `jax.random.key`."""

Matrix = Float[Array, "post pre"]
"""Real weights; `A[post, pre]` is the synapse from `pre` to `post`. Square where both are one population."""

Mask = Float[Array, "post pre"]
"""Ones where a synapse stays, zeros elsewhere."""

Moment = Float[Array, "pre pre"]
"""A covariance or second moment of the presynaptic neurons."""

Scalar = Float[Array, ""]
Count = Int[Array, ""]
Flag = Bool[Array, ""]
Real = float | int | Num[Array, ""]
"""A Python number or a scalar array."""
