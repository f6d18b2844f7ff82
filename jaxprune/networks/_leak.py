"""Leaks that make a network stable."""

import jax.numpy as jnp

from jaxprune._checks import InputError, check_positive, check_square, is_concrete
from jaxprune._types import Matrix, Real
from jaxprune.linalg import resolve_symmetry, spectral_abscissa


def dominant_leak(W: Matrix, slack: Real = 0.0) -> Matrix:
    r"""Give every neuron a leak that outweighs all its incoming synapses: row diagonal dominance.

    $$A = W - \operatorname{diag}(d), \qquad d_i = \sum_{j \ne i} |w_{ij}| + \text{slack}$$

    By Gershgorin every eigenvalue of A has a real part of at most -slack. With zero slack A may still be singular (a network
    whose excitatory cycles all balance, or a neuron without input); then it has no stationary covariance.

    Args:
      W: weights; the diagonal is ignored.
      slack: dominance slack, in 1/time, not negative.

    Returns:
      Dynamics matrix.

    Raises:
      InputError: W not square, empty or not finite; slack negative.

    Example:
      >>> dominant_leak(jnp.array([[0.0, -1.0], [2.0, 0.0]]), slack=0.5)
      Array([[-1.5, -1. ],
             [ 2. , -2.5]], dtype=float64)

    Reference: Varga2004, Gershgorin discs and diagonal dominance.
    """
    check_square("W", W)
    check_positive("slack", slack, zero=True)
    W = W * (1 - jnp.eye(len(W), dtype=W.dtype))
    return W - jnp.diag(jnp.sum(jnp.abs(W), axis=1) + slack)


def stable_leak(W: Matrix, abscissa: Real, *, symmetric: bool | None = None) -> Matrix:
    r"""Give all neurons the same leak, such that the slowest mode decays at a chosen rate.

    $$A = W - \bigl(\alpha(W) - \text{abscissa}\bigr) I, \qquad \alpha(W) = \max_i \operatorname{Re} \lambda_i(W)$$

    Args:
      W: weights; the diagonal is ignored.
      abscissa: wanted spectral abscissa of A, in 1/time; negative for a stable network.
      symmetric: whether W is symmetric; by default looked up.

    Returns:
      Dynamics matrix with spectral abscissa `abscissa`.

    Raises:
      InputError: W not square, empty or not finite; abscissa not negative; W traced without `symmetric`.

    Example:
      >>> stable_leak(jnp.array([[0.0, 1.0], [1.0, 0.0]]), -0.25)
      Array([[-1.25,  1.  ],
             [ 1.  , -1.25]], dtype=float64)
    """
    check_square("W", W)
    if is_concrete(abscissa) and not float(abscissa) < 0:
        raise InputError(
            f"abscissa is {float(abscissa):g}, but must be negative: the real part of the slowest mode, in 1/time."
        )
    identity = jnp.eye(len(W), dtype=W.dtype)
    W = W * (1 - identity)
    symmetric = resolve_symmetry(symmetric, W=W)
    return W - (spectral_abscissa(W, symmetric=symmetric) - abscissa) * identity
