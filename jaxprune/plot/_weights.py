"""Weights of a network as a map, red for excitation and blue for inhibition."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

CELLS = 250
"""Rows and columns that are drawn at most; of a larger network each cell is the largest weight of a block."""
TYPICAL = 0.98
"""Share of synapses below the weight with the deepest colour, so that one large weight does not make the others pale."""


def plot_weights(W: Any, ax: Axes, *, limit: float | None = None, diagonal: bool = False) -> Axes:
    """Draw the weights between neurons as a map: red excites, blue inhibits, white is no synapse.

    The diagonal, which is the leak of a dynamics matrix, is grey.

    Args:
      W: weights or dynamics matrix, [post, pre].
      ax: axes of matplotlib.
      limit: weight of the deepest colour; by default nearly the largest. `weight_limit` gives one to share.
      diagonal: whether the diagonal holds synapses, of a neuron onto itself, that are drawn like others.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_weights(np.array([[-1.0, 0.5], [-0.5, -1.0]]), Figure().subplots()).get_xlabel()
      'from neuron (red excites, blue inhibits)'
    """
    W = np.array(W, float)
    limit = weight_limit(W, diagonal=diagonal) if limit is None else limit
    size = len(W)
    if not diagonal:
        np.fill_diagonal(W, 0)
    block = -(-size // CELLS)
    shown = _blocks(W, block)
    if block == 1 and not diagonal:
        np.fill_diagonal(shown, np.nan)
    extent = (-0.5, block * shown.shape[1] - 0.5, block * shown.shape[0] - 0.5, -0.5)
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad="#CCCCCC")
    ax.imshow(shown, cmap=colours, vmin=-limit, vmax=limit, interpolation="nearest", extent=extent)
    cells = f";\neach cell is the largest of {block} x {block}" if block > 1 else ""
    ax.set(xlabel=f"from neuron (red excites, blue inhibits{cells})", ylabel="to neuron")
    ax.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    ax.grid(False)
    return ax


def weight_limit(*weights: Any, diagonal: bool = False) -> float:
    """A weight that nearly all synapses of some networks are below, in size; for colours that their maps share.

    Args:
      weights: matrices.
      diagonal: whether their diagonals count.

    Example:
      >>> weight_limit(np.array([[-9.0, 2.0], [2.0, -9.0]]))
      2.0
    """
    found = [np.abs(W if diagonal else W[~np.eye(len(W), dtype=bool)]) for W in map(np.asarray, weights)]
    sizes = np.concatenate([part[part > 0] for part in found])
    return float(np.quantile(sizes, TYPICAL)) if len(sizes) else 1.0


def _blocks(W, block):
    """The largest entry in size, with its sign, of each square block."""
    if block == 1:
        return W
    cells = -(-len(W) // block)
    padded = np.zeros((cells * block, cells * block))
    padded[: len(W), : len(W)] = W
    parts = padded.reshape(cells, block, cells, block).transpose(0, 2, 1, 3).reshape(cells, cells, -1)
    return np.take_along_axis(parts, np.abs(parts).argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
