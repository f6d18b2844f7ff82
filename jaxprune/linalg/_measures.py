"""All measures of a pruned network beside its original, at once."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxprune._checks import check_pair, check_whole
from jaxprune._types import Matrix, Scalar
from jaxprune.linalg._certificate import Certificate, certificate_from
from jaxprune.linalg._errors import eigenvalue_errors
from jaxprune.linalg._h2 import covariances_of_pair, h2_of_modes, h2_of_pair
from jaxprune.linalg._information import information_of_pair, path_divergence, realised_divergence
from jaxprune.linalg._lyapunov import lyapunov
from jaxprune.linalg._reference import Reference, modes, project, reference
from jaxprune.linalg._spectrum import eigenvalues, resolve_symmetry, symmetrise

SLOW = 10
"""Slowest modes that are looked at by themselves."""


class Measures(NamedTuple):
    """How far a pruned network is from its original; the leading measures first.

    Attributes:
      h2: relative H2 error of the response to noise, `h2_error`; infinite if the pruned network is not stable.
      slow_modes, worst_mode: mean and worst of the errors along the slowest modes of the original, `SpectralErrors.quadratic`;
        NaN where one of these is one with another up to rounding, as in a feed-forward chain.
      stationary: information lost about activity at one moment, in nats per neuron, `information_lost`; infinite as above.
      path: the same about trajectories, per unit of time; it does not see whether the pruned network is stable.
      sorted_median, sorted_slow: median error of paired eigenvalues, and mean over the slowest. The first is the measure of the
        literature. A network without any synapse can do well on it, and a lost mode can be hidden by another that takes its
        place in the order.
      certificate: as from `certify`.
    """

    h2: Scalar
    slow_modes: Scalar
    worst_mode: Scalar
    stationary: Scalar
    path: Scalar
    sorted_median: Scalar
    sorted_slow: Scalar
    certificate: Certificate


def measure(A: Matrix | Reference, B: Matrix, *, symmetric: bool | None = None, slow: int = SLOW) -> Measures:
    """Measure how far a pruned network is from its original; every decomposition is made once.

    Args:
      A: the original dynamics matrix, in 1/time; or, looked at once for many pruned ones, its `reference`.
      B: the pruned one.
      symmetric: whether both are symmetric; by default looked up.
      slow: number of slowest modes looked at by themselves; all modes of a smaller network.

    Returns:
      All measures; those of the response and of information are NaN if the original is not stable.

    Raises:
      InputError: a matrix not square, empty or not finite, or the two of different sizes; traced without `symmetric`; slow
        below 1.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> measure(A, jnp.diag(jnp.diagonal(A))).slow_modes.round(3)  # without any synapse: (2/1 - 1 + 1 - 2/3) / 2
      Array(0.667, dtype=float64)

    Reference: those of `h2_error`, `spectral_errors`, `information_lost` and `certify`.
    """
    matrix = A.matrix if isinstance(A, Reference) else A
    check_pair(matrix, B)
    check_whole("slow", slow, least=1)
    both = resolve_symmetry(symmetric, A=matrix, B=B)
    original = A if isinstance(A, Reference) and A.symmetric == both else reference(matrix, symmetric=both)
    B = symmetrise(B) if both else B
    seen = project(original, B)
    deviations = eigenvalues(symmetrise(seen.deviation), symmetric=True)
    if both:
        pruned = modes(B, symmetric=True)
        values, h2 = pruned.eigenvalues, h2_of_modes(original.modes, pruned).relative
        stationary = realised_divergence(original.whitening, deviations)
        path = path_divergence(original.modes.eigenvalues, seen.residual)
    else:
        values = eigenvalues(B, symmetric=False)
        C = lyapunov(matrix, jnp.eye(len(B), dtype=B.dtype), symmetric=True).value
        pair = covariances_of_pair(matrix, B, C)
        h2, (stationary, path) = h2_of_pair(pair).relative, information_of_pair(B - matrix, pair)
    errors = eigenvalue_errors(original.modes.eigenvalues, values)
    return Measures(
        h2=h2,
        slow_modes=jnp.mean(seen.quadratic[:slow]),
        worst_mode=jnp.max(seen.quadratic[:slow]),
        stationary=stationary,
        path=path,
        sorted_median=jnp.median(errors),
        sorted_slow=jnp.mean(errors[:slow]),
        certificate=certificate_from(
            original.matrix, B, original.whitening, deviations=deviations, abscissa=values[0].real, symmetric=both
        ),
    )
