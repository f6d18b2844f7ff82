"""Why the place where noise enters decides: what each source of activity sees of a trained network's task.

For every network: the dimension of the rates' second moment H (participation ratio), and how much of the task's activity lies in
the leading directions of each source. A fit under H keeps a neuron's drive along directions in which H has power, and pays with
the others. `task` beside itself is the best that any source could do with as many directions.
"""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from experiments._modcog import COLOURS, DRAWN, TASK, TASKS, Sources

DIMS = ("source", "task", "rank")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Sources):
    """Configuration: networks and sources, and which directions are looked at.

    Attributes:
      ranks: numbers of leading directions.
    """

    ranks: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100, 200)


def points(config: Config) -> list[_study.Row]:
    """One network after the other."""
    config.check()
    return [{"task": task} for task in config.tasks]


def evaluate(config: Config, task: str) -> Iterator[_study.Row]:
    """Power along the leading directions of every source, and what they hold of the task."""
    model, _, calibration = config.load(task)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), TASKS.index(task)), DRAWN)
    seen = config.activities(list(keys), model, calibration)
    wanted = seen[TASK].second_moment
    for source, activity in seen.items():
        values, vectors = np.linalg.eigh(np.asarray(activity.second_moment))
        values, vectors = np.maximum(values[::-1], 0), jnp.asarray(vectors[:, ::-1])
        along = np.asarray(jnp.sum(vectors * (wanted @ vectors), axis=0) / jnp.trace(wanted))
        for rank in config.ranks:
            yield {
                "source": source,
                "rank": rank,
                "power": float(values[rank - 1] / values.sum()),
                "covered": float(along[:rank].sum()),
                "dimension": float(values.sum() ** 2 / (values**2).sum()),
                "size": float(np.sqrt(values.sum() / len(values))),
                "shift": float(activity.shift),
            }


def show(results: xr.Dataset) -> None:
    """Print dimension and coverage, means over networks with standard errors."""
    ranks = [rank for rank in (5, 20, 100) if rank in results["rank"].values]
    table = rich.table.Table(
        "source", "dimension", "rates, r.m.s.", *(f"task in its first {rank}" for rank in ranks), "leak shift",
        title=f"what each source sees, {results.sizes['task']} networks",
    )  # fmt: skip
    for source in results.source.values:
        at = results.sel(source=source)
        first = at.isel(rank=0)
        cells = [_study.cell(first.dimension, "task", 1), f"{float(first['size'].mean()):.2f}"]
        cells += [_study.cell(at.covered.sel(rank=rank), "task") for rank in ranks]
        table.add_row(str(source), *cells, f"{float(first['shift'].mean()):.2f}")
    rich.console.Console(width=130).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Spectra of H, and what the leading directions of each source hold of the task."""
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    spectra, covered = figure.subplots(1, 2)
    for source in results.source.values:
        at, style = results.sel(source=source), {"color": COLOURS[str(source)], "marker": "o", "label": source}
        spectra.plot(at["rank"], np.exp(np.log(at.power).mean("task")), **style)
        covered.plot(at["rank"], (1 - at.covered).mean("task"), **style)
    for ax in (spectra, covered):
        ax.set(xscale="log", yscale="log")
        _study.tick_at(ax.xaxis, results["rank"].values)
    spectra.set(xlabel="direction, strongest first", ylabel="share of the variance", title="what each source shows")
    covered.set(xlabel="number of the source's leading directions", title="what each source does not show of the task")
    covered.set_ylabel(f"share of the task outside them {_study.LOWER}")
    _study.finding(
        figure,
        "Noise at the inputs shows more of the task's directions than noise in every neuron",
    )
    _study.label_ends(figure, spectra, covered)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
