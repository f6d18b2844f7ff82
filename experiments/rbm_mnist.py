"""Pruning restricted Boltzmann machines of handwritten digits: likelihood before and after retraining, and small machines.

A machine learns binary digits by persistent contrastive divergence. In each session half of the remaining synapses go, with
and without the step of the biases, and the rest is retrained. All criteria start from the same machine of a seed, and are
retrained together. Beside them: machines that are trained small and dense from the start.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _digits, _study
from jaxprune import InputError, boltzmann, plot
from jaxprune.boltzmann import Learning, Sessions, SessionState

CRITERIA = (
    "weight", "residual-information", "information", "heuristic-information", "variance", "heuristic", "uniform", "units",
)  # fmt: skip
DENSE, UNPRUNED = "trained small", "not pruned"
DIMS = ("criterion", "bias_step", "seed", "session")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: MNIST as four IDX files in a folder, or another data set of images.
      side: of the images, in pixels.
      hidden: hidden units.
      small: hidden units of the machines that are trained small.
      epochs: of training.
      rate: of the first and the last epoch.
      sessions: their number; each removes half.
      retrain: epochs after each.
      retrain_rate: learning rate of retraining.
      samples: states behind every measurement.
      temperatures: of annealed importance sampling.
      classified: images that classifiers learn from.
      seeds: machines.
      seed: seed of everything.
    """

    data: Path
    side: int = 20
    hidden: int = 200
    small: tuple[int, ...] = (12, 50, 71, 117)
    epochs: int = 20
    rate: tuple[float, float] = (0.05, 0.002)
    sessions: int = 4
    retrain: int = 2
    retrain_rate: float = 0.02
    samples: int = 60_000
    temperatures: int = 3000
    classified: int = 12_000
    seeds: int = 5
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every seed, with all criteria, as they share the trained machine."""
    return [{"seed": seed} for seed in range(config.seeds)]


def evaluate(config: Config, seed: int) -> Iterator[_study.Row]:
    """Train a machine, prune it by every criterion, and train small ones."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), seed), 5)
    inputs = _data(config).train
    learning = Learning(config.epochs, config.rate, chains=200)
    retrain = Learning(config.retrain, (config.retrain_rate, config.retrain_rate), chains=200)

    def train(key, hidden, learning):
        draw_key, learn_key = jax.random.split(key)
        visible = boltzmann.visible_bias(inputs).astype(jnp.float32)
        start = boltzmann.rbm(draw_key, visible=inputs.shape[1], hidden=hidden, visible_bias=visible, hidden_bias=-2.0)
        learnt = boltzmann.learn(learn_key, start, inputs, learning)
        if learnt.code != boltzmann.LearnCode.FINISHED:
            raise InputError(boltzmann.LearnCode.DIVERGED.words)
        return learnt.model, learnt.chains

    model, chains = train(keys[0], config.hidden, learning)
    kinds = [(criterion, bias_step) for criterion in CRITERIA for bias_step in (False, True)] + [(UNPRUNED, False)]
    measure_keys = jax.random.split(keys[1], 1 + config.sessions)
    first = _measures(config, measure_keys[0], model, chains)
    yield from (_row(kind, 0, first, first["log_likelihood"]) for kind in kinds)
    models, samples = [model] * len(kinds), [chains] * len(kinds)
    together = eqx.filter_jit(eqx.filter_vmap(lambda k, m, c: boltzmann.learn(k, m, inputs, retrain, chains=c)[:3]))
    for number in range(config.sessions):
        pruned: list[SessionState] = []
        for place, (criterion, bias_step) in enumerate(kinds):
            state = SessionState(models[place], samples[place], number)
            if criterion == UNPRUNED:
                pruned.append(state)
                continue
            sessions = Sessions(criterion, 0.5, bias_step=bias_step, delete=False, retrain=None, samples=config.samples)
            pruned.append(boltzmann.prune_session(keys[2], state, inputs, sessions)[0])
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[state[:2] for state in pruned])
        learn_keys = jax.random.split(jax.random.fold_in(keys[3], number), len(kinds))
        *found, codes = together(learn_keys, *stacked)
        if (codes != boltzmann.LearnCode.FINISHED).any():
            raise InputError(boltzmann.LearnCode.DIVERGED.words)
        for place, kind in enumerate(kinds):
            models[place], samples[place] = jax.tree.map(lambda leaf, place=place: leaf[place], found)
            key, data = measure_keys[1 + number], _data(config)
            before = boltzmann.mean_log_likelihood(
                key, pruned[place].model, data.test, reference=data.train, temperatures=config.temperatures
            )
            after = _measures(config, key, models[place], samples[place])
            yield _row(kind, 1 + number, after, before.value)
    # As many epochs as pruned machines have in all.
    longer = dataclasses.replace(learning, epochs=config.epochs + config.sessions * config.retrain)
    for number, hidden in enumerate(config.small):
        train_key, key = jax.random.split(jax.random.fold_in(keys[4], number))
        small = _measures(config, key, *train(train_key, hidden, longer))
        yield _row((DENSE, False), number, small, small["log_likelihood"])


def _data(config):
    return _digits.load(config.data, config.side, config.classified)


def _measures(config, key, model, chains):
    data = _data(config)
    run_key, assess_key = jax.random.split(key)
    found = boltzmann.assess(
        assess_key, model, data.train[: config.classified], data.labels[: config.classified], data.test, data.test_labels,
        judge=data.judge, chains=boltzmann.run_gibbs(run_key, model, chains, 200), temperatures=config.temperatures,
    )  # fmt: skip
    return found._asdict() | {"pixels_error": data.judge.error, "independent": data.independent}


def _row(kind, session, measures, before):
    criterion, bias_step = kind
    return {
        "criterion": criterion,
        "bias_step": bias_step,
        "session": session,
        **measures,
        "log_likelihood_before": before,
    }


def show(results: xr.Dataset) -> None:
    """Print likelihood before and after retraining, and the error, after two and four sessions."""
    console = rich.console.Console(width=150)
    start = results.sel(criterion="weight", bias_step=False, session=0)
    console.print(
        f"{results.sizes['seed']} machines; before: log likelihood of test images {_likelihood(start.log_likelihood)}, error "
        f"{_percent(start.code_error)}; pixels {100 * float(start.pixels_error.mean()):.2f} %; independent pixels "
        f"{float(start.independent.mean()):.1f} nats"
    )
    runs = results.effective_runs.where(results.weights.notnull()).values
    runs = runs[np.isfinite(runs)]
    console.print(
        f"effective annealing runs: {runs.min():.1f} at least; below 5 in {(runs < 5).sum()} of {len(runs)} measurements"
    )
    table = rich.table.Table(
        "criterion", "bias step", "session", "synapses", "units", "log likelihood before retraining", "after", "error of code, %"
    )  # fmt: skip
    for criterion in results.criterion.values:
        for step in results.bias_step.values:
            at = results.sel(criterion=criterion, bias_step=step)
            if not bool(at.weights.notnull().any()):
                continue
            small = criterion == DENSE
            for number in at.session.values if small else at.session.values[1:]:
                row = at.sel(session=number)
                if not bool(row.weights.notnull().any()):
                    continue
                table.add_row(
                    str(criterion), "" if small else "on" if step else "off", "" if small else str(number),
                    f"{float(row.weights.mean()):.0f}", _study.cell(row.units, "seed", 0),
                    "" if small else _likelihood(row.log_likelihood_before), _likelihood(row.log_likelihood),
                    _percent(row.code_error),
                )  # fmt: skip
    console.print(table)


def _likelihood(values):
    return _study.cell(values, "seed", 1)


def _percent(values):
    return _study.cell(100 * values, "seed", 2)


MEASURES = {
    "log_likelihood": (f"log likelihood, nats {_study.HIGHER}", 1),
    "code_error": (f"test error of the code, % {_study.LOWER}", 100),
}
"""Label and factor of what is drawn."""


def draw(results: xr.Dataset) -> Figure:
    """Likelihood and error over synapses, and over hidden units where some go; without the bias step, retrained."""
    figure = Figure(figsize=(10.5, 6.6), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row")
    without = results.sel(bias_step=False)
    units = without.units.mean("seed")
    fewer = units.criterion.values[(units.min("session") < 0.9 * units.max()).values]
    for column, size in zip(axes.T, ("weights", "units"), strict=True):
        names = (*CRITERIA, DENSE) if size == "weights" else [name for name in (*CRITERIA, DENSE) if name in fewer]
        for name in names:
            at = without.sel(criterion=name)
            style = {
                "color": plot.colour(name),
                "linestyle": "--" if name == DENSE else "-",
                "marker": ".",
                "label": name,
            }
            for ax, (measure, (_, factor)) in zip(column, MEASURES.items(), strict=True):
                mean, error = _study.mean_and_error(factor * at[measure], "seed")
                ax.errorbar(at[size].mean("seed"), mean, yerr=error, **style)
        # Random units go as the synapses do: their sizes are those of both axes.
        sizes = without[size].sel(criterion="units").mean("seed").dropna("session").values
        column[0].set(xscale="log")
        _study.tick_at(column[0].xaxis, sizes, ",.0f")
        column[0].invert_xaxis()
        column[-1].set(xlabel={"weights": "synapses left", "units": "hidden units left"}[size])
    axes[0, 0].set_title("at equal number of synapses")
    axes[0, 1].set_title("at equal number of hidden units (where some are lost)")
    for ax, (label, _) in zip(axes[:, 0], MEASURES.values(), strict=True):
        ax.set_ylabel(label)
    _study.finding(
        figure, "Counted in synapses, pruning by weight is best; counted in neurons, a machine trained small is"
    )
    _study.label_ends(figure, *axes[:, 0])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
