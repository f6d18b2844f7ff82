"""What removals do to small Boltzmann machines, exactly, by enumeration.

Restricted machines of 12 visible units learn digits of 4 x 3 binary pixels. Each synapse is removed by itself, and its exact
divergence of the visible distribution is compared with every importance. Then many are removed at once, by every criterion: as
they are, with all survivors times the best single factor, with biases that take over the mean of what was lost, and with the
survivors refitted to the original's moments. The machine without any synapse is the control of each.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import rich.console
import rich.table
import scipy.stats
import xarray as xr
from jax import lax
from matplotlib.figure import Figure

from experiments import _small_machines, _study
from jaxprune import boltzmann, plot

RANKED = ("information", "residual-information", "weight", "variance", "heuristic", "heuristic-information")
CRITERIA = (*RANKED, "uniform", "anti-variance")
EMPTY = "no synapse"
STEPS = ("plain", "one factor", "bias step", "refitted")
FACTORS = np.linspace(0.5, 2.5, 41)
DIMS = ("hidden", "seed", "criterion", "kept", "step")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      hidden: hidden units of the machines.
      seeds: machines of each size.
      kept: fractions of synapses kept.
      epochs: of training.
      rate: learning rate of the first and of the last epoch.
      refit: updates of the refit, by exact gradients.
      random: draws of the random choice.
      seed: seed of everything.
    """

    hidden: tuple[int, ...] = (6, 8)
    seeds: int = 10
    kept: tuple[float, ...] = (0.5, 0.25)
    epochs: int = 300
    rate: tuple[float, float] = (0.1, 0.005)
    refit: int = 1500
    random: int = 10
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every size of the machine, and every seed."""
    return [{"hidden": hidden, "seed": seed} for hidden in config.hidden for seed in range(config.seeds)]


def evaluate(config: Config, hidden: int, seed: int) -> Iterator[_study.Row]:
    """Train a machine, remove each synapse by itself, and many by every criterion."""
    draw_key, learn_key, choose_key = jax.random.split(
        jax.random.fold_in(jax.random.key(config.seed), 100 * hidden + seed), 3
    )
    model = _small_machines.trained(draw_key, learn_key, hidden, epochs=config.epochs, rate=config.rate)
    whole = boltzmann.enumerate_machine(model, visible=True)
    scores = {name: boltzmann.CRITERIA[name](choose_key, model, whole.moments) for name in CRITERIA}
    single = _single(model, whole.log_visible)
    for name in CRITERIA:
        rank = (
            float(np.asarray(scipy.stats.spearmanr(np.ravel(scores[name][0]), single))[0]) if name in RANKED else None
        )
        for kept in config.kept:
            draws = config.random if name == "uniform" else 1
            lost: dict[str, list[float]] = {step: [] for step in STEPS}
            for draw in range(draws):
                masks = boltzmann.choose(
                    jax.random.fold_in(choose_key, draw), model, scores[name], remove=1 - kept, zeros=False
                )
                for step, value in _losses(model, whole, masks, config.refit).items():
                    lost[step].append(value)
            for step, values in lost.items():
                yield {
                    "criterion": name,
                    "kept": kept,
                    "step": step,
                    "divergence": float(np.mean(values)),
                    "rank": rank,
                }
    nothing = _losses(model, whole, [jnp.zeros_like(mask) for mask in model.masks], config.refit)
    for kept, (step, value) in itertools.product(config.kept, nothing.items()):
        yield {"criterion": EMPTY, "kept": kept, "step": step, "divergence": value, "rank": None}


def _losses(model, whole, masks, refit):
    """Divergence of the visible distribution when only the synapses in the masks stay, after every step."""
    plain, moved = boltzmann.remove(model, masks), boltzmann.remove(model, masks, whole.moments)
    after = {"plain": plain, "bias step": moved, "refitted": _refit(moved, whole.moments, refit)}
    found = {step: float(_divergence(whole.log_visible, machine)) for step, machine in after.items()}

    def scaled(factor):
        weights = tuple(factor * W for W in plain.weights)
        return _divergence(whole.log_visible, boltzmann.BoltzmannMachine(plain.biases, weights, plain.masks))

    return found | {"one factor": float(jnp.min(lax.map(scaled, jnp.asarray(FACTORS))))}


def _divergence(log_p, machine):
    return boltzmann.divergence(log_p, boltzmann.enumerate_machine(machine, visible=True).log_visible)


def _single(model, log_p):
    """Exact divergence of the visible distribution after each synapse is removed by itself."""

    def one(mask):
        return _divergence(log_p, boltzmann.remove(model, [mask]))

    count = model.weights[0].size
    masks = 1 - jnp.eye(count).reshape(count, *model.weights[0].shape)
    return np.asarray(lax.map(jax.jit(one), masks))


def _refit(model, moments, updates):
    """The survivors and biases at the original's moments, by exact gradients."""
    optimiser = optax.adam(0.05)

    def update(carry, number):
        parameters, state = carry
        del number
        now = boltzmann.BoltzmannMachine(parameters[0], parameters[1], model.masks)
        found = boltzmann.enumerate_machine(now).moments
        biases = tuple(a - b for a, b in zip(found.means, moments.means, strict=True))
        weights = tuple((a - b) * mask for a, b, mask in zip(found.pairs, moments.pairs, model.masks, strict=True))
        changes, state = optimiser.update((biases, weights), state)
        return (optax.apply_updates(parameters, changes), state), None

    @jax.jit
    def run(parameters):
        return lax.scan(update, (parameters, optimiser.init(parameters)), jnp.arange(updates))[0][0]

    biases, weights = run((model.biases, model.weights))
    return boltzmann.BoltzmannMachine(biases, weights, model.masks)


def show(results: xr.Dataset) -> None:
    """Print rank correlations and divergences, mean ± standard error over machines."""
    console = rich.console.Console(width=110)
    for hidden, kept in itertools.product(results.hidden.values, results.kept.values):
        at = results.sel(hidden=hidden, kept=kept)
        title = (
            f"12 x {hidden}, {at.sizes['seed']} machines, {kept:.0%} kept: divergence of the visible distribution, nats"
        )
        table = rich.table.Table("criterion", "rank correlation", *map(str, at.step.values), title=title)
        for name in at.criterion.values:
            row = at.sel(criterion=name)
            rank = row["rank"].isel(step=0)
            cells = [_study.cell(row.divergence.sel(step=step), "seed") for step in at.step.values]
            table.add_row(str(name), _study.cell(rank, "seed") if bool(rank.notnull().all()) else "", *cells)
        console.print(table)


COLOURS = {"plain": "grey", "one factor": "teal", "bias step": "orange", "refitted": "blue"}


def draw(results: xr.Dataset) -> Figure:
    """Rank correlations, and divergences after every step, of the smallest machines."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    ranks, *losses = figure.subplots(1, 1 + results.sizes["kept"], sharey=True)
    at = results.isel(hidden=0)
    names = [str(name) for name in at.criterion.values]
    for place, name in enumerate(names):
        rank = at["rank"].isel(kept=0, step=0).sel(criterion=name)
        if bool(rank.notnull().all()):
            _study.dot(ranks, rank, "seed", place, color=plot.colour(name), markersize=6)
    ranks.axvline(0, color="black", linewidth=0.6)
    ranks.set(xlabel=f"rank correlation with the exact divergence\n{_study.HIGHER}", xlim=(-0.25, 1.05))
    ranks.set_title("which synapse matters, one at a time")
    for ax, kept in zip(losses, at.kept.values, strict=True):
        for number, step in enumerate(at.step.values):
            colour = plot.PALETTE[COLOURS[str(step)]]
            for place, name in enumerate(names):
                lost = at.divergence.sel(kept=kept, step=step, criterion=name)
                _study.dot(ax, lost, "seed", place + 0.16 * (number - 1.5), color=colour)
            ax.plot([], [], "o", color=colour, label=str(step))
        ax.set(xscale="log", xlabel=f"divergence from the whole machine, nats\n{_study.LOWER}")
        plot.label_decades(ax.xaxis)
        ax.set_title(f"{kept:.0%} of synapses kept")
    _study.list_rows(ranks, names)
    _study.finding(
        figure,
        "Fisher information (variance) ranks removals only together with the weight; the biases make up for most of the loss",
    )
    _study.legend_below(figure, losses[0])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
