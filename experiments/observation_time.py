"""How long a network must be watched until pruning from its activity is as good as from the exact covariance.

The clustered ensemble, driven by noise. Each synapse's importance is measured over windows of growing length, in units of the
slowest time constant; then the network is pruned with it, by the paper's rule and by the largest importance with compensation
(which takes its covariance from the same window). Measured importance is compared with the exact one by rank correlation, and the
pruned networks by their spectral errors. The exact Gaussian step leaves no error of time stepping.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import scipy.stats
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import dynamics, linalg, networks, pruning
from jaxprune.sweep import figure_settings, rule_style

RULES = {"noise": pruning.NoisePrune(), "noise+compensation": pruning.named_rule("noise+compensation")}
MEASURES = {
    "rank_correlation": "rank correlation of importance",
    "median": "median eigenvalue error",
    "slow": "mean error of the slowest modes",
    "epsilon": "realised epsilon",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      sizes: neurons in each cluster.
      bridges: long-range entries.
      slack: dominance slack of the leak; makes the slowest time constant finite for every draw.
      keep: fraction kept.
      times: windows, in slowest time constants.
      resolution: samples in a slowest time constant.
      networks: number of networks.
      slow: number of slowest modes reported apart.
      seed: seed of everything.
    """

    sizes: tuple[int, ...] = (100, 20, 80)
    bridges: int = 500
    slack: float = 0.0
    keep: float = 0.2
    times: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
    resolution: int = 100
    networks: int = 8
    slow: int = 10
    seed: int = 0


def run(config: Config, journal: Path) -> xr.Dataset:
    """Rank correlation and errors: (rule, time, network); time infinity is the exact covariance."""
    points = [{"network": index} for index in range(config.networks)]
    rows = _study.compute(points, lambda point: _network(config, point["network"]), journal, config)
    return _study.dataset(
        rows, ("rule", "time", "network"), keep=config.keep, neurons=sum(config.sizes), slow=config.slow
    )


def _network(config, index):
    network_key, mask_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), index), 3)
    A = networks.dominant_leak(networks.clustered(network_key, config.sizes, bridges=config.bridges), config.slack)
    exact, modes = linalg.stationary_covariance(A), linalg.modes(A)
    slowest = -1 / float(modes.eigenvalues[0])
    upper = np.triu_indices(len(A), 1)
    truth = np.asarray(pruning.noise_importance(A, exact))[upper]
    for time in (*config.times, np.inf):
        C = exact if np.isinf(time) else _measured(config, noise_key, A, slowest, time)
        importance = np.asarray(pruning.noise_importance(A, C))[upper]
        for label, rule in RULES.items():
            S = pruning.prune(mask_key, A, rule, keep=config.keep, C=C, symmetric=True).matrix
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
    observed = result.observed
    return observed.covariance + jnp.outer(observed.mean, observed.mean)


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
            cells = []
            for measure in MEASURES:
                mean, error = (float(x) for x in _study.mean_and_error(at[measure], "network"))
                cells.append(f"{mean:.3f} ± {error:.3f}")
            label = "exact covariance" if np.isinf(time) else f"{time:g}"
            table.add_row(rule, label, *cells, f"{int((at.abscissa >= 0).sum())}")
        table.add_section()
    rich.console.Console(width=150).print(table)


def draw(results: xr.Dataset) -> Figure:
    """The four measures against the time of observation; what the exact covariance gives as lines across."""
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 3.4), layout="constrained")
        times = results.time.values[np.isfinite(results.time.values)]
        for ax, (measure, title) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
            for rule in results.rule.values[: 1 if measure == "rank_correlation" else None]:
                mean, error = _study.mean_and_error(results[measure].sel(rule=rule), "network")
                label = None if measure == "rank_correlation" else rule
                ax.errorbar(
                    times, mean.sel(time=times), yerr=error.sel(time=times), label=label, capsize=2, **rule_style(rule)
                )
                if measure != "rank_correlation":
                    style = {k: v for k, v in rule_style(rule).items() if k in ("color", "linestyle")}
                    ax.axhline(float(mean.sel(time=np.inf)), linewidth=0.8, alpha=0.6, **style)
            ax.set(xscale="log", xlabel="slowest time constants observed", yscale="linear" if label is None else "log")
            ax.set_title(title, fontsize=10)
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        figure.suptitle(
            f"{results.attrs['neurons']} neurons, {results.attrs['keep']:.0%} kept; lines across: exact covariance",
            fontsize=10,
        )
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
