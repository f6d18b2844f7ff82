"""The figure of a sweep, drawn from its stored results."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from jaxprune.linalg.parts import measure_names
from jaxprune.plot._plain import plain
from jaxprune.plot._style import figure_settings, rule_style
from jaxprune.sweep import summarise

ROW = 7
"""Height of a row of marks of unstable networks, in points."""


def plot_statistic(summary: xr.Dataset, name: str, ax: Axes) -> Axes:
    """A measure of `summarise` against the fraction kept: a line of medians for each rule, bars from `low` to `high`.

    What is infinite, or zero on this logarithmic axis, is left out; an arrow says that an interval has no end. Where nothing is
    left, the axis is linear and empty, and says so.

    Args:
      summary: from `sweep.summarise`.
      name: of the measure.
      ax: axes of matplotlib.

    Returns:
      The axes.
    """
    for rule in summary.rule.values:
        line = summary[name].sel(rule=rule).sortby("keep")
        plot_median(ax, line.keep.values, line, label=plain(rule), **rule_style(str(rule)))
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


def plot_unstable(places: Mapping[str, Any], ax: Axes) -> Axes:
    """Mark above the axes where the median network of a rule is unstable, so that no error of it can be drawn.

    Args:
      places: where on the horizontal axis, by rule: a row of marks for each rule that has any, in its colour.
      ax: axes of matplotlib; their title moves up.

    Returns:
      The axes.

    Example:
      >>> ax = plot_unstable({"noise": [0.1], "weight": [0.1, 0.2], "uniform": []}, Figure().subplots())
      >>> [len(line.get_xdata()) for line in ax.lines]
      [1, 2]
    """
    rows = [(rule, np.asarray(where, float)) for rule, where in places.items() if len(where)]
    for number, (rule, where) in enumerate(rows):
        base, _, variant = rule.partition(", ")
        style = rule_style(base) | ({"marker": "x"} if variant else {})
        above = blended_transform_factory(ax.transData, ax.transAxes) + ScaledTranslation(
            0, (4 + ROW * number) / 72, ax.figure.dpi_scale_trans
        )
        ax.plot(
            where,
            np.ones(len(where)),
            color=style["color"],
            marker=style["marker"] or "_",
            linestyle="",
            markerfacecolor=style.get("markerfacecolor"),
            transform=above,
            clip_on=False,
        )
    if rows:
        ax.annotate("unstable", (1, 1), (0, 1), "axes fraction", "offset points", ha="right", va="bottom", fontsize=7)
        ax.set_title(ax.get_title(), fontsize=ax.title.get_fontsize(), pad=6 + ROW * len(rows))
    return ax


def plot_sweep(results: xr.Dataset) -> Figure:
    """H2 error, slow modes and information lost above; worst slow mode, certificate and the literature's median below."""
    summary = summarise(results)
    n, slow, networks = results.sizes["mode"], summary.attrs["slow"], summary.attrs["networks"]
    labels = {
        "h2": "relative H2 error",
        "slow_modes": r"$|u^* S v / \lambda - 1|$",
        "stationary": "nats per neuron",
        "worst_mode": r"$|u^* S v / \lambda - 1|$",
        "epsilon": r"$\epsilon$",
        "sorted_median": r"$|\mu / \lambda - 1|$",
    }
    titles = {name: called.quantity for name, called in measure_names(slow).items()}
    titles["epsilon"] = "certificate (shaded: no guarantee)"
    unstable = {str(rule): _unstable(summary.sel(rule=rule)) for rule in summary.rule.values}
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(10.5, 5.6), layout="constrained")
        grid = figure.subplots(2, 3, sharex=True)
        axes = dict(zip(labels, grid.flat, strict=True))
        for name, label in labels.items():
            plot_statistic(summary, name, axes[name]).set(ylabel=f"{label} (lower is better)")
            axes[name].set_title(titles[name], fontsize=10)
            plot_unstable(unstable, axes[name])
        for ax in grid[0]:
            ax.set_xlabel("")
        plot_bound(summary, axes["epsilon"])
        _shade_above_one(axes["epsilon"])
        handles, rules = axes["epsilon"].get_legend_handles_labels()
        figure.legend(handles, rules, loc="outside lower center", ncols=min(len(rules), 5))
        size = f"{networks} networks of {n} neurons: medians (bars: 68 %, arrows: without end); infinite ones left out"
        figure.suptitle("\n".join(line for line in (_finding(summary), size) if line), fontsize=10)
    return figure


def _unstable(of_rule):
    """Fractions kept at which half of the networks, or more, are not stable."""
    return of_rule.keep.values[(of_rule.stable <= 0.5).values]


def _shade_above_one(ax):
    """Where epsilon says nothing; words in the title, where no line can hide them."""
    low, high = ax.get_ylim()
    if high > 1:
        ax.axhspan(1, high, color="black", alpha=0.06, linewidth=0)
        ax.set_ylim(low, high)
    ax.axhline(1, color="black", linewidth=0.6)


def _finding(summary):
    """Which rule responds to noise most like the original, and at how many of the fractions kept; nothing if none does."""
    h2 = summary.h2.sel(statistic="median")
    h2 = h2.where(np.isfinite(h2) & (h2 > 0)).dropna("keep", how="all")
    if not h2.sizes["keep"]:
        return ""
    best, counts = np.unique(h2.rule.values[h2.fillna(np.inf).argmin("rule").values], return_counts=True)
    rule, count = plain(best[counts.argmax()]), int(counts.max())
    where = (
        "at every fraction kept" if count == h2.sizes["keep"] else f"at {count} of {h2.sizes['keep']} fractions kept"
    )
    return f"Response to noise nearest to the original's: {rule}, {where}"
