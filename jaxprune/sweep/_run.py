"""Running a sweep: what is missing is computed, chunk by chunk, and written by whoever computed it."""

import dataclasses
import json
import os
import socket
from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import xarray as xr

from jaxprune._checks import InputError, quoted
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._description import installation
from jaxprune.sweep._evaluate import Results, Task, evaluate, rule_sources, try_rules
from jaxprune.sweep._executors import Executor, serial
from jaxprune.sweep._store import Store, opened, select

ROUNDS = 3
"""Times that what is found missing, after all was written, is computed again."""


def run(
    config: SweepConfig,
    out: str | os.PathLike,
    *,
    executor: Executor = serial,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> xr.Dataset:
    """Run a sweep, finish one that was interrupted, or extend one by rules, fractions or networks.

    Results are written after each chunk, by the worker that computed it where it sees `out`, and by this process where not; an
    interruption of any kind loses at most the chunks being computed. What is there already is verified and not computed again,
    and the rest gives the bits of a sweep that was never interrupted, on the same installation and devices, however many workers
    there are. In the end all is read and verified, and what is missing is computed again. A store may hold more than is
    asked for.

    One process works on a store at a time. A folder is locked, and files are on the disk before they are relied on; a file system
    without locks keeps nobody out. At a URL of an object store a lease keeps others out: it is renewed every 5 seconds, and after
    30 seconds without a sign of life another process takes it, so that a sweep whose process was killed goes on after that time.
    Two processes that begin within one second are told apart where the service can make an object only if there is none (S3 and
    the like can); where not, both may work, and whatever they spoil for each other is found by checksums and computed again.

    Args:
      config: what to compute.
      out: the Zarr store, made if it does not exist: a path, or a URL that fsspec knows, such as `s3://bucket/sweep.zarr`, with
        the credentials that fsspec finds in the environment of each process.
      executor: where chunks are computed; see `serial` and `dask`.
      progress: called with the number of finished chunks and of all chunks, at the start and after each chunk.

    Returns:
      Dataset with dimensions (network, rule, keep, mode), in memory; each variable describes itself, and config, seed and
      versions are attributes.

    Warns:
      DamagedStoreWarning: stored results that are not what was written; they are computed again.

    Raises:
      InputError: a config that cannot be computed; a rule of your own that cannot be imported, or fails on the first network;
        `out` holds something else, or the store of another ensemble, seed, chunk or precision, or of another version of such a
        rule or of this package, and nothing is changed; another process works on it; a URL that cannot be written.
      OSError: a folder that cannot be written, or a full disk.

    Example:
      >>> from jaxprune.networks import Ensemble
      >>> config = SweepConfig(Ensemble(sizes=(12, 8), bridges=10), keep=(0.5, 1.0), networks=3, chunk=2)
      >>> results = run(config, tmp_path / "results.zarr")
      >>> dict(results.epsilon.sizes)
      {'network': 3, 'rule': 7, 'keep': 2}
      >>> bool((results.epsilon.sel(rule="noise", keep=1.0) < 1e-12).all())
      True
    """
    config.check()
    try_rules(config)
    dtype = str(jnp.zeros(()).dtype)
    with opened(out, config, dtype) as store:
        written: list[Task] = []
        for again in range(ROUNDS + 1):
            content = store.read(written)
            tasks = store.missing(config, content)
            if not again:
                progress(config.chunks - len(tasks), config.chunks)
            if not tasks:
                return select(store.dataset(content), config)
            if again < ROUNDS:
                _compute(config, store, executor, tasks, written, progress)
    raise InputError(
        f"{quoted(store.place, 80)} lacks {len(tasks)} of {config.chunks} chunks though all were written {ROUNDS} times: see "
        "whether its disk, or another process, loses them."
    )


def _compute(config, store, executor, tasks, written, progress):
    """Compute and write tasks; a refused sweep leaves no new store behind."""
    # All networks of a chunk are computed and stored together, also those that an earlier sweep had asked for.
    whole = dataclasses.replace(config, networks=store.config.networks)
    work = partial(_work, store, partial(evaluate, whole, dtype=store.dtype, sources=rule_sources(config)))
    done = config.chunks - len(tasks)
    try:
        for task, results in executor(work, tasks):
            if results is not None:
                _write(store, task, results)
            written.append(task)
            done += 1
            progress(done, config.chunks)
    except InputError:
        # Workers may have written what nobody heard of.
        if store.new and not written and not store.read().finished.any():
            store.place.remove()
        raise


def _work(store: Store, compute: Callable[[Task], Results], task: Task) -> Results | None:
    """Compute a task and write it, on a worker; the results, where the store is not seen from here or not ours any more."""
    here = installation()
    if here != json.loads(store.attributes["versions"]):
        raise InputError(
            f"the packages on {socket.gethostname()} are other versions than those of the process that started the sweep: "
            "install the same ones everywhere."
        )
    if store.place.holds(store.token) and store.has(task):
        return None  # by a worker that was lost before it could say so
    results = compute(task)
    if not store.place.holds(store.token):
        return results
    store.write(task, results)
    return None


def _write(store, task, results):
    if store.place.is_lost(store.token):
        raise InputError(
            f"another process has taken {quoted(store.place, 80)}, as this one gave no sign of life for long: what is finished "
            "is kept, run the sweep again to go on."
        )
    store.write(task, results)
