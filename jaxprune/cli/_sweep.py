"""Commands for sweeps: `sweep` and `plot`."""

import contextlib
from pathlib import Path
from typing import Literal

import rich
import rich.console
import rich.progress
import rich.table
import tyro

from jaxprune import sweep
from jaxprune._checks import InputError


def run_sweep(
    config: tyro.conf.OmitArgPrefixes[sweep.SweepConfig],
    out: Path = Path("sweep.zarr"),
    executor: Literal["serial", "dask"] = "serial",
    scheduler: str | None = None,
) -> None:
    """Sweep rules and kept fractions over an ensemble of random networks.

    Writes OUT (Zarr), and beside it the figure (.png) and the table (.csv). The same command goes on where it was stopped.

    Args:
      config: what to sweep; a rule of your own is named module:Name.
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
    bar = rich.progress.Progress(*columns, console=rich.console.Console(stderr=True))
    task = bar.add_task("chunks of networks", total=None)
    with contextlib.ExitStack() as stack:

        def progress(done, total):
            if not bar.live.is_started:
                stack.enter_context(bar)  # not before: a refused sweep says one line, and draws no bar
            bar.update(task, completed=done, total=total)

        results = sweep.run(config, out, executor=compute, progress=progress)
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


COMMANDS = {"sweep": run_sweep, "plot": plot}


WIDTH = 130
"""Least width of the table; a narrower terminal wraps its lines, but no column is lost."""


PARTIAL = {
    "certified": "epsilon is a median over networks that have one: there is none where the original's symmetric part is not "
    "negative definite",
    "followed": "slow and worst are medians over networks whose modes can be followed: not where two of the original are one",
}
"""What a table says of measures that some networks do not have."""


def _number(name):
    return lambda row: f"{row[name]:.3f}"


def _report(results, figure, table):
    summary = sweep.summarise(results)
    rows = sweep.rows(summary)
    sweep.save_figure(sweep.plot_sweep(results), figure)
    if table is not None:
        sweep.write_table(rows, table)
    count, slow = int(results.finished.sum()), summary.attrs["slow"]
    view = rich.table.Table(
        title=f"{count} networks of {results.sizes['mode']} neurons; medians over networks",
        caption=f"slow, worst: errors along the {slow} slowest modes; nats: information lost at one moment, per neuron; path: "
        "the same of trajectories, per unit of time; sorted: median error of sorted eigenvalues, low even without synapses",
    )
    columns = {
        "keep": lambda row: f"{row['keep']:g}",
        "kept": _number("kept_fraction"),
        "H2 error": _number("h2"),
        "slow": _number("slow_modes"),
        "worst": _number("worst_mode"),
        "nats": _number("stationary"),
        "path": _number("path"),
        "epsilon": _number("epsilon"),
        "bound": lambda row: f"{row['epsilon_bound']:.2f}" if row["epsilon_bound"] <= 1 else "",
        "sorted": _number("sorted_median"),
        "finite": lambda row: f"{row['finite']:.0%}",
        "stable": lambda row: f"{row['stable']:.0%}",
    }
    view.add_column("rule", no_wrap=True)
    for name in columns:
        view.add_column(name, justify="right", no_wrap=True)
    last = rows[0]["rule"]
    for row in rows:
        if row["rule"] != last:
            view.add_section()
            last = row["rule"]
        view.add_row(row["rule"], *(shown(row) for shown in columns.values()))
    console = rich.console.Console(width=max(WIDTH, rich.get_console().width))
    console.print(view)
    for control, losers in sweep.beaten(results).items():
        which = "; ".join(
            f"{rule} at {', '.join(f'{keep:g}' for name, keep in losers if name == rule)}"
            for rule in dict.fromkeys(name for name, _ in losers)
        )
        said = (
            f"H2 error not below that of {control} in most networks: {which}" if which else f"{control}: all are better"
        )
        console.print(said, highlight=False)
    for name, what in PARTIAL.items():
        share = min(row[name] for row in rows)
        if share < 1:
            console.print(f"{what} (at least {share:.0%} of networks).", highlight=False)
    if failed := sum(row["failed"] for row in rows):
        console.print(
            f"{failed} results are not numbers (the original is not stable, or pruning failed) and are left out.",
            highlight=False,
        )
