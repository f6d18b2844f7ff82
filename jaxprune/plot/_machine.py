"""Pictures of a Boltzmann machine, and what sessions of pruning left of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from jaxprune.boltzmann import Pictures
from jaxprune.plot._colours import colour
from jaxprune.plot._style import figure_settings

WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
"""Behind words that lines pass."""


def plot_pictures(shown: Pictures, axes: Any) -> Any:
    """Draw the pictures of a machine: weights of hidden units, information of pixels, samples.

    Args:
      shown: from `pictures`.
      axes: three axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, pictures, rbm, start_chains
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> shown = pictures(machine, start_chains(jax.random.key(1), machine, 5), enumerate_machine(machine).moments, (2, 2))
      >>> len(plot_pictures(shown, Figure().subplots(1, 3)))
      3
    """
    limit = float(np.nanmax(np.abs(shown.fields))) or 1.0
    axes[0].imshow(shown.fields, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[1].imshow(shown.information, cmap="viridis", norm=PowerNorm(0.5, 0, float(shown.information.max()) or 1.0))
    axes[2].imshow(shown.samples, cmap="gray_r", vmin=0, vmax=1)
    titles = ("weights of hidden units: red excites", "Fisher information of each pixel: yellow is much", "samples")
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
      >>> row = {"weights": 80, "units": 9, "log_likelihood": -5.0, "log_partition_error": 0.1, "code_error": 0.2}
      >>> len(plot_sessions([row], Figure().subplots(1, 2)))
      2
    """
    weights = [row["weights"] for row in rows]
    likelihoods, errors = [row["log_likelihood"] for row in rows], [row["log_partition_error"] for row in rows]
    shade = colour("pruned")
    axes[0].errorbar(weights, likelihoods, yerr=errors, marker="o", color=shade, capsize=2)
    axes[1].plot(weights, [100 * row["code_error"] for row in rows], marker="o", color=shade)
    for row in rows:
        place = (row["weights"], row["log_likelihood"])
        text = f"{row['units']:.0f} units"
        axes[0].annotate(
            text, place, (0, 7), textcoords="offset points", fontsize=7, ha="center", va="bottom", bbox=WHITE
        )
    axes[0].margins(x=0.12, y=0.15)
    labels = ("log likelihood of test data, nats (higher is better)", "test error of the code, % (lower is better)")
    for ax, label in zip(axes, labels, strict=True):
        ax.set(xscale="log", xlabel="synapses left", ylabel=label)
        ax.set_xticks(weights, [f"{number:,.0f}" for number in weights])
        ax.minorticks_off()
        ax.invert_xaxis()
    return axes


def machine_figure(
    rows: Sequence[Mapping[str, Any]], shown: Pictures, classes: Mapping[str, float], *, title: str | None = None
) -> Figure:
    """Draw a machine that was pruned in sessions: likelihood, error and kinds of samples above, its pictures below.

    Args:
      rows: as `plot_sessions` takes them.
      shown: of the pruned machine, from `boltzmann.pictures`.
      classes: share of its samples that a classifier takes for each class.
      title: of the figure; by default what was found.

    Returns:
      The figure.

    Example:
      >>> row = {"weights": 80, "units": 9, "log_likelihood": -5.0, "log_partition_error": 0.1, "code_error": 0.2}
      >>> shown = Pictures(np.zeros((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
      >>> len(machine_figure([row], shown, {"0": 0.6, "1": 0.4}).axes)
      6
    """
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 7), layout="constrained")
        axes = figure.subplots(2, 3)
        plot_sessions(rows, axes[0, :2])
        first, last = rows[0], rows[-1]
        change = last["log_likelihood"] - first["log_likelihood"]
        axes[0, 0].set_title(f"log likelihood {'falls' if change < 0 else 'rises'} by {abs(change):.2f} nats")
        axes[0, 1].set_title(f"error from {first['code_error']:.1%} to {last['code_error']:.1%}")
        axes[0, 2].bar(list(classes), 100 * np.array(list(classes.values())), color=colour("pruned"))
        axes[0, 2].set(xlabel="class", ylabel="share of samples, %", title="what the machine samples now")
        axes[0, 2].grid(False, axis="x")
        plot_pictures(shown, axes[1])
        figure.suptitle(title or _title(first, last), fontsize=11)
    return figure


def _title(first, last):
    kept = last["weights"] / max(first["weights"], 1)
    units = f"{last['units']:.0f} of {first['units']:.0f} hidden units"
    return f"{kept:.1%} of the synapses and {units} are left after {last.get('session', 'all')} sessions"
