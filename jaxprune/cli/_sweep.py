"""Commands for sweeps: `sweep`, `plot` and `check`."""

import hashlib
import json
import math
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import rich.console
import rich.progress
import rich.table
import tyro

from jaxprune import plot, sweep
from jaxprune._checks import InputError, check_whole
from jaxprune.cli import _stop
from jaxprune.files import write_whole
from jaxprune.sweep.parts import is_url, local_path, place_at

BESIDE = ".beside.json"
"""File in a store that says which figures and tables were made of it, by their SHA-256."""
KNOWN = 20
"""The latest of these that are remembered."""


def run_sweep(
    config: tyro.conf.OmitArgPrefixes[sweep.SweepConfig],
    out: str = "sweep.zarr",
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> None:
    """Sweep rules and kept fractions over an ensemble of random networks.

    Writes OUT (Zarr), and beside it the figure (.png) and the table (.csv), or here, where OUT is a URL. The same command goes on
    where it was stopped; with more rules, fractions or networks it computes what is missing.

    Args:
      config: what to sweep; a rule of your own is named module:Name.
      out: store of the results, a path or a URL such as s3://bucket/sweep.zarr; made if it does not exist.
      workers: compute in so many processes of this machine, by Dask; without it, in this one.
      scheduler: compute on the workers of a Dask scheduler, at this address.
      overwrite: replace a figure and a table beside OUT that this sweep did not write.
    """
    if workers is not None and scheduler is not None:
        raise InputError("--workers starts processes here, and --scheduler uses others: give one of them.")
    if workers is not None:
        check_whole("--workers", workers, least=1)
    config.check()
    _check_named("--out", out)
    if not is_url(out) and not local_path(out).parent.is_dir():
        raise InputError(f"--out is {out}, but there is no directory {local_path(out).parent}: make it first.")
    compute = sweep.serial if workers is None and scheduler is None else sweep.dask(scheduler, workers=workers)
    figure, table = (_beside(out, suffix) for suffix in (".png", ".csv"))
    _check_beside(out, (figure, table), overwrite)
    results = _with_bar(config, out, compute)
    _report(out, results, figure, table)
    print(f"\nresults {out}   figure {figure}   table {table}")


def draw(store: tyro.conf.Positional[str], out: Path | None = None, overwrite: bool = False) -> None:
    """Draw the figure and print the table of a stored sweep again, finished or not.

    Args:
      store: the Zarr store, a path or a URL.
      out: the figure, .png; beside the store by default, or here, where that is a URL.
      overwrite: replace a file that the sweep did not write.
    """
    _check_named("STORE", store)
    figure = out or _beside(store, ".png")
    if figure.suffix != ".png":
        raise InputError(f"--out is {figure}, but its suffix must be .png.")
    if not figure.parent.is_dir():
        raise InputError(f"--out is {figure}, but there is no directory {figure.parent}: make it first.")
    _check_beside(store, (figure,), overwrite)
    results = sweep.load(store)
    if not results.finished.any():
        raise InputError(f"{store} holds no finished network yet: run the sweep first.")
    _report(store, results, figure, None)
    print(f"\nfigure {figure}")


def check(store: tyro.conf.Positional[str]) -> None:
    """Verify a stored sweep: whether everything is there, and every checksum right. Nothing is changed.

    Prints what is missing or damaged, and the command that mends it. The exit status is 0 if the store is whole, 1 if it is
    unfinished or damaged, and 2 if it cannot be checked.

    Args:
      store: the Zarr store, a path or a URL.
    """
    _check_named("STORE", store)
    found = sweep.check(store)
    for words in found.words:
        print(f"{store} is {words}")
    if not found.whole:
        print(f"To mend it: {_mending(found, store)}")
        sys.exit(1)


COMMANDS = {"sweep": run_sweep, "plot": draw, "check": check}


WIDTH = 130
"""Least width of the table; a narrower terminal wraps its lines, but no column is lost."""


CAPTION = (
    "kept: share of synapses; slow, worst: errors along the {slow} slowest modes; nats: information lost at one moment, per "
    "neuron; path: the same of trajectories, per unit of time; epsilon: of the certificate, no quadratic form is off by more; "
    "bound: what the theorem promises for it, where below 1; sorted: median error of sorted eigenvalues, low even without "
    "synapses; finite, stable: share of networks with a finite H2 error, and with all eigenvalues below zero by more than "
    "rounding; n: networks behind a row"
)
PARTIAL = {
    "certified": "epsilon is a median over networks that have one: there is none where the original's symmetric part is not "
    "negative definite",
    "followed": "slow and worst are medians over networks whose modes can be followed: not where two of the original are one",
}
"""What a table says of measures that some networks do not have."""


def _with_bar(config, out, compute):
    """Run the sweep with a bar of its chunks."""
    columns = (
        "[progress.description]{task.description}",
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    console = rich.console.Console(stderr=True)
    bar = rich.progress.Progress(*columns, console=console, disable=not console.is_terminal)
    task = bar.add_task("compiling, and the first chunk", total=None)
    first, chunks = None, (0, config.chunks)

    def progress(done, total):
        nonlocal first, chunks
        first, chunks = done if first is None else first, (done, total)
        if not bar.live.is_started:
            bar.start()  # not before: a refused sweep says one line, and draws no bar
        words = "chunks of networks" if done > first or done == total else "compiling, and the first chunk"
        bar.update(task, description=words, completed=done, total=total)

    def kept():
        return f"stopped: {chunks[0]} of {chunks[1]} chunks are kept in {out}; the same command goes on from there."

    try:
        with _stop.kept(kept):
            return sweep.run(config, out, executor=compute, progress=progress)
    finally:
        if bar.live.is_started:
            bar.stop()


def _check_named(option, store):
    if not is_url(store) and not local_path(store).name:
        raise InputError(f"{option} is {store!r}, but must name a folder or a URL: give it a name.")


def _mending(found, store):
    """The command that computes what is missing or damaged; the bits of another precision only a program gives."""
    if found.dtype != "float64":
        return f"run its sweep again by sweep.run, in a program that computes in {found.dtype}."
    usual = sweep.SweepConfig().settings()
    options = ["--out", store]
    for name, value in found.config.settings().items():
        if value != usual[name]:
            options += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return f"jaxprune sweep {shlex.join(options)}"


def _beside(store, suffix):
    """A file beside a store, or, where that is a URL, in this folder."""
    path = Path(store.rstrip("/").rsplit("/", 1)[1]) if is_url(store) else local_path(store)
    return path.with_name(path.name.removesuffix(".zarr") + suffix)


def _check_beside(store, paths, overwrite):
    """Refuse to replace files that were not written from this store."""
    known = _written(store)
    for path in paths:
        if path.exists() and not overwrite and not (path.is_file() and _digest(path.read_bytes()) in known):
            raise InputError(f"{path} exists, and is not what this sweep wrote: move it, or pass --overwrite.")


def _written(store) -> list[str]:
    try:
        found = json.loads(place_at(store).read([BESIDE])[BESIDE] or b"")
    except (KeyError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _write_beside(store, contents):
    """Write files whose contents the store knows before they are there, whenever the process is killed."""
    known = dict.fromkeys([*(_digest(content) for content in contents.values()), *_written(store)])
    place_at(store).write({BESIDE: json.dumps(list(known)[:KNOWN]).encode()})
    for path, content in contents.items():
        write_whole(path, content)


def _number(name):
    return lambda row: "" if math.isnan(row[name]) else f"{row[name]:.3f}"


def _share(name) -> Callable[[dict], str]:
    return lambda row: f"{row[name]:.0%}" if row["networks"] else ""


def _report(store, results, figure, table):
    summary = sweep.summarise(results)
    rows = sweep.rows(summary)
    with tempfile.TemporaryDirectory() as folder:
        made = {figure: Path(folder) / "figure.png"}
        plot.save_figure(plot.plot_sweep(results), made[figure])
        if table is not None:
            made[table] = Path(folder) / "table.csv"
            sweep.write_table(rows, made[table])
        _write_beside(store, {path: place.read_bytes() for path, place in made.items()})
    count, slow = summary.attrs["networks"], summary.attrs["slow"]
    view = rich.table.Table(
        title=f"{count} networks of {results.sizes['mode']} neurons; medians over networks",
        caption=CAPTION.format(slow=slow),
        caption_justify="left",
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
        "finite": _share("finite"),
        "stable": _share("stable"),
        "n": lambda row: str(row["networks"]),
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
    shown = [row for row in rows if row["networks"]]
    for name, what in PARTIAL.items():
        share = min((row[name] for row in shown), default=1)
        if share < 1:
            console.print(f"{what} (at least {share:.0%} of networks).", highlight=False)
    if marginal := max((row["marginal"] for row in shown), default=0):
        console.print(
            f"marginal: up to {marginal:.0%} of networks have an abscissa not told from zero, and do not count as stable.",
            highlight=False,
        )
    if failed := sum(row["failed"] for row in rows):
        console.print(
            f"{failed} results are not numbers (the original is not stable, or pruning failed) and are in no column.",
            highlight=False,
        )
    missing = int((~results.finished).sum())
    if missing:
        console.print(f"{missing} of {results.finished.size} results are not computed yet.", highlight=False)
