"""Pruning restricted Boltzmann machines of image patches: which criterion finds how many neurons.

70 hidden units learn discs of 13 binary pixels from CIFAR-10, by one-step contrastive divergence. In each of three sessions
half of the synapses go, those of least importance, and then the units without synapses. As the visible units are few,
likelihoods are exact. Controls: units in a random order, independent pixels, and the whole machine with the same retraining.
"""

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import boltzmann, plot
from jaxprune.boltzmann import Learning, Sessions
from jaxprune.data import grey, load_folder, patches

CRITERIA = (
    "variance", "heuristic", "eigenvector", "information", "heuristic-information", "residual-information", "weight",
    "uniform", "anti-variance", "units",
)  # fmt: skip
UNPRUNED = "not pruned"
PAPER = {"variance": 9, "heuristic": 10, "eigenvector": 9, "weight": 35, "anti-variance": 35}
"""Hidden units left after three sessions in the authors' code."""
DIMS = ("criterion", "bias_step", "seed", "session")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: CIFAR-10 as train/CLASS/*.jpg and test/CLASS/*.jpg, in a folder or .zip.
      count: number of patches.
      hidden: hidden units.
      epochs: of training, one sample to an update.
      rate: learning rate.
      remove: share of the remaining synapses that goes in a session.
      sessions: number of sessions.
      retrain: epochs after each.
      samples: states behind every measurement.
      seeds: machines.
      seed: seed of everything.
      workers: machines at a time.
    """

    data: Path
    count: int = 90_000
    hidden: int = 70
    epochs: int = 2
    rate: float = 0.01
    remove: float = 0.5
    sessions: int = 3
    retrain: int = 2
    samples: int = 90_000
    seeds: int = 5
    seed: int = 0
    workers: int = 2


def points(config: Config) -> list[_study.Row]:
    """Every seed, with all criteria, as they share the trained machine."""
    return [{"seed": seed} for seed in range(config.seeds)]


@lru_cache(maxsize=1)
def _images(path):
    """Grey images, and the median of their pixels."""
    images = grey(load_folder(path, cache=_study.cache() / "cifar10.npz").train.images)
    return images, float(np.median(images))


def evaluate(config: Config, seed: int) -> Iterator[_study.Row]:
    """Train a machine on fresh patches, and prune it by every criterion."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), seed), 5)
    images, median = _images(config.data)
    data = (patches(keys[0], images, radius=2.1, centres=range(3, 29, 5), count=config.count) > median).astype(np.uint8)
    start = boltzmann.rbm(
        keys[1], visible=data.shape[1], hidden=config.hidden, hidden_bias=-2.0,
        visible_bias=boltzmann.visible_bias(data).astype(jnp.float32),
    )  # fmt: skip
    learning = Learning(config.epochs, (config.rate, config.rate), batch=1, negative="cd")
    model = boltzmann.learn(keys[2], start, data, learning).model
    independent = float(boltzmann.independent_log_likelihood(data, data).mean())
    frequency = np.bincount(data @ 2 ** np.arange(data.shape[1]), minlength=2 ** data.shape[1]) / len(data)
    for bias_step in (False, True):
        for criterion in (*CRITERIA, *(() if bias_step else (UNPRUNED,))):
            rule, remove = ("weight", 0.0) if criterion == UNPRUNED else (criterion, config.remove)
            sessions = Sessions(
                rule, remove, bias_step=bias_step, delete=False, samples=config.samples, chains=9000, gap=20,
                retrain=Learning(config.retrain, (config.rate, config.rate), batch=1, negative="cd"),
            )  # fmt: skip
            state = boltzmann.init_sessions(keys[3], model, sessions)
            yield _row(criterion, bias_step, state, frequency, independent, keys[4])
            for _ in range(config.sessions):
                state, _ = boltzmann.prune_session(keys[3], state, data, sessions)
                yield _row(criterion, bias_step, state, frequency, independent, keys[4])


def _row(criterion, bias_step, state, frequency, independent, key):
    exact = boltzmann.enumerate_machine(state.model, visible=True)
    row = {
        "criterion": criterion,
        "bias_step": bias_step,
        "session": state.number,
        "weights": int(sum(mask.sum() for mask in state.model.masks)),
        "units": int(boltzmann.units_left(state.model.masks)[1].sum()),
        "log_likelihood": float(np.sum(frequency * np.asarray(exact.log_visible))),
        "independent": independent,
        "entropy": float(-np.sum(frequency[frequency > 0] * np.log(frequency[frequency > 0]))),
    }
    first = state.number == 0 and criterion == "variance" and not bias_step
    values = np.full(3, np.nan)
    if first:
        fisher = boltzmann.fisher_matrix(key, state.model, samples=90_000, chains=9000, gap=20)
        values = np.linalg.eigvalsh(np.asarray(fisher, float))[::-1][:3]
    return row | {f"eigenvalue_{number + 1}": float(value) for number, value in enumerate(values)}


def show(results: xr.Dataset) -> None:
    """Print units left and likelihoods after every session."""
    console = rich.console.Console(width=130)
    first = results.isel(session=0).sel(criterion="variance", bias_step=False)
    values = ", ".join(_study.cell(first[f"eigenvalue_{number}"], "seed", 2) for number in (1, 2, 3))
    console.print(f"largest eigenvalues of the Fisher information: {values} (authors: 23.97, 1.60, 1.42)")
    console.print(
        f"log likelihood of patches, nats: {_study.cell(first.log_likelihood, 'seed')} before pruning, "
        f"{-float(first.entropy.mean()):.3f} at most, {_study.cell(first.independent, 'seed')} with independent pixels"
    )
    for bias_step in results.bias_step.values:
        table = rich.table.Table(
            "criterion", *(f"session {number}: units; log likelihood" for number in results.session.values[1:]), "paper: units",
            title=f"{results.sizes['seed']} machines, bias step {'on' if bias_step else 'off'}",
        )  # fmt: skip
        for name in results.criterion.values:
            at = results.sel(criterion=name, bias_step=bias_step)
            if not bool(at.weights.notnull().any()):
                continue
            cells = [
                f"{_study.cell(at.units.sel(session=number), 'seed', 1)}; "
                f"{_study.cell(at.log_likelihood.sel(session=number), 'seed')}"
                for number in results.session.values[1:]
            ]
            table.add_row(str(name), *cells, str(PAPER.get(str(name), "")))
        console.print(table)


def draw(results: xr.Dataset) -> Figure:
    """Hidden units over synapses without the bias step, and likelihood after the last session with and without it."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    units, likelihood = figure.subplots(1, 2)
    names = [str(name) for name in results.criterion.values if name != UNPRUNED]
    for name in names:
        at = results.sel(criterion=name, bias_step=False)
        mean, error = _study.mean_and_error(at.units, "seed")
        style = {
            "color": plot.colour(name),
            "marker": "o",
            "label": f"{name} (random order)" if name == "units" else name,
        }
        units.errorbar(at.weights.mean("seed"), mean, yerr=error, **style)
    sizes = results.weights.sel(criterion="weight").mean(("bias_step", "seed")).values
    units.set(xscale="log", xlabel="synapses left", ylabel="hidden units left", title="bias step off")
    _study.tick_at(units.xaxis, sizes, ".0f")
    units.invert_xaxis()
    last = results.isel(session=-1)
    for place, name in enumerate(names):
        for bias_step, up in ((False, -0.15), (True, 0.15)):
            fill = {"markerfacecolor": "white"} if bias_step else {}
            at = last.log_likelihood.sel(criterion=name, bias_step=bias_step)
            _study.dot(likelihood, at, "seed", place + up, color=plot.colour(name), **fill)
    before = results.log_likelihood.isel(session=0).sel(criterion="weight", bias_step=False)
    likelihood.axvline(float(before.mean()), color="black", linewidth=0.8, linestyle=":")
    likelihood.set(
        xlabel=f"log likelihood, nats {_study.HIGHER}", title=f"{sizes[-1]:.0f} synapses left; dotted: before pruning"
    )
    _study.list_rows(likelihood, names)
    for fill, label in (("black", "bias step off"), ("white", "bias step on")):
        likelihood.plot([], [], "ko", markerfacecolor=fill, label=label)
    likelihood.legend(loc="center left")
    _study.finding(figure, "Ten units at random keep as much of the distribution as ten found by Fisher information")
    _study.label_ends(figure, units)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
