"""How near to the original can a pruned network be, in its response to noise and in its slow modes at once, by local rules?

Masks by `|w| v^alpha`, and adjustments: one factor, compensation under white noise, or under white noise with a share of slow
noise, and compensation under white noise in rounds. All of these but the factor are local. Beside them, not local, the best
weights that the same mask allows (`match_response`) and, of symmetric networks, the barrier method, which gives the smallest
certificate that can be proven; coins with 1/p, as published for alpha = 1; and no synapse. Two clustered ensembles, symmetric
and directed, of fresh networks: none of their seeds was looked at while rules were made. The wiring of the worm is one network,
looked at before.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments import _measures, _study
from jaxprune import InputError, dynamics, linalg, networks, plot, pruning
from jaxprune.pruning.adjust import match_response
from jaxprune.pruning.theory import barrier_sparsify
from jaxprune.sweep import median_interval

SYMMETRIC, DIRECTED, WORM = "clustered", "clustered, directed", "C. elegans"
FAMILIES: dict[str, Any] = {SYMMETRIC: "clustered", DIRECTED: "clustered-directed"}
FRESH = 1_000
"""Networks are drawn from seeds from here on."""
DIMS = ("ensemble", "rule", "keep", "network")
MASKS = (1.0, 1.5, 2.0)
SHARES = (0.0, 0.1, 0.3, 0.6, 0.9, 1.0)
"""Of slow noise in the power of the activity that compensation sees."""
SLOWNESS = 10.0
"""Correlation time of slow noise, in that of the slowest mode."""
ROUNDS = 5
BARRIER = "barrier method"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: directory of the connectomes; the worm is left out without.
      sizes: neurons in each cluster.
      bridges: long-range entries.
      slack: dominance slack of the clustered networks' leaks, in 1/time.
      keep: fractions kept.
      networks: networks of each ensemble; of the worm there is one.
      margin: slack of the worm's dominant leak, as a fraction of the mean total input.
      optimum: whether to search for the best weights, which takes most of the time.
      seed: seed of everything.
    """

    data: Path | None = None
    sizes: tuple[int, ...] = (100, 20, 80)
    bridges: int = 500
    slack: float = 0.01
    keep: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    networks: int = 8
    margin: float = 0.1
    optimum: bool = True
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every fraction of every network.

    Raises:
      InputError: there is no such connectome.
    """
    found = [
        {"ensemble": name, "network": index, "keep": keep}
        for name in FAMILIES
        for index in range(config.networks)
        for keep in config.keep
    ]
    if config.data is None:
        return found
    if not (config.data / "celegans_edges.csv").exists():
        raise InputError(f"there is no {config.data / 'celegans_edges.csv'}: pass --data with the connectomes.")
    return found + [{"ensemble": WORM, "network": 0, "keep": keep} for keep in config.keep]


def _network(config, ensemble, network):
    if ensemble != WORM:
        made = networks.Ensemble(FAMILIES[ensemble], sizes=config.sizes, bridges=config.bridges, margin=config.slack)
        return made.network(jax.random.fold_in(jax.random.key(config.seed), FRESH + network))
    assert config.data is not None
    table = config.data / "celegans_neurons.csv"
    W = networks.read_edges(config.data / "celegans_edges.csv", neurons=table).matrix
    return networks.dominant_leak(W, float(config.margin * jnp.abs(W).sum() / len(W)))


def _mixed(A, white, share, symmetric):
    """White noise with a share of the power from noise that is slower than the slowest mode."""
    if share == 0:
        return white
    time = -SLOWNESS / float(linalg.spectral_abscissa(A, symmetric=symmetric))
    slow = linalg.coloured_covariance(A, time)
    return (1 - share) * white + share * slow * (jnp.trace(white) / jnp.trace(slow))


def evaluate(config: Config, ensemble: str, network: int, keep: float) -> Iterator[_study.Row]:
    """Every rule on one network at one fraction."""
    A = _network(config, ensemble, network)
    symmetric = ensemble == SYMMETRIC
    original = linalg.reference(A, symmetric=symmetric)
    white = linalg.stationary_covariance(A, structure="symmetric" if symmetric else "general")
    key = jax.random.fold_in(jax.random.key(config.seed + 1), network)

    def prune(rule, A=A, C=white, keep=keep):
        return pruning.prune(key, A, rule, keep=keep, activity=dynamics.activity_of(C), symmetric=symmetric)

    def compensated(mask, share):
        return pruning.compensate(A, mask, _mixed(A, white, share, symmetric), symmetric=symmetric)

    found: dict = {"empty": jnp.diag(jnp.diagonal(A))}
    ended: dict[str, bool] = {}
    if symmetric and config.optimum:
        pairs = int(pruning.synapse_count(A, keep, symmetric=True)) // 2
        barrier = _attempt(barrier_sparsify, A, pairs)
        found[BARRIER] = None if barrier is None else barrier.matrix
    for power in MASKS:
        name = "noise" if power == 1 else f"noise^{power:g}"
        found[name] = prune(name).matrix
        mask = prune(f"{name}+keep").mask
        found[f"{name}, mask only"] = A * (mask + jnp.eye(len(A)))
        found[f"{name}, one factor"] = prune(f"{name}+abscissa").matrix
        for share in SHARES:
            found[f"{name}, compensated, {share:g} slow"] = compensated(mask, share)
        found[f"{name}, rounds"] = _attempt(_rounds, prune, A, name, keep, symmetric)
        if config.optimum:
            start = found[f"{name}, compensated, 0 slow"]
            best = _attempt(match_response, A, mask, start, symmetric=symmetric)
            found[f"{name}, best weights"] = None if best is None else best.matrix
            ended[f"{name}, best weights"] = best is not None and best.converged
    for name, S in found.items():
        # What cannot be made, because something on the way is unstable, is infinitely wrong.
        measured = _measures.unstable() if S is None else _measures.measures(original, S)
        yield {"rule": name, "converged": ended.get(name)} | measured


def _attempt(function, *arguments, **options):
    """The result, or None where a network on the way is not stable."""
    try:
        return function(*arguments, **options)
    except InputError:
        return None


def _rounds(prune, A, name, keep, symmetric):
    """Pruned and compensated step by step, watched anew each time."""
    S, before = A, 1.0
    for after in np.geomspace(1, keep, ROUNDS + 1)[1:]:
        C = linalg.stationary_covariance(S, structure="symmetric" if symmetric else "general")
        S, before = prune(f"{name}+compensation", S, C, after / before).matrix, after
    return S


def closed(results: xr.Dataset, name: str, mask: str) -> xr.DataArray:
    """Share of the gap in H2 error between one factor and the best weights of the same mask that a rule closes."""
    factor, best = (results.h2.sel(rule=f"{mask}, {end}") for end in ("one factor", "best weights"))
    return (factor - results.h2.sel(rule=name)) / (factor - best)


def show(results: xr.Dataset) -> None:
    """Print all measures, and how much of the gap between one factor and the best weights each rule closes."""
    console = rich.console.Console(width=190)
    for ensemble in results.ensemble.values:
        table = rich.table.Table(
            "kept",
            "rule",
            *_measures.MEASURES.values(),
            "finite",
            "gap closed",
            title=f"{ensemble}: median (68 % interval)",
        )
        for keep in results.keep.values:
            at = results.sel(ensemble=ensemble, keep=keep)
            for rule in results.rule.values:
                one = at.sel(rule=rule)
                if not bool(one.h2.notnull().any()):
                    continue
                mask = str(rule).partition(",")[0]
                share = ""
                if f"{mask}, best weights" in results.rule.values and "," in str(rule):
                    share = _measures.cell(closed(at, str(rule), mask), digits=2)
                cells = (_measures.cell(one[name]) for name in _measures.MEASURES)
                table.add_row(f"{keep:.0%}", str(rule), *cells, _measures.finite(one), share)
            table.add_section()
        console.print(table)
    searched = results.converged.notnull()
    print(
        f"searches for the best weights that ended by themselves: {int((results.converged == 1).sum())} of {int(searched.sum())}"
    )


MARKERS = {"1/p": "s", "mask only": "x", "one factor": "+", "rounds": "v", "best weights": "*"}
NAMES = {
    "1/p": "coins, 1/p",
    "mask only": "mask alone",
    "rounds": "compensated in rounds",
    "best weights": "best weights (not local)",
}
DRAWN = (0.4, 0.1)
"""Fractions kept that the figure shows, where they were run."""


def draw(results: xr.Dataset) -> Figure:
    """H2 error against the slow modes: a column for each ensemble, a row for each fraction."""
    keeps = [keep for keep in DRAWN if keep in results.keep.values] or list(results.keep.values[-1:])
    figure = Figure(figsize=(3.4 * results.sizes["ensemble"] + 1, 2.7 * len(keeps) + 1.2), layout="constrained")
    axes = figure.subplots(len(keeps), results.sizes["ensemble"], squeeze=False)
    for row, keep in zip(axes, keeps, strict=True):
        for ax, ensemble in zip(row, results.ensemble.values, strict=True):
            _draw_front(ax, results.sel(ensemble=ensemble, keep=keep))
            ax.set_title(f"{ensemble}, {keep:.0%} kept")
        row[0].set_ylabel(f"relative H2 error {_study.LOWER}")
    for ax in axes[-1]:
        ax.set_xlabel(f"error along the slow modes {_study.LOWER}")
    figure.legend(handles=_handles(BARRIER in results.rule.values), loc="outside lower center", ncols=4)
    _study.finding(
        figure,
        "Where 40 % stays, a local refit that sees slow noise comes near the best weights for its mask",
    )
    return figure


def _handles(barrier):
    grey: dict[str, Any] = {"color": "grey", "linestyle": ""}
    found = [
        Line2D([], [], color=plot.colour(mask), linewidth=4, label=f"masks by {mask}") for mask in map(_name, MASKS)
    ]
    found.append(Line2D([], [], color="grey", marker=".", label="compensated, 0 to 100 % slow noise"))
    found += [Line2D([], [], marker=marker, label=NAMES.get(end, end), **grey) for end, marker in MARKERS.items()]
    found.append(Line2D([], [], color="black", marker="o", linestyle="", label="no synapse"))
    if barrier:
        found.append(Line2D([], [], color="black", marker="D", fillstyle="none", linestyle="", label=BARRIER))
    return found


def _name(power):
    return "noise" if power == 1 else f"noise^{power:g}"


def _draw_front(ax, at):
    names = [str(rule) for rule in at.rule.values]
    place = {
        name: [float(median_interval(at[of].sel(rule=name)).sel(statistic="median")) for of in ("slow_modes", "h2")]
        for name in names
    }
    for mask in map(_name, MASKS):
        line = np.array([place[f"{mask}, compensated, {share:g} slow"] for share in SHARES]).T
        ax.plot(*line, color=plot.colour(mask), marker=".")
        for end, marker in MARKERS.items():
            name = mask if end == "1/p" else f"{mask}, {end}"
            if name in place:
                ax.plot(*place[name], color=plot.colour(mask), marker=marker, linestyle="", markersize=6)
    ax.plot(*place["empty"], "ko", markersize=4)
    if BARRIER in place:
        ax.plot(*place[BARRIER], "kD", fillstyle="none", markersize=5)
    ax.set(xscale="log", yscale="log")
    for axis in (ax.xaxis, ax.yaxis):
        plot.label_decades(axis)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
