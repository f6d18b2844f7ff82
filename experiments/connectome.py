"""Real connectomes pruned by every rule: what happens to their slow modes and to their response to noise.

The worm *C. elegans* (Varshney2011: signs from its GABA neurons, gap junctions in both directions) and the brain of the larva of
*Drosophila* (Winding2023: no signs known). A connectome says nothing of leaks and of how strong a synapse is, so there are three
set-ups, side by side:

- `inputs normalised`: equal leaks, and every neuron's synapse counts scaled to a total input of `gain` of its leak. It removes
  the differences between neurons that noise importance uses.
- `one scale`: equal leaks, and all counts scaled by one number, so that the slowest mode decays at 1 - `gain` of the leak.
- `dominant leak`: counts as they are, and leaks as large as a neuron's total input and a slack, as with `--leak dominant`.

The slowest modes are followed by the left and right eigenvectors of the original, so that a lost mode cannot be hidden by
another. The paired eigenvalues of the literature stand beside them for the worm.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _measures, _study
from jaxprune import InputError, dynamics, linalg, networks, plot, pruning
from jaxprune.linalg import parts
from jaxprune.sweep import median_interval

WORM, FLY = "C. elegans", "Drosophila larva"
CONNECTOMES = {
    WORM: ("celegans_edges.csv", "celegans_neurons.csv"),
    FLY: ("drosophila_larva_edges.csv", None),
}
SETUPS = ("inputs normalised", "one scale", "dominant leak")
ORIGINAL = pruning.Strengthen(diagonal="original")


class Way(NamedTuple):
    """A rule, and which synapses share a budget."""

    rule: pruning.Rule
    groups: str = "global"


WAYS = {
    "noise": Way(pruning.NoisePrune()),
    "weight": Way(pruning.WeightPrune()),
    "uniform": Way(pruning.UniformPrune()),
    "noise, original leak": Way(pruning.NoisePrune(adjust=ORIGINAL)),
    "weight, original leak": Way(pruning.WeightPrune(adjust=ORIGINAL)),
    "noise+compensation": Way(pruning.named_rule("noise+compensation")),
    "weight+compensation": Way(pruning.named_rule("weight+compensation")),
    "noise+keep": Way(pruning.named_rule("noise+keep")),
    "weight+keep": Way(pruning.named_rule("weight+keep")),
    "activity+keep, row by row": Way(pruning.named_rule("activity+keep"), "row"),
    "noise+abscissa": Way(pruning.named_rule("noise+abscissa")),
    "weight+abscissa": Way(pruning.named_rule("weight+abscissa")),
    "empty": Way(pruning.named_rule("empty")),
}
WORM_ONLY = ("noise+abscissa", "weight+abscissa")
"""Ways that need many spectra, which take minutes each in the larger connectome."""
MEASURES = {
    "h2": "H2 error",
    "slow_modes": "slow modes",
    "worst_mode": "worst of them",
    "stationary": "nats per neuron",
    "paired": "paired eigenvalues",
}
DIMS = ("connectome", "setup", "way", "keep", "seed")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: directory of the connectomes (see the README for where to get them).
      keep: fractions kept of the worm's synapses.
      fly: fractions kept of the fly's.
      seeds: draws of each random rule, in the worm and in the fly.
      gain: see the set-ups.
      margin: slack of the dominant leak, as a fraction of the mean total input.
      modes: number of slowest modes compared.
    """

    data: Path = Path("data/connectomes")
    keep: tuple[float, ...] = (0.1, 0.2, 0.5)
    fly: tuple[float, ...] = (0.2,)
    seeds: tuple[int, int] = (10, 3)
    gain: float = 0.9
    margin: float = 0.1
    modes: int = 20


def points(config: Config) -> list[_study.Row]:
    """Every fraction of every connectome in every set-up.

    Raises:
      InputError: there is no such connectome.
    """
    for edges, _ in CONNECTOMES.values():
        if not (config.data / edges).exists():
            raise InputError(f"there is no {config.data / edges}: pass --data with the directory of the connectomes.")
    return [
        {"connectome": name, "setup": setup, "keep": keep, "way": way}
        for name, keeps in ((WORM, config.keep), (FLY, config.fly))
        for setup in SETUPS
        for keep in keeps
        for way in WAYS
        if name == WORM or way not in WORM_ONLY
    ]


class Original(NamedTuple):
    """A network, its activity, and its slowest modes."""

    matrix: jax.Array
    activity: dynamics.Activity
    slow: linalg.Modes


@functools.lru_cache(maxsize=1)
def _original(config, name, setup):
    edges, table = CONNECTOMES[name]
    W = networks.read_edges(config.data / edges, neurons=config.data / table if table else None).matrix
    total = jnp.abs(W).sum(axis=1, keepdims=True)
    if setup == "inputs normalised":
        A = config.gain * W / jnp.where(total > 0, total, 1) - jnp.eye(len(W))
    elif setup == "one scale":
        A = config.gain * W / linalg.spectral_abscissa(W, symmetric=False) - jnp.eye(len(W))
    else:
        A = networks.dominant_leak(W, float(config.margin * total.mean()))
    modes = linalg.modes(A, symmetric=False)
    slow = linalg.Modes(modes.eigenvalues[: config.modes], modes.vectors[:, : config.modes], modes.left[: config.modes])
    return Original(A, dynamics.activity_of(linalg.stationary_covariance(A, structure="general")), slow)


@jax.jit
def _responses(A, C, S):
    """H2 error and information lost."""
    pair = parts.covariances_of_pair(A, S, C)
    return parts.h2_of_pair(pair).relative, parts.information_of_pair(S - A, pair).stationary


def evaluate(config: Config, connectome: str, setup: str, keep: float, way: str) -> Iterator[_study.Row]:
    """Errors by one rule at one fraction."""
    A, activity, slow = _original(config, connectome, setup)
    rule, groups = WAYS[way]
    draws = config.seeds[connectome == FLY] if rule.method != "top" else 1
    for seed in range(draws):
        options = {"keep": keep, "activity": activity, "symmetric": False, "groups": groups}
        S = pruning.prune(jax.random.key(seed), A, rule, **options).matrix
        h2, stationary = (float(value) for value in _responses(A, activity.covariance, S))
        along = np.asarray(linalg.mode_errors(slow, S)[0])
        row = {
            "seed": seed,
            "h2": h2,
            "slow_modes": float(along.mean()),
            "worst_mode": float(along.max()),
            "stationary": stationary,
            "components": networks.count_components(S),
        }
        if connectome == WORM:
            values = linalg.eigenvalues(S, symmetric=False)
            paired = np.asarray(linalg.eigenvalue_errors(slow.eigenvalues, values[: config.modes]))
            row |= {"paired": float(paired.mean()), "abscissa": float(values[0].real)}
        yield {"paired": None, "abscissa": None} | row


def show(results: xr.Dataset) -> None:
    """Print errors, medians over draws with their 68 % interval."""
    table = rich.table.Table(
        "connectome", "set-up", "kept", "way", *MEASURES.values(), "finite",
        title=f"The {results.attrs['modes']} slowest modes, and the response to noise: median over draws (68 % interval)",
    )  # fmt: skip
    for name in results.connectome.values:
        for setup in results.setup.values:
            for keep in results.keep.values:
                at = results.sel(connectome=name, setup=setup, keep=keep)
                for way in results.way.values:
                    one = at.sel(way=way)
                    if bool(one.h2.notnull().any()):
                        cells = [_measures.cell(one[measure], "seed") for measure in MEASURES]
                        table.add_row(name, setup, f"{keep:.0%}", way, *cells, _measures.finite(one, "seed"))
                table.add_section()
    rich.console.Console(width=190).print(table)


DRAWN = (
    "noise", "weight", "uniform", "noise, original leak", "noise+compensation", "weight+compensation", "noise+keep", "empty",
)  # fmt: skip


def draw(results: xr.Dataset) -> Figure:
    """H2 error and slow modes of the worm against the fraction kept, a column for each set-up; some ways are left out."""
    figure = Figure(figsize=(10.2, 5.6), layout="constrained")
    axes = figure.subplots(2, results.sizes["setup"], sharex=True, sharey="row", squeeze=False)
    worm = results.sel(connectome=WORM)
    keeps = np.sort(results.keep.values[worm.h2.notnull().any(("setup", "way", "seed")).values])
    worm = worm.sel(keep=keeps)
    for column, setup in zip(axes.T, results.setup.values, strict=True):
        column[0].set_title(setup)
        for ax, measure in zip(column, ("h2", "slow_modes"), strict=True):
            unstable = {}
            for way in DRAWN:
                line = median_interval(worm[measure].sel(setup=setup, way=way), "seed")
                base, _, variant = way.partition(", ")
                style = plot.rule_style(base) | ({"linestyle": ":", "marker": "x"} if variant else {})
                plot.plot_median(ax, keeps, line, label="no synapse" if way == "empty" else way, **style)
                unstable[way] = keeps[np.isinf(line.sel(statistic="median").values)]
            ax.set(xscale="log", yscale="log")
            _study.tick_at(ax.xaxis, keeps)
            plot.plot_unstable(unstable, ax)
        column[1].set_xlabel("fraction of synapses kept")
    labels = ("relative H2 error", f"error along the {results.attrs['modes']} slowest modes")
    for ax, label in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(f"{label}\n{_study.LOWER}")
        plot.label_decades(ax.yaxis)
    _study.finding(
        figure, "C. elegans: a refit keeps the response to noise best, whatever strengths and leaks are assumed"
    )
    _study.label_ends(figure, *axes.flat)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("modes",))
