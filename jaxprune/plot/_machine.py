"""Pictures of a Boltzmann machine, and what sessions of pruning left of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxprune.boltzmann import Pictures


def plot_pictures(shown: Pictures, axes: Any) -> Any:
    """Draw the pictures of a machine: weights of hidden units, information of pixels, samples.

    Args:
      shown: from `pictures`.
      axes: three axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from jaxprune.boltzmann import enumerate_machine, rbm, start_chains
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> shown = pictures(machine, start_chains(jax.random.key(1), machine, 5), enumerate_machine(machine).moments, (2, 2))
      >>> len(plot_pictures(shown, Figure().subplots(1, 3)))
      3
    """
    from matplotlib.colors import PowerNorm

    limit = float(np.nanmax(np.abs(shown.fields))) or 1.0
    axes[0].imshow(shown.fields, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[1].imshow(shown.information, cmap="viridis", norm=PowerNorm(0.5, 0, float(shown.information.max()) or 1.0))
    axes[2].imshow(shown.samples, cmap="gray_r", vmin=0, vmax=1)
    titles = ("weights of hidden units, red excites", "Fisher information of each pixel", "samples")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    return axes


def plot_sessions(rows: Sequence[Mapping[str, Any]], axes: Any) -> Any:
    """Likelihood and error of a pruned machine over the synapses that are left.

    Args:
      rows: one a session, with weights, units, log_likelihood, log_partition_error and code_error; the first is unpruned.
      axes: two axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> row = {"weights": 80, "units": 9, "log_likelihood": -5.0, "log_partition_error": 0.1, "code_error": 0.2}
      >>> len(plot_sessions([row], Figure().subplots(1, 2)))
      2
    """
    weights = [row["weights"] for row in rows]
    axes[0].errorbar(
        weights, [row["log_likelihood"] for row in rows], yerr=[row["log_partition_error"] for row in rows], marker="o"
    )
    axes[1].plot(weights, [100 * row["code_error"] for row in rows], marker="o")
    for row in rows:
        axes[0].annotate(f"{row['units']:.0f} units", (row["weights"], row["log_likelihood"]), fontsize=7, va="bottom")
    for ax, label in zip(axes, ("log likelihood of test data, nats", "test error of the code, %"), strict=True):
        ax.set(xscale="log", xlabel="synapses left", ylabel=label)
        ax.set_xticks(weights, [f"{number:.0f}" for number in weights])
        ax.minorticks_off()
        ax.invert_xaxis()
    return axes
