"""Pruning small networks that are trained here: 128 neurons, four tasks, tanh and relu, with and without Dale's law.

Trained from scratch by Adam, three seeds at once. Retention on fresh trials after pruning without any training (the rules),
and, as a column of its own, after a short training of the survivors by gradients, which no rule of this library uses.
"""

import dataclasses
from collections.abc import Iterator

import equinox as eqx
import jax
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import plot, rnn

KINDS = {
    "tanh": {"activation": "tanh"},
    "relu": {"activation": "relu", "gain": 0.8},
    "relu, Dale": {"activation": "relu", "gain": 0.6, "excitatory": 0.8},
}
RULES = (
    ("weight+keep", ""),
    ("weight+radius", ""),
    ("weight", ""),
    ("noise", "neuron noise"),
    ("activity+compensation", "input noise"),
    ("activity+regrow", "input noise"),
    ("activity+regrow", "broadband input noise"),
    ("activity+regrow", "task"),
    ("activity+regrow, closed loop", "task"),
)
TUNED = ("weight+radius", "")
THEN = "weight+radius, then gradients"
LOOPS = 8
DIMS = ("kind", "task", "rule", "pruned", "seed")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of each network.
      steps: updates of training.
      trials: trials to an update.
      rate: learning rate.
      seeds: networks for each task and kind.
      pruned: fractions pruned.
      tuning: updates of the training after pruning.
      sd: standard deviation of the noise at the inputs, and in the currents.
      broad_sd, broad_tau: ranges of size and correlation time of broadband noise at the inputs.
      test: trials that accuracy is measured on.
      seed: seed of everything.
    """

    neurons: int = 128
    steps: int = 1000
    trials: int = 64
    rate: float = 3e-3
    seeds: int = 3
    pruned: tuple[float, ...] = (0.7, 0.8, 0.9)
    tuning: int = 100
    sd: float = 1.0
    broad_sd: tuple[float, float] = (1.0, 6.0)
    broad_tau: tuple[float, float] = (0.3, 3.0)
    test: int = 500
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every task for every kind of network."""
    return [{"kind": kind, "task": task} for kind in KINDS for task in rnn.TASKS]


def evaluate(config: Config, kind: str, task: str) -> Iterator[_study.Row]:
    """Train networks of a kind on a task, prune them, and measure retention."""
    made = rnn.TASKS[task]()
    place = list(rnn.TASKS).index(task) * len(KINDS) + list(KINDS).index(kind)
    key = jax.random.fold_in(jax.random.key(config.seed), place)
    keys = jax.random.split(key, (config.seeds, 3))

    def train(key):
        model_key, train_key = jax.random.split(key)
        model = rnn.ctrnn(model_key, inputs=made.inputs, neurons=config.neurons, outputs=made.outputs, **KINDS[kind])
        return rnn.train(train_key, model, made, steps=config.steps, trials=config.trials, rate=config.rate)

    trained = eqx.filter_vmap(train)(keys[:, 0]).model
    for seed in range(config.seeds):
        model = jax.tree.map(lambda leaf, seed=seed: leaf[seed] if eqx.is_array(leaf) and leaf.ndim else leaf, trained)
        yield from _rules(config, model, made, keys[seed, 1], keys[seed, 2], seed)


def _rules(config, model, task, key, tuning_key, seed):
    test_key, task_key, noise_key, prune_key = jax.random.split(key, 4)
    test = rnn.batch(test_key, task, config.test)
    whole = float(rnn.accuracy(model, *test))
    shown = rnn.batch(task_key, task, 200).inputs
    sources = {
        "input noise": rnn.InputNoise(config.sd),
        "broadband input noise": rnn.InputNoise(config.broad_sd, config.broad_tau),
        "neuron noise": rnn.NeuronNoise(config.sd),
        "task": rnn.TaskInputs(shown),
    }
    noise_keys = jax.random.split(noise_key, len(sources) - 1)
    keys = [*noise_keys, task_key]  # the task's draws nothing more
    seen = {name: source.activity(key, model) for key, (name, source) in zip(keys, sources.items(), strict=True)}
    for fraction in config.pruned:
        for name, source in RULES:
            rule, comma, _ = name.partition(", ")
            pruned = rnn.prune_recurrent(
                prune_key, model, rule, keep=1 - fraction,
                activity=seen.get(source), source=sources.get(source), loops=LOOPS if comma else 0,
            ).model  # fmt: skip
            yield _row(_label(name, source), fraction, seed, whole, rnn.accuracy(pruned, *test))
            if (name, source) == TUNED:
                mask = (pruned.W_rec != 0).astype(pruned.W_rec.dtype)
                tuned = rnn.train(
                    tuning_key, pruned, task, steps=config.tuning, trials=config.trials, rate=config.rate, mask=mask
                ).model
                yield _row(THEN, fraction, seed, whole, rnn.accuracy(tuned, *test))


def _label(name, source):
    return f"{name}, {source}" if source else name


def _row(rule, fraction, seed, whole, accuracy):
    return {
        "rule": rule,
        "pruned": fraction,
        "seed": seed,
        "whole": whole,
        "retention": float(accuracy) / whole,
    }


def show(results: xr.Dataset) -> None:
    """Print retention for every kind, mean over tasks and seeds."""
    for kind in results.kind.values:
        at = results.sel(kind=kind)
        whole = at.whole.isel(rule=0, pruned=0)
        table = rich.table.Table(
            "rule", *(f"{fraction:.0%}" for fraction in at.pruned.values),
            title=f"{kind}, {results.attrs['neurons']} neurons: retention, mean over {at.sizes['task']} tasks and "
            f"{at.sizes['seed']} seeds (lowest); accuracy before {float(whole.mean()):.3f} (lowest {float(whole.min()):.3f})",
        )  # fmt: skip
        for rule in at.rule.values:
            cells = [at.retention.sel(rule=rule, pruned=fraction) for fraction in at.pruned.values]
            table.add_row(str(rule), *(f"{float(cell.mean()):.3f} ({float(cell.min()):.2f})" for cell in cells))
        rich.console.Console(width=120).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Retention of every rule, a panel for each kind of network: full dots where less is pruned, open ones where more is."""
    labels = [*(_label(name, source) for name, source in RULES), THEN]
    figure = Figure(figsize=(11, 0.3 * len(labels) + 1.8), layout="constrained")
    axes = figure.subplots(1, results.sizes["kind"], sharey=True, squeeze=False)[0]
    less, more = float(results.pruned.values[-2]), float(results.pruned.values[-1])
    for ax, kind in zip(axes, results.kind.values, strict=True):
        for place, label in enumerate(labels):
            colour = plot.colour(label)
            for fraction, down, fill in ((less, -0.16, colour), (more, 0.16, "white")):
                values = results.retention.sel(kind=kind, rule=label, pruned=fraction).mean("seed")
                _study.dot(ax, values, "task", place + down, color=colour, markerfacecolor=fill, elinewidth=1)
        ax.axvline(1, color="black", linewidth=0.6)
        ax.set(title=str(kind), xlim=(0, 1.08), xlabel=f"share of the accuracy that is kept\n{_study.HIGHER}")
        ax.grid(axis="y", visible=False)
    _study.list_rows(axes[0], labels)
    for fraction, fill in ((less, "black"), (more, "white")):
        axes[-1].plot([], [], "ko", markerfacecolor=fill, label=f"{fraction:.0%} pruned")
    _study.finding(
        figure,
        "With tanh, a refit serves that sees noise at the inputs; with plain relu it must see the task",
    )
    _study.legend_below(figure, axes[-1])
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("neurons",))
