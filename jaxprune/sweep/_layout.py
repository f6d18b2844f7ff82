"""How the results of a sweep lie in its store: arrays with named dimensions, and the chunks that each is cut into."""

from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.storage import MemoryStore

from jaxprune.sweep._config import SweepConfig

CODEC = numcodecs.Zstd(level=1)
POINT = ("network", "rule", "keep")
MODES = (*POINT, "mode")

Variable = tuple[tuple[str, ...], str, str]
"""Dimensions, type ("float" is that of the sweep) and meaning."""

MEASURED: dict[str, Variable] = {
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
}
ORIGINAL: dict[str, Variable] = {
    "eigenvalue_real": (("network", "mode"), "float", "eigenvalues of the original network, real part, in 1/time"),
    "eigenvalue_imag": (("network", "mode"), "float", "the same, imaginary part"),
}
MARKS: dict[str, Variable] = {
    "checksum": (POINT, "uint64", "of all measures of a network at a point; 0 as long as they are not complete"),
    "checksum_original": (("network",), "uint64", "the same of what is stored of the original network"),
}
VARIABLES = MEASURED | ORIGINAL | MARKS
FINISHED = "whether this network's results at this point are complete and undamaged"


def empty_store(config: SweepConfig, dtype: str, attributes: dict[str, Any]) -> dict[str, bytes]:
    """All files of an empty store by name: its metadata and coordinates."""
    files: dict[str, Any] = {}
    group = zarr.open_group(MemoryStore(files), mode="w", zarr_format=2, attributes=attributes)
    sizes = sizes_of(config)
    for name, (dims, _, meaning) in VARIABLES.items():
        kind, fill = kind_of(name, dtype)
        group.create_array(
            name,
            shape=tuple(sizes[dim] for dim in dims),
            chunks=chunk_shape(name, config),
            dtype=kind,
            fill_value=fill if kind.kind == "f" else None,
            compressors=CODEC,
            attributes={"_ARRAY_DIMENSIONS": list(dims), "description": meaning},
        )
    for name, values in coordinates(config).items():
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=values.shape,
            dtype=values.dtype,
            fill_value=None,
            compressors=CODEC,
            attributes={"_ARRAY_DIMENSIONS": [name]},
        )
        array[:] = values
    zarr.consolidate_metadata(group.store, zarr_format=2)
    return {name: content.to_bytes() for name, content in files.items()}


def coordinates(config: SweepConfig) -> dict[str, np.ndarray]:
    """Labels of each dimension."""
    return {
        "rule": np.array(config.rules),
        "keep": np.array(config.keep),
        "network": np.arange(config.networks),
        "mode": np.arange(config.ensemble.neurons),
    }


def sizes_of(config: SweepConfig) -> dict[str, int]:
    """Length of each dimension."""
    return {
        "network": config.networks,
        "rule": len(config.rules),
        "keep": len(config.keep),
        "mode": config.ensemble.neurons,
    }


def chunk_shape(name: str, config: SweepConfig) -> tuple[int, ...]:
    """Shape of the chunks of an array: the networks of one chunk of the sweep, at one point."""
    steps = {"network": config.chunk, "rule": 1, "keep": 1, "mode": config.ensemble.neurons}
    return tuple(steps[dim] for dim in VARIABLES[name][0])


def kind_of(name: str, dtype: str) -> tuple[np.dtype, Any]:
    """Type of an array, and what it holds where there is nothing yet."""
    kind = VARIABLES[name][1]
    return (np.dtype(dtype), np.nan) if kind == "float" else (np.dtype(kind), 0)


def file_of(name: str, place: tuple[int, ...]) -> str:
    """Name of the file of a chunk of an array, by its place among the chunks."""
    # An array over networks and modes has one chunk of modes.
    place = place + (0,) * (len(VARIABLES[name][0]) - len(place))
    return f"{name}/{'.'.join(map(str, place))}"


def networks_of(config: SweepConfig, chunk: int) -> slice:
    """Networks of a chunk of the sweep; the last may hold fewer."""
    return slice(chunk * config.chunk, min((chunk + 1) * config.chunk, config.networks))
