"""All measures of a pruned network beside its original, at once."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxprune._types import Matrix, Scalar
from jaxprune.linalg._certificate import certify
from jaxprune.linalg._errors import spectral_errors
from jaxprune.linalg._h2 import h2_error
from jaxprune.linalg._information import information_lost
from jaxprune.linalg._reference import Reference, reference
from jaxprune.linalg._spectrum import resolve_symmetry

SLOW = 10
"""Slowest modes that are looked at by themselves."""


class Measures(NamedTuple):
    """How far a pruned network is from its original; the leading measures first.

    Attributes:
      h2: relative H2 error of the response to noise, `h2_error`; infinite if the pruned network is not stable.
      slow_modes, worst_mode: mean and worst of the errors along the slowest modes of the original, `SpectralErrors.quadratic`.
      stationary: information lost about activity at one moment, in nats per neuron, `information_lost`; infinite as above.
      path: the same about trajectories, per unit of time; it does not see whether the pruned network is stable.
      epsilon: of the certificate; NaN where there is none.
      sorted_median, sorted_slow: median error of paired eigenvalues, and mean over the slowest. The first is the measure of the
        literature. A network without any synapse can do well on it, and a lost mode can be hidden by another that takes its
        place in the order.
      abscissa: largest real part of the pruned eigenvalues, in 1/time.
    """

    h2: Scalar
    slow_modes: Scalar
    worst_mode: Scalar
    stationary: Scalar
    path: Scalar
    epsilon: Scalar
    sorted_median: Scalar
    sorted_slow: Scalar
    abscissa: Scalar


def measure(A: Matrix | Reference, B: Matrix, *, symmetric: bool | None = None, slow: int = SLOW) -> Measures:
    """Measure how far a pruned network is from its original.

    Args:
      A: the original dynamics matrix, in 1/time; or, looked at once for many pruned ones, its `reference`.
      B: the pruned one.
      symmetric: whether both are symmetric; by default looked up.
      slow: number of slowest modes looked at by themselves; all modes of a smaller network.

    Returns:
      All measures.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; traced without `symmetric`.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> measure(A, jnp.diag(jnp.diagonal(A))).slow_modes.round(3)  # without any synapse: (2/1 - 1 + 1 - 2/3) / 2
      Array(0.667, dtype=float64)
    """
    if isinstance(A, Reference):
        original, both = A, resolve_symmetry(symmetric, A=A.matrix, B=B)
    else:
        both = resolve_symmetry(symmetric, A=A, B=B)
        original = reference(A, symmetric=symmetric)
    errors = spectral_errors(original, B, symmetric=both)
    lost = information_lost(original, B, symmetric=both)
    certificate = certify(original, B, symmetric=both)
    return Measures(
        h2=h2_error(original, B, symmetric=both).relative,
        slow_modes=jnp.mean(errors.quadratic[:slow]),
        worst_mode=jnp.max(errors.quadratic[:slow]),
        stationary=lost.stationary,
        path=lost.path,
        epsilon=certificate.epsilon,
        sorted_median=jnp.median(errors.eigenvalue),
        sorted_slow=jnp.mean(errors.eigenvalue[:slow]),
        abscissa=certificate.abscissa,
    )
