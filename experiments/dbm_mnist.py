"""Pruning deep Boltzmann machines of handwritten digits, at equal size: which criterion keeps what, and how many neurons.

A machine with receptive fields learns binary digits: greedy pretraining, then joint training with persistent chains. All
criteria start from the same trained machine of a seed. In every session a share of each layer's synapses goes, then the
units that lost a side, and the rest is retrained. Protocol A takes 10 % of both layers, protocol B 10 % of the lower and 25
% of the upper one. Beside them: the whole machine with the same retraining, and machines that are trained small and dense from
the start, for as many epochs.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _dbm, _study
from jaxprune import plot

LOCAL = ("variance", "heuristic", "information", "residual-information", "weight")
CONTROLS = ("uniform", "units", "anti-variance")
DENSE, UNPRUNED = "trained small", "not pruned"
DIMS = ("protocol", "criterion", "bias_step", "seed", "session")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST as four IDX files in a folder, or another data set of images; needed by the preset `paper`.
      preset: `quick`, digits of 8 x 8 pixels that come with scikit-learn, or `paper`.
      seeds: machines.
      bias_step: with the step of the biases, without it, or both.
      seed: seed of everything.
      workers: runs of sessions at a time.
    """

    data: Path | None = None
    preset: Literal["quick", "paper"] = "quick"
    seeds: int = 3
    bias_step: Literal["on", "off", "both"] = "off"
    seed: int = 0
    workers: int = 2

    @property
    def stored_as(self) -> str:
        """Name of the results."""
        return "dbm_mnist" if self.preset == "paper" else "dbm_mnist_quick"


def points(config: Config) -> list[_study.Row]:
    """Every criterion of every protocol, and every dense machine, seed by seed."""
    steps = {"on": (True,), "off": (False,), "both": (False, True)}[config.bias_step]
    found: list[_study.Row] = []
    for seed in range(config.seeds):
        found += [
            {"protocol": "B", "criterion": criterion, "bias_step": step, "seed": seed}
            for step in steps
            for criterion in (*LOCAL, *CONTROLS)
        ]
        found += [
            {"protocol": "A", "criterion": criterion, "bias_step": False, "seed": seed}
            for criterion in ("variance", "weight")
        ]
        found += [
            {"protocol": protocol, "criterion": criterion, "bias_step": False, "seed": seed}
            for protocol, criterion in (("none", UNPRUNED), ("dense", DENSE))
        ]
    return found


def evaluate(config: Config, protocol: str, criterion: str, bias_step: bool, seed: int) -> Iterator[_study.Row]:
    """Prune a seed's machine by one criterion, or train small ones; measure before, and after every session."""
    jax.clear_caches()  # every size is compiled anew, and a process can hold only so much code
    machine = _dbm.Machine(config.data, config.preset, config.seed, seed)
    if protocol == "dense":
        for number in range(len(machine.settings.dense)):
            yield machine.measure(number, machine.small(number))
    elif protocol == "none":
        state = machine.retrained("B")
        yield machine.measure(state.number, state)
    else:
        yield from machine.pruned(protocol, criterion, bias_step)[1]


MEASURES = {
    "code_error": ("test error of the code, %", 100, 2),
    "log_likelihood": ("log likelihood, nats", 1, 1),
    "entropy": ("entropy of classes, nats", 1, 2),
}
"""Label, factor and digits of what machines are compared by."""
SIZES = {"weights": "synapses left", "in_use": "hidden units in use"}
"""Labels of what they are compared at. A unit that is never on under the data is silent, and not in use."""
FEW = 5
"""Effective runs of annealed importance sampling below which an estimate is poor."""


def with_units_in_use(results: xr.Dataset) -> xr.Dataset:
    """Results with the number of hidden units that have synapses on both sides and are not silent."""
    return results.assign(in_use=results.units - results.silent)


def runs(results: xr.Dataset) -> Iterator[tuple[str, str, bool, xr.Dataset]]:
    """Protocol, criterion, bias step and rows of everything that was run; sessions that not all seeds reached are left out."""
    for protocol in results.protocol.values:
        for criterion in results.criterion.values:
            for step in results.bias_step.values:
                at = results.sel(protocol=protocol, criterion=criterion, bias_step=step)
                at = at.isel(session=np.flatnonzero(at.weights.notnull().all("seed")))
                if at.sizes["session"]:
                    yield str(protocol), str(criterion), bool(step), at


def at_size(rows: xr.Dataset, by: str, size: float, name: str) -> xr.DataArray:
    """A measure of each seed where it has a number of synapses or units, linear in the logarithm of it between sessions.

    NaN where a seed was never that small, or never that large.
    """
    found = []
    for seed in range(rows.sizes["seed"]):
        one = rows.isel(seed=seed).sortby(by)
        found.append(np.interp(np.log(size), np.log(one[by]), one[name], left=np.nan, right=np.nan))
    return xr.DataArray(found, dims="seed")


def show(results: xr.Dataset) -> None:
    """Print what is left after sessions of each protocol, and protocol B and the machines trained small at equal size."""
    results = with_units_in_use(results)
    console = rich.console.Console(width=170)
    start = results.sel(protocol="B", session=0).isel(criterion=0, bias_step=0)
    measured = results.effective_runs.where(results.weights.notnull()).values
    measured = measured[np.isfinite(measured)]
    console.print(
        f"{results.sizes['seed']} machines; before: {float(start.weights.mean()):.0f} synapses, error "
        f"{_percent(start.code_error)} (pixels {100 * float(start.pixels_error.mean()):.2f} %), log likelihood "
        f"{_study.cell(start.log_likelihood, 'seed', 1)} (independent pixels {float(start.independent.mean()):.1f}), silent top "
        f"units {_study.cell(start.silent, 'seed', 0)}\neffective annealing runs: {measured.min():.1f} at least; below {FEW} in "
        f"{(measured < FEW).sum()} of {len(measured)} measurements"
    )
    for protocol in results.protocol.values:
        table = rich.table.Table(
            "criterion", "bias", "session", "synapses", "h1", "h2", "silent", "lost pixels", "error, %", "log likelihood",
            "confidence", "entropy", title=f"protocol {protocol}",
        )  # fmt: skip
        for name, criterion, step, at in runs(results):
            if name != protocol:
                continue
            numbers = at.session.values
            for number in numbers if protocol == "dense" else dict.fromkeys([numbers[len(numbers) // 2], numbers[-1]]):
                row = at.sel(session=number)
                table.add_row(
                    criterion, "on" if step else "off", str(number), f"{float(row.weights.mean()):.0f}",
                    *(_study.cell(row[column], "seed", 0) for column in ("h1", "h2", "silent", "lost_pixels")),
                    _percent(row.code_error), _study.cell(row.log_likelihood, "seed", 1),
                    _study.cell(row.confidence, "seed"), _study.cell(row.entropy, "seed"),
                )  # fmt: skip
        console.print(table)
    for by, size_label in SIZES.items():
        sizes = _sizes(float(start[by].mean()))
        for measure, (label, factor, digits) in MEASURES.items():
            heads = (f"{size:,.0f}" for size in sizes)
            table = rich.table.Table("criterion", "bias", *heads, title=f"{label}, at equal {size_label}")
            for protocol, criterion, step, at in runs(results):
                if protocol not in ("B", "dense") or at.sizes["session"] < 2:
                    continue
                values = [factor * at_size(at, by, size, measure) for size in sizes]
                cells = [_study.cell(v, "seed", digits) if bool(v.notnull().all()) else "" for v in values]
                table.add_row(criterion, "on" if step else "off", *cells)
            console.print(table)


def _sizes(first):
    """Sizes that are compared: halved from that of the machine before pruning, with two digits."""
    return [float(f"{first / 2**number:.2g}") for number in range(1, 6)]


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


DRAWN = (*LOCAL, "uniform", "units", DENSE)
BETTER = {"code_error": _study.LOWER, "log_likelihood": _study.HIGHER, "entropy": _study.HIGHER}


def draw(results: xr.Dataset) -> Figure:
    """Error, likelihood and diversity over synapses (left) and over neurons (right), protocol B; anti-variance is left out."""
    results = with_units_in_use(results)
    figure = Figure(figsize=(9.5, 7.2), layout="constrained")
    axes = figure.subplots(3, 2, sharex="col", sharey="row")
    step_drawn = bool(results.bias_step.values[0])
    for column, by in zip(axes.T, SIZES, strict=True):
        for ax, (measure, (label, factor, _)) in zip(column, MEASURES.items(), strict=True):
            for protocol, criterion, step, at in runs(results):
                if protocol not in ("B", "dense") or criterion not in DRAWN or (protocol == "B" and step != step_drawn):
                    continue
                mean, error = _study.mean_and_error(factor * at[measure], "seed")
                style = {
                    "color": plot.colour(criterion),
                    "linestyle": "--" if criterion == DENSE else "-",
                    "marker": ".",
                }
                ax.errorbar(at[by].mean("seed"), mean, yerr=error, label=criterion, **style)
            ax.set(xscale="log", ylabel=f"{label}\n{BETTER[measure]}" if by == "weights" else "")
        _study.tick_at(column[0].xaxis, _sizes(float(results[by].max())), ",.0f")
        column[-1].set(xlabel=SIZES[by])
        column[0].invert_xaxis()
    axes[0, 0].set_yscale("log")
    _study.tick_at(axes[0, 0].yaxis, (5, 10, 20))
    _study.finding(
        figure,
        "Criteria with the weight in them keep code, likelihood and diversity with few synapses",
    )
    _study.label_ends(figure, *axes[:, 0])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
