"""Leaks that make a network stable."""

from typing import overload

import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError, check_positive, check_square, is_concrete
from jaxprune._types import Matrix, Real, Scalar
from jaxprune.linalg import resolve_symmetry, spectral_abscissa
from jaxprune.linalg.sparse import AnySparse, SparseMatrix
from jaxprune.networks import _sparse_leak


@overload
def dominant_leak(W: Matrix, slack: Real = 0.0) -> Matrix: ...


@overload
def dominant_leak(W: AnySparse, slack: Real = 0.0) -> SparseMatrix: ...


def dominant_leak(W: Matrix | AnySparse, slack: Real = 0.0) -> Matrix | SparseMatrix:
    """Give every neuron a leak that outweighs all its incoming synapses: row diagonal dominance.

        A = W − diag(d),   dᵢ = Σⱼ≠ᵢ |wᵢⱼ| + slack

    By Gershgorin every eigenvalue of A has a real part of at most -slack. With zero slack A may still be singular (a network
    whose excitatory cycles all balance, or a neuron without input); then it has no stationary covariance.

    Args:
      W: weights, dense or sparse; the diagonal is ignored.
      slack: dominance slack, in 1/time, not negative.

    Returns:
      Dynamics matrix, sparse if W is.

    Raises:
      InputError: W not square, empty or not finite; slack negative.

    Example:
      >>> dominant_leak(jnp.array([[0.0, -1.0], [2.0, 0.0]]), slack=0.5)
      Array([[-1.5, -1. ],
             [ 2. , -2.5]], dtype=float64)

    Reference: Varga2004, Gershgorin discs and diagonal dominance.
    """
    check_positive("slack", slack, zero=True)
    if isinstance(W, AnySparse):
        return _sparse_leak.dominant(W, slack)
    check_square("W", W)
    W = W * (1 - jnp.eye(len(W), dtype=W.dtype))
    return W - jnp.diag(jnp.sum(jnp.abs(W), axis=1) + slack)


@overload
def stable_leak(W: Matrix, abscissa: Real, *, symmetric: bool | None = None) -> Matrix: ...


@overload
def stable_leak(W: AnySparse, abscissa: Real, *, symmetric: bool | None = None) -> SparseMatrix: ...


def stable_leak(W: Matrix | AnySparse, abscissa: Real, *, symmetric: bool | None = None) -> Matrix | SparseMatrix:
    """Give all neurons the same leak, such that the slowest mode decays at a chosen rate.

        A = W − (α(W) − abscissa) I,   α(W) = maxᵢ Re λᵢ(W)

    Of a sparse network α is found by Arnoldi iterations (Lanczos, if symmetric), to a relative 10⁻¹⁰.

    Args:
      W: weights, dense or sparse; the diagonal is ignored.
      abscissa: wanted spectral abscissa of A, in 1/time; negative for a stable network.
      symmetric: whether W is symmetric; by default looked up.

    Returns:
      Dynamics matrix with spectral abscissa `abscissa`, sparse if W is.

    Raises:
      InputError: W not square, empty or not finite; abscissa not negative; W traced without `symmetric`, or sparse and traced;
        iterations that do not converge.

    Example:
      >>> stable_leak(jnp.array([[0.0, 1.0], [1.0, 0.0]]), -0.25)
      Array([[-1.25,  1.  ],
             [ 1.  , -1.25]], dtype=float64)
    """
    if is_concrete(abscissa) and not float(abscissa) < 0:
        raise InputError(
            f"abscissa is {float(abscissa):g}, but must be negative: the real part of the slowest mode, in 1/time."
        )
    if isinstance(W, AnySparse):
        return _sparse_leak.stable(W, abscissa, symmetric)
    check_square("W", W)
    identity = jnp.eye(len(W), dtype=W.dtype)
    W = W * (1 - identity)
    symmetric = resolve_symmetry(symmetric, W=W)
    return W - (spectral_abscissa(W, symmetric=symmetric) - abscissa) * identity


@overload
def scaled_inputs(W: Matrix, gain: Real = 0.9) -> Matrix: ...


@overload
def scaled_inputs(W: AnySparse, gain: Real = 0.9) -> SparseMatrix: ...


def scaled_inputs(W: Matrix | AnySparse, gain: Real = 0.9) -> Matrix | SparseMatrix:
    """Scale all weights by one number, and give all neurons one time constant, such that the network is stable.

        A = (g / s) W − I,   s = max(ρ̄, (1/N) Σᵢⱼ |wᵢⱼ|),   ρ̄ ≥ ρ(|W|) ≥ maxᵢ |λᵢ(W)|

    For counts of synapses, which say how strong connections are beside each other, but not beside the leak. Unlike a scale for
    each neuron it keeps the differences between neurons, and unlike a dominant leak it keeps their time constants equal. With the
    bound ρ̄ (`perron_bound`) every eigenvalue of A has a real part of at most `g − 1`, whatever the signs. Where the
    mean total input is the larger, as in a feed-forward network, whose eigenvalues are zero, it is the scale.

    Args:
      W: weights, dense or sparse; the diagonal is ignored.
      gain: g, in (0, 1): how much of its leak a neuron gets back at most, along the slowest pattern of activity.

    Returns:
      Dynamics matrix, in units of the neurons' time constant, sparse if W is.

    Raises:
      InputError: W not square, empty, not finite, or without a synapse; gain outside (0, 1).

    Example:
      >>> scaled_inputs(jnp.array([[0.0, 3.0], [3.0, 0.0]]), gain=0.5).round(2)
      Array([[-1. ,  0.5],
             [ 0.5, -1. ]], dtype=float64)

    Reference: Horn2012, spectral radii of matrices and of their absolute values.
    """
    if is_concrete(gain) and not 0 < float(gain) < 1:
        raise InputError(
            f"gain is {float(gain):g}, but must be between 0 and 1: at 1 the slowest mode may last for ever."
        )
    if isinstance(W, AnySparse):
        return _sparse_leak.scaled(W, gain)
    check_square("W", W)
    identity = jnp.eye(len(W), dtype=W.dtype)
    W = W * (1 - identity)
    scale = jnp.maximum(perron_bound(W), jnp.sum(jnp.abs(W)) / len(W))
    if is_concrete(scale) and not float(scale) > 0:
        raise InputError("W has no synapse: there is nothing to scale.")
    return (gain / scale) * W - identity


def perron_bound(W: Matrix | AnySparse, steps: int = 100) -> Scalar:
    """Upper bound of the spectral radius of |W|, and so of every network with weights of these sizes.

        ρ(|W|) ≤ maxᵢ (|W| x)ᵢ / xᵢ   for every x > 0

    with x from a power iteration of `|W| + δ`, which no part of the network can leave: δ adds a thousandth of the
    mean total input to that of every neuron. The bound holds for any number of steps, and is then a little above the radius.

    Args:
      W: square matrix, dense or sparse.
      steps: of the power iteration.

    Raises:
      InputError: W not square, empty or not finite.

    Example:
      >>> float(perron_bound(jnp.array([[0.0, -1.0], [4.0, 0.0]])).round(2))  # 2, and a little for the connections added
      2.0

    Reference: Horn2012, the bounds of Collatz and Wielandt.
    """
    if isinstance(W, AnySparse):
        return _sparse_leak.perron_bound(W, steps)
    check_square("W", W)
    size = jnp.abs(W)
    total = jnp.sum(size) / len(W)
    # The identity keeps a cycle from turning for ever; it moves all eigenvalues by the same amount.
    shift = jnp.where(total > 0, total, 1)

    def apply(x):
        return size @ x + 1e-3 * total * jnp.mean(x)

    def step(_, x):
        x = apply(x) + shift * x
        return x / jnp.max(x)

    x = lax.fori_loop(0, steps, step, jnp.ones(len(W), W.dtype))
    return jnp.max(apply(x) / x)
