"""Pruning online, from simulated noise alone, against pruning with the exact covariance, at once and in rounds.

The clustered ensemble with N = 400. `one-shot, exact`: the synapses of largest noise importance, compensated, both from the
Lyapunov solution. `rounds, exact`: the same in rounds, with the covariance solved anew for the network of each round. `rounds,
online`: `OnlinePrune`, which measures importance on the running network and learns by the delta rule; no covariance is solved
anywhere. Beside them: the same masks in rounds without compensation, the mask of one shot with one factor, and no synapse.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _measures, _study
from jaxprune import dynamics, linalg, plot, pruning
from jaxprune.sweep import median_interval

STYLES: dict[str, dict[str, Any]] = {
    "one-shot, exact": {"color": plot.colour("noise"), "marker": "^", "linestyle": "--"},
    "rounds, exact": {"color": plot.colour("noise"), "marker": "s", "linestyle": ":"},
    "rounds, online": {"color": plot.colour("online"), "marker": "o", "linestyle": "-"},
    "one-shot, mask only": {"color": plot.colour("mask only"), "marker": "x", "linestyle": "-"},
    "one-shot, one factor": {"color": plot.colour("one factor"), "marker": "+", "linestyle": "-."},
    "no synapse": {"color": plot.colour("uniform"), "marker": "", "linestyle": "-"},
}
DIMS = ("way", "round", "network")
COMPENSATED, MASK, ONE_FACTOR = (
    pruning.named_rule(f"noise+{end}") for end in ("compensation", "keep", "abscissa")
)  # fmt: skip


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
    original, C = linalg.reference(A), linalg.stationary_covariance(A)
    online = pruning.OnlinePrune(dt=config.dt, observe=config.observe, adapt=config.adapt, symmetric=True)
    counts = online.schedule(A, config.keep, config.rounds)
    synapses = float(((np.asarray(A) != 0).sum()) - len(A))
    step, state, exact, thinned = jax.jit(online.step), online.init(A), A, A
    for number, (key, count) in enumerate(
        zip(jax.random.split(online_key, config.rounds), counts, strict=True), start=1
    ):
        state, _ = step(key, state, count)
        exact = _prune(key, exact, linalg.stationary_covariance(exact), COMPENSATED, count)
        thinned = _prune(key, thinned, linalg.stationary_covariance(thinned), MASK, count)
        now = {
            "one-shot, exact": _prune(key, A, C, COMPENSATED, count),
            "rounds, exact": exact,
            "rounds, online": (state.matrix + state.matrix.T) / 2,
            "rounds, mask only": thinned,
            "one-shot, mask only": _prune(key, A, C, MASK, count),
            "one-shot, one factor": _prune(key, A, C, ONE_FACTOR, count),
            "no synapse": jnp.diag(jnp.diagonal(A)),
        }
        for way, S in now.items():
            row = {"way": way, "round": number, "kept": float(count) / synapses}
            yield row | _measures.measures(original, S, slow=config.slow)


def _prune(key, A, C, rule, count):
    return pruning.apply_rule(key, A, dynamics.activity_of(C), rule, count=count, symmetric=True).matrix


def show(results: xr.Dataset) -> None:
    """Print errors after every round, medians over networks with their 68 % interval."""
    table = rich.table.Table(
        "way", "kept", *_measures.MEASURES.values(), "finite",
        title=f"N = {results.attrs['neurons']}, {results.sizes['network']} networks: median (68 % interval)",
    )  # fmt: skip
    for way in results.way.values:
        for number in results["round"].values:
            at = results.sel(way=way, round=number)
            cells = (_measures.cell(at[name]) for name in _measures.MEASURES)
            table.add_row(way, f"{float(at.kept.mean()):.1%}", *cells, _measures.finite(at))
        table.add_section()
    rich.console.Console(width=180).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Errors against the fraction kept, round after round; masks alone in rounds, which are as those at once, are left out."""
    names = ("h2", "slow_modes", "stationary", "sorted_median")
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, 2)
    kept = results.kept.mean("network").isel(way=0)
    for ax, name in zip(axes.flat, names, strict=True):
        for way, style in STYLES.items():
            plot.plot_median(ax, kept.values, median_interval(results[name].sel(way=way)), label=way, **style)
        ax.set(xscale="log", yscale="log", xlabel="fraction of synapses kept", ylabel=_study.LOWER)
        _study.tick_at(ax.xaxis, kept.values, ".2g")
        plot.label_decades(ax.yaxis)
        ax.set_title(_measures.MEASURES[name])
    size = f"{results.attrs['neurons']} neurons, medians of {results.sizes['network']} networks"
    _study.finding(
        figure,
        "Refits learnt from noise alone, in rounds, are nearer to the mask alone than to exact refits at once",
        size,
    )
    _study.label_ends(figure, *axes.flat)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("neurons", "slow"))
