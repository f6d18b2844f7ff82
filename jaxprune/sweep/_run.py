"""Running a sweep: what is missing is computed, chunk by chunk, and stored."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import xarray as xr

from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._evaluate import evaluate, rule_sources, try_rules
from jaxprune.sweep._executors import Executor, serial
from jaxprune.sweep._store import load, missing_chunks, open_or_create, write_chunk


def run(
    config: SweepConfig,
    out: str | os.PathLike,
    *,
    executor: Executor = serial,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> xr.Dataset:
    """Run a sweep, or finish one that was interrupted.

    Results are written after each chunk; an interruption of any kind loses at most the chunks being computed, and running the
    same config again on the same installation gives the bits of an uninterrupted run.

    Args:
      config: what to compute.
      out: the Zarr store, made if it does not exist.
      executor: where chunks are computed; see `serial` and `dask`.
      progress: called with the number of finished chunks and of all chunks, at the start and after each chunk.

    Returns:
      Dataset with dimensions (network, rule, keep, mode); each variable describes itself, and config, seed and versions are
      attributes.

    Raises:
      InputError: a config that cannot be computed; a rule of your own that cannot be imported, or fails on the first network;
        `out` holds something else, or the store of another config or of another version of such a rule; nothing is changed.
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
    path = Path(out)
    dtype = str(jnp.zeros(()).dtype)
    open_or_create(path, config, dtype)
    missing = missing_chunks(path, config)
    done = config.chunks - len(missing)
    progress(done, config.chunks)
    for chunk, results in executor(partial(evaluate, config, dtype=dtype, sources=rule_sources(config)), missing):
        write_chunk(path, config, chunk, results)
        done += 1
        progress(done, config.chunks)
    return load(path)
