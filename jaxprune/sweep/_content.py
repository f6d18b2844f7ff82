"""What a store holds: read whole, each network at each point told complete or damaged by its checksum."""

import hashlib
import itertools
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._description import identity_of, point_of
from jaxprune.sweep._layout import (
    CODEC,
    MARKS,
    MEASURED,
    ORIGINAL,
    VARIABLES,
    chunk_shape,
    file_of,
    kind_of,
    networks_of,
    sizes_of,
)
from jaxprune.sweep._place import Place


class Content(NamedTuple):
    """What a store holds: all arrays, and which networks and points are complete, or were and are damaged."""

    values: dict[str, np.ndarray]
    finished: np.ndarray
    damaged: np.ndarray
    original_finished: np.ndarray
    original_damaged: np.ndarray


def read(
    place: Place, config: SweepConfig, dtype: str, attributes: dict[str, Any], written: Collection[str] = ()
) -> Content:
    """Read and verify all that a store holds; what is not complete is NaN (or zero).

    Args:
      place: where it is.
      config: what it holds.
      dtype: the type of its results.
      attributes: what it says of itself.
      written: names of files that are there, whatever a list of them, which a network file system may keep for a while, says.
    """
    there = place.names() | set(written)
    # Marks first: what they call complete was complete before, even while another process writes.
    values = {name: _read(place, name, config, dtype, there) for name in (*MARKS, *ORIGINAL, *MEASURED)}
    identity, networks = identity_of(attributes), range(config.networks)
    right = np.zeros_like(values["checksum"])
    for (r, rule), (k, keep) in itertools.product(enumerate(config.rules), enumerate(config.keep)):
        at = {name: values[name][:, r, k] for name in MEASURED}
        marked = values["checksum"][:, r, k] != 0
        right[:, r, k] = checksums(identity, networks, point_of(rule, keep, attributes), at, where=marked)
    original = checksums(
        identity, networks, "", {name: values[name] for name in ORIGINAL}, where=values["checksum_original"] != 0
    )
    finished, damaged = _compare(values["checksum"], right)
    original_finished, original_damaged = _compare(values["checksum_original"], original)
    for variables, good in ((MEASURED, finished), (ORIGINAL, original_finished)):
        for name in variables:
            values[name][~good] = kind_of(name, dtype)[1]
    return Content(values, finished, damaged, original_finished, original_damaged)


def checksums(
    identity: str, networks: range, point: str, values: Mapping[str, np.ndarray], where: np.ndarray | None = None
) -> np.ndarray:
    """One for each network, of its values and of what they are; 0 outside `where`."""
    sums = np.zeros(len(networks), np.uint64)
    blocks = [(name.encode(), np.ascontiguousarray(values[name])) for name in sorted(values)]
    for position, network in enumerate(networks):
        if where is not None and not where[position]:
            continue
        digest = hashlib.blake2b(f"{identity}|{point}|{network}".encode(), digest_size=8)
        for name, block in blocks:
            digest.update(name)
            digest.update(block[position].tobytes())
        # 0 says that nothing is there, 1 that a mark cannot be read.
        sums[position] = max(int.from_bytes(digest.digest(), "little"), 2)
    return sums


def damage(config: SweepConfig, content: Content) -> str:
    """What is damaged, in words; nothing if nothing is."""
    found = [
        f"network {network}, {config.rules[rule]} at {config.keep[keep]:g}"
        for network, rule, keep in np.argwhere(content.damaged)
    ]
    found += [f"original network {network}" for network in np.flatnonzero(content.original_damaged)]
    if not found:
        return ""
    what = "1 result is" if len(found) == 1 else f"{len(found)} results are"
    return f"{what} not what was written ({'; '.join(found[:2])}{'; ...' if found[2:] else ''})"


def part_of(content: Content, config: SweepConfig, asked: SweepConfig) -> Content:
    """The networks and points of what a store holds that belong to a sweep, chunks of networks whole; without the values."""
    networks = slice(networks_of(config, asked.chunks - 1).stop)
    points = np.ix_(
        [config.rules.index(rule) for rule in asked.rules], [config.keep.index(keep) for keep in asked.keep]
    )
    finished, damaged = (marks[networks][:, *points] for marks in (content.finished, content.damaged))
    return Content({}, finished, damaged, content.original_finished[networks], content.original_damaged[networks])


def _compare(stored, right):
    return (stored != 0) & (stored == right), (stored != 0) & (stored != right)


def _read(place, name, config, dtype, there):
    """A whole array; chunks that are not there are filled, and those that cannot be read, too, or marked if they are marks."""
    kind, fill = kind_of(name, dtype)
    sizes, chunk = sizes_of(config), chunk_shape(name, config)
    shape = tuple(sizes[dim] for dim in VARIABLES[name][0])
    counts = [-(-size // step) for size, step in zip(shape, chunk, strict=True)]
    padded = np.full([count * step for count, step in zip(counts, chunk, strict=True)], fill, kind)
    files = {file_of(name, at): at for at in itertools.product(*map(range, counts))}
    for file, content in place.read(file for file in files if file in there).items():
        where = tuple(slice(i * step, (i + 1) * step) for i, step in zip(files[file], chunk, strict=True))
        try:
            padded[where] = np.frombuffer(CODEC.decode(content), kind).reshape(chunk)
        except Exception:  # damaged in whatever way
            padded[where] = 1 if name in MARKS else fill
    return padded[tuple(slice(size) for size in shape)]
