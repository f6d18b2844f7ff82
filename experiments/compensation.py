"""Local compensation against 1/p strengthening, and the frontier between median and worst mode.

The clustered ensemble with N = 400; every rule on the same networks. Errors are |mu/lambda - 1| of eigenvalues, slowest first.
"""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import dynamics, linalg, pruning
from jaxprune.sweep import rule_style

PAPER, COMPENSATED = "noise", "noise+compensation"
ROWWISE = "noise+compensation, row by row"


DIMS = ("rule", "keep", "network")
MEASURES = ("median", "slow", "worst_slow", "worst")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      keep: fractions kept.
      blends: points of the frontier, from keeping each neuron's drive (0) to keeping the quadratic form (1).
      slow: number of slowest modes reported apart.
    """

    keep: tuple[float, ...] = (0.2, 0.1, 0.05, 0.02)
    blends: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85, 1.0)
    slow: int = 10


points = _study.each_network


def evaluate(config: Config, network: int) -> Iterator[_study.Row]:
    """Errors of every rule on one network."""
    network_key, mask_key = config.keys(network)
    A = config.matrix(network_key)
    C = linalg.stationary_covariance(A)
    activity, modes = dynamics.activity_of(C), linalg.modes(A)

    def row(rule, keep, S):
        errors = linalg.spectral_errors(modes, S).eigenvalue
        return {
            "rule": rule,
            "keep": keep,
            "median": float(jnp.median(errors)),
            "slow": float(errors[: config.slow].mean()),
            "worst_slow": float(errors[: config.slow].max()),
            "worst": float(errors.max()),
            "abscissa": float(linalg.spectral_abscissa(S)),
        }

    for keep in config.keep:
        for name in (PAPER, COMPENSATED, "weight+compensation", "uniform+compensation"):
            pruned = pruning.prune(mask_key, A, name, keep=keep, activity=activity)
            yield row(name, keep, pruned.matrix)
            if name == COMPENSATED:
                yield row(ROWWISE, keep, pruning.compensate(A, pruned.mask, C, symmetric=False))
                for blend in config.blends:
                    yield row(f"form {blend:g}", keep, pruning.adjust.match_form(A, pruned.mask, C, blend=blend))


def show(results: xr.Dataset) -> None:
    """Print median / slow / worst of the rules, means over networks with standard errors."""
    table = rich.table.Table(
        title=f"N = {results.attrs['neurons']}, {results.sizes['network']} networks: mean ± standard error"
    )
    for name in ("kept", "rule", "median", f"{results.attrs['slow']} slowest", "worst slow", "worst", "stable"):
        table.add_column(name)
    for keep in results.keep.values:
        for rule in results.rule.values:
            at = results.sel(rule=rule, keep=keep)
            cells = (_study.cell(at[name], "network", 4) for name in MEASURES)
            table.add_row(f"{keep:.0%}", rule, *cells, f"{float((at.abscissa < 0).mean()):.0%}")
        table.add_section()
    rich.console.Console(width=140).print(table)


def draw(results: xr.Dataset) -> Figure:
    """The frontier of median against worst mode at each fraction, with the rules beside it."""
    forms = [rule for rule in results.rule.values if rule.startswith("form ")]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    axes = figure.subplots(1, results.sizes["keep"], sharex=True, sharey=True, squeeze=False)[0]
    for ax, keep in zip(axes, results.keep.values, strict=True):
        at = results.sel(keep=keep)
        line = at.sel(rule=forms)
        (x, dx), (y, dy) = (_study.mean_and_error(line[name], "network") for name in ("median", "worst"))
        ax.errorbar(x, y, xerr=dx, yerr=dy, color="#009E73", marker=".", capsize=2, label="noise+form, blend 0 to 1")
        for end, dx_text in ((0, 4), (-1, -4)):
            ax.annotate(
                forms[end].removeprefix("form "),
                (x[end], y[end]),
                (dx_text, 5),
                textcoords="offset points",
                fontsize=7,
            )
        for rule in (PAPER, COMPENSATED, "weight+compensation", "uniform+compensation"):
            (x, dx), (y, dy) = (
                _study.mean_and_error(at[name].sel(rule=rule), "network") for name in ("median", "worst")
            )
            ax.errorbar(
                x,
                y,
                xerr=dx,
                yerr=dy,
                label=rule,
                capsize=2,
                **{**rule_style(rule), "linestyle": "none", "markersize": 7},
            )
        ax.set(xscale="log", yscale="log", title=f"{keep:.0%} kept", xlabel="median eigenvalue error")
        ticks = (0.02, 0.05, 0.1, 0.2, 0.5, 1)
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set_yticks((0.1, 0.2, 0.5, 1, 2), ("0.1", "0.2", "0.5", "1", "2"))
    axes[0].set_ylabel("largest eigenvalue error")
    _study.legend_below(figure, axes[0])
    figure.suptitle(
        f"Median against worst mode, N = {results.attrs['neurons']}, {results.sizes['network']} networks "
        "(bars: 1 s.e.); lower left is better",
        fontsize=10,
    )
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("slow", "neurons"))
