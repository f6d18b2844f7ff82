"""Pictures of deep Boltzmann machines before and after pruning: weights, information of pixels, samples.

It takes the machines of one seed that `dbm_mnist` has pruned, and prunes those that are missing.
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
from jaxprune import boltzmann
from jaxprune.boltzmann import Pictures
from jaxprune.plot import plot_pictures

BEFORE = "before pruning"
DIMS = ("machine", "row", "column")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: as in `dbm_mnist`.
      preset: as in `dbm_mnist`.
      criteria: whose machines are shown, after the last session of protocol B without the bias step.
      number: which machine of the study.
      seed: seed of everything.
    """

    data: Path | None = None
    preset: Literal["quick", "paper"] = "quick"
    criteria: tuple[str, ...] = ("weight", "variance")
    number: int = 0
    seed: int = 0

    @property
    def stored_as(self) -> str:
        """Name of the results."""
        return "dbm_pictures" if self.preset == "paper" else "dbm_pictures_quick"


def points(config: Config) -> list[_study.Row]:
    """The machines."""
    return [{"machine": name} for name in (BEFORE, *config.criteria)]


def evaluate(config: Config, machine: str) -> Iterator[_study.Row]:
    """A machine's pictures, pixel by pixel."""
    found = _dbm.Machine(config.data, config.preset, config.seed, config.number)
    state = found.trained()[0] if machine == BEFORE else found.pruned("B", machine, again=False)[0]
    key, side = jax.random.key(config.seed), found.settings.side
    moments, chains = boltzmann.sample_moments(key, state.model, samples=20_000, chains=state.chains)
    shown = boltzmann.pictures(state.model, chains, moments, (side, side), samples=8, units=32, columns=8)
    height, width = (max(image.shape[axis] for image in shown) for axis in (0, 1))
    facts = {
        "weights": sum(int(mask.sum()) for mask in state.model.masks),
        "units": sum(state.model.sizes[1:]),
    }
    for row in range(height):
        for column in range(width):
            values = {name: _at(image, row, column) for name, image in zip(Pictures._fields, shown, strict=True)}
            yield {"row": row, "column": column, **values, **(facts if row == column == 0 else dict.fromkeys(facts))}


def _at(image, row, column):
    inside = row < image.shape[0] and column < image.shape[1]
    return round(float(image[row, column]), 3) if inside else None


def show(results: xr.Dataset) -> None:
    """Print the machines."""
    table = rich.table.Table("machine", "synapses", "hidden units", "Fisher information of all synapses")
    for name in results.machine.values:
        at = results.sel(machine=name)
        first = at.isel(row=0, column=0)
        table.add_row(
            str(name), f"{float(first.weights):.0f}", f"{float(first.units):.0f}", f"{float(at.information.sum()):.0f}"
        )
    rich.console.Console(width=100).print(table)


def draw(results: xr.Dataset) -> Figure:
    """A row for each machine."""
    names = results.machine.values
    figure = Figure(figsize=(9.5, 1.8 * len(names) + 0.5), layout="constrained")
    parts = figure.subfigures(len(names), 1, squeeze=False)
    for part, name in zip(parts[:, 0], names, strict=True):
        at = results.sel(machine=name)
        axes = part.subplots(1, 3, width_ratios=(1.6, 1, 5.5))
        plot_pictures(Pictures(*(_image(at[field]) for field in Pictures._fields)), axes)
        for ax, title in zip(axes, ("weights of units, red excites", "information of pixels", "samples"), strict=True):
            ax.set_title(title if name == names[0] else "", fontsize=8)
        first = at.isel(row=0, column=0)
        label = f"{name}: {float(first.weights):,.0f} synapses, {float(first.units):,.0f} hidden units"
        part.suptitle(label, fontsize=10, x=0.01, ha="left")
    _study.finding(
        figure,
        "Pruning by weight keeps excitation and inhibition; Fisher information (variance) leaves blobs",
    )
    return figure


def _image(values):
    """Without the margin where other pictures are larger."""
    there = values.notnull().values
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return values.values[: rows[-1] + 1, : columns[-1] + 1]


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
