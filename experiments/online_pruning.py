"""Pruning online, from simulated noise alone, against pruning with the exact covariance, at once and in rounds.

The clustered ensemble with N = 400. `one-shot, exact`: the synapses of largest noise importance, compensated, both from the
Lyapunov solution. `rounds, exact`: the same in rounds, with the covariance solved anew for the network of each round. `rounds,
online`: `OnlinePrune`, which measures importance on the running network and learns by the delta rule; no covariance is solved
anywhere. Errors are |mu/lambda - 1| of eigenvalues of the original network, slowest first.
"""

import dataclasses
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import linalg, networks, pruning
from jaxprune.sweep import figure_settings

MEASURES = {"median": "median mode", "slow": "slowest modes", "worst": "worst mode"}
WAYS = {
    "one-shot, exact": {"color": "#777777", "marker": "^", "linestyle": "--"},
    "rounds, exact": {"color": "#d55e00", "marker": "s", "linestyle": "--"},
    "rounds, online": {"color": "#0072b2", "marker": "o", "linestyle": "-"},
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      sizes: neurons in each cluster.
      bridges: long-range entries.
      keep: fraction kept after the last round.
      rounds: number of rounds.
      dt: step of the simulation.
      observe: blocks of 512 steps in which a round measures.
      adapt: blocks in which it learns.
      networks: number of networks.
      slow: number of slowest modes reported apart.
      seed: seed of everything.
    """

    sizes: tuple[int, ...] = (200, 40, 160)
    bridges: int = 1000
    keep: float = 0.05
    rounds: int = 5
    dt: float = 0.3
    observe: int = 50
    adapt: int = 100
    networks: int = 8
    slow: int = 10
    seed: int = 0


def run(config: Config, journal: Path) -> xr.Dataset:
    """Errors after every round: (way, round, network)."""
    points = [{"network": index} for index in range(config.networks)]
    rows = _study.compute(points, lambda point: _network(config, point["network"]), journal, config)
    return _study.dataset(rows, ("way", "round", "network"), neurons=sum(config.sizes), slow=config.slow)


def _network(config, index):
    network_key, online_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), index))
    A = networks.dominant_leak(networks.clustered(network_key, config.sizes, bridges=config.bridges))
    modes = linalg.modes(A)
    C = linalg.stationary_covariance(A)
    counts = pruning.online_schedule(A, config.keep, config.rounds, symmetric=True)
    synapses = float(((np.asarray(A) != 0).sum()) - len(A))
    online = pruning.OnlinePrune(dt=config.dt, observe=config.observe, adapt=config.adapt, symmetric=True)
    step, state, exact = jax.jit(online.step), online.init(A), A
    for number, (key, count) in enumerate(
        zip(jax.random.split(online_key, config.rounds), counts, strict=True), start=1
    ):
        state, _ = step(key, state, count)
        rule = pruning.named_rule("noise+compensation")
        current = linalg.stationary_covariance(exact)
        networks_now = {
            "one-shot, exact": pruning.apply_rule(key, A, C, rule, count=count, symmetric=True).matrix,
            "rounds, exact": pruning.apply_rule(key, exact, current, rule, count=count, symmetric=True).matrix,
            "rounds, online": state.matrix,
        }
        exact = networks_now["rounds, exact"]
        for way, S in networks_now.items():
            error = np.asarray(linalg.spectral_errors(modes, (S + S.T) / 2).eigenvalue)
            yield {
                "way": way,
                "round": number,
                "kept": float(count) / synapses,
                "median": float(np.median(error)),
                "slow": float(error[: config.slow].mean()),
                "worst": float(error.max()),
                "abscissa": float(linalg.spectral_abscissa(S)),
            }


def show(results: xr.Dataset) -> None:
    """Print errors after every round, means over networks with standard errors."""
    table = rich.table.Table(
        "way",
        "kept",
        *MEASURES.values(),
        "unstable",
        title=f"N = {results.attrs['neurons']}, {results.sizes['network']} networks: mean ± standard error",
    )
    for way in results.way.values:
        for number in results["round"].values:
            at = results.sel(way=way, round=number)
            cells = []
            for measure in MEASURES:
                mean, error = (float(x) for x in _study.mean_and_error(at[measure], "network"))
                cells.append(f"{mean:.4f} ± {error:.4f}")
            table.add_row(way, f"{float(at.kept.mean()):.1%}", *cells, f"{int((at.abscissa >= 0).sum())}")
        table.add_section()
    rich.console.Console(width=120).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Errors against the fraction kept, round after round."""
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        axes = figure.subplots(1, len(MEASURES))
        kept = results.kept.mean("network").isel(way=0)
        for ax, (measure, title) in zip(axes, MEASURES.items(), strict=True):
            for way, style in WAYS.items():
                mean, error = _study.mean_and_error(results[measure].sel(way=way), "network")
                ax.errorbar(kept, mean, yerr=error, label=way, capsize=2, **style)
            ax.set(xscale="log", yscale="log", xlabel="fraction of synapses kept")
            ax.set_xticks(kept.values, [f"{value:.2g}" for value in kept.values])
            ax.minorticks_off()
            ax.set_title(title, fontsize=10)
        axes[0].set_ylabel(r"eigenvalue error $|\mu/\lambda - 1|$")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
