"""The figure of a sweep, drawn from its stored results."""

from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxprune.plot._style import figure_settings, rule_style
from jaxprune.sweep import summarise

STEP = 0.035
"""Distance of the rows of crosses of two rules, in heights of the axes."""


def plot_statistic(summary: xr.Dataset, name: str, ax: Axes) -> Axes:
    """A measure of `summarise` against the fraction kept: a line of medians for each rule, bars from `low` to `high`.

    What is zero on this logarithmic axis is left out; an arrow says that an interval has no end. A median that is infinite, as
    where most networks are not stable, is a cross at the upper edge. Where nothing is left, the axis is linear and empty, and
    says so.

    Args:
      summary: from `sweep.summarise`.
      name: of the measure.
      ax: axes of matplotlib.

    Returns:
      The axes.
    """
    rows = 0
    for rule in summary.rule.values:
        line, style = summary[name].sel(rule=rule).sortby("keep"), rule_style(str(rule))
        plot_median(ax, line.keep.values, line, label=str(rule), **style)
        endless = line.keep.values[np.isposinf(line.sel(statistic="median").values)]
        if len(endless):
            height = np.full(len(endless), 1.0 - STEP * rows)
            at = ax.get_xaxis_transform()
            ax.plot(endless, height, "x", color=style["color"], markersize=4, transform=at, clip_on=False, label="_")
            rows += 1
    medians = summary[name].sel(statistic="median")
    drawn = bool(((medians > 0) & np.isfinite(medians)).any())
    ax.set(xscale="log", yscale="log" if drawn else "linear", xlabel="fraction of synapses kept")
    if not drawn:
        ax.text(0.5, 0.5, "zero, infinite or not a number throughout", transform=ax.transAxes, ha="center", fontsize=8)
    ticks = np.sort(summary.keep.values)
    # From the right, a label only where the next one leaves room on the logarithmic axis.
    labels, last = [], np.inf
    for tick in ticks[::-1]:
        roomy = tick < last * 0.82
        labels.append(f"{tick:g}" if roomy else "")
        last = tick if roomy else last
    ax.set_xticks(ticks, labels[::-1], minor=False)
    ax.minorticks_off()
    ax.tick_params(axis="x", rotation=45)
    return ax


def plot_median(ax: Axes, x: np.ndarray, interval: xr.DataArray, **style: Any) -> None:
    """Medians of `median_interval` with bars: an arrow for a bar without end, and no point where the median is infinite.

    Args:
      ax: where to draw; the axis is as it was.
      x: of each median.
      interval: as from `median_interval`, over `statistic` and one more dimension.
      style: of the line, as `Axes.errorbar` takes it.

    Example:
      >>> figure = Figure()
      >>> labels = {"statistic": ["median", "low", "high"]}
      >>> interval = xr.DataArray([[1.0, 2.0], [0.5, 1.0], [2.0, np.inf]], labels, ("statistic", "keep"))
      >>> plot_median(figure.subplots(), np.array([0.1, 0.2]), interval, color="black")
    """
    median, low, high = (np.asarray(interval.sel(statistic=end), float) for end in ("median", "low", "high"))
    shown = np.where((median > 0) & np.isfinite(median), median, np.nan)
    with np.errstate(invalid="ignore"):
        bars = [np.where(np.isfinite(end), end, 0) for end in (median - low, high - median)]
    drawn = ax.errorbar(x, shown, yerr=bars, capsize=2, **style)
    endless = np.isinf(high) & np.isfinite(shown)
    colour = drawn.lines[0].get_color()
    ax.plot(np.asarray(x)[endless], 1.15 * shown[endless], color=colour, marker="^", linestyle="", markersize=3)


def plot_bound(summary: xr.Dataset, ax: Axes) -> Axes:
    """The epsilon that the theorem promises, where it promises one."""
    bound = summary.epsilon_bound.max("rule").sortby("keep")
    bound = bound.where((bound <= 1) & (bound > 0), drop=True)
    if bound.size:
        ax.plot(
            bound.keep,
            bound,
            color="black",
            linestyle=(0, (1, 1)),
            marker="_",
            label="bound for noise (theorem, c = 4)",
        )
    return ax


def plot_sweep(results: xr.Dataset) -> Figure:
    """H2 error, slow modes and information lost above; worst slow mode, certificate and the literature's median below."""
    summary = summarise(results)
    n, slow, networks = results.sizes["mode"], summary.attrs["slow"], summary.attrs["networks"]
    titles = {
        "h2": ("relative H2 error", "response to noise"),
        "slow_modes": (r"$|u^* S v / \lambda - 1|$", f"mean along the {slow} slowest modes"),
        "stationary": ("nats per neuron", "information lost"),
        "worst_mode": (r"$|u^* S v / \lambda - 1|$", f"worst of the {slow} slowest modes"),
        "epsilon": (r"$\epsilon$", "certificate (shaded, above 1: no guarantee)"),
        "sorted_median": (r"$|\mu / \lambda - 1|$", "median of sorted eigenvalues"),
    }
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(11, 6.4), layout="constrained")
        axes = dict(zip(titles, figure.subplots(2, 3).flat, strict=True))
        for name, (label, title) in titles.items():
            plot_statistic(summary, name, axes[name]).set(ylabel=label, title=title)
        plot_bound(summary, axes["epsilon"])
        _shade_above_one(axes["epsilon"])
        handles, labels = axes["epsilon"].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        figure.suptitle(
            f"{networks} networks of {n} neurons: medians, lower is better (bars: 68 %, arrows: without end; crosses: infinite, "
            "as most networks are not stable)",
            fontsize=10,
        )
    return figure


def _shade_above_one(ax):
    low, high = ax.get_ylim()
    if high > 1:
        ax.axhspan(1, high, color="black", alpha=0.06, linewidth=0)
        ax.set_ylim(low, high)
    ax.axhline(1, color="black", linewidth=0.6)
