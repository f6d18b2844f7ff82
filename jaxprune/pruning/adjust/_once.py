"""Correct the remaining weights for every removal as if it were the only one."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from jaxprune._checks import check_matrix
from jaxprune._types import Mask, Matrix, Moment, Real
from jaxprune.linalg import lapack, symmetrise
from jaxprune.pruning._importance import check_moment
from jaxprune.pruning.adjust._adjust import Adjust, Survivors

DAMPING = 1e-3


def correct_once(W: Matrix, mask: Mask, H: Moment, *, damping: Real = DAMPING) -> Matrix:
    r"""Correct the surviving weights for each removal as if it were the only one, and add up the corrections.

    $$s_i = m_i \circ \Bigl(w_i - \sum_{q \notin S_i} \frac{w_{iq}}{[\bar H^{-1}]_{qq}} [\bar H^{-1}]_{q \cdot}\Bigr), \qquad
      \bar H = H + \text{damping} \cdot I$$

    Cheap, and right for one removal; with many the corrections do not know of each other. `compensate` does it jointly.

    Args:
      W: weights.
      mask: ones where a weight stays.
      H: second moment of the presynaptic activity.
      damping: added to H's diagonal, in the units of H.

    Raises:
      InputError: a matrix empty or not finite, or of shapes that do not fit.

    Example:
      >>> W, H = jnp.array([[1.0, 1.0]]), jnp.array([[1.0, 1.0], [1.0, 1.0]])
      >>> correct_once(W, jnp.array([[1.0, 0.0]]), H).round(2)
      Array([[2., 0.]], dtype=float64)

    Reference: Hassibi1992 (the single removal).
    """
    check_moment(W, H, names=("W", "H"))
    check_matrix("mask", mask, like=("W", W))
    inverse = lapack.inv(H + damping * jnp.eye(len(H), dtype=H.dtype))
    return mask * (W - ((1 - mask) * W / jnp.diagonal(inverse)[None, :]) @ inverse)


@dataclasses.dataclass(frozen=True)
class CorrectOnce(Adjust):
    """Correct survivors for every removal as if it were the only one: `correct_once`. Not local.

    Attributes:
      damping: as in `correct_once`.
    """

    needs_activity: ClassVar[bool] = True

    damping: float = DAMPING

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The corrected weights; the mask stays."""
        moment = survivors.moments().second_moment.astype(survivors.weights.dtype)
        S = correct_once(survivors.weights, survivors.support, moment, damping=self.damping)
        # The two ends of a pair share one weight, and take the mean of their corrections.
        return symmetrise(S) if survivors.symmetric else S, survivors.mask
