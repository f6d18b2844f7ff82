"""The command line: `jaxprune sweep | plot | prune | certify | prune-rnn`. Needs the extra `experiments`."""

import dataclasses
import functools
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import rich
import rich.progress
import rich.table
import tyro

from jaxprune import linalg, networks, pruning, rnn, sweep
from jaxprune._checks import InputError, check_leak, check_positive
from jaxprune._write import write_whole
from jaxprune.networks import Connectome
from jaxprune.networks._files import SUFFIXES

Leak = Literal["auto", "none", "dominant", "stable"]


def main() -> None:
    """Run the command line in double precision; bad input is one line on standard error and exit status 2."""
    jax.config.update("jax_enable_x64", True)
    commands = {"sweep": run_sweep, "plot": plot, "prune": prune, "certify": certify, "prune-rnn": prune_rnn}
    description = "Prune networks by what noise shows, and certify what survives."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", pruning.FragmentationWarning)
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            tyro.extras.subcommand_cli_from_dict(commands, prog="jaxprune", description=description)
    except KeyboardInterrupt:
        sys.exit(130)
    except (InputError, OSError, MemoryError) as error:
        print(f"error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        sys.exit(2)


def run_sweep(
    config: tyro.conf.OmitArgPrefixes[sweep.SweepConfig],
    out: Path = Path("sweep.zarr"),
    executor: Literal["serial", "dask"] = "serial",
    scheduler: str | None = None,
) -> None:
    """Sweep rules and kept fractions over an ensemble of random networks.

    Writes OUT (Zarr), and beside it the figure (.png) and the table (.csv). The same command goes on where it was stopped.

    Args:
      config: what to sweep.
      out: store of the results; made if it does not exist.
      executor: compute here, or on Dask workers.
      scheduler: address of a Dask scheduler; none starts workers on this machine.
    """
    figure, table = (out.with_name(out.name.removesuffix(".zarr") + suffix) for suffix in (".png", ".csv"))
    compute = sweep.serial if executor == "serial" else sweep.dask(scheduler)
    columns = (
        "[progress.description]{task.description}",
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bar:
        task = bar.add_task("chunks of networks", total=None)
        results = sweep.run(
            config, out, executor=compute, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    _report(results, figure, table)
    print(f"\nresults {out}   figure {figure}   table {table}")


def plot(store: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Draw the figure and print the table of a stored sweep again, finished or not.

    Args:
      store: the Zarr store.
      out: the figure, .png; beside the store by default.
    """
    results = sweep.load(store)
    if not results.finished.any():
        raise InputError(f"{store} holds no finished network yet: run the sweep first.")
    figure = out or store.with_name(store.name.removesuffix(".zarr") + ".png")
    _report(results, figure, None)
    print(f"\nfigure {figure}")


def prune(
    matrix: tyro.conf.Positional[Path],
    keep: float,
    out: Path,
    rule: str = "noise",
    method: Literal["bernoulli", "systematic", "top"] | None = None,
    diagonal: Literal["matched", "original"] | None = None,
    cap: float | None = None,
    leak: Leak = "auto",
    margin: float = 0.1,
    neurons: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Prune one network from a file, and certify the result.

    Writes OUT and, beside it, the certificate OUT.certificate.json.

    Args:
      matrix: .npy, .npz, .mtx, or a .csv edge list `pre,post[,type],count`; entries are [post, pre].
      keep: fraction of synapses to keep, in (0, 1].
      out: the pruned matrix; its suffix chooses the format.
      rule: noise, weight or uniform, alone or with +compensation or +refit.
      method: how survivors are drawn, instead of the rule's own way.
      diagonal: what the leak does, instead of the rule's own way.
      cap: largest factor by which a synapse may grow.
      leak: what to do about the diagonal: auto adds a dominant leak if the diagonal is zero; none takes the matrix as it is.
      margin: dominance slack (dominant) or minus the spectral abscissa (stable), as a fraction of the mean total input.
      neurons: neuron table of an edge list, for signs.
      seed: seed of the draw.
      overwrite: replace existing files.
    """
    report = out.with_name(out.name + ".certificate.json")
    _check_outputs(out, report, suffixes=SUFFIXES, overwrite=overwrite)
    named = pruning.named_rule(rule)
    changes = {
        name: value for name, value in (("method", method), ("diagonal", diagonal), ("cap", cap)) if value is not None
    }
    named = dataclasses.replace(named, **changes)
    original = _dynamics(networks.read_matrix(matrix, neurons=neurons), matrix, leak, margin)
    A = original.matrix
    pruned = pruning.prune(jax.random.key(seed), A, named, keep=keep)
    certificate = linalg.certify(A, pruned.matrix)
    facts = {
        "matrix": str(matrix),
        "neurons": len(A),
        "synapses": int(jnp.sum((A != 0) & ~jnp.eye(len(A), dtype=bool))),
        "components": pruning.count_components(pruned.mask),
        "rule": {"name": rule, **dataclasses.asdict(named)},
        "keep": keep,
        "leak": leak,
        "margin": margin,
        "seed": seed,
        **_plain(certificate),
        "versions": {name: version(name) for name in ("jaxprune", "jax", "jaxlib", "numpy")},
    }
    networks.write_matrix(out, pruned.matrix, names=original.names)
    _write_json(report, facts)
    _print_certificate(certificate)
    print(f"\npruned {out}   certificate {report}")


def certify(
    a: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")],
    b: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="B")],
    leak: Leak = "auto",
    margin: float = 0.1,
    neurons: Path | None = None,
    out: Path | None = None,
) -> None:
    """Certify a pruned matrix B against its original A, both from files.

    Args:
      a: the original.
      b: the pruned matrix.
      leak: what to do about A's diagonal, as for `prune`; B is taken as it is.
      margin: as for `prune`.
      neurons: neuron table of an edge list, for signs.
      out: write the certificate here as JSON, too.
    """
    original = _dynamics(networks.read_matrix(a, neurons=neurons), a, leak, margin)
    pruned = networks.read_matrix(b)
    if sorted(original.names) != sorted(pruned.names):
        raise InputError(
            f"{a} has {len(original.names)} neurons and {b} has {len(pruned.names)}, or other names: they must be of one network."
        )
    order = np.array([pruned.names.index(name) for name in original.names])
    certificate = linalg.certify(original.matrix, pruned.matrix[np.ix_(order, order)])
    _print_certificate(certificate)
    if out is not None:
        _write_json(out, {"original": str(a), "pruned": str(b), **_plain(certificate)})


def prune_rnn(
    model: tyro.conf.Positional[Path],
    keep: float,
    out: Path,
    rule: str = "activity+regrow",
    source: Literal["input-noise", "neuron-noise", "linearised", "task", "task-and-noise"] = "input-noise",
    sd: tuple[float, float] = (1.0, 6.0),
    tau: tuple[float, float] = (0.3, 3.0),
    neuron_sd: float = 1.0,
    share: float = 0.03,
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
      rule: one of the rules of jaxprune.rnn, such as magnitude, "noise, 1/p", activity+regrow, "activity+regrow, closed loop".
      source: where the activity comes from that rules look at: noise at the inputs or in every neuron, the network linearised at
        rest, the inputs of the calibration trials, or these and a share of noise at the inputs.
      sd: least and greatest size of the noise at an input; every roll-out draws its own.
      tau: least and greatest correlation time of it, in steps.
      neuron_sd: size of the noise in a neuron, a step.
      share: share of steps of noise beside the task.
      trials: .npz with inputs and labels to measure retention on; with calibration_inputs and calibration_labels for a source
        with the task.
      activation: the nonlinearity of the network; by default what the file says, else tanh.
      seed: seed of noise and draws.
      overwrite: replace existing files.
    """
    report = out.with_name(out.name + ".report.json")
    _check_outputs(out, report, suffixes=rnn.SUFFIXES, overwrite=overwrite)
    if rule not in rnn.RECURRENT_RULES:
        raise InputError(f"--rule is {rule!r}, but must be one of {'; '.join(rnn.RECURRENT_RULES)}.")
    chosen = rnn.RECURRENT_RULES[rule]
    network = rnn.load_rnn(model, activation=activation)
    outputs = len(network.b_out)
    held_out = None if trials is None else rnn.load_trials(trials, outputs=outputs)
    source_key, prune_key = jax.random.split(jax.random.key(seed))
    observe, used = None, {}
    if chosen.needs_activity:
        observe, used = _observer(source, source_key, sd, tau, neuron_sd, share, trials, outputs)
    if chosen.loops and source == "linearised":
        raise InputError(f"--rule {rule} watches the network while it runs, which --source linearised does not.")
    pruned, found = rnn.prune_rnn(prune_key, network, chosen, keep=keep, observe=observe, trials=held_out)
    facts = found._asdict() | {"certificate": None if found.certificate is None else _plain(found.certificate)}
    facts |= {
        "model": str(model),
        "rule": {"name": rule, **dataclasses.asdict(chosen)},
        "keep": keep,
        "source": source if observe is not None else None,
        **used,
        "seed": seed,
        "versions": {name: version(name) for name in ("jaxprune", "jax", "jaxlib", "numpy")},
    }
    rnn.save_rnn(out, pruned)
    _write_json(report, facts)
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


def _observer(source, key, sd, tau, neuron_sd, share, trials, outputs):
    """What a network does, by source, as a function of the network; and the settings that it uses."""
    if source == "linearised":
        return rnn.linearised_activity, {}
    if source == "neuron-noise":
        check_positive("neuron-sd", neuron_sd)
        return functools.partial(rnn.NeuronNoise(neuron_sd).activity, key), {"neuron_sd": neuron_sd}
    noise = functools.partial(rnn.InputNoise(sd, tau).activity, key) if source != "task" else None
    used = {} if source == "task" else {"sd": sd, "tau": tau}
    if source == "input-noise":
        return noise, used
    if trials is None:
        raise InputError(f"--source {source} needs --trials with calibration_inputs: which file holds them?")
    shown = rnn.load_trials(trials, prefix="calibration_", outputs=outputs).inputs
    task = functools.partial(rnn.task_activity, inputs=shown, weights=rnn.input_lasts(shown))
    if noise is None:
        return task, used
    return lambda network: rnn.mixed_activity(task(network), noise(network), share=share), {**used, "share": share}


def _check_outputs(out: Path, report: Path, *, suffixes, overwrite: bool) -> None:
    for path in (out, report):
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists: choose another name, or pass --overwrite. Nothing was changed.")
    if out.suffix not in suffixes:
        raise InputError(f"--out is {out}, but its suffix must be one of {', '.join(suffixes)}.")
    if not out.parent.is_dir():
        raise InputError(f"--out is {out}, but there is no directory {out.parent}: make it first.")


def _dynamics(network: Connectome, path: Path, leak: Leak, margin: float) -> Connectome:
    W = network.matrix
    if leak == "auto":
        leak = "none" if bool(jnp.any(jnp.diagonal(W) != 0)) else "dominant"
    if leak == "none":
        check_leak(str(path), W)
        return network
    check_positive("margin", margin, zero=leak == "dominant")
    total = jnp.sum(jnp.abs(W)) - jnp.sum(jnp.abs(jnp.diagonal(W)))
    if not float(total) > 0:
        raise InputError(f"{path} has no synapse: there is nothing to prune.")
    absolute = float(margin * total / len(W))
    A = networks.dominant_leak(W, absolute) if leak == "dominant" else networks.stable_leak(W, -absolute)
    return network._replace(matrix=A)


def _report(results, figure, table):
    rows = sweep.rows(sweep.summarise(results))
    sweep.save_figure(sweep.plot_sweep(results), figure)
    if table is not None:
        sweep.write_table(rows, table)
    count = int(results.finished.sum())
    view = rich.table.Table(
        title=f"{count} networks of {results.sizes['mode']} neurons; mean over networks ± standard error"
    )
    for name in ("rule", "keep", "kept", "median mode", "10 slowest", "worst slow", "epsilon", "bound", "stable"):
        view.add_column(name, justify="left" if name == "rule" else "right", no_wrap=True)
    last = rows[0]["rule"]
    for row in rows:
        if row["rule"] != last:
            view.add_section()
            last = row["rule"]
        pairs = [f"{row[name]:.3f} ± {row[name + '_se']:.3f}" for name in ("median", "slow", "worst_slow", "epsilon")]
        bound = f"{row['epsilon_bound']:.2f}" if row["epsilon_bound"] <= 1 else ""
        view.add_row(
            row["rule"], f"{row['keep']:g}", f"{row['kept_fraction']:.3f}", *pairs, bound, f"{row['stable']:.0%}"
        )
    rich.console.Console(width=max(120, rich.get_console().width)).print(view)


def _print_certificate(certificate):
    guarantee = linalg.Guarantee(int(certificate.guarantee))
    view = rich.table.Table(show_header=False, box=None)
    for name, value in (
        ("synapses kept", f"{int(certificate.kept)} ({float(certificate.kept_fraction):.2%})"),
        ("epsilon (realised)", f"{float(certificate.epsilon):.4g}"),
        ("spectral abscissa", f"{float(certificate.abscissa):.4g}"),
        ("dominance slack", f"{float(certificate.dominance_slack):.4g}"),
        ("largest amplification", f"{float(certificate.max_amplification):.4g}"),
        ("guarantee", guarantee.words),
    ):
        view.add_row(name, value)
    rich.print(view)


def _plain(certificate):
    values = {name: np.asarray(value).item() for name, value in certificate._asdict().items()}
    finite = {name: value if np.isfinite(value) else None for name, value in values.items()}
    guarantee = linalg.Guarantee(values["guarantee"])
    return finite | {"guarantee": guarantee.name.lower().replace("_", " "), "guarantee_words": guarantee.words}


def _write_json(path, facts):
    write_whole(path, (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode())


if __name__ == "__main__":
    main()
