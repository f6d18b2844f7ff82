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
