"""Local compensation against 1/p strengthening, and the frontier between median and worst mode.

The clustered ensemble with N = 400; every rule on the same networks. Errors are |mu/lambda - 1| of eigenvalues, slowest first.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import linalg, networks, pruning
from jaxprune.sweep import figure_settings, rule_style

PAPER, COMPENSATED = "noise", "noise+compensation"
ROWWISE = "noise+compensation, row by row"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      sizes: neurons in each cluster.
      bridges: long-range entries.
      keep: fractions kept.
      networks: number of networks.
      blends: points of the frontier, from keeping each neuron's drive (0) to keeping the quadratic form (1).
      slow: number of slowest modes reported apart.
      seed: seed of the ensemble.
    """

    sizes: tuple[int, ...] = (200, 40, 160)
    bridges: int = 1000
    keep: tuple[float, ...] = (0.2, 0.1, 0.05, 0.02)
    networks: int = 8
    blends: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85, 1.0)
    slow: int = 10
    seed: int = 0


def run(config: Config, journal: Path) -> xr.Dataset:
    """Errors of every rule: (rule, keep, network)."""
    points = [{"network": i} for i in range(config.networks)]
    rows = _study.compute(points, lambda point: _network(config, point["network"]), journal, config)
    return _study.dataset(rows, ("rule", "keep", "network"), slow=config.slow, neurons=sum(config.sizes))


def _network(config, index):
    network_key, mask_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), index))
    A = networks.dominant_leak(networks.clustered(network_key, config.sizes, bridges=config.bridges))
    C = linalg.stationary_covariance(A)
    modes = linalg.modes(A)

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
            pruned = pruning.prune(mask_key, A, pruning.named_rule(name), keep=keep, C=C)
            yield row(name, keep, pruned.matrix)
            if name == COMPENSATED:
                yield row(ROWWISE, keep, pruning.compensate(A, pruned.mask, C, symmetric=False))
                for blend in config.blends:
                    yield row(f"refit {blend:g}", keep, pruning.refit(A, pruned.mask, C, blend=blend))


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
            cells = []
            for name in ("median", "slow", "worst_slow", "worst"):
                mean, error = _study.mean_and_error(at[name], "network")
                cells.append(f"{float(mean):.4f} ± {float(error):.4f}")
            table.add_row(f"{keep:.0%}", rule, *cells, f"{float((at.abscissa < 0).mean()):.0%}")
        table.add_section()
    rich.console.Console(width=140).print(table)


def draw(results: xr.Dataset) -> Figure:
    """The frontier of median against worst mode at each fraction, with the rules beside it."""
    refits = [rule for rule in results.rule.values if rule.startswith("refit")]
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 3.8), layout="constrained")
        axes = figure.subplots(1, results.sizes["keep"], sharex=True, sharey=True)
        for ax, keep in zip(np.atleast_1d(axes), results.keep.values, strict=True):
            at = results.sel(keep=keep)
            line = at.sel(rule=refits)
            (x, dx), (y, dy) = (_study.mean_and_error(line[name], "network") for name in ("median", "worst"))
            ax.errorbar(
                x, y, xerr=dx, yerr=dy, color="#009E73", marker=".", capsize=2, label="noise + refit, blend 0 to 1"
            )
            for end, dx_text in ((0, 4), (-1, -4)):
                ax.annotate(
                    refits[end].removeprefix("refit "),
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
        np.atleast_1d(axes)[0].set_ylabel("largest eigenvalue error")
        handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(
            f"Median against worst mode, N = {results.attrs['neurons']}, {results.sizes['network']} networks "
            "(bars: 1 s.e.); lower left is better",
            fontsize=10,
        )
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
