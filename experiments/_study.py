"""What all studies share: command line, points that survive an interruption, results with the command that made them."""

import dataclasses
import inspect
import itertools
import json
import os
import shlex
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

import jax
import matplotlib as mpl
import numpy as np
import pandas
import rich.console
import rich.progress
import threadpoolctl
import tyro
import xarray as xr
from jax import Array
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxprune import InputError, networks, plot, provenance
from jaxprune.files import write_whole
from jaxprune.pruning import FragmentationWarning, UnstableWarning

RESULTS = Path(__file__).parent / "results"
MAPS, MANY_MAPS = Path("/proc/self/maps"), 20_000
WRITING = threading.Lock()
Row = dict[str, Any]
Config = TypeVar("Config")


def main(
    config_type: type[Config],
    points: Callable[[Config], Sequence[Row]],
    evaluate: Callable[..., Iterable[Row]],
    dims: Sequence[str],
    show: Callable[[xr.Dataset], None],
    draw: Callable[[xr.Dataset], Figure] | None = None,
    *,
    attributes: Sequence[str] = (),
) -> None:
    """Run a study from the command line: compute, store the table, the figure and their provenance, print.

    Args:
      config_type: a dataclass of settings, each an option of the command. One named `workers` is the number of points at a time;
        a property `stored_as` names the results, which by default have the study's name.
      points: `config -> rows` of coordinates, one for each point; an interrupted study goes on with the points that are missing.
      evaluate: `(config, **point) -> rows` of results of a point.
      dims: dimensions of the dataset that the rows make; what else is in them are its variables.
      show: prints the dataset.
      draw: its figure.
      attributes: names of settings, or properties, of the config that are stored with the dataset.
    """
    jax.config.update("jax_enable_x64", True)
    for kind in (FragmentationWarning, UnstableWarning):  # studies prune too much on purpose, and report it
        warnings.simplefilter("ignore", kind)
    study, about = Path(inspect.getfile(config_type)).stem, sys.modules[config_type.__module__].__doc__
    config, out, redraw, part = tyro.cli(
        _command(config_type), prog=f"python -m experiments.{study}", description=about
    )
    name = getattr(config, "stored_as", study)
    try:
        if redraw:
            results = load(name, out)
        elif part is not None:
            _compute_part(config, points(config), evaluate, out, name, *part)
            return
        else:
            out.mkdir(parents=True, exist_ok=True)
            journal, head = out / f".{name}.jsonl", _head(config)
            parts = [path for path in sorted(out.glob(f".{name}.part-*.jsonl")) if _entries(path, head)]
            rows = compute(config, points(config), evaluate, journal, parts)
            results = dataset(rows, dims, **{setting: getattr(config, setting) for setting in attributes})
            worked = sum(entry.get("seconds", 0) for entry in _entries(journal, head))  # over all points and runs
            _store(study, name, results, config, out, worked)
            for done in (journal, *parts):
                done.unlink(missing_ok=True)
        show(results)
        if draw is not None:
            with mpl.rc_context(plot.figure_settings()):
                figure = draw(results)
            plot.save_figure(figure, out / f"{name}.png")
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    print(f"\nwritten to {out}/{name}.*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clustered:
    """Settings of studies of clustered networks with a dominant leak.

    Attributes:
      sizes: neurons in each cluster.
      bridges: long-range entries.
      slack: dominance slack of the leak, in 1/time. Without any, a neuron that loses all inputs never comes back to rest.
      networks: number of networks.
      seed: seed of everything.
    """

    sizes: tuple[int, ...] = (200, 40, 160)
    bridges: int = 1000
    slack: float = 0.01
    networks: int = 8
    seed: int = 0

    @property
    def neurons(self) -> int:
        """Number of neurons, N."""
        return sum(self.sizes)

    def keys(self, network: int, number: int = 2) -> Array:
        """Random keys of one of the networks."""
        return jax.random.split(jax.random.fold_in(jax.random.key(self.seed), network), number)

    def matrix(self, key: Array) -> Array:
        """Dynamics matrix of a network."""
        return networks.Ensemble(sizes=self.sizes, bridges=self.bridges, margin=self.slack).network(key)


def each_network(config: Clustered) -> list[Row]:
    """Points of a study that compares everything on one network after the other."""
    return [{"network": index} for index in range(config.networks)]


def _command(config_type):
    def command(
        config: Any,
        out: Path = RESULTS,
        redraw: bool = False,
        part: tuple[int, int] | None = None,
    ) -> tuple[Any, Path, bool, tuple[int, int] | None]:
        """Parse.

        Args:
          config: the study.
          out: directory of the results.
          redraw: compute nothing; show and draw the stored results.
          part: K N, compute the K-th of N parts of the points and store no results; a run without it takes over all parts that it
            finds in OUT. Run the parts on several machines, or on one with a core each.
        """
        return config, out, redraw, part

    # The type of the study's settings is known here, not where the code is read.
    command.__annotations__["config"] = tyro.conf.OmitArgPrefixes[config_type]
    return command


def _compute_part(config, points, evaluate, out, name, number, count):
    """Some of the points, into a journal of their own."""
    if not 1 <= number <= count:
        raise InputError(f"--part is {number} {count}, but must be a number from 1, and how many parts there are.")
    out.mkdir(parents=True, exist_ok=True)
    compute(config, points[number - 1 :: count], evaluate, out / f".{name}.part-{number}-of-{count}.jsonl")
    print(f"part {number} of {count} is done; when all are, run the study without --part.")


def compute(
    config: Any,
    points: Sequence[Row],
    evaluate: Callable[..., Iterable[Row]],
    journal: Path,
    others: Sequence[Path] = (),
) -> list[Row]:
    """Evaluate points, each written to a journal as soon as it is done; as many at a time, in threads, as `config.workers` says.

    A point is a row of coordinates; what `evaluate(config, **point)` returns are rows of results for it. Points that the journal,
    or one of the others, holds already from a run of the same config and versions are not computed again. A journal of another
    run is moved aside.

    Raises:
      InputError: workers is below 1; what `evaluate` refuses, once the points that were already being computed are written.
    """
    workers, head = getattr(config, "workers", 1), _head(config)
    if workers < 1:
        raise InputError(f"--workers is {workers}, but must be at least 1.")
    found = {entry["point"]: entry for path in (*others, journal) for entry in _entries(path, head)}
    _keep_aside(journal, head)
    write_whole(journal, "".join(f"{line}\n" for line in (head, *map(json.dumps, found.values()))).encode())
    done: dict[str, list[Row]] = {point: entry["rows"] for point, entry in found.items()}
    labels = {json.dumps(point, sort_keys=True): point for point in points}
    left = [label for label in labels if label not in done]
    console = rich.console.Console(stderr=True)
    # Threads of the linear algebra below would wait for those of the points, for most of the time.
    blas = threadpoolctl.threadpool_limits(1 if workers > 1 else None, user_api="blas")
    with open(journal, "a", encoding="utf-8") as file, blas, ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(_evaluate, evaluate, config, label, labels[label], file) for label in left]
        try:
            for future in rich.progress.track(
                as_completed(futures), description="points", total=len(left), console=console
            ):
                label, done[label] = future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return [row for label in labels for row in done[label]]


def _evaluate(evaluate, config, label, point, file):
    started = time.perf_counter()
    rows = [{**point, **row} for row in evaluate(config, **point)]
    make_room()
    line = json.dumps({"point": label, "rows": rows, "seconds": round(time.perf_counter() - started, 1)})
    with WRITING:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    return label, rows


def make_room() -> None:
    """Drop compiled code before there is too much of it.

    Linux lets a process have 65,530 memory maps, and every compiled function takes some: beyond, the compiler crashes.
    """
    if MAPS.exists() and len(MAPS.read_bytes().splitlines()) > MANY_MAPS:
        jax.clear_caches()


def _head(config):
    """First line of a journal: what its points depend on."""
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name != "workers"}
    return json.dumps({"config": settings, "versions": provenance()["versions"]}, sort_keys=True, default=str)


def _keep_aside(journal, head):
    """A journal of another config or of other versions moves away, and is not replaced."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    if len(lines) < 2 or lines[0] == head:
        return
    places = (journal.with_name(f"{journal.name}.{number}") for number in itertools.count(1))
    aside = next(place for place in places if not place.exists())
    journal.rename(aside)
    print(
        f"{len(lines) - 1} points of another configuration, or of other versions, are now in {aside}", file=sys.stderr
    )


def _entries(journal, head):
    """Points of a journal; none if it begins otherwise."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    if not lines or lines[0] != head:
        return []
    # A kill can leave the last line half written; only whole lines end in the closing brace of their object.
    return [entry for entry in map(_parse, lines[1:]) if entry]


def _parse(line):
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


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


def cache() -> Path:
    """Folder of the user's for what studies can make again: decoded images, trained networks."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxprune"
    place.mkdir(parents=True, exist_ok=True)
    return place


def cell(values: xr.DataArray, over: str, digits: int = 3) -> str:
    """Mean ± standard error over a dimension, as it stands in a table; of one value, that alone."""
    mean, error = (float(x) for x in mean_and_error(values, over))
    return f"{mean:.{digits}f}" + ("" if np.isnan(error) else f" ± {error:.{digits}f}")


LOWER, HIGHER = "(lower is better)", "(higher is better)"


def line_style(rule: Any) -> dict[str, Any]:
    """Colour and dashes of a rule without its marker; those of a variant ("noise, original leak") are dots."""
    base, _, variant = str(rule).partition(", ")
    style = {name: value for name, value in plot.rule_style(base).items() if name in ("color", "linestyle")}
    return style | ({"linestyle": ":"} if variant else {})


def finding(figure: Figure, text: str, of: str = "") -> None:
    """What the figure shows, in words above it, on as many lines as its width asks for; below, of what it is shown."""
    lines = textwrap.wrap(text, int(10.5 * figure.get_figwidth()))
    figure.suptitle("\n".join([*lines, of] if of else lines), fontsize=11)


def legend_below(figure: Figure, ax: Axes, columns: int | None = None) -> None:
    """What is in one of the axes, below all of them; in one row by default."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns or len(labels))


def label_ends(figure: Figure, *axes: Axes, **options: Any) -> None:
    """The label of each line at its end; called last, as labels are placed for the sizes that the axes have by then."""
    figure.draw_without_rendering()
    for ax in axes:
        plot.label_lines(ax, **options)


def tick_at(axis: Axis, values: Iterable[float], form: str = "g") -> None:
    """Ticks at these values and nowhere else."""
    values = [float(value) for value in values]
    axis.set_ticks(values, [f"{value:{form}}" for value in values])
    axis.set_minor_locator(NullLocator())


def list_rows(ax: Axes, labels: Sequence[Any]) -> None:
    """Names of rows beside the axes, the first on top."""
    ax.set(yticks=range(len(labels)), yticklabels=[str(label) for label in labels], ylim=(len(labels) - 0.4, -0.6))


def dot(ax: Axes, values: xr.DataArray, over: str, place: float, **style: Any) -> None:
    """Mean and standard error over a dimension, in a row."""
    mean, error = (float(part) for part in mean_and_error(values, over))
    style = {"linestyle": "", "marker": "o"} | style
    ax.errorbar([mean], [place], xerr=None if np.isnan(error) else [error], **style)


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


def _store(study, name, results, config, out, seconds):
    frame = results.to_dataframe().dropna(how="all").reset_index()
    table = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_whole(out / f"{name}.csv", table.encode())
    facts = {
        "dimensions": list(results.dims),
        "attributes": results.attrs,
        "command": shlex.join(["python", "-m", f"experiments.{study}", *sys.argv[1:]]),
        "config": dataclasses.asdict(config),
        "seconds": round(seconds, 1),
        **provenance(),
    }
    write_whole(out / f"{name}.json", (json.dumps(facts, indent=2, default=str) + "\n").encode())


def load(name: str, out: Path) -> xr.Dataset:
    """What a study stored."""
    facts = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    rows = pandas.read_csv(out / f"{name}.csv").to_dict("records")
    return dataset(rows, facts["dimensions"], **facts["attributes"])
