"""Command for Boltzmann machines: `prune-boltzmann`."""

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import rich.console
import rich.table

from jaxprune import boltzmann, plot
from jaxprune._checks import InputError, check_seed, check_whole
from jaxprune._examples import MACHINE
from jaxprune.boltzmann import Learning, Sessions
from jaxprune.cli._common import check_outputs, write_report
from jaxprune.cli._figure import Place, figure_path
from jaxprune.cli._notes import beside, read_notes
from jaxprune.cli._packaged import EXAMPLE, is_packaged, recorded_source
from jaxprune.cli._stop import goes_on, kept
from jaxprune.data import DataSet, binarise, crop, digits, load_images
from jaxprune.files import write_whole

SUFFIXES = (".eqx",)
RETRAIN_RATE, DEEP_RETRAIN_RATE = 0.02, 0.005


def prune_boltzmann(
    out: Path,
    data: str = "digits",
    size: int | None = None,
    hidden: tuple[int, ...] = (100,),
    model: Path | None = None,
    epochs: int = 100,
    batch: int = 20,
    rate: tuple[float, float] = (0.1, 0.002),
    joint_rate: tuple[float, float] = (0.01, 0.001),
    criterion: str = "weight",
    remove: float = 0.5,
    sessions: int = 4,
    bias_step: bool = True,
    retrain_epochs: int = 5,
    retrain_rate: float | None = None,
    temperatures: int = 1000,
    seed: int = 0,
    figure: Place = (),
    overwrite: bool = False,
) -> None:
    """Train a Boltzmann machine on images, prune it in sessions, and report what it keeps.

    Writes OUT and, beside it, OUT.report.json and a figure, OUT with the suffix .png. An interrupted run goes on after its last
    session, from OUT.checkpoint.

    Args:
      out: the pruned machine; .eqx.
      data: "digits", 8 x 8 pixels, which come with scikit-learn; or a folder of IDX files (MNIST), a folder or .zip of images, an
        .npz. Pixels are made binary at their mean.
      size: use the middle SIZE x SIZE pixels only.
      hidden: units of the hidden layers: one number for a restricted machine, more for a deep one.
      model: a trained machine to prune; trained and written there if the file does not exist yet. By default it is trained and
        not kept. Or example, a machine of 100 hidden units that has learnt the digits, and comes with jaxprune.
      epochs: passes over the data in training (and, for a deep machine, for each layer's pretraining).
      batch: images to an update; 100 for large data sets.
      rate: learning rate of the first and of the last epoch.
      joint_rate: the same for all layers of a deep machine together, once each has learnt by itself. At a large rate its top
        units fall silent.
      criterion: variance, heuristic, weight, information, heuristic-information, residual-information, eigenvector, uniform,
        units or anti-variance.
      remove: share of each layer's remaining synapses that goes in a session.
      sessions: number of sessions.
      bias_step: whether biases take over the mean of what was lost.
      retrain_epochs: passes over the data after each removal; 0 for none.
      retrain_rate: learning rate of these; by default 0.02 for a restricted machine, 0.005 for a deep one.
      temperatures: steps of annealed importance sampling, for the log likelihood.
      seed: seed of everything.
      figure: where the figure goes instead: likelihood and error over sessions, weights, information of pixels and samples.
      overwrite: replace existing files.
    """
    report, checkpoint = (out.with_name(out.name + end) for end in (".report.json", ".checkpoint"))
    picture = figure_path(figure, out)
    check_outputs(out, report, picture, suffixes=SUFFIXES, overwrite=overwrite)
    check_seed("seed", seed)
    earlier = {row["session"]: row for row in read_notes(checkpoint, ("session", "code_error"))}
    # Bad settings are refused before anything is trained; the rate of retraining may then hang on the machine.
    learning, joint = Learning(epochs, rate, batch), Learning(epochs, joint_rate, batch)
    first_rate = RETRAIN_RATE if retrain_rate is None else retrain_rate
    retrain = Learning(retrain_epochs, (first_rate, first_rate), batch) if retrain_epochs else None
    settings = Sessions(criterion, remove, bias_step=bias_step, retrain=retrain)
    for name, values in (
        ("sessions", [sessions]),
        ("temperatures", [temperatures]),
        ("hidden", hidden),
        ("size", [size]),
    ):
        for value in values:
            if value is not None:
                check_whole(name, value, least=1)
    if not hidden:
        raise InputError("hidden names no layer: give the units of one at least.")
    train, train_labels, test, test_labels, side = _binary(data, size)
    console = rich.console.Console(stderr=True)
    machine_key, session_key, assess_key, picture_key = jax.random.split(jax.random.key(seed), 4)
    packaged = model is not None and is_packaged(model, EXAMPLE, ())
    stored = MACHINE if packaged else model
    loaded = stored is not None and stored.exists()
    with console.status("training"):
        machine, chains = _machine(machine_key, stored, train, hidden, learning, joint)
        if retrain is not None and retrain_rate is None and len(machine.weights) > 1:
            retrain = dataclasses.replace(retrain, rate=(DEEP_RETRAIN_RATE, DEEP_RETRAIN_RATE))
            settings = dataclasses.replace(settings, retrain=retrain)
        judge = boltzmann.fit_classifier(train, train_labels, test, test_labels)
        independent = float(boltzmann.independent_log_likelihood(train, test).mean())

    def assessed(state):
        found = boltzmann.assess(
            jax.random.fold_in(assess_key, state.number), state.model, train, train_labels, test, test_labels,
            judge=judge, temperatures=temperatures,
        )  # fmt: skip
        return {"session": state.number, "sizes": state.model.sizes, **found._asdict()}

    with console.status("measuring"):
        state = boltzmann.init_sessions(session_key, machine, settings, chains=chains)
        found = {0: assessed(state)} | earlier
    notes = beside(checkpoint)
    with kept(lambda: goes_on(checkpoint)), console.status("pruning") as status:

        def each(state, info):
            found[state.number] = assessed(state) | {"code": info.code.name.lower()}
            write_whole(notes, json.dumps(list(found.values())[1:]).encode())
            status.update(f"pruning: session {state.number} of {sessions}")

        stopped, prune = None, partial(boltzmann.prune_in_sessions, session_key, machine, train, settings)
        try:
            state = prune(sessions, chains=chains, checkpoint=checkpoint, each=each)
        except boltzmann.Exhausted as error:
            if max(found) == 0:
                raise
            # The checkpoint holds the last session that could be made.
            stopped, state = str(error), prune(max(found), chains=chains, checkpoint=checkpoint)
    rows = list(found.values())
    trained = {"epochs": epochs, "batch": batch, "rate": rate, "joint_rate": joint_rate if len(hidden) > 1 else None}
    facts = {
        "criterion": criterion, "remove": remove, "bias_step": bias_step, "retrain_epochs": retrain_epochs,
        "retrain_rate": None if retrain is None else retrain.rate[0], "data": data, "size": size, "hidden": machine.sizes[1:],
        "model": None if model is None else recorded_source(model, packaged), "trained": None if loaded else trained,
        "seed": seed, "pixels_error": judge.error, "independent_pixels": independent, "sessions": rows,
        "stopped": stopped,
    }  # fmt: skip
    drawn = _draw(picture_key, rows, state, side, judge)
    boltzmann.save_machine(out, state.model, chains=state.chains, facts={"sessions": rows})
    plot.save_figure(drawn, picture)
    write_report(report, facts)
    for path in (checkpoint, notes):
        path.unlink(missing_ok=True)
    if packaged:
        print(f"machine: the {EXAMPLE} that comes with jaxprune")
    _show(rows, judge.error, independent)
    if stopped:
        print(f"stopped before all {sessions} sessions: {stopped}")
    print(f"\npruned {out}   report {report}   figure {picture}")


COMMANDS = {"prune-boltzmann": prune_boltzmann}


def _binary(data, size):
    """Training and test images as binary rows, their labels, and the shape of an image."""
    found: DataSet = digits() if data == "digits" else load_images(data)
    parts: list[Any] = []
    train = found.train.images
    if train.ndim != 3:
        raise InputError(f"{data} has images of shape {train.shape[1:]}, but they must be grey: (row, column).")
    if size is not None:
        train = crop(train, size, size)
    threshold = float(np.mean(train))
    for part in found:
        images = part.images if size is None else crop(part.images, size, size)
        parts += [binarise(images, threshold), part.labels]
    return *parts, train.shape[1:]


def _machine(key, path, train, hidden, settings, joint):
    """The trained machine and its chains, from its file or by training."""
    if path is not None and path.exists():
        machine, chains, _ = boltzmann.load_machine(path)
        if machine.sizes[0] != train.shape[1]:
            raise InputError(
                f"{path} has {machine.sizes[0]} visible units, but the images have {train.shape[1]} pixels."
            )
        return machine, chains
    if path is not None and not path.parent.is_dir():
        raise InputError(f"--model is {path}, but there is no directory {path.parent}: make it first.")
    draw_key, pre_key, learn_key = jax.random.split(key, 3)
    start = boltzmann.dbm(
        draw_key, visible=train.shape[1], hidden=hidden, sd=0.05, hidden_bias=-1.0,
        visible_bias=boltzmann.visible_bias(train).astype(np.float32),
    )  # fmt: skip
    parts = []
    if len(hidden) > 1:
        layers = [dataclasses.replace(settings, negative="cd")] * len(hidden)
        start, parts = boltzmann.pretrain(pre_key, start, train, layers)
        settings = joint
    learnt = boltzmann.learn(learn_key, start, train, settings)
    for part, option in (*((part, "--rate") for part in parts), (learnt, "--joint-rate" if parts else "--rate")):
        code = boltzmann.LearnCode(int(part.code))
        if code is not boltzmann.LearnCode.FINISHED:
            raise InputError(f"training with this {option} diverged. {code.words}")
    if path is not None:
        boltzmann.save_machine(path, learnt.model, chains=learnt.chains)
    return learnt.model, learnt.chains


def _draw(key, rows, state, side, judge):
    """Likelihood and error over size, classes of samples; receptive fields, information of pixels, samples."""
    moments, chains = boltzmann.sample_moments(key, state.model, samples=10_000, chains=state.chains)
    shares = boltzmann.judge_samples(judge, chains).classes
    classes = dict(zip(map(str, judge.fitted.classes_), np.asarray(shares).tolist(), strict=True))
    return plot.machine_figure(rows, boltzmann.pictures(state.model, chains, moments, side), classes)


def _show(rows, pixels, independent):
    table = rich.table.Table(
        "session", "synapses", "hidden units", "log likelihood", "error of code", "confidence", "entropy"
    )
    for row in rows:
        table.add_row(
            str(row["session"]), str(row["weights"]), str(row["units"]),
            f"{row['log_likelihood']:.2f} ± {row['log_partition_error']:.2f}", f"{row['code_error']:.2%}",
            f"{row['confidence']:.3f}", f"{row['entropy']:.3f}",
        )  # fmt: skip
    rich.console.Console(width=110).print(table)
    print(
        "log likelihood in nats, of test images (deep machines: a lower bound)\n"
        f"without any synapse: log likelihood {independent:.2f}, and an error of {pixels:.2%} from the pixels themselves"
    )
