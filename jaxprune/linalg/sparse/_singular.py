"""Parts of a symmetric network that have no leak of their own, and so never come to rest."""

import numpy as np

from jaxprune._checks import InputError
from jaxprune.linalg.sparse._matrix import SparseMatrix, to_scipy
from jaxprune.linalg.sparse._precondition import slack_rounding, slack_shares


def check_singular(A: SparseMatrix) -> None:
    """Refuse a diagonally dominant symmetric network that is singular: one of its components is balanced and has no slack.

    A component is balanced if its neurons fall into two camps, with excitation within and inhibition between them (or if there is
    no inhibition at all). Then the pattern of +1 and -1 by camps decays by the slacks alone.

    Args:
      A: dynamics matrix, symmetric, diagonally dominant up to rounding.

    Raises:
      InputError: with a neuron of that component.

    Reference: Harary1953 (balance); Hou2005 (the signed Laplacian is singular where its graph is balanced).
    """
    import scipy.sparse
    import scipy.sparse.csgraph as graphs

    leaking = np.asarray(slack_shares(A) > slack_rounding(A))
    if np.all(leaking):
        return
    rows = to_scipy(A)
    count, part = graphs.connected_components(rows, directed=False)
    bare = np.bincount(part, weights=leaking, minlength=count) == 0
    members = np.flatnonzero(bare[part])
    if not len(members):
        return
    among = rows[members][:, members].tocoo()
    n, off = len(members), among.row != among.col
    post, pre, same = among.row[off], among.col[off], among.data[off] > 0
    # Two copies of each neuron: excitation joins copies of one kind, inhibition those of the two kinds. A balanced component
    # falls in two.
    i = np.concatenate([post, post + n])
    j = np.concatenate([np.where(same, pre, pre + n), np.where(same, pre + n, pre)])
    copies = graphs.connected_components(
        scipy.sparse.csr_array((np.ones(len(i), np.int8), (i, j)), shape=(2 * n, 2 * n)), directed=False
    )[1]
    balanced = np.flatnonzero(copies[:n] != copies[n:])
    if len(balanced):
        neuron = int(members[balanced[0]])
        size = int(np.sum(part == part[neuron]))
        raise InputError(
            f"A is singular: the component of neuron {neuron} ({size} of {len(leaking)} neurons) has no slack and is balanced, "
            "so one of its patterns never decays: add a slack, for example with networks.dominant_leak(W, slack)."
        )
