"""The figure of a sweep, drawn from its stored results."""

import io
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxprune.files import write_whole
from jaxprune.sweep._style import figure_settings, rule_style
from jaxprune.sweep._table import summarise


def plot_statistic(summary: xr.Dataset, name: str, ax: Axes) -> Axes:
    """One statistic of `summarise` against the fraction kept, a line for each rule, bars of one standard error."""
    for rule in summary.rule.values:
        line = summary[name].sel(rule=rule).sortby("keep")
        mean, se = line.sel(statistic="mean"), line.sel(statistic="se")
        ax.errorbar(
            line.keep,
            np.where(mean > 0, mean, np.nan),
            yerr=np.nan_to_num(se),
            label=rule,
            capsize=2,
            **rule_style(str(rule)),
        )
    ax.set(xscale="log", yscale="log", xlabel="fraction of synapses kept")
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
    """Median mode, slowest modes, worst slow mode, and certificate, side by side."""
    summary = summarise(results)
    n, slow, networks = results.sizes["mode"], summary.attrs["slow"], summary.attrs["networks"]
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 3.6), layout="constrained")
        axes = figure.subplots(1, 4)
        titles = {
            "median": "median mode",
            "slow": f"mean of the {slow} slowest modes",
            "worst_slow": f"worst of the {slow} slowest modes",
            "epsilon": "certificate: realised epsilon",
        }
        for ax, (name, title) in zip(axes, titles.items(), strict=True):
            plot_statistic(summary, name, ax).set_title(title)
        axes[0].set_ylabel(r"eigenvalue error $|\mu/\lambda - 1|$")
        axes[3].set_ylabel(r"$\epsilon$")
        axes[3].axhline(1, color="black", linewidth=0.6)
        plot_bound(summary, axes[3])
        axes[3].annotate(
            "no guarantee above 1",
            (0.98, 1),
            (0, 3),
            ("axes fraction", "data"),
            "offset points",
            ha="right",
            va="bottom",
            fontsize=7,
        )
        handles, labels = axes[3].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(
            f"{networks} networks of {n} neurons: error after pruning (mean over networks, bars: 1 s.e.)", fontsize=10
        )
    return figure


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as PNG; the file appears whole or not at all."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_whole(Path(path), content.getvalue())
