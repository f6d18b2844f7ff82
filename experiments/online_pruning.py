"""Pruning online, from simulated noise alone, against pruning with the exact covariance, at once and in rounds.

The clustered ensemble with N = 400. `one-shot, exact`: the synapses of largest noise importance, compensated, both from the
Lyapunov solution. `rounds, exact`: the same in rounds, with the covariance solved anew for the network of each round. `rounds,
online`: `OnlinePrune`, which measures importance on the running network and learns by the delta rule; no covariance is solved
anywhere. Errors are |mu/lambda - 1| of eigenvalues of the original network, slowest first.
"""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import dynamics, linalg, pruning

MEASURES = {"median": "median mode", "slow": "slowest modes", "worst": "worst mode"}
WAYS = {
    "one-shot, exact": {"color": "#777777", "marker": "^", "linestyle": "--"},
    "rounds, exact": {"color": "#d55e00", "marker": "s", "linestyle": "--"},
    "rounds, online": {"color": "#0072b2", "marker": "o", "linestyle": "-"},
}


DIMS = ("way", "round", "network")
RULE = pruning.named_rule("noise+compensation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      keep: fraction kept after the last round.
      rounds: number of rounds.
      dt: step of the simulation.
      observe: blocks of 512 steps in which a round measures.
      adapt: blocks in which it learns.
      slow: number of slowest modes reported apart.
    """

    keep: float = 0.05
    rounds: int = 5
    dt: float = 0.3
    observe: int = 50
    adapt: int = 100
    slow: int = 10


points = _study.each_network


def evaluate(config: Config, network: int) -> Iterator[_study.Row]:
    """Errors after every round on one network."""
    network_key, online_key = config.keys(network)
    A = config.matrix(network_key)
    modes, C = linalg.modes(A), linalg.stationary_covariance(A)
    online = pruning.OnlinePrune(dt=config.dt, observe=config.observe, adapt=config.adapt, symmetric=True)
    counts = online.schedule(A, config.keep, config.rounds)
    synapses = float(((np.asarray(A) != 0).sum()) - len(A))
    step, state, exact = jax.jit(online.step), online.init(A), A
    for number, (key, count) in enumerate(
        zip(jax.random.split(online_key, config.rounds), counts, strict=True), start=1
    ):
        state, _ = step(key, state, count)
        networks_now = {
            "one-shot, exact": _prune(key, A, C, count),
            "rounds, exact": _prune(key, exact, linalg.stationary_covariance(exact), count),
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


def _prune(key, A, C, count):
    return pruning.apply_rule(key, A, dynamics.activity_of(C), RULE, count=count, symmetric=True).matrix


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
            cells = (_study.cell(at[measure], "network", 4) for measure in MEASURES)
            table.add_row(way, f"{float(at.kept.mean()):.1%}", *cells, f"{int((at.abscissa >= 0).sum())}")
        table.add_section()
    rich.console.Console(width=120).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Errors against the fraction kept, round after round."""
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
    _study.legend_below(figure, axes[0])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("neurons", "slow"))
