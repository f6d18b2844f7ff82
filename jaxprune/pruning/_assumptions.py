"""What the theorem, and what is built on it, assume of a network."""

import numpy as np

from jaxprune._checks import InputError, is_concrete
from jaxprune._types import Matrix
from jaxprune.linalg import is_symmetric


def check_assumptions(A: Matrix) -> None:
    """Refuse a network that does not meet the theorem's assumptions: not symmetric, or a row not diagonally dominant.

    Raises:
      InputError: naming the assumption that fails.
    """
    if not is_concrete(A):
        return
    if not is_symmetric(A):
        raise InputError(
            "A is not symmetric, but the theorem is for symmetric networks: use linalg.certify for what is true of A."
        )
    matrix = np.asarray(A)
    diagonal = np.diagonal(matrix)
    slack = -diagonal - (np.sum(np.abs(matrix), axis=1) - np.abs(diagonal))
    if slack.min() < -len(A) * np.finfo(matrix.dtype).eps * np.abs(diagonal).max():
        raise InputError(
            f"A has a row with dominance slack {slack.min():g}, but the theorem needs diagonal dominance (slack >= 0): "
            "use networks.dominant_leak."
        )
