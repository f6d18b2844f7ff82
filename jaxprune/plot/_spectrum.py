"""Eigenvalues of several networks in the complex plane."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxprune.plot._colours import colour


def plot_spectrum(spectra: Mapping[str, Any], ax: Axes) -> Axes:
    """Draw the eigenvalues of networks: in the complex plane, or by their order, slowest first, where all are real.

    The first network is drawn as rings, the others as dots, so that a dot in a ring is a mode that stayed. A line marks where
    stability ends; what is beyond is shaded.

    Args:
      spectra: eigenvalues by label; NaN is left out.
      ax: axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_spectrum({"original": np.array([-1.0, -2.0]), "pruned": np.array([-1.1, -2.2])}, Figure().subplots()).get_ylabel()
      'eigenvalue (growth rate, 1/time)'
    """
    values = {label: np.asarray(found) for label, found in spectra.items()}
    real = all(np.isrealobj(found) or not np.nan_to_num(found.imag).any() for found in values.values())
    for number, (label, found) in enumerate(values.items()):
        x, y = (1 + np.arange(len(found)), np.sort(found.real)[::-1]) if real else (found.real, found.imag)
        style = (
            {"facecolors": "none", "edgecolors": colour(label), "s": 26}
            if number == 0
            else {"color": colour(label), "s": 7}
        )
        ax.scatter(x, y, label=label, linewidths=0.8, zorder=2 + 0.1 * number, **style)
    (_shade_rows if real else _shade_columns)(ax)
    ax.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none", fontsize=8)
    return ax


def _shade_rows(ax):
    """Where real eigenvalues are not stable, above zero."""
    low, high = ax.get_ylim()
    high = max(high, -0.05 * low)
    ax.axhspan(0, max(high, 0), color="#D55E00", alpha=0.12, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(ylim=(low, high), xlabel="mode, slowest first", ylabel="eigenvalue (growth rate, 1/time)")


def _shade_columns(ax):
    """Where complex eigenvalues are not stable, to the right of zero."""
    low, high = ax.get_xlim()
    high = max(high, -0.05 * low)
    ax.axvspan(0, max(high, 0), color="#D55E00", alpha=0.12, linewidth=0)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlim=(low, high), xlabel="growth rate, Re λ (1/time)", ylabel="frequency, Im λ (1/time)")
