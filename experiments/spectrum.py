"""The reference ensemble at N = 2000, 20 % kept: spectral measures of every rule beside an independent implementation's.

And what those measures do not see: the response to noise, the original's own slow modes, and what controls score.
"""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _measures, _study
from jaxprune import dynamics, linalg, plot, pruning

RULES = {
    "noise, matched": pruning.NoisePrune(),
    "noise, original": pruning.NoisePrune(adjust=pruning.Strengthen(diagonal="original")),
    "weight, matched": pruning.WeightPrune(),
    "uniform, matched": pruning.UniformPrune(),
    "noise, systematic": pruning.NoisePrune(method="systematic"),
    "noise + compensation": pruning.named_rule("noise+compensation"),
    "noise + form": pruning.named_rule("noise+form"),
} | {name: pruning.named_rule(name) for name in _measures.CONTROLS}
MEASURES = ("eigenvalue_median", "eigenvalue_max", "quadratic_median", "quadratic_max", "cosine_median", "cosine_min")

REFERENCE = {
    "noise, matched": (0.0245, 0.221, 0.0057, 0.081, 0.993, 0.945),
    "noise, original": (0.0186, 0.078, 0.0026, 0.037, 0.9965, 0.851),
    "weight, matched": (0.0223, 0.324, 0.0061, 0.175, 0.9935, 0.835),
    "uniform, matched": (0.0378, 0.415, 0.0078, 0.244, 0.9893, 0.860),
}
"""Means of 2 draws of an independent NumPy implementation of the same ensemble and rules, in the order of `MEASURES`."""


DIMS = ("rule", "draw")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      networks: number of networks, each pruned once by every rule.
      keep: fraction kept.
      slow: number of slowest modes reported apart.
    """

    sizes: tuple[int, ...] = (1000, 200, 800)
    bridges: int = 5000
    slack: float = 0.0
    networks: int = 6
    keep: float = 0.2
    slow: int = 10


def points(config: Config) -> list[_study.Row]:
    """One network after the other, each one draw of every rule."""
    return [{"draw": index} for index in range(config.networks)]


def evaluate(config: Config, draw: int) -> Iterator[_study.Row]:
    """Measures of every rule on one network."""
    network_key, mask_key = config.keys(draw)
    original = linalg.reference(config.matrix(network_key))
    activity = dynamics.activity_of(linalg.stationary_covariance(original.matrix))
    for name, rule in RULES.items():
        S = pruning.prune(mask_key, original.matrix, rule, keep=config.keep, activity=activity).matrix
        eigenvalue, quadratic, cosine = linalg.spectral_errors(original, S)
        yield {
            "rule": name,
            "eigenvalue_median": float(jnp.median(eigenvalue)),
            "eigenvalue_max": float(eigenvalue.max()),
            "quadratic_median": float(jnp.median(quadratic)),
            "quadratic_max": float(quadratic.max()),
            "cosine_median": float(jnp.median(cosine)),
            "cosine_min": float(cosine.min()),
        } | _measures.measures(original, S, slow=config.slow)


def show(results: xr.Dataset) -> None:
    """Print all measures, then ours (mean over draws, and the spread of single draws) above the reference."""
    console = rich.console.Console(width=190)
    size = f"N = {results.attrs['neurons']}, {results.attrs['keep']:.0%} kept, {results.sizes['draw']} draws"
    title = f"{size}: median (68 % interval)"
    table = rich.table.Table("rule", *_measures.MEASURES.values(), "finite", title=title)
    for rule in results.rule.values:
        at = results.sel(rule=rule)
        cells = (_measures.cell(at[name], "draw", 4) for name in _measures.MEASURES)
        table.add_row(rule, *cells, _measures.finite(at, "draw"))
    console.print(table)
    table = rich.table.Table("rule", "", *MEASURES, title=f"{size}: mean (standard deviation of one draw)")
    for rule in results.rule.values:
        at = results.sel(rule=rule)
        cells = [f"{float(at[name].mean()):.4f} ({float(at[name].std(ddof=1)):.4f})" for name in MEASURES]
        table.add_row(rule, "ours", *cells)
        if rule in REFERENCE:
            inside = [
                abs(float(at[name].mean()) - value)
                <= 0.00005 + 3 * float(at[name].std(ddof=1)) * np.sqrt(1 / 2 + 1 / at.sizes["draw"])
                for name, value in zip(MEASURES, REFERENCE[rule], strict=True)
            ]
            marks = [
                f"{value:g} {'ok' if fits else 'differs'}" for value, fits in zip(REFERENCE[rule], inside, strict=True)
            ]
            table.add_row("", "reference", *marks)
    console.print(table)
    print("ok: within 3 standard errors of the difference between our mean and a mean of 2 draws")


def draw(results: xr.Dataset) -> Figure:
    """Each rule's measures, one dot a draw, crosses the reference."""
    rules = list(results.rule.values)
    panels = {
        "h2": "response to noise:\nrelative H2 error",
        "slow_modes": f"error along the {results.attrs['slow']} slowest modes",
        "epsilon": "certificate: epsilon",
        "eigenvalue_median": "literature's measure:\nmedian of sorted eigenvalues",
    }
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    for ax, (name, title) in zip(axes, panels.items(), strict=True):
        for row, rule in enumerate(rules):
            values = results[name].sel(rule=rule).values
            ax.plot(values, np.full(len(values), row), "o", color=plot.colour(str(rule)), alpha=0.6)
            if rule in REFERENCE and name in MEASURES:
                ax.plot(REFERENCE[rule][MEASURES.index(name)], row, "kx", markersize=7)
        ax.set(xscale="log", xlabel=_study.LOWER)
        ax.set_title(title, fontsize=9)
        plot.label_decades(ax.xaxis)
    _study.list_rows(axes[0], rules)
    axes[-1].plot([], [], "o", color="grey", label="this code, one draw")
    axes[-1].plot([], [], "kx", label="independent code, mean of 2 draws")
    _study.legend_below(figure, axes[-1])
    size = f"{results.attrs['neurons']} neurons, {results.attrs['keep']:.0%} of synapses kept"
    _study.finding(figure, "Sorted eigenvalues put the mask alone first, though it has lost the slow modes", size)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("slow", "neurons", "keep"))
