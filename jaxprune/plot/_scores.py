"""Accuracy of several networks, as bars."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from jaxprune.plot._colours import colour
from jaxprune.plot._plain import plain


def plot_scores(scores: Mapping[str, float], ax: Axes, *, chance: float | None = None) -> Axes:
    """Draw accuracies as bars with their values; higher is better.

    Args:
      scores: by label, in fractions.
      ax: axes of matplotlib.
      chance: accuracy of one constant answer, an empty bar.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_scores({"original": 0.9, "pruned": 0.8}, Figure().subplots(), chance=0.5).get_ylabel()
      'accuracy, % (higher is better)'
    """
    heights = [100 * score for score in scores.values()]
    bars = ax.bar([plain(label) for label in scores], heights, color=[colour(label) for label in scores])
    ax.bar_label(bars, fmt="{:.1f}", padding=2)
    if chance is not None:
        bar = ax.bar(["one constant\nanswer"], [100 * chance], color="none", edgecolor="black")
        ax.bar_label(bar, fmt="{:.1f}", padding=2)
    ax.set(ylim=(0, 108), ylabel="accuracy, % (higher is better)")
    ax.grid(False, axis="x")
    return ax
