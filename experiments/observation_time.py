"""How long a network must be watched until pruning from its activity is as good as from the exact covariance.

The clustered ensemble, driven by noise. Each synapse's importance is measured over windows of growing length, in units of the
slowest time constant; then the network is pruned with it, by the paper's rule and by the largest importance with compensation
(which takes its covariance from the same window). Measured importance is compared with the exact one by rank correlation, and the
pruned networks by their spectral errors. The exact Gaussian step leaves no error of time stepping.
"""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.stats
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import dynamics, linalg, plot, pruning

RULES = {"noise": pruning.NoisePrune(), "noise+compensation": pruning.named_rule("noise+compensation")}
MEASURES = {
    "rank_correlation": "rank correlation of importance",
    "median": "median eigenvalue error",
    "slow": "mean error of the slowest modes",
    "epsilon": "realised epsilon",
}


DIMS = ("rule", "time", "network")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      slack: dominance slack of the leak; makes the slowest time constant finite for every draw.
      keep: fraction kept.
      times: windows, in slowest time constants.
      resolution: samples in a slowest time constant.
      slow: number of slowest modes reported apart.
    """

    sizes: tuple[int, ...] = (100, 20, 80)
    bridges: int = 500
    slack: float = 0.0
    keep: float = 0.2
    times: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
    resolution: int = 100
    slow: int = 10


points = _study.each_network


def evaluate(config: Config, network: int) -> Iterator[_study.Row]:
    """Rank correlation and errors over time on one network; time infinity is the exact covariance."""
    network_key, mask_key, noise_key = config.keys(network, 3)
    A = config.matrix(network_key)
    exact, modes = linalg.stationary_covariance(A), linalg.modes(A)
    slowest = -1 / float(modes.eigenvalues[0])
    upper = np.triu_indices(len(A), 1)
    truth = np.asarray(pruning.noise_importance(A, exact))[upper]
    for time in (*config.times, np.inf):
        C = exact if np.isinf(time) else _measured(config, noise_key, A, slowest, time)
        activity, importance = dynamics.activity_of(C), np.asarray(pruning.noise_importance(A, C))[upper]
        for label, rule in RULES.items():
            S = pruning.prune(mask_key, A, rule, keep=config.keep, activity=activity, symmetric=True).matrix
            error = np.asarray(linalg.spectral_errors(modes, S).eigenvalue)
            yield {
                "rule": label,
                "time": float(time),
                "rank_correlation": float(
                    np.corrcoef(*(scipy.stats.rankdata(r[truth > 0]) for r in (importance, truth)))[0, 1]
                ),
                "median": float(np.median(error)),
                "slow": float(error[: config.slow].mean()),
                "epsilon": float(linalg.certify(A, S).epsilon),
                "abscissa": float(linalg.spectral_abscissa(S, symmetric=True)),
                "slowest": slowest,
            }


def _measured(config, key, A, slowest, time):
    """Covariance measured over a window, after ten slowest time constants of burn-in from rest."""
    burn_in = 10 * config.resolution
    result = dynamics.simulate(
        key,
        dynamics.Linear(A),
        jnp.zeros(len(A)),
        dt=slowest / config.resolution,
        steps=burn_in + round(time * config.resolution),
        method="exact",
        observe=dynamics.Moments(),
        burn_in=burn_in,
    )
    # About the true mean, zero: a window of few time constants has no mean of its own.
    return result.observed.second_moment


def show(results: xr.Dataset) -> None:
    """Print measures against time, means over networks with standard errors."""
    table = rich.table.Table(
        "rule",
        "time constants",
        *MEASURES.values(),
        "unstable",
        title=f"N = {results.attrs['neurons']}, {results.attrs['keep']:.0%} kept, {results.sizes['network']} networks",
    )
    for rule in results.rule.values:
        for time in results.time.values:
            at = results.sel(rule=rule, time=time)
            cells = (_study.cell(at[measure], "network") for measure in MEASURES)
            label = "exact covariance" if np.isinf(time) else f"{time:g}"
            table.add_row(rule, label, *cells, f"{int((at.abscissa >= 0).sum())}")
        table.add_section()
    rich.console.Console(width=150).print(table)


def draw(results: xr.Dataset) -> Figure:
    """The four measures against the time of observation; what the exact covariance gives as lines across."""
    figure = Figure(figsize=(11.5, 3.8), layout="constrained")
    axes = figure.subplots(1, len(MEASURES))
    times = results.time.values[np.isfinite(results.time.values)]
    for ax, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        ranks = measure == "rank_correlation"
        for rule in results.rule.values[: 1 if ranks else None]:
            mean, error = _study.mean_and_error(results[measure].sel(rule=rule), "network")
            style = {"label": None if ranks else rule, "capsize": 2, **plot.rule_style(rule)}
            ax.errorbar(times, mean.sel(time=times), yerr=error.sel(time=times), **style)
            if not ranks:
                ax.axhline(float(mean.sel(time=np.inf)), linewidth=0.8, alpha=0.6, **_study.line_style(rule))
        ax.set(xscale="log", xlabel="slowest time constants watched", yscale="linear" if ranks else "log")
        ax.set(ylabel=_study.HIGHER if ranks else _study.LOWER)
        ax.xaxis.set_major_formatter("{x:g}")
        if not ranks:
            plot.label_decades(ax.yaxis)
        ax.set_title(title, fontsize=9)
    _study.legend_below(figure, axes[-1])
    size = f"{results.attrs['neurons']} neurons, {results.attrs['keep']:.0%} kept; lines across: exact covariance"
    _study.finding(figure, "Watched for ten slowest time constants, importance is ranked nearly as by theory", size)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("keep", "neurons", "slow"))
