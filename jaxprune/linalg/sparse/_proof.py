r"""Proof that a large symmetric matrix is positive definite, by a factorisation that succeeds with room for rounding."""

from typing import Any

import numpy as np

WORK = 6e10
"""Most operations of a factorisation that is made of itself: a few seconds."""
ROOM = 2**30
"""Most bytes of its factor."""


class Form:
    """The shape in which a pattern of entries is factored: as a band, in an order that makes it narrow, or whole.

    Attributes:
      order: of the neurons.
      width: entries beside the diagonal on either side.
      affordable: whether a factorisation takes seconds and a gigabyte at most.
    """

    def __init__(self, pattern: Any):
        """Look for a narrow band.

        Args:
          pattern: symmetric SciPy matrix.
        """
        import scipy.sparse.csgraph

        n = pattern.shape[0]
        self.order = scipy.sparse.csgraph.reverse_cuthill_mckee(pattern.tocsr(), symmetric_mode=True)
        place = np.empty(n, np.int64)
        place[self.order] = np.arange(n)
        entries = pattern.tocoo()
        self.width = int(np.max(np.abs(place[entries.row] - place[entries.col]), initial=0))
        self.place = place
        self.affordable = n * min(self.width + 1, n) ** 2 / (3 if self.width > n // 4 else 1) <= WORK
        self.affordable &= 8 * n * (self.width + 1) <= ROOM


def proven_definite(matrix: Any, rounding: np.ndarray, form: Form) -> bool:
    """Whether a symmetric matrix is proven to be positive definite; no does not say that it is not.

    A Cholesky factorisation that runs to its end in floating point has factored a matrix whose entries differ by at most
    `γ √(aᵢᵢ aⱼⱼ)`, `γ = (k + 2) u / (1 − (k + 2) u)`, with k entries in the longest row of the factor and
    unit roundoff u. Where the factor may have entries at most w places from the diagonal, this difference is at most
    `γ (2 w + 1) diag(aᵢᵢ)` in the Loewner order. That, and what is known of the entries' own rounding, is
    subtracted from the diagonal before.

    Args:
      matrix: SciPy sparse, of double precision.
      rounding: by how much the sum of a row's entries may be off in size, for each row.
      form: of its pattern.

    Reference: Rump2006 (positive definiteness from one floating-point factorisation); Demmel1989 (the entrywise bound).
    """
    import scipy.linalg

    n, diagonal = matrix.shape[0], matrix.diagonal()
    if not np.all(diagonal > 0):
        return False
    band = min(form.width, n - 1)
    unit = np.finfo(float).eps / 2
    gamma = (band + 4) * unit / (1 - (band + 4) * unit)
    # Twice: the subtraction itself rounds, and the factored diagonal is not that of the matrix to the last digit.
    taken = 2 * (gamma * min(2 * band + 1, n) * diagonal + rounding)
    lower = matrix.tocoo()
    i, j = form.place[lower.row], form.place[lower.col]
    keep = i >= j
    i, j, values = i[keep], j[keep], lower.data[keep]
    values = np.where(i == j, values - taken[form.order[i]], values)
    try:
        if band > n // 4:
            whole = np.zeros((n, n), order="F")
            whole[i, j] = values
            scipy.linalg.cholesky(whole, lower=True, overwrite_a=True, check_finite=False)
        else:
            bands = np.zeros((band + 1, n), order="F")
            bands[i - j, j] = values
            scipy.linalg.cholesky_banded(bands, lower=True, overwrite_ab=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return False
    return True
