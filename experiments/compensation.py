"""Local compensation against 1/p strengthening: what it gains, where it loses, and what controls score.

The clustered ensemble with N = 400; every rule on the same networks, with every measure of `linalg.measure`. Beside the rules:
the mask alone, the mask and one factor that restores the slowest decay, and the network without any synapse.
"""

import dataclasses
from collections.abc import Iterator

import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments import _measures, _study
from jaxprune import dynamics, linalg, plot, pruning
from jaxprune.sweep import median_interval

ROWWISE = "noise+compensation, row by row"
RULES = (
    "noise", "weight", "uniform", "noise+compensation", "noise^1.5+compensation", "weight+compensation", "uniform+compensation",
    *_measures.CONTROLS, "noise^1.5+abscissa", "weight+abscissa", "uniform+abscissa",
)  # fmt: skip
DIMS = ("rule", "keep", "network")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      keep: fractions kept.
      blends: points of the line from keeping each neuron's drive (0) to keeping the quadratic form (1).
      slow: number of slowest modes reported apart.
    """

    keep: tuple[float, ...] = (0.4, 0.2, 0.1, 0.05)
    blends: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85, 1.0)
    slow: int = 10


points = _study.each_network


def evaluate(config: Config, network: int) -> Iterator[_study.Row]:
    """Errors of every rule on one network."""
    network_key, mask_key = config.keys(network)
    A = config.matrix(network_key)
    original, C = linalg.reference(A), linalg.stationary_covariance(A)
    activity = dynamics.activity_of(C)
    for keep in config.keep:
        found = {name: pruning.prune(mask_key, A, name, keep=keep, activity=activity) for name in RULES}
        matrices = {name: pruned.matrix for name, pruned in found.items()}
        mask = found["noise+compensation"].mask
        matrices[ROWWISE] = pruning.compensate(A, mask, C, symmetric=False)
        for blend in config.blends:
            matrices[f"form {blend:g}"] = pruning.adjust.match_form(A, mask, C, blend=blend)
        for name, S in matrices.items():
            yield {"rule": name, "keep": keep} | _measures.measures(original, S, slow=config.slow)


def show(results: xr.Dataset) -> None:
    """Print all measures, medians over networks with their 68 % interval."""
    table = rich.table.Table(
        "kept", "rule", *_measures.MEASURES.values(), "finite",
        title=f"N = {results.attrs['neurons']}, {results.sizes['network']} networks: median (68 % interval)",
    )  # fmt: skip
    for keep in results.keep.values:
        for rule in results.rule.values:
            at = results.sel(rule=rule, keep=keep)
            cells = (_measures.cell(at[name]) for name in _measures.MEASURES)
            table.add_row(f"{keep:.0%}", rule, *cells, _measures.finite(at))
        table.add_section()
    rich.console.Console(width=190).print(table)


def draw(results: xr.Dataset) -> Figure:
    """H2 error against the slow modes at each fraction: rules, controls, and the line of quadratic forms."""
    forms = [rule for rule in results.rule.values if rule.startswith("form ")]
    figure = Figure(figsize=(11.5, 4), layout="constrained")
    axes = figure.subplots(1, results.sizes["keep"], sharex=True, sharey=True, squeeze=False)[0]
    for ax, keep in zip(axes, results.keep.values, strict=True):
        at = results.sel(keep=keep)
        line = [median_interval(at[name].sel(rule=forms)).sel(statistic="median") for name in ("slow_modes", "h2")]
        ax.plot(*line, color=plot.colour("noise"), linestyle=":", marker=".")
        for rule in (rule for rule in RULES if rule in results.rule.values and not rule.startswith("noise^")):
            x, y = (
                float(median_interval(at[name].sel(rule=rule)).sel(statistic="median")) for name in ("slow_modes", "h2")
            )
            ax.plot([x], [y], **_point(rule))
        ax.set(xscale="log", yscale="log", title=f"{keep:.0%} kept", xlabel="error along the slow modes")
        for axis in (ax.xaxis, ax.yaxis):
            plot.label_decades(axis)
    axes[0].set_ylabel(f"relative H2 error {_study.LOWER}")
    figure.legend(handles=_handles(), loc="outside lower center", ncols=5)
    size = f"{results.attrs['neurons']} neurons, medians of {results.sizes['network']} networks; lower left is better"
    _study.finding(figure, "Coins (1/p) keep slow modes and lose the response to noise; refits do the reverse", size)
    return figure


def _point(rule):
    """Colour says what counts as important, the marker what the survivors do."""
    _, _, adjust = rule.partition("+")
    markers = {"": "s", "compensation": "o", "keep": "x", "abscissa": "+"}
    marker = {"marker": "*", "markersize": 9} if rule == "empty" else {"marker": markers[adjust], "markersize": 6}
    fill = {"markerfacecolor": "white"} if adjust == "compensation" else {}
    return {"color": plot.colour(rule), "linestyle": "", **marker, **fill}


def _handles():
    grey = {"color": "grey", "linestyle": "", "markersize": 6}
    scores = [
        Line2D([], [], color=plot.colour(score), linewidth=4, label=score) for score in ("noise", "weight", "uniform")
    ]
    return [
        *scores,
        Line2D([], [], **_point("empty"), label="no synapse"),
        Line2D([], [], color=plot.colour("noise"), linestyle=":", marker=".", label="noise+form, blend 0 to 1"),
        Line2D([], [], marker="s", label="coins, 1/p", **grey),
        Line2D([], [], marker="o", markerfacecolor="white", label="compensation", **grey),
        Line2D([], [], marker="+", label="one factor", **grey),
        Line2D([], [], marker="x", label="mask alone", **grey),
    ]


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("slow", "neurons"))
