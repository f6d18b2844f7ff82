"""The pictures of the pages, as PNG: panels that `jaxprune.plot` draws, put side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxprune import plot
from jaxprune.explore._store import Opened, mode_intervals, network_errors, unstable_at
from jaxprune.explore._systems import SHAPE, Epoch, Session
from jaxprune.plot import NetworkView

WIDTH = 12.5
"""Inches of a picture, the width of the page."""
LEFT, ABOVE, BELOW = 0.95, 0.35, 0.55
"""Inches beside, above and below the panels."""
MARKS = 0.1
"""Inches of a row of marks above the panels."""


def network_weights(view: NetworkView) -> bytes:
    """Weights before and after, in one scale of colours, and both spectra."""

    def draw(axes):
        limit = plot.weight_limit(*view.weights.values())
        for ax, (label, W) in zip(axes, view.weights.items(), strict=False):
            plot.plot_weights(W, ax, limit=limit).set_title(label)
        plot.plot_spectrum(view.spectra, axes[2]).set_title("spectrum: a dot in its ring is a mode that stayed")

    return _drawn(3.9, (1, 1, 1.25), draw)


def network_activity(view: NetworkView) -> bytes:
    """Errors along each mode, and the time course of both networks under the same noise."""

    def draw(axes):
        plot.plot_mode_errors(view.errors, axes[0]).set_title("error along each mode")
        plot.plot_time_course(view.times, view.courses, axes[1])
        axes[1].set_title(view.course_title, loc="left")

    return _drawn(3.7, (1, 1.5), draw, gap=1.5)


def store_curves(opened: Opened, measure: str, title: str, mode: int) -> bytes:
    """A measure against the fraction kept, and the error along one mode, for each rule; marks where medians are unstable."""
    unstable = unstable_at(opened)

    def draw(axes):
        plot.plot_statistic(opened.summary, measure, axes[0]).set(title=title, ylabel="lower is better")
        for rule, intervals in mode_intervals(opened, mode).groupby("rule"):
            line = intervals.squeeze("rule").sortby("keep")
            plot.plot_median(axes[1], line.keep.values, line, label=plot.plain(rule), **plot.rule_style(str(rule)))
        axes[1].set(xscale="log", yscale="log", xlabel="fraction of synapses kept", ylabel="lower is better")
        axes[1].set_title(f"error along mode {mode} (1 is the slowest)")
        axes[1].set_xticks(axes[0].get_xticks(), [label.get_text() for label in axes[0].get_xticklabels()])
        axes[1].tick_params(axis="x", rotation=45)
        axes[1].minorticks_off()
        for ax in axes:
            plot.plot_unstable(unstable, ax)
            plot.label_lines(ax)

    marks = MARKS * sum(len(places) > 0 for places in unstable.values())
    return _drawn(4.4 + marks, (1, 1), draw, gap=1.9, above=ABOVE + marks, right=1.4)


def store_network(opened: Opened, network: int, keep: float, rules: Sequence[str]) -> bytes:
    """One network of a sweep: its spectrum, and the error along each of its modes by rule."""

    def draw(axes):
        one = opened.results.sel(network=network)
        values = one.eigenvalue_real.values + 1j * one.eigenvalue_imag.values
        plot.plot_spectrum({"original": values}, axes[0]).set_title(f"spectrum of network {network}")
        errors = network_errors(opened, network, keep)
        chosen = {rule: errors[rule] for rule in rules if rule in errors}
        if chosen:
            plot.plot_mode_errors(chosen, axes[1]).set_title(f"its modes with {keep:g} of the synapses")

    return _drawn(4.0, (1, 1.5), draw, right=1.4)


def machine(session: Session) -> bytes:
    """Receptive fields, information of pixels and samples of a machine."""

    def draw(axes):
        plot.plot_pictures(session.pictures, axes)

    return _drawn(4.1, (1, 1, 1), draw)


def training(epochs: Sequence[Epoch], shown: int) -> bytes:
    """Accuracy and density up to an epoch, and the pixels that still have synapses there."""

    def draw(axes):
        past = epochs[:shown]
        plot.plot_accuracy({"test images": [epoch.accuracy for epoch in past]}, axes[0])
        plot.plot_density({name: [epoch.layers[name] for epoch in past] for name in past[0].layers}, axes[1])
        for ax, title in zip(axes, ("accuracy", "synapses left, layer by layer"), strict=False):
            ax.set(xlim=(0.5, len(epochs) + 0.5), title=title)
        axes[0].set_ylim(95 * min(epoch.accuracy for epoch in epochs), 100)
        axes[1].set(yscale="linear", ylim=(0, 105))
        plot.plot_inputs(past[-1].inputs, SHAPE, axes[2]).set_title("synapses of each pixel: dark ones are not seen")

    return _drawn(3.6, (1, 1, 1), draw, gap=1.3, right=0.5)


def _drawn(
    height: float,
    widths: Sequence[float | int],
    draw: Callable[[Any], object],
    *,
    gap: float = 0.75,
    above: float = ABOVE,
    right: float = 0.15,
) -> bytes:
    """A row of panels of these relative widths, as PNG.

    Margins are fixed: a layout that is computed takes as long as all the rest.

    Args:
      height: of the picture, in inches.
      widths: of the panels.
      draw: what is drawn, given the axes.
      gap, above, right: inches between two panels, above them, and beside the last one; marks and labels of lines need more.
    """
    panel = (WIDTH - LEFT - gap * (len(widths) - 1) - right) / len(widths)
    with mpl.rc_context(plot.figure_settings()):
        figure = Figure(figsize=(WIDTH, height))
        figure.subplots_adjust(LEFT / WIDTH, BELOW / height, 1 - right / WIDTH, 1 - above / height, gap / panel)
        draw(np.atleast_1d(figure.subplots(1, len(widths), width_ratios=widths)))
        return plot.figure_bytes(figure)
