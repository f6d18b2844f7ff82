"""Real connectomes pruned by every rule: what happens to their slow modes.

The worm *C. elegans* (Varshney2011: signs from its GABA neurons, gap junctions in both directions) and the brain of the larva
of *Drosophila* (Winding2023: no signs known). Weights are synapse counts; every neuron gets a leak that outweighs its inputs by
a tenth of the mean total input. Both are far from normal, so no Loewner certificate exists; what is compared are the slowest
modes (eigenvalues of largest real part), each paired with one of the pruned network's 200 slowest.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import scipy.optimize
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import InputError, linalg, networks, pruning
from jaxprune.sweep import figure_settings, rule_style

CONNECTOMES = {
    "C. elegans": ("celegans_edges.csv", "celegans_neurons.csv"),
    "Drosophila larva": ("drosophila_larva_edges.csv", None),
}
RULES = ("noise", "weight", "uniform", "noise+compensation", "weight+compensation", "uniform+compensation")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: directory of the connectomes (see the README for where to get them).
      keep: fractions kept.
      seeds: draws of each random rule.
      margin: dominance slack of the leak, as a fraction of the mean total input.
      modes: number of slowest modes compared.
    """

    data: Path = Path("data/connectomes")
    keep: tuple[float, ...] = (0.1, 0.2, 0.5)
    seeds: int = 2
    margin: float = 0.1
    modes: int = 20


def run(config: Config, journal: Path) -> xr.Dataset:
    """Errors of the slow modes: (connectome, rule, keep, seed)."""
    for edges, _ in CONNECTOMES.values():
        if not (config.data / edges).exists():
            raise InputError(f"there is no {config.data / edges}: pass --data with the directory of the connectomes.")
    points = [{"connectome": name, "keep": keep} for name in CONNECTOMES for keep in config.keep]
    rows = _study.compute(points, lambda point: _fraction(config, point["connectome"], point["keep"]), journal, config)
    return _study.dataset(rows, ("connectome", "rule", "keep", "seed"), modes=config.modes)


@functools.lru_cache(maxsize=1)
def _original(config, name):
    edges, table = CONNECTOMES[name]
    W = networks.read_edges(config.data / edges, neurons=config.data / table if table else None).matrix
    A = networks.dominant_leak(W, config.margin * float(jnp.abs(W).sum()) / len(W))
    slow = np.asarray(linalg.eigenvalues(A, symmetric=False)[: config.modes])
    return A, linalg.stationary_covariance(A, structure="general"), slow


def _fraction(config, name, keep):
    A, C, slow = _original(config, name)
    for rule in RULES:
        random = pruning.named_rule(rule).method != "top" or rule.startswith("uniform")
        for seed in range(config.seeds if random else 1):
            key, named = jax.random.key(seed), pruning.named_rule(rule)
            S = pruning.prune(key, A, named, keep=keep, C=C, symmetric=False).matrix
            values = np.asarray(linalg.eigenvalues(S, symmetric=False))
            # Ten times as many candidates as modes, so that a mode that others have overtaken still finds its partner; pairing
            # whole spectra takes minutes where thousands of eigenvalues coincide.
            candidates = values[: 10 * config.modes]
            distance = np.abs(slow[:, None] - candidates[None, :]) ** 2
            error = np.abs(candidates[scipy.optimize.linear_sum_assignment(distance)[1]] / slow - 1)
            yield {
                "rule": rule,
                "seed": seed,
                "median": float(np.median(error)),
                "mean": float(error.mean()),
                "worst": float(error.max()),
                "abscissa_ratio": float(values[0].real / slow[0].real),
                "slack": float(linalg.dominance_slack(S)),
                "components": pruning.count_components(S),
            }


def show(results: xr.Dataset) -> None:
    """Print errors of the slow modes, means over seeds with standard errors."""
    table = rich.table.Table(
        "connectome",
        "kept",
        "rule",
        "median",
        "mean",
        "worst",
        "least slack",
        "components",
        title=f"Relative errors of the {results.attrs['modes']} slowest modes",
    )
    for name in results.connectome.values:
        for keep in results.keep.values:
            for rule in results.rule.values:
                at = results.sel(connectome=name, keep=keep, rule=rule).dropna("seed")
                cells = []
                for measure in ("median", "mean", "worst"):
                    mean, error = _study.mean_and_error(at[measure], "seed")
                    cells.append(f"{float(mean):.4f}" + (f" ± {float(error):.4f}" if at.sizes["seed"] > 1 else ""))
                table.add_row(
                    name,
                    f"{keep:.0%}",
                    rule,
                    *cells,
                    f"{float(at.slack.min()):.3g}",
                    f"{float(at.components.mean()):.0f}",
                )
        table.add_section()
    rich.console.Console(width=140).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Mean and worst error of the slow modes against the fraction kept, for each connectome."""
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(9, 6), layout="constrained")
        axes = figure.subplots(2, results.sizes["connectome"], sharex=True)
        for column, name in enumerate(results.connectome.values):
            for ax, measure in zip(axes[:, column], ("mean", "worst"), strict=True):
                for rule in results.rule.values:
                    mean, error = _study.mean_and_error(results[measure].sel(connectome=name, rule=rule), "seed")
                    ax.errorbar(
                        results.keep, mean, yerr=np.nan_to_num(error), label=rule, capsize=2, **rule_style(rule)
                    )
                ax.set(xscale="log", yscale="log")
                ax.set_xticks(results.keep.values, [f"{keep:g}" for keep in results.keep.values])
                ax.minorticks_off()
            axes[0, column].set_title(name)
            axes[1, column].set_xlabel("fraction of synapses kept")
        axes[0, 0].set_ylabel(f"mean error of {results.attrs['modes']} slowest modes")
        axes[1, 0].set_ylabel("worst of them")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
