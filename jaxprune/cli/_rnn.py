"""Command for trained recurrent networks: `prune-rnn`."""

from pathlib import Path
from typing import Any, Literal

import jax
import rich
import rich.table
import tyro

from jaxprune import dynamics, plot, pruning, rnn
from jaxprune._checks import InputError, check_seed, check_whole
from jaxprune._examples import RNN
from jaxprune.cli._common import certificate_facts, check_outputs, report_bytes, rule_facts, write_together
from jaxprune.cli._figure import Figure, figure_path, said
from jaxprune.cli._packaged import EXAMPLE, is_packaged, recorded_source
from jaxprune.files import ARRAYS

SOURCES = {
    "input-noise": ("sd", "tau", "rollouts"),
    "neuron-noise": ("neuron_sd", "rollouts"),
    "linearised": (),
    "task": ("after",),
    "task-and-noise": ("sd", "tau", "rollouts", "share", "after"),
}
"""Sources of activity, and the settings that each of them uses."""
DEFAULTS: dict[str, Any] = {
    "source": "input-noise",
    "sd": (1.0, 6.0),
    "tau": (0.3, 3.0),
    "neuron_sd": 1.0,
    "rollouts": 128,
    "share": 0.03,
    "after": 10,
}
"""What holds where nothing is said, as in the studies. Options are None until then: one without effect is refused."""


def prune_rnn(
    model: tyro.conf.Positional[Path],
    keep: float,
    out: Path,
    rule: str = "activity+regrow",
    loops: int = 0,
    source: Literal["input-noise", "neuron-noise", "linearised", "task", "task-and-noise"] | None = None,
    sd: tuple[float, float] | None = None,
    tau: tuple[float, float] | None = None,
    neuron_sd: float | None = None,
    rollouts: int | None = None,
    share: float | None = None,
    after: int | None = None,
    trials: Path | None = None,
    activation: Literal["tanh", "relu", "linear"] | None = None,
    alpha: float | None = None,
    seed: int = 0,
    figure: Figure = None,
    overwrite: bool = False,
) -> None:
    """Prune a trained continuous-time recurrent network, and report what it keeps.

    Writes OUT and, beside it, OUT.report.json; with --figure a picture of both networks, too.

    Args:
      model: .npz or .safetensors with W_in, b_in, W_rec, b_rec, W_out, b_out and alpha. Or example, a small network that comes
        with jaxprune, and its trials.
      keep: fraction of recurrent synapses to keep, in (0, 1].
      out: the pruned network; .npz or .safetensors.
      rule: noise, weight, uniform, activity, surgeon or greedy, alone or with +keep, +radius, +compensation, +regrow, +once or
        +swaps; empty, the control without synapses; or module:Name for a rule of your own.
      loops: number of times that the pruned network is watched and adjusted again (with +compensation or +regrow).
      source: where the activity comes from that rules look at: noise at the inputs (input-noise, the default) or in every neuron,
        the network linearised at rest, the inputs of the calibration trials, or these and a share of noise at the inputs.
      sd: least and greatest size of the noise at an input, by default 1.0 6.0; every roll-out draws its own.
      tau: least and greatest correlation time of it, in steps; by default 0.3 3.0.
      neuron_sd: size of the noise in a neuron, a step; by default 1.0.
      rollouts: number of roll-outs of noise, 400 steps each; by default 128.
      share: share of steps of noise beside the task; by default 0.03.
      after: steps that count after the last input of a trial, where the task is watched, by default 10; the response often comes
        there.
      trials: .npz with inputs (time, trial, input) and labels (time, trial) to measure retention on; with calibration_inputs and
        calibration_labels for a source with the task. Or example, those of the network that comes with jaxprune.
      activation: the nonlinearity of the network; by default what the file says, else tanh.
      alpha: step over time constant of the network, if its file does not say.
      seed: seed of noise and draws.
      figure: draw recurrent weights and their spectrum before and after, the outputs of both networks and, with trials, their
        accuracy; into OUT with the suffix .png, or into PATH.
      overwrite: replace existing files.
    """
    report = out.with_name(out.name + ".report.json")
    picture = None if figure is None else figure_path(figure, out)
    check_outputs(out, *([report] if picture is None else [report, picture]), suffixes=ARRAYS, overwrite=overwrite)
    chosen = pruning.named_rule(rule)
    given = {
        "source": source, "sd": sd, "tau": tau, "neuron_sd": neuron_sd, "rollouts": rollouts, "share": share, "after": after,
    }  # fmt: skip
    check_seed("seed", seed)
    if rollouts is not None:
        check_whole("--rollouts", rollouts, least=1)
    used = _settings(rule, loops, given, watched=bool(chosen.needs_activity or loops))
    packaged = is_packaged(model, EXAMPLE, ARRAYS)
    if (trials is None and packaged) or (trials is not None and is_packaged(trials, EXAMPLE, ARRAYS)):
        trials = RNN
    network = rnn.load_rnn(RNN if packaged else model, activation=activation, alpha=alpha)
    held_out = None if trials is None else _trials(trials, network)
    watched = _source(used, trials, network) if used else None
    pruned, found = rnn.prune_rnn(
        jax.random.key(seed), network, chosen, keep=keep, source=watched, loops=loops, trials=held_out
    )
    facts = found._asdict() | {
        "certificate": None if found.certificate is None else certificate_facts(found.certificate),
        "model": recorded_source(model, packaged),
        "rule": rule_facts(rule, chosen),
        "loops": loops,
        "keep": keep,
        "source": None,
        **used,
        "seed": seed,
    }
    drawn = {} if picture is None else {picture: _picture(network, pruned, held_out, found)}
    rnn.save_rnn(out, pruned)
    write_together({report: report_bytes(facts)} | drawn)
    for what, named in (("network", packaged), ("trials", trials == RNN)):
        if named:
            print(f"{what}: the {EXAMPLE} that comes with jaxprune")
    view = rich.table.Table(show_header=False, box=None)
    view.add_row("synapses kept", f"{found.kept[0]} ({found.kept_fraction[0]:.2%})")
    view.add_row("spectral radius", f"{found.radius[0]:.4g} before, {found.pruned_radius[0]:.4g} after")
    view.add_row("spectral abscissa", f"{found.abscissa[0]:.4g} before, {found.pruned_abscissa[0]:.4g} after")
    if found.drive_error is not None:
        view.add_row("drive lost", f"{found.drive_error[0]:.3%} (under {used['source']})")
    if found.shift:
        view.add_row("leak shift", f"{found.shift:.4g}: the network at rest is unstable without it")
    if found.accuracy is not None:
        view.add_row(
            "accuracy",
            f"{found.accuracy:.4f} before, {found.pruned_accuracy:.4f} after: "
            + ("no retention" if found.retention is None else f"retention {found.retention:.3f}"),
        )
        view.add_row("chance level", f"{found.chance:.4f}, one constant answer")
    rich.print(view)
    print(f"\npruned {out}   report {report}{said(picture)}")


COMMANDS = {"prune-rnn": prune_rnn}


def _settings(rule, loops, given, *, watched):
    """The source of activity and the settings that it uses; what was given without effect is refused."""
    said = [name for name, value in given.items() if value is not None]
    if not watched:
        if said:
            raise InputError(f"{_option(said[0])} has no effect: the rule {rule!r} looks at no activity. Leave it out.")
        return {}
    source = given["source"] or DEFAULTS["source"]
    if loops and source == "linearised":
        raise InputError(f"--loops {loops} watches the network while it runs, which --source linearised does not.")
    for name in said:
        if name not in ("source", *SOURCES[source]):
            used = ", ".join(map(_option, SOURCES[source])) or "no settings"
            raise InputError(f"{_option(name)} has no effect with --source {source}, which uses {used}. Leave it out.")
    return {name: DEFAULTS[name] if given[name] is None else given[name] for name in ("source", *SOURCES[source])}


def _option(name):
    return "--" + name.replace("_", "-")


def _source(used, trials, network):
    """Where activity comes from, with the settings that it uses."""
    source = used["source"]
    if source == "linearised":
        return rnn.Linearised()
    if source == "neuron-noise":
        return rnn.NeuronNoise(used["neuron_sd"], trials=used["rollouts"])
    noise = None if source == "task" else rnn.InputNoise(used["sd"], used["tau"], trials=used["rollouts"])
    if source == "input-noise":
        return noise
    if trials is None:
        raise InputError(f"--source {source} needs --trials with calibration_inputs: which file holds them?")
    calibration = _trials(trials, network, prefix="calibration_")
    rnn.check_axes(network, *calibration)
    shown = calibration.inputs
    task = rnn.TaskInputs(shown, rnn.input_lasts(shown, after=used["after"]))
    return task if noise is None else dynamics.Mixture(task, noise, used["share"])


def _trials(path, network, prefix=""):
    """Trials of a file, of as many inputs and outputs as the network has."""
    return rnn.load_trials(path, prefix=prefix, inputs=network.W_in.shape[1], outputs=len(network.b_out))


def _picture(network, pruned, trials, found):
    """Both networks, with the first trial where there is one."""
    if trials is None:
        return plot.figure_bytes(plot.rnn_figure(plot.rnn_view(network, pruned)))
    scores = {"original": found.accuracy, "pruned": found.pruned_accuracy}
    view = plot.rnn_view(network, pruned, trial=trials.inputs[:, 0], scores=scores, chance=found.chance)
    return plot.figure_bytes(plot.rnn_figure(view))
