"""The leak of a network that a user brings: its own, or one that it is given, and how, in words."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import LEAK, InputError, check_choice, check_leak, check_positive
from jaxprune.linalg.sparse import check_sparse_leak, diagonal_of, input_of, is_sparse, rows_of
from jaxprune.networks._edges import NamedNetwork
from jaxprune.networks._leak import dominant_leak, scaled_inputs, stable_leak

GAIN, MARGIN = 0.9, 0.1
LEAKS = ("none", "scaled", "dominant", "stable")


class WithLeak(NamedTuple):
    """A network with its leak, and what was done for it.

    Attributes:
      matrix: dynamics matrix, sparse if the network is.
      leak: one of none, scaled, dominant and stable.
      settings: the number that it takes, by name.
      facts: what came of it, as a report has it.
      words: the same in words.
      unused: entries of the diagonal that another leak stands in the place of.
      left_out: synapses of a neuron onto itself that were left out.
    """

    matrix: Any
    leak: str
    settings: dict[str, float]
    facts: dict[str, float]
    words: str
    unused: int
    left_out: int

    def lines(self, how: str) -> tuple[str, ...]:
        """What was left out, if anything was, and the leak, a line each.

        Args:
          how: the leak and its settings in the words of the program that speaks; left out where none was added.
        """
        line = f"{self.words} ({how})" if self.settings else self.words
        if self.unused:
            line += f"; the diagonal of the file ({self.unused} entries) is not used"
        own = (f"{self.left_out} synapses of a neuron onto itself are left out",) if self.left_out else ()
        return (*own, line)


def choose_leak(W: Any, leak: str, *, counts: bool) -> str:
    """What "auto" is for a network: its own leak if it has one, else one that suits its weights.

    Args:
      W: weights or dynamics, dense or sparse.
      leak: auto, or one of the others, which is taken as it is.
      counts: whether weights are numbers of synapses, which say nothing of the leak's size.

    Raises:
      InputError: an unknown leak.

    Example:
      >>> choose_leak(jnp.array([[0.0, 1.0], [1.0, 0.0]]), "auto", counts=True)
      'scaled'
    """
    check_choice("leak", leak, ("auto", *LEAKS))
    if leak != "auto":
        return leak
    return "none" if jnp.any(_diagonal(W) != 0) else "scaled" if counts else "dominant"


def with_leak(
    network: NamedNetwork,
    leak: str,
    *,
    name: str,
    gain: float | None = None,
    margin: float | None = None,
    remedy: str = LEAK,
) -> WithLeak:
    """Take a network with the leak on its diagonal, or give it another in its place.

    Args:
      network: weights or dynamics, dense or sparse.
      leak: none, which takes the matrix as it is; scaled, which scales all weights by one number and gives every neuron a leak
        of 1; dominant, which gives each neuron a leak above its total input; stable, which gives all neurons one leak.
      name: of the network, in messages.
      gain: with scaled, how much of its leak a neuron gets back at most; 0.9 by default.
      margin: dominance slack (dominant) or minus the spectral abscissa (stable), as a fraction of the mean total input; 0.1 by
        default.
      remedy: what to do about a diagonal that is no leak.

    Raises:
      InputError: an unknown leak, no synapse, a positive entry on a diagonal that is taken as it is, or a number out of range.

    Example:
      >>> network = NamedNetwork(jnp.array([[-3.0, 1.0], [1.0, -3.0]]), ("a", "b"))
      >>> with_leak(network, "dominant", name="W").lines("dominant")
      ('leak: 1.1, added, for a slack of 0.1 (dominant); the diagonal of the file (2 entries) is not used',)
    """
    check_choice("leak", leak, LEAKS)
    W: Any = network.matrix
    if not count_synapses(W):
        raise InputError(f"{name} has no synapse: there is nothing to prune.")
    if leak == "none":
        check_sparse_leak(name, _diagonal(W), remedy) if is_sparse(W) else check_leak(name, W, remedy)
        return WithLeak(W, leak, {}, {}, "leak: as in the file", 0, network.left_out)
    if leak == "scaled":
        settings = {"gain": GAIN if gain is None else gain}
        A, facts, words = _scaled(W, **settings)
    else:
        settings = {"margin": MARGIN if margin is None else margin}
        A, facts, words = _added(W, leak, **settings)
    unused = int(jnp.sum(_diagonal(W) != 0))
    return WithLeak(A, leak, settings, facts, f"leak: {words}", unused, network.left_out)


def count_synapses(A: Any) -> int:
    """Entries off the diagonal of a matrix, dense or sparse."""
    if is_sparse(A):
        return int(jnp.sum(rows_of(A) != A.indices))
    return int(jnp.sum((A != 0) & ~jnp.eye(len(A), dtype=bool)))


def _scaled(W, gain):
    A = scaled_inputs(W, gain)
    factor = _total_input(A) / _total_input(W)
    return A, {"factor": factor}, f"1 for every neuron, added; all weights times {factor:.4g}"


def _added(W, leak, margin):
    check_positive("margin", margin, zero=leak == "dominant")
    absolute = margin * _total_input(W) / W.shape[0]
    A = dominant_leak(W, absolute) if leak == "dominant" else stable_leak(W, -absolute)
    added = np.sort(-np.asarray(_diagonal(A)))
    sizes = f"{added[0]:.4g}" if added[0] == added[-1] else f"{added[0]:.4g} to {added[-1]:.4g}"
    what = "slack" if leak == "dominant" else "slowest rate"
    facts = {"least": float(added[0]), "largest": float(added[-1])}
    return A, facts, f"{sizes}, added, for a {what} of {absolute:.4g}"


def _diagonal(A):
    return diagonal_of(A) if is_sparse(A) else jnp.diagonal(A)


def _total_input(A):
    """Sum of the sizes of all weights."""
    if is_sparse(A):
        return float(jnp.sum(input_of(A)))
    return float(jnp.sum(jnp.abs(A)) - jnp.sum(jnp.abs(jnp.diagonal(A))))
