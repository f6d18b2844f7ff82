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
    "code_error": ("test error of the code", 100, "error of code, %"),
    "log_likelihood": ("log likelihood, nats", 1, "log likelihood"),
    "entropy": ("entropy of classes, nats", 1, "entropy"),
}
"""Label in the figure, factor and head in the tables."""


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
    console = rich.console.Console(width=160)
    start = results.sel(protocol="B", session=0).isel(criterion=0, bias_step=0)
    console.print(
        f"{results.sizes['seed']} machines; before: {float(start.weights.mean()):.0f} synapses, error "
        f"{_percent(start.code_error)} (pixels {100 * float(start.pixels_error.mean()):.2f} %), log likelihood "
        f"{_study.cell(start.log_likelihood, 'seed', 1)} (independent pixels {float(start.independent.mean()):.1f}), silent top "
        f"units {_study.cell(start.silent, 'seed', 0)}; fewest effective annealing runs anywhere: "
        f"{float(results.effective_runs.min()):.0f}"
    )
    for protocol in results.protocol.values:
        table = rich.table.Table(
            "criterion", "bias step", "session", "synapses", "h1", "h2", "silent", "lost pixels", "error of code, %",
            "log likelihood", "confidence", "entropy", title=f"protocol {protocol}",
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
    for by, label in (("weights", "synapses"), ("units", "hidden units")):
        sizes = _sizes(float(start[by].mean()))
        table = rich.table.Table(
            "criterion", "bias step", *(f"{size:,.0f}" for size in sizes), title=f"at equal {label}"
        )
        for protocol, criterion, step, at in runs(results):
            if protocol not in ("B", "dense") or at.sizes["session"] < 2:
                continue
            cells = []
            for size in sizes:
                values = [factor * at_size(at, by, size, name) for name, (_, factor, _) in MEASURES.items()]
                there = bool(values[0].notnull().all())
                cells.append(
                    "; ".join(_study.cell(v, "seed", d) for v, d in zip(values, (2, 1, 2), strict=True))
                    if there
                    else ""
                )
            table.add_row(criterion, "on" if step else "off", *cells)
        console.print(table, f"each cell: {'; '.join(head for *_, head in MEASURES.values())}", sep="\n")


def _sizes(first):
    """Sizes that are compared: halved from that of the machine before pruning, with two digits."""
    return [float(f"{first / 2**number:.2g}") for number in range(1, 6)]


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


STYLES = {
    "variance": ("#0072b2", "-"), "heuristic": ("#56b4e9", "-"), "information": ("#009e73", "-"),
    "residual-information": ("#117733", ":"), "weight": ("#d55e00", "-"), "uniform": ("#999999", "-"),
    "units": ("#aa4499", "-"), "anti-variance": ("#cc79a7", ":"), DENSE: ("black", "--"),
}  # fmt: skip


def draw(results: xr.Dataset) -> Figure:
    """Error, likelihood and diversity over synapses (left) and over neurons (right), protocol B."""
    figure = Figure(figsize=(10, 9), layout="constrained")
    axes = figure.subplots(3, 2, sharex="col", sharey="row")
    drawn = bool(results.bias_step.values[0])
    for column, size in zip(axes.T, ("weights", "units"), strict=True):
        for ax, (name, (label, *_)) in zip(column, MEASURES.items(), strict=True):
            for protocol, criterion, step, at in runs(results):
                if protocol == "A" or criterion not in STYLES or (protocol == "B" and step != drawn):
                    continue
                colour, dashes = STYLES[criterion]
                mean, error = _study.mean_and_error(at[name], "seed")
                style = {"color": colour, "linestyle": dashes, "marker": ".", "label": criterion}
                ax.errorbar(at[size].mean("seed"), mean, yerr=error, **style)
            ax.set(xscale="log", ylabel=label if size == "weights" else "")
        column[-1].set(xlabel={"weights": "synapses left", "units": "hidden units left"}[size])
        column[0].invert_xaxis()
    _study.legend_below(figure, axes[0, 0], 5)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
