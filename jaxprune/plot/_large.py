"""What is left to draw of one large network: its degrees and the density of its spectrum."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxprune.linalg import SpectralDensity
from jaxprune.plot._axes import label_decades
from jaxprune.plot._colours import colour
from jaxprune.plot._plain import plain


def plot_spectral_density(densities: Mapping[str, SpectralDensity], ax: Axes) -> Axes:
    """Draw the density of eigenvalues of symmetric networks; a band is one standard error up and down.

    Args:
      densities: by label, from `linalg.spectral_density`.
      ax: axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from jaxprune.linalg import spectral_density
      >>> found = spectral_density(jax.random.key(0), -jnp.diag(jnp.array([1.0, 2.0, 2.0, 2.0])))
      >>> plot_spectral_density({"original": found}, Figure().subplots()).get_xlabel()
      'eigenvalue (growth rate, 1/time)'
    """
    for number, (label, found) in enumerate(densities.items()):
        x, y, error = (np.asarray(part) for part in (found.points, found.density, found.error))
        ax.fill_between(x, y - error, y + error, color=colour(label), alpha=0.25, linewidth=0)
        ax.plot(x, y, color=colour(label), linewidth=2.2 if number == 0 else 1.2, label=plain(label))
    ax.set(xlabel="eigenvalue (growth rate, 1/time)", ylabel="share of modes per rate")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8)
    return ax


def plot_degrees(degrees: Mapping[str, Any], ax: Axes) -> Axes:
    """Draw how many neurons have at least so many synapses.

    Args:
      degrees: synapses that each neuron receives, by label.
      ax: axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_degrees({"original": np.array([3, 3, 4])}, Figure().subplots()).get_xlabel()
      'synapses onto a neuron'
    """
    for number, (label, counts) in enumerate(degrees.items()):
        counts = np.sort(np.asarray(counts))
        places = np.unique(counts[counts > 0])
        share = 1 - np.searchsorted(counts, places, side="left") / len(counts)
        width = 2.2 if number == 0 else 1.2
        # Between two degrees, as many neurons have at least so many as at the next.
        ax.step(places, share, where="pre", color=colour(label), linewidth=width, label=plain(label))
    ax.set(xscale="log", yscale="log", xlabel="synapses onto a neuron", ylabel="share of neurons with at least so many")
    label_decades(ax.xaxis)
    label_decades(ax.yaxis, percent=True)
    ax.legend(fontsize=8)
    return ax
