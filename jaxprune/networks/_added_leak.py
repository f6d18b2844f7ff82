"""The leak that a network of weights is given, and how it was made, in words."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import check_choice, check_positive
from jaxprune.linalg.sparse import diagonal_of, input_of, is_sparse
from jaxprune.networks._leak import dominant_leak, scaled_inputs, stable_leak

GAIN, MARGIN = 0.9, 0.1
LEAKS = ("scaled", "dominant", "stable")


class AddedLeak(NamedTuple):
    """A dynamics matrix made of weights, and how, as facts and as words."""

    matrix: Any
    facts: dict[str, Any]
    words: str


def add_leak(W: Any, leak: str, *, gain: float | None = None, margin: float | None = None) -> AddedLeak:
    """Give a network of weights its leak; its diagonal is not used.

    Args:
      W: weights, dense or sparse.
      leak: scaled, which scales all weights by one number and gives every neuron a leak of 1; dominant, which gives each neuron
        a leak above its total input; stable, which gives all neurons one leak.
      gain: with scaled, how much of its leak a neuron gets back at most; 0.9 by default.
      margin: dominance slack (dominant) or minus the spectral abscissa (stable), as a fraction of the mean total input; 0.1 by
        default.

    Raises:
      InputError: an unknown leak, or a number out of range.

    Example:
      >>> add_leak(jnp.array([[0.0, 1.0], [1.0, 0.0]]), "dominant").words
      'leak: 1.1, added, for a slack of 0.1 (--leak dominant --margin 0.1)'
    """
    check_choice("leak", leak, LEAKS)
    gain, margin = GAIN if gain is None else gain, MARGIN if margin is None else margin
    if leak == "scaled":
        A = scaled_inputs(W, gain)
        factor = total_input(A) / total_input(W)
        words = f"leak: 1 for every neuron, added; all weights times {factor:.4g} (--leak scaled --gain {gain:g})"
        return AddedLeak(A, {"gain": gain, "factor": factor}, words)
    check_positive("--margin", margin, zero=leak == "dominant")
    absolute = margin * total_input(W) / W.shape[0]
    A = dominant_leak(W, absolute) if leak == "dominant" else stable_leak(W, -absolute)
    added = np.sort(-np.asarray(leaks_of(A)))
    sizes = f"{added[0]:.4g}" if added[0] == added[-1] else f"{added[0]:.4g} to {added[-1]:.4g}"
    what = "slack" if leak == "dominant" else "slowest rate"
    words = f"leak: {sizes}, added, for a {what} of {absolute:.4g} (--leak {leak} --margin {margin:g})"
    return AddedLeak(A, {"margin": margin, "least": float(added[0]), "largest": float(added[-1])}, words)


def leaks_of(A: Any) -> Any:
    """The diagonal of a matrix, dense or sparse."""
    return diagonal_of(A) if is_sparse(A) else jnp.diagonal(A)


def total_input(A: Any) -> float:
    """Sum of the sizes of all weights."""
    if is_sparse(A):
        return float(jnp.sum(input_of(A)))
    return float(jnp.sum(jnp.abs(A)) - jnp.sum(jnp.abs(jnp.diagonal(A))))
