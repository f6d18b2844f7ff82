"""What the surviving synapses and the leak do: 1/p strengthening and the matched diagonal."""

import jax.numpy as jnp

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Mask, Matrix, Real


def strengthen(A: Matrix, mask: Mask, probabilities: Matrix, *, cap: Real | None = None) -> Matrix:
    r"""Strengthen each surviving synapse by one over its probability of surviving; the diagonal stays.

    $$s_{ij} = m_{ij}\, a_{ij} / p_{ij} \quad (i \ne j), \qquad s_{ii} = a_{ii}$$

    so that $E[S] = A$ when $E[m_{ij}] = p_{ij}$ and there is no cap.

    Args:
      A: dynamics matrix.
      mask: ones where a synapse stays.
      probabilities: p, positive where the mask is one.
      cap: largest allowed amplification 1/p, at least 1; it buys variance for bias.

    Returns:
      The pruned matrix with A's diagonal.

    Raises:
      InputError: an argument not square, empty or not finite; cap below 1.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> strengthen(A, jnp.array([[0.0, 1.0], [0.0, 0.0]]), jnp.full((2, 2), 0.25))
      Array([[-2.,  4.],
             [ 0., -2.]], dtype=float64)

    Reference: Moore2020, the rescaling of surviving synapses.
    """
    for name, value in (("A", A), ("mask", mask), ("probabilities", probabilities)):
        check_square(name, value)
    gain = 1 / jnp.where(probabilities > 0, probabilities, 1)
    if cap is not None:
        if is_concrete(cap) and not float(cap) >= 1:
            raise InputError(
                f"cap is {float(cap):g}, but must be at least 1: the largest factor by which a synapse may grow."
            )
        gain = jnp.minimum(gain, cap)
    off_diagonal = 1 - jnp.eye(len(A), dtype=A.dtype)
    return jnp.diag(jnp.diagonal(A)) + A * mask * gain * off_diagonal


def matched_diagonal(A: Matrix, pruned: Matrix) -> Matrix:
    r"""Move the leak of the pruned network with its weights, so that every row keeps its dominance slack.

    $$s_{ii} = a_{ii} + \sum_{j \ne i} |a_{ij}| - \sum_{j \ne i} |s_{ij}|$$

    If A is diagonally dominant with negative diagonal, so is the result, whatever was drawn: it is never unstable.

    Args:
      A: the original dynamics matrix.
      pruned: the pruned one; its diagonal is ignored.

    Returns:
      The pruned matrix with the new diagonal.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> matched_diagonal(A, jnp.array([[-2.0, 4.0], [0.0, -2.0]]))
      Array([[-5.,  4.],
             [ 0., -1.]], dtype=float64)

    Reference: Moore2020, the diagonal that follows the weights.
    """
    check_square("A", A)
    check_square("pruned", pruned)
    off_diagonal = 1 - jnp.eye(len(A), dtype=A.dtype)
    change = jnp.sum((jnp.abs(A) - jnp.abs(pruned)) * off_diagonal, axis=1)
    return pruned * off_diagonal + jnp.diag(jnp.diagonal(A) + change)
