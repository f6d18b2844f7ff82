"""The store of a sweep: Zarr with named dimensions, filled chunk by chunk, marked when a chunk is whole."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from jaxprune._checks import InputError
from jaxprune._provenance import versions
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._evaluate import rule_sources

FAMILY = "jaxprune sweep"
FORMAT = f"{FAMILY} 2"
POINT = ("network", "rule", "keep")
MODES = (*POINT, "mode")

VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "eigenvalue_error": (MODES, "float", "|mu/lambda - 1|, pruned eigenvalue mu paired to lambda, slowest mode first"),
    "mode_error": (
        MODES,
        "float",
        "|u* S v / lambda - 1| along the original's own modes (left and right eigenvectors u, v)",
    ),
    "angle": (MODES, "float", "cosine of the angle between v and S v"),
    "h2_error": (
        POINT,
        "float",
        "relative H2 error of the response to noise; infinite if the pruned network is not stable",
    ),
    "stationary": (
        POINT,
        "float",
        "information lost about activity at one moment, in nats per neuron; infinite as above",
    ),
    "path": (POINT, "float", "information lost about trajectories, in nats per neuron and unit of time"),
    "epsilon": (POINT, "float", "realised spectral error: largest |generalised eigenvalue - 1|"),
    "epsilon_bound": (POINT, "float", "epsilon promised by the theorem (c = 4); says nothing above 1"),
    "abscissa": (POINT, "float", "largest real part of the pruned eigenvalues, in 1/time"),
    "dominance_slack": (POINT, "float", "smallest row slack of the pruned matrix, in 1/time"),
    "kept": (POINT, "int32", "synapses kept, as entries"),
    "kept_fraction": (POINT, "float", "synapses kept, as a fraction"),
    "max_amplification": (POINT, "float", "largest factor by which a kept synapse grew"),
    "guarantee": (POINT, "int8", "guarantee of the certificate: 0 none, 1 stable, 2 quadratic form, 3 spectrum"),
    "eigenvalue_real": (("network", "mode"), "float", "eigenvalues of the original network, real part, in 1/time"),
    "eigenvalue_imag": (("network", "mode"), "float", "the same, imaginary part"),
    "finished": (("network",), "bool", "whether this network's results are complete"),
}


def open_or_create(path: Path, config: SweepConfig, dtype: str) -> None:
    """Make an empty store for a sweep, or check that an existing one is of exactly this sweep.

    Raises:
      InputError: `path` holds something else, or a store of another config or made with other versions; it is not touched.
      OSError: a place that cannot be written.
    """
    attributes = _attributes(config, dtype)
    if path.exists():
        _check_same(path, attributes)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there whole, so that a store either is complete in its metadata or does not exist.
    workshop = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _template(config, dtype, attributes).to_zarr(
            workshop / "store", encoding=_encoding(config), compute=True, consolidated=True, zarr_format=2
        )
        (workshop / "store").rename(path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def missing_chunks(path: Path, config: SweepConfig) -> list[int]:
    """Chunks that are not complete yet."""
    finished = np.asarray(zarr.open_array(path, path="finished", mode="r"))
    return [chunk for chunk in range(config.chunks) if not finished[_networks(config, chunk)].all()]


def write_chunk(path: Path, config: SweepConfig, chunk: int, results: dict[str, np.ndarray]) -> None:
    """Write a chunk's results, then, and only then, the mark that it is whole."""
    where = _networks(config, chunk)
    for name, values in (*results.items(), ("finished", np.array(True))):
        zarr.open_array(path, path=name, mode="r+")[where] = values


def load(path: str | os.PathLike) -> xr.Dataset:
    """Open the results of a sweep, finished or not.

    Raises:
      InputError: no store of a sweep at this place.
    """
    try:
        dataset = xr.open_zarr(path, chunks=None, consolidated=True)
    except Exception as error:  # the storage library has many ways to say that this is no store
        raise InputError(f"{path} is not the store of a sweep, or is damaged ({_one_line(error)}).") from error
    found = dataset.attrs.get("format")
    if str(found).startswith(FAMILY) and found != FORMAT:
        raise InputError(
            f"{path} is the store of a sweep by another version of this package ({found!r}, not {FORMAT!r}), which holds other "
            "measures: read it with that version, or run the sweep again in another place."
        )
    if found != FORMAT:
        raise InputError(f"{path} is not the store of a sweep: it says format {found!r}, not {FORMAT!r}.")
    return dataset


def _template(config, dtype, attributes):
    sizes = {
        "network": config.networks,
        "rule": len(config.rules),
        "keep": len(config.keep),
        "mode": config.ensemble.neurons,
    }
    fill = {"float": (dtype, np.nan), "bool": ("bool", False)}
    variables = {}
    for name, (dims, kind, meaning) in VARIABLES.items():
        kind, value = fill.get(kind, (kind, 0))
        variables[name] = (dims, np.full([sizes[dim] for dim in dims], value, kind), {"description": meaning})
    coordinates = {
        "rule": ("rule", np.array(config.rules)),
        "keep": ("keep", np.array(config.keep)),
        "network": ("network", np.arange(config.networks)),
        "mode": ("mode", np.arange(config.ensemble.neurons)),
    }
    return xr.Dataset(variables, coordinates, attributes)


def _encoding(config):
    encoding = {}
    for name, (dims, *_) in VARIABLES.items():
        sizes = {
            "network": min(config.chunk, config.networks),
            "rule": len(config.rules),
            "keep": len(config.keep),
            "mode": config.ensemble.neurons,
        }
        encoding[name] = {"chunks": tuple(sizes[dim] for dim in dims)}
    return encoding


def _attributes(config, dtype):
    return {
        "format": FORMAT,
        "config": json.dumps(config.settings(), sort_keys=True),
        "seed": config.seed,
        "dtype": dtype,
        # Python's own version does not change a number.
        "versions": json.dumps({k: v for k, v in versions().items() if k != "python"}, sort_keys=True),
        "rules": json.dumps(rule_sources(config), sort_keys=True),
    }


def _check_same(path, attributes):
    stored = load(path).attrs
    kinds = {"config": "config", "versions": "installation", "rules": "version of a rule"}
    for name, kind in kinds.items():
        old, new = json.loads(stored.get(name, "{}")), json.loads(attributes[name])
        different = [
            f"{key} {old.get(key)!r} there, {new.get(key)!r} here"
            for key in sorted(old | new)
            if old.get(key) != new.get(key)
        ]
        if different:
            raise InputError(
                f"{path} was written with another {kind} ({'; '.join(different)}): "
                "choose another place, or go on with the same one. Nothing was changed."
            )
    if stored["dtype"] != attributes["dtype"]:
        raise InputError(
            f"{path} was written in {stored['dtype']}, this process computes in {attributes['dtype']}. Nothing was changed."
        )


def _networks(config, chunk):
    return slice(chunk * config.chunk, min((chunk + 1) * config.chunk, config.networks))


def _one_line(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
