"""Eigenvalues of several networks in the complex plane."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from jaxprune.plot._colours import PALETTE, colour
from jaxprune.plot._plain import plain

ROOM = 0.15
"""Above the spectrum, for its legend, as a share of its height."""


def plot_spectrum(spectra: Mapping[str, Any], ax: Axes, *, edge: float = 0.0) -> Axes:
    """Draw the eigenvalues of networks: in the complex plane, or by their order, slowest first, where all are real.

    The first network is drawn as rings, the others as dots: a dot in a ring is a mode that stayed. A line marks where stability
    ends; what is beyond is shaded.

    Args:
      spectra: eigenvalues by label; NaN is left out.
      ax: axes of matplotlib.
      edge: real part from which a network is unstable: 0 for dynamics matrices, 1 for recurrent weights beside a leak of one.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_spectrum({"original": np.array([-1.0, -2.0]), "pruned": np.array([-1.1, -2.2])}, Figure().subplots()).get_ylabel()
      'eigenvalue, 1/time'
    """
    values = {label: np.asarray(found) for label, found in spectra.items()}
    real = not any(np.nan_to_num(np.imag(found)).any() for found in values.values())
    for number, (label, found) in enumerate(values.items()):
        places = 1 + np.arange(len(found))
        x, y = (places, np.sort(np.real(found))[::-1]) if real else (np.real(found), np.imag(found))
        rings = {"facecolors": "none", "edgecolors": colour(label), "s": 26}
        style = {"color": colour(label), "s": 7} if number else rings
        ax.scatter(x, y, label=plain(label), linewidths=0.8, zorder=2 + 0.1 * number, **style)
    _shade(ax, edge, across=real)
    unit = ", 1/time" if edge == 0 else ""
    if real:
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.set(xlabel="mode, slowest first", ylabel=f"eigenvalue{unit}")
        ax.legend(loc="best", fontsize=8)
    else:
        low, high = ax.get_ylim()
        ax.set(
            xlabel=f"real part of the eigenvalue{unit}", ylabel="imaginary part", ylim=(low, high + ROOM * (high - low))
        )
        ax.legend(loc="upper left", ncols=len(values), columnspacing=1, fontsize=8)
    return ax


def _shade(ax, edge, *, across):
    """Colour what is not stable, and say so; the axis reaches a little beyond its edge."""
    low, high = ax.get_ylim() if across else ax.get_xlim()
    low, high = min(low, edge - 0.1), max(high, edge + 0.08 * (edge - low))
    (ax.axhspan if across else ax.axvspan)(edge, high, color=PALETTE["vermilion"], alpha=0.12, linewidth=0)
    (ax.axhline if across else ax.axvline)(edge, color="black", linewidth=0.8)
    (ax.set_ylim if across else ax.set_xlim)(low, high)
    style = {"fontsize": 7, "color": PALETTE["vermilion"]}
    if across:
        ax.annotate("unstable", (0.99, edge), (0, 1), ("axes fraction", "data"), "offset points", ha="right", **style)
    else:
        place = (edge, 0.98)
        ax.annotate(
            "unstable", place, (2, 0), ("data", "axes fraction"), "offset points", va="top", rotation=90, **style
        )
