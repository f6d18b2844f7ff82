"""Running a sweep: what is missing is computed, chunk by chunk, and stored."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import xarray as xr

from jaxprune._checks import InputError
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._evaluate import evaluate, rule_sources, try_rules
from jaxprune.sweep._executors import Executor, serial
from jaxprune.sweep._store import load, opened, select


def run(
    config: SweepConfig,
    out: str | os.PathLike,
    *,
    executor: Executor = serial,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> xr.Dataset:
    """Run a sweep, finish one that was interrupted, or extend one by rules, fractions or networks.

    Results are written after each chunk; an interruption of any kind loses at most the chunks being computed. What is there
    already is verified and not computed again, and the rest gives the bits of a sweep that was never interrupted, on the same
    installation and devices. A store may hold more than is asked for.

    Args:
      config: what to compute.
      out: the Zarr store, made if it does not exist.
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
        rule or of this package, and nothing is changed; another process works on it.
      OSError: a place that cannot be written, or a full disk.

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
    path, dtype = Path(out), str(jnp.zeros(()).dtype)
    with opened(path, config, dtype) as store:
        tasks = store.tasks(config)
        done, total = config.chunks - len(tasks), config.chunks
        progress(done, total)
        # All networks of a chunk are computed and stored together, also those that an earlier sweep had asked for.
        whole = dataclasses.replace(config, networks=store.config.networks)
        compute = partial(evaluate, whole, dtype=dtype, sources=rule_sources(config))
        written = False
        try:
            for task, results in executor(compute, tasks) if tasks else ():
                store.write(task, results)
                written = True
                done += 1
                progress(done, total)
        except InputError:
            if store.new and not written:
                shutil.rmtree(path)  # a refused sweep leaves nothing behind
            raise
        return select(load(path), config)
