"""What all studies share: command line, points that survive an interruption, results with the command that made them."""

import dataclasses
import json
import os
import platform
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import pandas
import rich.progress
import threadpoolctl
import tyro
import xarray as xr
from matplotlib.figure import Figure

from jaxprune import InputError
from jaxprune._write import write_whole
from jaxprune.pruning import FragmentationWarning
from jaxprune.sweep import save_figure

RESULTS = Path(__file__).parent / "results"
WRITING = threading.Lock()
Row = dict[str, Any]
Config = TypeVar("Config")


def main(
    config_type: type[Config],
    run: Callable[[Config, Path], xr.Dataset],
    draw: Callable[[xr.Dataset], Figure] | None,
    show: Callable[[xr.Dataset], None],
) -> None:
    """Run a study from the command line: compute, store the table, the figure and their provenance, print."""
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore", FragmentationWarning)  # studies prune below connectivity on purpose, and report it
    name = Path(sys.argv[0]).stem
    prog, about = f"python -m experiments.{name}", sys.modules["__main__"].__doc__
    config, out, redraw = tyro.cli(_command(config_type), prog=prog, description=about)
    try:
        if redraw:
            results = _load(name, out)
        else:
            out.mkdir(parents=True, exist_ok=True)
            started = time.perf_counter()
            results = run(config, out / f".{name}.jsonl")
            _store(name, results, config, out, time.perf_counter() - started)
            (out / f".{name}.jsonl").unlink(missing_ok=True)
        show(results)
        if draw is not None:
            save_figure(draw(results), out / f"{name}.png")
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    print(f"\nwritten to {out}/{name}.*")


def _command(config_type):
    def command(
        config: tyro.conf.OmitArgPrefixes[config_type],  # type: ignore[valid-type]
        out: Path = RESULTS,
        redraw: bool = False,
    ) -> tuple[Any, Path, bool]:
        """Parse.

        Args:
          config: the study.
          out: directory of the results.
          redraw: compute nothing; show and draw the stored results.
        """
        return config, out, redraw

    return command


def compute(
    points: Sequence[Row],
    evaluate: Callable[[Row], Iterable[Row]],
    journal: Path,
    config: Any,
    *,
    workers: int = 1,
) -> list[Row]:
    """Evaluate points, each written to a journal as soon as it is done; with several workers, as many at a time, in threads.

    A point is a row of coordinates; what `evaluate` returns are rows of results for it. Points that the journal holds already,
    from an interrupted run of the same config, are not computed again.
    """
    if workers < 1:
        raise InputError(f"--workers is {workers}, but must be at least 1.")
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name != "workers"}
    head = json.dumps({"config": settings, "versions": _versions()}, sort_keys=True, default=str)
    done: dict[str, list[Row]] = {}
    if journal.exists():
        lines = journal.read_text(encoding="utf-8").splitlines()
        if lines and lines[0] == head:
            # A kill can leave the last line half written; only whole lines end in the closing brace of their object.
            done = {entry["point"]: entry["rows"] for entry in map(_parse, lines[1:]) if entry}
    with open(journal, "w", encoding="utf-8") as file:
        _append(file, head)
        for point, rows in done.items():
            _append(file, json.dumps({"point": point, "rows": rows}))
        labels = {json.dumps(point, sort_keys=True): point for point in points}
        left = [label for label in labels if label not in done]
        console = rich.console.Console(stderr=True)
        # Threads of the linear algebra below would wait for those of the points, for most of the time.
        blas = threadpoolctl.threadpool_limits(1 if workers > 1 else None, user_api="blas")
        with blas, ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(_evaluate, evaluate, label, labels[label], file) for label in left]
            try:
                for future in rich.progress.track(
                    as_completed(futures), description="points", total=len(left), console=console
                ):
                    label, done[label] = future.result()
            finally:
                pool.shutdown(cancel_futures=True)
    return [row for label in labels for row in done[label]]


def _evaluate(evaluate, label, point, file):
    rows = [{**point, **row} for row in evaluate(point)]
    _append(file, json.dumps({"point": label, "rows": rows}))
    return label, rows


def _parse(line):
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _append(file, line):
    with WRITING:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def dataset(rows: Sequence[Row], dims: Sequence[str], **attributes: Any) -> xr.Dataset:
    """Rows as a dataset with the named dimensions; coordinates in order of first appearance."""
    coordinates = {dim: list(dict.fromkeys(row[dim] for row in rows)) for dim in dims}
    where = {dim: {value: i for i, value in enumerate(values)} for dim, values in coordinates.items()}
    shape = [len(values) for values in coordinates.values()]
    names = [name for name in rows[0] if name not in dims]
    arrays = {name: np.full(shape, np.nan) for name in names}
    for row in rows:
        index = tuple(where[dim][row[dim]] for dim in dims)
        for name in names:
            arrays[name][index] = np.nan if row[name] is None else row[name]
    return xr.Dataset({name: (dims, array) for name, array in arrays.items()}, coordinates, attributes)


def mean_and_error(values: xr.DataArray, over: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean and standard error over a dimension."""
    count = values.notnull().sum(over)
    return values.mean(over), values.std(over, ddof=1) / np.sqrt(count)


def compare(ours: Callable[[], Any], peer: Callable[[], Any] | None, repeats: int) -> dict[str, float]:
    """Median seconds of both, run in turn, after a first run of ours that compiles; NaN without a peer."""
    started = time.perf_counter()
    jax.block_until_ready(ours())
    first = time.perf_counter() - started
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(repeats):
        for label, function in (("ours", ours), ("peer", peer)):
            if function is not None:
                started = time.perf_counter()
                jax.block_until_ready(function())
                times[label].append(time.perf_counter() - started)
    mine, other = (float(np.median(times[label])) if times[label] else np.nan for label in ("ours", "peer"))
    return {"ours_s": mine, "peer_s": other, "ratio": other / mine, "first_s": first}


def _store(name, results, config, out, seconds):
    frame = results.to_dataframe().dropna(how="all").reset_index()
    table = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_whole(out / f"{name}.csv", table.encode())
    facts = {
        "dimensions": list(results.dims),
        "attributes": results.attrs,
        "command": shlex.join(["python", "-m", f"experiments.{name}", *sys.argv[1:]]),
        "config": dataclasses.asdict(config),
        "seconds": round(seconds, 1),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {jax.default_backend()}",
        "versions": _versions(),
    }
    write_whole(out / f"{name}.json", (json.dumps(facts, indent=2, default=str) + "\n").encode())


def _load(name, out):
    facts = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    rows = pandas.read_csv(out / f"{name}.csv").to_dict("records")
    return dataset(rows, facts["dimensions"], **facts["attributes"])


def _versions():
    return {"python": platform.python_version()} | {
        name: version(name) for name in ("jaxprune", "jax", "jaxlib", "numpy", "scipy")
    }
