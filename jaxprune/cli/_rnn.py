"""Command for trained recurrent networks: `prune-rnn`."""

from pathlib import Path
from typing import Literal

import jax
import rich
import rich.table
import tyro

from jaxprune import dynamics, pruning, rnn
from jaxprune._checks import InputError
from jaxprune.cli._common import certificate_facts, check_outputs, rule_facts, write_report
from jaxprune.files import ARRAYS


def prune_rnn(
    model: tyro.conf.Positional[Path],
    keep: float,
    out: Path,
    rule: str = "activity+regrow",
    loops: int = 0,
    source: Literal["input-noise", "neuron-noise", "linearised", "task", "task-and-noise"] = "input-noise",
    sd: tuple[float, float] = (1.0, 6.0),
    tau: tuple[float, float] = (0.3, 3.0),
    neuron_sd: float = 1.0,
    share: float = 0.03,
    after: int = 10,
    trials: Path | None = None,
    activation: Literal["tanh", "relu", "linear"] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Prune a trained continuous-time recurrent network, and report what it keeps.

    Writes OUT and, beside it, OUT.report.json.

    Args:
      model: .npz or .safetensors with W_in, b_in, W_rec, b_rec, W_out, b_out and alpha.
      keep: fraction of recurrent synapses to keep, in (0, 1].
      out: the pruned network; .npz or .safetensors.
      rule: noise, weight, uniform, activity, surgeon or greedy, alone or with +keep, +radius, +compensation, +regrow, +once or
        +swaps; empty, the control without synapses; or module:Name for a rule of your own.
      loops: number of times that the pruned network is watched and adjusted again (with +compensation or +regrow).
      source: where the activity comes from that rules look at: noise at the inputs or in every neuron, the network linearised at
        rest, the inputs of the calibration trials, or these and a share of noise at the inputs.
      sd: least and greatest size of the noise at an input; every roll-out draws its own.
      tau: least and greatest correlation time of it, in steps.
      neuron_sd: size of the noise in a neuron, a step.
      share: share of steps of noise beside the task.
      after: steps that count after the last input of a trial, where the task is watched; the response often comes there.
      trials: .npz with inputs and labels to measure retention on; with calibration_inputs and calibration_labels for a source
        with the task.
      activation: the nonlinearity of the network; by default what the file says, else tanh.
      seed: seed of noise and draws.
      overwrite: replace existing files.
    """
    report = out.with_name(out.name + ".report.json")
    check_outputs(out, report, suffixes=ARRAYS, overwrite=overwrite)
    chosen = pruning.named_rule(rule)
    network = rnn.load_rnn(model, activation=activation)
    outputs = len(network.b_out)
    held_out = None if trials is None else rnn.load_trials(trials, outputs=outputs)
    watched, used = None, {}
    if chosen.needs_activity or loops:
        watched, used = _source(source, sd, tau, neuron_sd, share, after, trials, outputs)
    if loops and source == "linearised":
        raise InputError(f"--loops {loops} watches the network while it runs, which --source linearised does not.")
    pruned, found = rnn.prune_rnn(
        jax.random.key(seed), network, chosen, keep=keep, source=watched, loops=loops, trials=held_out
    )
    facts = found._asdict() | {
        "certificate": None if found.certificate is None else certificate_facts(found.certificate),
        "model": str(model),
        "rule": rule_facts(rule, chosen),
        "loops": loops,
        "keep": keep,
        "source": source if watched is not None else None,
        **used,
        "seed": seed,
    }
    rnn.save_rnn(out, pruned)
    write_report(report, facts)
    view = rich.table.Table(show_header=False, box=None)
    view.add_row("synapses kept", f"{found.kept[0]} ({found.kept_fraction[0]:.2%})")
    view.add_row("spectral radius", f"{found.radius[0]:.4g} before, {found.pruned_radius[0]:.4g} after")
    view.add_row("spectral abscissa", f"{found.abscissa[0]:.4g} before, {found.pruned_abscissa[0]:.4g} after")
    if found.drive_error is not None:
        view.add_row("drive lost", f"{found.drive_error[0]:.3%} (under {source})")
    if found.shift:
        view.add_row("leak shift", f"{found.shift:.4g}: the network at rest is unstable without it")
    if found.retention is not None:
        view.add_row(
            "accuracy",
            f"{found.accuracy:.4f} before, {found.pruned_accuracy:.4f} after: retention {found.retention:.3f}",
        )
    rich.print(view)
    print(f"\npruned {out}   report {report}")


COMMANDS = {"prune-rnn": prune_rnn}


def _source(source, sd, tau, neuron_sd, share, after, trials, outputs):
    """Where activity comes from, by name; and the settings that it uses."""
    if source == "linearised":
        return rnn.Linearised(), {}
    if source == "neuron-noise":
        return rnn.NeuronNoise(neuron_sd), {"neuron_sd": neuron_sd}
    noise = rnn.InputNoise(sd, tau)
    if source == "input-noise":
        return noise, {"sd": sd, "tau": tau}
    if trials is None:
        raise InputError(f"--source {source} needs --trials with calibration_inputs: which file holds them?")
    shown = rnn.load_trials(trials, prefix="calibration_", outputs=outputs).inputs
    task = rnn.TaskInputs(shown, rnn.input_lasts(shown, after=after))
    if source == "task":
        return task, {"after": after}
    return dynamics.Mixture(task, noise, share), {"sd": sd, "tau": tau, "share": share, "after": after}
