"""Real connectomes pruned by every rule: what happens to their slow modes.

The worm *C. elegans* (Varshney2011: signs from its GABA neurons, gap junctions in both directions) and the brain of the larva
of *Drosophila* (Winding2023: no signs known). All neurons have the same time constant, and a neuron's synapse counts are scaled
to a total input of `gain` of its leak, so `A = gain W / sum|W| - I` (row-wise) is diagonally dominant and its slow modes are
made by the wiring. (A leak proportional to the input would make the fly's 58 neurons without input the slowest modes, which no
pruning can touch.) The symmetric part of A is indefinite, so no Loewner certificate exists; what is compared are the slowest
modes (eigenvalues of largest real part) of the network, paired with equally many of the pruned one, so that a slow mode which
pruning made from nothing counts as an error. Beside it, free of any pairing, the change of the quadratic form along the slow
eigenvectors, and the number of pruned modes in the slow part of the spectrum.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import InputError, dynamics, linalg, networks, pruning
from jaxprune.sweep import rule_style

CONNECTOMES = {
    "C. elegans": ("celegans_edges.csv", "celegans_neurons.csv"),
    "Drosophila larva": ("drosophila_larva_edges.csv", None),
}
BASES = {"noise": pruning.NoisePrune, "weight": pruning.WeightPrune, "uniform": pruning.UniformPrune}
RULES = {base: rule() for base, rule in BASES.items()}
RULES |= {
    f"{base}, original leak": rule(adjust=pruning.Strengthen(diagonal="original")) for base, rule in BASES.items()
}
RULES |= {f"{base}+compensation": pruning.named_rule(f"{base}+compensation") for base in BASES}


DIMS = ("connectome", "rule", "keep", "seed")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: directory of the connectomes (see the README for where to get them).
      keep: fractions kept.
      seeds: draws of each random rule.
      gain: total input of a neuron, in units of its leak.
      modes: number of slowest modes compared.
    """

    data: Path = Path("data/connectomes")
    keep: tuple[float, ...] = (0.1, 0.2, 0.5)
    seeds: int = 3
    gain: float = 0.9
    modes: int = 20


def points(config: Config) -> list[_study.Row]:
    """Every fraction of every connectome.

    Raises:
      InputError: there is no such connectome.
    """
    for edges, _ in CONNECTOMES.values():
        if not (config.data / edges).exists():
            raise InputError(f"there is no {config.data / edges}: pass --data with the directory of the connectomes.")
    return [{"connectome": name, "keep": keep} for name in CONNECTOMES for keep in config.keep]


@functools.lru_cache(maxsize=1)
def _original(config, name):
    edges, table = CONNECTOMES[name]
    W = networks.read_edges(config.data / edges, neurons=config.data / table if table else None).matrix
    total = jnp.abs(W).sum(axis=1, keepdims=True)
    A = config.gain * W / jnp.where(total > 0, total, 1) - jnp.eye(len(W))
    modes = linalg.modes(A, symmetric=False)
    slow = linalg.Modes(modes.eigenvalues[: config.modes], modes.vectors[:, : config.modes], modes.left[: config.modes])
    return A, dynamics.activity_of(linalg.stationary_covariance(A, structure="general")), slow


def evaluate(config: Config, connectome: str, keep: float) -> Iterator[_study.Row]:
    """Errors of the slow modes by every rule at one fraction."""
    A, activity, slow = _original(config, connectome)
    for label, rule in RULES.items():
        random = rule.method != "top" or isinstance(rule, pruning.UniformPrune)
        for seed in range(config.seeds if random else 1):
            S = pruning.prune(jax.random.key(seed), A, rule, keep=keep, activity=activity, symmetric=False).matrix
            values = linalg.eigenvalues(S, symmetric=False)
            error = np.asarray(linalg.eigenvalue_errors(slow.eigenvalues, values[: config.modes]))
            quadratic, angle = linalg.mode_errors(slow, S)
            yield {
                "rule": label,
                "seed": seed,
                "median": float(np.median(error)),
                "mean": float(error.mean()),
                "worst": float(error.max()),
                "quadratic": float(quadratic.mean()),
                "angle": float(angle.mean()),
                "slow_modes": int((values.real >= slow.eigenvalues[-1].real).sum()),
                "abscissa": float(values[0].real),
                "slack": float(linalg.dominance_slack(S)),
                "components": networks.count_components(S),
            }


def show(results: xr.Dataset) -> None:
    """Print errors of the slow modes, means over seeds with standard errors."""
    measures = ("median", "mean", "worst", "quadratic", "slow_modes", "abscissa", "components")
    table = rich.table.Table(
        "connectome",
        "kept",
        "rule",
        *(measure.replace("_", " ") for measure in measures),
        title=f"The {results.attrs['modes']} slowest modes: relative errors, and how many modes are as slow",
    )
    for name in results.connectome.values:
        for keep in results.keep.values:
            for rule in results.rule.values:
                at = results.sel(connectome=name, keep=keep, rule=rule).dropna("seed")
                cells = []
                for measure in measures:
                    mean, error = (float(x) for x in _study.mean_and_error(at[measure], "seed"))
                    digits = 0 if measure in ("slow_modes", "components") else 3
                    spread = f" ± {error:.{digits}f}" if at.sizes["seed"] > 1 and digits else ""
                    cells.append(f"{mean:.{digits}f}{spread}")
                table.add_row(name, f"{keep:.0%}", rule, *cells)
            table.add_section()
    rich.console.Console(width=170).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Mean and worst error of the slow modes against the fraction kept, for each connectome."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, results.sizes["connectome"], sharex=True, sharey="row", squeeze=False)
    for column, name in enumerate(results.connectome.values):
        for ax, measure in zip(axes[:, column], ("mean", "worst"), strict=True):
            for rule in results.rule.values:
                mean, error = _study.mean_and_error(results[measure].sel(connectome=name, rule=rule), "seed")
                base, _, original = str(rule).partition(", ")
                style = rule_style(base) | ({"linestyle": ":", "marker": "x"} if original else {})
                ax.errorbar(results.keep, mean, yerr=np.nan_to_num(error), label=rule, capsize=2, **style)
            ax.set(xscale="log", yscale="log")
            ax.set_xticks(results.keep.values, [f"{keep:g}" for keep in results.keep.values])
            ax.minorticks_off()
        axes[0, column].set_title(name)
        axes[1, column].set_xlabel("fraction of synapses kept")
    axes[0, 0].set_ylabel(f"mean error of {results.attrs['modes']} slowest modes")
    axes[1, 0].set_ylabel("worst of them")
    _study.legend_below(figure, axes[0, 0], 3)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("modes",))
