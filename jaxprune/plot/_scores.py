"""Accuracy of several networks, as bars."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from jaxprune.plot._colours import colour


def plot_scores(scores: Mapping[str, float], ax: Axes, *, chance: float | None = None) -> Axes:
    """Draw accuracies as bars with their values; higher is better.

    Args:
      scores: by label, in fractions.
      ax: axes of matplotlib.
      chance: accuracy of one constant answer, a broken line.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_scores({"original": 0.9, "pruned": 0.8}, Figure().subplots(), chance=0.5).get_ylabel()
      'accuracy, % (higher is better)'
    """
    bars = ax.bar(
        list(scores), 100 * np.array(list(scores.values())), color=[colour(label) for label in scores], width=0.6
    )
    ax.bar_label(bars, fmt="{:.1f}", padding=2)
    if chance is not None:
        ax.axhline(100 * chance, color="black", linestyle=(0, (3, 2)), linewidth=1)
        ax.text(0.5, 100 * chance, "one constant answer", ha="center", va="bottom", fontsize=8, transform=_beside(ax))
    ax.set(ylim=(0, 108), ylabel="accuracy, % (higher is better)")
    ax.grid(False, axis="x")
    return ax


def _beside(ax):
    """Across in shares of the axes, up in accuracy."""
    return ax.get_yaxis_transform()
