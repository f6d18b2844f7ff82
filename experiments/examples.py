"""The two trained examples that come with the package: made here, and pruned, so that what they are good for is known.

A recurrent network of tanh neurons learns the task `ring_sequence`, and a restricted Boltzmann machine the binary 8 x 8 digits
that come with scikit-learn. Both are written to files in single precision, read again, and pruned with the settings that the
command line has by default.
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

import jaxprune
from experiments import _digits, _study
from jaxprune import boltzmann, rnn
from jaxprune.boltzmann import Learning, Sessions
from jaxprune.files import write_arrays

NETWORK, MACHINE = "network", "machine"
FILES = {NETWORK: "rnn.npz", MACHINE: "rbm.eqx"}
RULES = ("empty", "weight+keep", "weight+radius", "activity+compensation", "activity+regrow")
CRITERIA = ("uniform", "weight", "variance")
DIMS = ("example", "way", "kept")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      files: folder that the examples are written to; by default that of the package.
      neurons: of the network.
      steps: updates of its training.
      test: trials that its accuracy is measured on, and which come with it.
      calibration: trials to calibrate on that come with it.
      keep: fractions of its synapses that are kept.
      hidden: hidden units of the machine.
      epochs: of its training.
      sessions: in which half of its synapses go each.
      temperatures: steps of annealed importance sampling.
      seed: seed of everything.
    """

    files: Path | None = None
    neurons: int = 128
    steps: int = 3000
    test: int = 200
    calibration: int = 100
    keep: tuple[float, ...] = (0.3, 0.2, 0.1)
    hidden: int = 100
    epochs: int = 100
    sessions: int = 4
    temperatures: int = 1000
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """The two examples."""
    return [{"example": example} for example in FILES]


def evaluate(config: Config, example: str) -> Iterator[_study.Row]:
    """Make an example, write it, and prune what was written."""
    key = jax.random.fold_in(jax.random.key(config.seed), list(FILES).index(example))
    folder = Path(jaxprune.__file__).parent / "examples" if config.files is None else config.files
    make, prune = {NETWORK: (make_network, _prune_network), MACHINE: (make_machine, _prune_machine)}[example]
    path = folder / FILES[example]
    make(key, config, path)
    yield from prune(config, path)


def make_network(key: jax.Array, config: Config, path: Path) -> None:
    """Train the network, and write it with its trials."""
    task = rnn.ring_sequence()
    start_key, train_key, test_key, calibration_key = jax.random.split(key, 4)
    start = rnn.ctrnn(start_key, inputs=task.inputs, neurons=config.neurons, outputs=task.outputs)
    model = rnn.train(train_key, start, task, steps=config.steps, rate=3e-3).model
    rnn.save_rnn(path, jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), model))
    with np.load(path) as stored:
        arrays = dict(stored)
    for prefix, trials_key, count in (
        ("", test_key, config.test),
        ("calibration_", calibration_key, config.calibration),
    ):
        trials = rnn.batch(trials_key, task, count)
        arrays |= {
            f"{prefix}inputs": np.asarray(trials.inputs, np.float32),
            f"{prefix}labels": np.asarray(trials.labels, np.int8),
        }
    write_arrays(path, arrays)


def make_machine(key: jax.Array, config: Config, path: Path) -> None:
    """Train the machine, and write it with its chains."""
    start_key, learn_key = jax.random.split(key)
    train = _images().train
    start = boltzmann.rbm(
        start_key, visible=train.shape[1], hidden=config.hidden, sd=0.05, hidden_bias=-1.0,
        visible_bias=boltzmann.visible_bias(train).astype(np.float32),
    )  # fmt: skip
    learnt = boltzmann.learn(learn_key, start, train, Learning(config.epochs, (0.1, 0.002), batch=20))
    boltzmann.save_machine(path, learnt.model, chains=learnt.chains, facts={"data": "digits", "epochs": config.epochs})


def _images():
    return _digits.load(None, 8, 1437)


def _prune_network(config, path):
    model, test = rnn.load_rnn(path), rnn.load_trials(path)
    source = rnn.InputNoise((1.0, 6.0), (0.3, 3.0), trials=128)
    row = functools.partial(dict, example=NETWORK)
    yield row(way="whole", kept=1.0, score=float(rnn.accuracy(model, *test)))
    yield row(way="one constant answer", kept=0.0, score=float(rnn.chance_level(test.labels)))
    for rule in RULES:
        watched = source if rule.startswith("activity") else None
        for keep in config.keep if rule != "empty" else (0.0,):
            pruned = rnn.prune_rnn(jax.random.key(0), model, rule, keep=keep or 0.1, source=watched, trials=test)
            yield row(way=rule, kept=keep, score=pruned.report.pruned_accuracy)


def _prune_machine(config, path):
    model, chains, _ = boltzmann.load_machine(path)
    found = _images()
    session_key, assess_key = jax.random.split(jax.random.key(0))
    assess = functools.partial(
        boltzmann.assess, assess_key, data=found.train, labels=found.labels, test_data=found.test,
        test_labels=found.test_labels, judge=found.judge, temperatures=config.temperatures,
    )  # fmt: skip

    def row(way, kept, machine):
        return {"example": MACHINE, "way": way, "kept": kept, "score": assess(model=machine).log_likelihood}

    yield row("whole", 1.0, model)
    yield {"example": MACHINE, "way": "independent pixels", "kept": 0.0, "score": found.independent}
    for criterion in CRITERIA:
        rows = []
        boltzmann.prune_in_sessions(
            session_key, model, found.train, Sessions(criterion, retrain=Learning(5, (0.02, 0.02), batch=20)),
            config.sessions, chains=chains,
            each=lambda state, _, criterion=criterion, rows=rows: rows.append(row(criterion, 0.5**state.number, state.model)),
        )  # fmt: skip
        yield from rows


def show(results: xr.Dataset) -> None:
    """Print what the examples do, whole and pruned."""
    for example, score in ((NETWORK, "accuracy"), (MACHINE, "log likelihood, nats")):
        at = results.score.sel(example=example).dropna("kept", how="all").dropna("way", how="all")
        kept = sorted(at.kept.values, reverse=True)
        table = rich.table.Table(
            "", *(f"{fraction:.3g} kept" for fraction in kept), title=f"{example} ({FILES[example]}): {score}"
        )
        for way in at.way.values:
            cells = (float(at.sel(way=way, kept=fraction)) for fraction in kept)
            table.add_row(str(way), *("" if np.isnan(cell) else f"{cell:.3f}" for cell in cells))
        rich.console.Console(width=120).print(table)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show)
