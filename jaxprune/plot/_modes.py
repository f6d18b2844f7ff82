"""Errors of pruned networks along each mode of the original."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxprune.plot._axes import label_decades
from jaxprune.plot._colours import colour
from jaxprune.plot._labels import label_lines
from jaxprune.plot._plain import plain

MANY = 40
"""Modes from which dots are small, their median is drawn as a line, and the axis of modes is logarithmic."""
FINEST = 1e-6
"""Errors below this, which are rounding, are drawn here."""


def plot_mode_errors(modes: Mapping[str, Any], ax: Axes, *, slow: int = 10) -> Axes:
    """Draw the relative error of pruned networks along each mode of the original, slowest first; lower is better.

    `|uᵢ* B vᵢ / λᵢ − 1|`, the `quadratic` of `spectral_errors`. Of many modes a running median is drawn as well. The
    slowest modes, which measures look at by themselves, are shaded.

    Args:
      modes: errors by label, slowest mode first; NaN, where a mode cannot be followed, is left out.
      ax: axes of matplotlib.
      slow: number of slowest modes that are shaded.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> ax = plot_mode_errors({"pruned": np.array([0.1, 0.2]), "no synapse": np.array([1.0, 0.5])}, Figure().subplots())
      >>> ax.get_ylabel()
      'error along the mode (lower is better)'
    """
    count = max(len(np.atleast_1d(errors)) for errors in modes.values())
    ax.set(yscale="log", xscale="log" if count > MANY else "linear")
    for name, errors in modes.items():
        drawn = np.maximum(np.asarray(errors, float), FINEST)
        place, shade, label = 1 + np.arange(len(drawn)), colour(name), plain(name)
        if count > MANY:
            ax.plot(place, drawn, ".", color=shade, markersize=2, alpha=0.35)
            ax.plot(*_running_median(place, drawn), color=shade, label=label)
        else:
            ax.plot(place, drawn, "o-", color=shade, markersize=3, linewidth=0.8, label=label)
    if count > slow:
        ax.axvspan(0.5, slow + 0.5, color="black", alpha=0.05, linewidth=0)
    ax.set(xlim=(0.9 if count > MANY else 0.5, count + 0.5))
    ax.set(xlabel=f"mode, slowest first (shaded: the {slow} slowest)" if count > slow else "mode, slowest first")
    ax.set(ylabel="error along the mode (lower is better)")
    if count <= MANY:
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.xaxis.set_major_formatter("{x:.0f}")
    label_decades(ax.yaxis, percent=True)
    return label_lines(ax)


def _running_median(place, values):
    """Median in bins that are one mode wide at first and a tenth of a decade later."""
    edges = np.unique(np.round(10 ** np.arange(0, np.log10(len(place)) + 0.1, 0.1))).astype(int)
    bins = [slice(low - 1, high - 1) for low, high in zip(edges, [*edges[1:], len(place) + 1], strict=True)]
    kept = [(place[part].mean(), np.nanmedian(values[part])) for part in bins if np.isfinite(values[part]).any()]
    return np.array(kept).reshape(-1, 2).T
