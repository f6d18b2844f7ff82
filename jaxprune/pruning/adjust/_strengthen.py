"""Divide each remaining weight by its probability of staying; the leak of a linear network follows the weights."""

import dataclasses
from typing import Literal

import jax.numpy as jnp

from jaxprune._checks import InputError, check_choice, check_fraction, check_matrix, check_square, is_concrete
from jaxprune._types import Mask, Matrix, Real
from jaxprune.pruning._kinds import without_diagonal
from jaxprune.pruning.adjust._adjust import Adjust, Survivors

DIAGONALS = ("matched", "original")


def strengthen(
    A: Matrix, mask: Mask, probabilities: Matrix, *, cap: Real | None = None, leak: bool | None = None
) -> Matrix:
    """Strengthen each surviving synapse by one over its probability of surviving; the diagonal stays.

        sᵢⱼ = mᵢⱼ aᵢⱼ / pᵢⱼ   (i ≠ j),   sᵢᵢ = aᵢᵢ

    so that E[S] = A when `E[mᵢⱼ] = pᵢⱼ` and there is no cap.

    Args:
      A: dynamics matrix, or weights.
      mask: ones where a synapse stays.
      probabilities: p, positive where the mask is one.
      cap: largest factor by which a synapse may grow, at least 1: less variance, more bias.
      leak: whether the diagonal is the leak (or self-synapses), which stays; by default that of square matrices.

    Returns:
      The pruned matrix with A's diagonal.

    Raises:
      InputError: an argument empty or not finite, or of different shapes; cap below 1.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> strengthen(A, jnp.array([[0.0, 1.0], [0.0, 0.0]]), jnp.full((2, 2), 0.25))
      Array([[-2.,  4.],
             [ 0., -2.]], dtype=float64)

    Reference: Moore2020, the rescaling of surviving synapses.
    """
    check_matrix("A", A)
    for name, value in (("mask", mask), ("probabilities", probabilities)):
        check_matrix(name, value, like=("A", A))
    gain = 1 / jnp.where(probabilities > 0, probabilities, 1)
    if cap is not None:
        check_cap(cap)
        gain = jnp.minimum(gain, cap)
    off_diagonal = without_diagonal(A, leak)
    return A * (1 - off_diagonal) + A * mask * gain * off_diagonal


def matched_diagonal(A: Matrix, pruned: Matrix) -> Matrix:
    """Move the leak of the pruned network with its weights, so that every row keeps its dominance slack.

        sᵢᵢ = aᵢᵢ + Σⱼ≠ᵢ |aᵢⱼ| − Σⱼ≠ᵢ |sᵢⱼ|

    If A is diagonally dominant with negative diagonal, no row of the result has a smaller slack, whatever was drawn: it is never
    unstable. (A neuron without slack that loses all its inputs ends with a leak of zero.)

    Args:
      A: the original dynamics matrix.
      pruned: the pruned one; its diagonal is ignored.

    Returns:
      The pruned matrix with the new diagonal.

    Raises:
      InputError: a matrix not square, empty or not finite.

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


def check_cap(cap: Real) -> None:
    """Refuse a largest factor below 1."""
    if is_concrete(cap) and not float(cap) >= 1:
        raise InputError(
            f"cap is {float(cap):g}, but must be at least 1: the largest factor by which a synapse may grow."
        )


@dataclasses.dataclass(frozen=True)
class Strengthen(Adjust):
    """Divide every surviving weight by its probability of staying: `strengthen`.

    Attributes:
      cap: largest factor by which a synapse may grow; None for no cap.
      cap_quantile: instead of `cap`, the quantile of the factors 1/p, over all synapses, at which they are cut.
      diagonal: the leak of a linear network: `"matched"` to the weights (`matched_diagonal`) or `"original"`. By default the
        leak of a linear network is matched, and self-synapses of a recurrent one stay as they are.

    Raises:
      InputError: a cap below 1, a quantile outside (0, 1], or both; an unknown diagonal.

    Reference: Moore2020.
    """

    cap: float | None = None
    cap_quantile: float | None = None
    diagonal: Literal["matched", "original"] | None = None

    def __post_init__(self):
        if self.cap is not None:
            check_cap(self.cap)
        if self.cap_quantile is not None:
            check_fraction("cap_quantile", self.cap_quantile)
            if self.cap is not None:
                raise InputError("cap and cap_quantile were both given, but a factor can be cut in one way only.")
        if self.diagonal is not None:
            check_choice("diagonal", self.diagonal, DIAGONALS)

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The strengthened weights; the mask stays."""
        W, p = survivors.weights, survivors.probabilities
        linear = survivors.kind == "linear"
        if self.diagonal == "matched" and not linear:
            raise InputError(
                f"diagonal is 'matched', but a network of kind {survivors.kind!r} has no leak in its weights: leave it out."
            )
        cap = self.cap
        if self.cap_quantile is not None:
            cap = jnp.nanquantile(jnp.where(p > 0, 1 / p, jnp.nan), self.cap_quantile)
        S = strengthen(W, survivors.mask, p, cap=cap, leak=survivors.kind != "layer")
        if linear and self.diagonal != "original":
            S = matched_diagonal(W, S)
        return S, survivors.mask
