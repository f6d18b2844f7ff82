"""Time and memory of whole commands, as processes of their own, each beside a peer in the same run.

A refusal of a file that is not there, beside an import of JAX alone; the default sweep, beside the same in two worker processes;
a longer one through two workers, beside the same work in this process, both after everything is compiled; the worm and the brain
of the fly larva pruned with all measures and a certificate, by the default rule and by one rule, beside all eigenvectors of the
original by NumPy, with which measures of the whole spectrum would begin. Times are medians; commands that take long, and their
peers, run once.
"""

import dataclasses
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rich.console
import rich.table
import xarray as xr

from experiments import _study
from jaxprune import InputError, networks, sweep

WORM = ("celegans_edges.csv", "celegans_neurons.csv")
FLY = ("drosophila_larva_edges.csv",)
CASES = (
    "a file that is not there",
    "default sweep",
    "worm, default",
    "fly, default",
    "fly, one rule",
    "sweep, 2 workers",
)
CHUNKS, WARM = 24, 6
"""Chunks of the longer sweep, and those after which every worker has compiled."""
DIMS = ("command",)
PRUNE = ("--keep", "0.2", "--out", "pruned.npz")
ONE_RULE = ("--rule", "weight+compensation")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: directory of the connectomes (see the README for where to get them).
      repeats: timed runs of the short commands.
      commands: which commands.
    """

    data: Path = Path("data/connectomes")
    repeats: int = 5
    commands: tuple[str, ...] = CASES


def points(config: Config) -> list[_study.Row]:
    """Commands by their names.

    Raises:
      InputError: an unknown command, or a connectome that is not there.
    """
    for name in config.commands:
        if name not in CASES:
            raise InputError(f"commands has {name!r}, but must be of {', '.join(map(repr, CASES))}.")
        for file in _files(name):
            if not (config.data / file).exists():
                raise InputError(
                    f"there is no {config.data / file}: pass --data with the directory of the connectomes."
                )
    return [{"command": name} for name in config.commands]


def evaluate(config: Config, command: str) -> list[_study.Row]:
    """Seconds of ours and of the peer, their ratio, and the peak memory of ours, where it is a process of its own."""
    if command == CASES[5]:
        ours, peer = (_sweep_seconds(executor) for executor in (sweep.dask(workers=2), sweep.serial))
        return [{"ours_s": ours, "peer_s": peer, "ratio": peer / ours, "memory_gb": np.nan, "runs": 1.0}]
    short = command == CASES[0]
    runs = config.repeats if short else 1
    ours, peers, peaks = [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as place:
            seconds, peak = _timed(_ours(config, command), place, 2 if short else 0)
            ours.append(seconds)
            peaks.append(peak)
            shutil.rmtree(Path(place) / "sweep.zarr", ignore_errors=True)
            peers.append(_peer(config, command, place))
    mine, other = float(np.median(ours)), float(np.median(peers))
    return [{"ours_s": mine, "peer_s": other, "ratio": other / mine, "memory_gb": max(peaks), "runs": float(runs)}]


def _files(command):
    """The connectome of a command: its edges and, for signs, its neurons."""
    if command == CASES[2]:
        return WORM
    return FLY if command in CASES[3:5] else ()


def _ours(config, command):
    program = [sys.executable, "-m", "jaxprune.cli"]
    if command == CASES[0]:
        return [*program, "prune", "nowhere.npy", *PRUNE]
    if command == CASES[1]:
        return [*program, "sweep", "--out", "sweep.zarr"]
    edges, *table = (str((config.data / file).resolve()) for file in _files(command))
    rule = ONE_RULE if command == CASES[4] else ()
    return [*program, "prune", edges, *(["--neurons", *table] if table else []), *PRUNE, *rule]


def _peer(config, command, place):
    if command == CASES[0]:
        return _timed([sys.executable, "-c", "import jax"], place, 0)[0]
    if command == CASES[1]:
        return _timed([*_ours(config, command), "--workers", "2", "--overwrite"], place, 0)[0]
    edges, *table = (config.data / file for file in _files(command))
    network = networks.read_edges(edges, neurons=table[0] if table else None)
    A = np.asarray(networks.scaled_inputs(network.matrix))
    started = time.perf_counter()
    np.linalg.eig(A)
    return time.perf_counter() - started


def _sweep_seconds(executor):
    """Seconds of the later chunks of a sweep, of default size."""
    config, seen = sweep.SweepConfig(), {}
    config = dataclasses.replace(config, networks=config.chunk * CHUNKS)
    with tempfile.TemporaryDirectory() as place:
        sweep.run(
            config,
            f"{place}/sweep.zarr",
            executor=executor,
            progress=lambda done, total: seen.setdefault(done, time.perf_counter()),
        )
    return seen[CHUNKS] - seen[WARM]


def _timed(command, place, status):
    """Seconds of a process, and its peak memory in GB; it must end with this status."""
    meter = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], capture_output=True).returncode; "
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    started = time.perf_counter()
    # Through a small process: the kernel counts the memory of the process that starts another as the other's.
    told = subprocess.run(
        [sys.executable, "-c", meter, *command], cwd=place, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - started
    code, peak = map(int, told.stdout.split())
    if code != status:
        raise InputError(f"{' '.join(command[2:6])} ended with status {code}, not {status}.")
    return seconds, peak / 1e6


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table("command", "ours, s", "peer, s", "peer / ours", "peak, GB", "runs")
    for name in results.command.values:
        at = results.sel(command=name)
        numbers = [(at.ours_s, ".2f"), (at.peer_s, ".2f"), (at.ratio, ".2f"), (at.memory_gb, ".2f"), (at.runs, ".0f")]
        table.add_row(name, *[format(float(value), spec) for value, spec in numbers])
    rich.console.Console(width=110).print(table)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show)
