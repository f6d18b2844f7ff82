"""The store of a sweep: Zarr with named dimensions, of which each network and point is there whole, with its checksum, or not.

A Zarr chunk holds the networks of one chunk of the sweep, for one rule at one fraction, so that a store can grow in all three,
and so that whoever computes a task writes files that nobody else writes. They are read and written here, one by one, so that what
is damaged is found and mended file by file. What there is, and of which sweep, is said by the consolidated metadata, which is
written last. Where the files lie, and what keeps two processes apart there, is the matter of the place.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import secrets
import warnings
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from jaxprune._checks import quoted
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._content import Content, checksums, damage, part_of, read
from jaxprune.sweep._description import (
    ATTRIBUTES,
    METADATA,
    attributes_of,
    check_same,
    identity_of,
    point_of,
    stored_attributes,
    stored_config,
)
from jaxprune.sweep._evaluate import Results, Task
from jaxprune.sweep._layout import (
    CODEC,
    FINISHED,
    MEASURED,
    ORIGINAL,
    POINT,
    Variable,
    chunk_shape,
    coordinates,
    empty_store,
    file_of,
    kind_of,
    networks_of,
)
from jaxprune.sweep._place import Place, place_at


class DamagedStoreWarning(UserWarning):
    """Results in a store are not what was written there."""


class Part(NamedTuple):
    """What is written with one checksum: its name and place among the chunks, its point (none: the originals), its arrays."""

    mark: str
    at: tuple[int, ...]
    point: tuple[str, float] | None
    variables: dict[str, Variable]


@dataclasses.dataclass(frozen=True)
class Store:
    """The store of a sweep, open for one process and its workers, to whom it is sent.

    Attributes:
      place: where it is.
      config: all that it holds, or will hold.
      dtype: of its results.
      attributes: what it says of itself.
      token: by which workers know that it is still the store of the process that sent them.
      new: whether this process made it.
    """

    place: Place
    config: SweepConfig
    dtype: str
    attributes: dict[str, Any]
    token: str
    new: bool

    def read(self, written: Collection[Task] = ()) -> Content:
        """All that is there; files of tasks that were written just now are not looked up in a list that may be older."""
        files = {file for task in written for file in self._files(task)}
        return read(self.place, self.config, self.dtype, self.attributes, files)

    def missing(self, config: SweepConfig, content: Content) -> list[Task]:
        """What is missing of a sweep, by chunk; damaged results are missing, and one warning says so."""
        if found := damage(config, part_of(content, self.config, config)):
            warnings.warn(
                f"{quoted(self.place, 80)} is damaged: {found}, and computed again.",
                DamagedStoreWarning,
                stacklevel=3,
            )
        tasks = []
        for chunk in range(config.chunks):
            where = networks_of(self.config, chunk)
            points = tuple(
                (rule, keep)
                for rule, keep in itertools.product(config.rules, config.keep)
                if not content.finished[where, self.config.rules.index(rule), self.config.keep.index(keep)].all()
            )
            if points or not content.original_finished[where].all():
                tasks.append(Task(chunk, points))
        return tasks

    def write(self, task: Task, results: Results) -> None:
        """Write what a task computed, and, once it is safe, the checksums that say that it is complete."""
        data, marks = {}, {}
        for part in self._parts(task):
            found = results.original if part.point is None else results.measured[part.point]
            values = {name: self._stored(name, found[name]) for name in part.variables}
            data |= {file_of(name, part.at): self._encode(name, block) for name, block in values.items()}
            marks[file_of(part.mark, part.at)] = self._encode(part.mark, self._checksums(task, part, values))
        self.place.write(data)
        self.place.write(marks)

    def has(self, task: Task) -> bool:
        """Whether all of a task is there, and what was written."""
        parts = self._parts(task)
        marks = [file_of(part.mark, part.at) for part in parts]
        # The first alone tells most tasks that have not been begun.
        if len(self.place.read(marks[:1])) < 1 or len(self.place.read(marks)) < len(marks):
            return False
        files = self.place.read(self._files(task))
        return all(self._is_right(task, part, files) for part in parts)

    def dataset(self, content: Content) -> xr.Dataset:
        """What is there, labelled."""
        return _dataset(content, self.config, self.attributes)

    def _parts(self, task: Task) -> list["Part"]:
        """A task's results: of the original networks, and of each point."""
        place = [
            (task.chunk, self.config.rules.index(rule), self.config.keep.index(keep)) for rule, keep in task.points
        ]
        measured = [Part("checksum", at, point, MEASURED) for at, point in zip(place, task.points, strict=True)]
        return [Part("checksum_original", (task.chunk,), None, ORIGINAL), *measured]

    def _files(self, task):
        return [file_of(name, part.at) for part in self._parts(task) for name in (*part.variables, part.mark)]

    def _checksums(self, task, part, values):
        networks = range(self.config.networks)[networks_of(self.config, task.chunk)]
        point = "" if part.point is None else point_of(part.point[0], part.point[1], self.attributes)
        return checksums(identity_of(self.attributes), networks, point, values)

    def _is_right(self, task, part, files):
        networks = networks_of(self.config, task.chunk)
        count = networks.stop - networks.start
        try:
            blocks = {
                name: self._decode(name, files[file_of(name, part.at)])[:count] for name in (*part.variables, part.mark)
            }
        except Exception:  # not there, or damaged in whatever way
            return False
        marks = blocks.pop(part.mark)
        return np.array_equal(marks.reshape(count), self._checksums(task, part, blocks))

    def _stored(self, name, values):
        """In the type of the store; there is one NaN, as a chunk of nothing else is not told from one without."""
        values = np.asarray(values).astype(kind_of(name, self.dtype)[0])
        return np.where(np.isnan(values), np.nan, values).astype(values.dtype) if values.dtype.kind == "f" else values

    def _encode(self, name, block):
        """A whole chunk of an array; `block` holds its networks, and the rest is filled."""
        dtype, fill = kind_of(name, self.dtype)
        shape = chunk_shape(name, self.config)
        whole = np.full(shape, fill, dtype)
        whole[: len(block)] = block.reshape(len(block), *shape[1:])
        return CODEC.encode(whole)

    def _decode(self, name, content):
        return np.frombuffer(CODEC.decode(content), kind_of(name, self.dtype)[0]).reshape(
            chunk_shape(name, self.config)
        )


@contextlib.contextmanager
def opened(out: str | os.PathLike, config: SweepConfig, dtype: str) -> Iterator[Store]:
    """Open a sweep's store for this process alone; create or extend it as needed.

    Raises:
      InputError: there is something else, or the store of another sweep or made with other versions, and is not touched; or
        another process works on it; a URL that cannot be written.
      OSError: a folder that cannot be written.
    """
    place, attributes, token = place_at(out), attributes_of(config, dtype), secrets.token_hex(8)
    busy = f"another process is working on {quoted(place, 80)}: wait for it, or choose another place."
    with contextlib.ExitStack() as held:
        stages = _stages(empty_store(config, dtype, attributes))
        new = place.is_free() and held.enter_context(place.created(stages, token, busy))
        if not new:
            stored_attributes(place)
            held.enter_context(place.held(token, busy))
            config, attributes = _extend(place, config, dtype, attributes)
        yield Store(place, config, dtype, attributes, token, new)


def load(path: str | os.PathLike) -> xr.Dataset:
    """Read the results of a sweep, finished or not, into memory, from a path or a URL.

    `finished`, over (network, rule, keep), says which are there. Results that are not what was written count as not finished.

    Args:
      path: of the store.

    Warns:
      DamagedStoreWarning: there are such results.

    Raises:
      InputError: no store of a sweep at this place, or one whose description is damaged; a URL that cannot be read.
    """
    place = place_at(path)
    content, config, attributes = look(place)
    if found := damage(config, content):
        warnings.warn(
            f"{quoted(place, 80)} is damaged: {found}, and left out: run the sweep again, which computes them again.",
            DamagedStoreWarning,
            stacklevel=2,
        )
    return _dataset(content, config, attributes)


def look(place: Place) -> tuple[Content, SweepConfig, dict[str, Any]]:
    """What a store holds, its sweep, and what it says of itself."""
    attributes = stored_attributes(place)
    config = stored_config(place, attributes)
    return read(place, config, attributes["dtype"], attributes), config, attributes


def select(results: xr.Dataset, config: SweepConfig) -> xr.Dataset:
    """The part of a store's results that a sweep asks for, in its order."""
    there = {name: results[name].values.tolist() for name in ("rule", "keep")}
    found = results.isel(
        network=slice(config.networks),
        rule=[there["rule"].index(rule) for rule in config.rules],
        keep=[there["keep"].index(keep) for keep in config.keep],
    )
    sources = json.loads(results.attrs["rules"])
    return found.assign_attrs(
        config=json.dumps(config.settings(), sort_keys=True),
        rules=json.dumps({name: sources[name] for name in config.rules if name in sources}, sort_keys=True),
    )


def _dataset(content, config, attributes):
    variables = {name: (dims, content.values[name], {"description": why}) for name, (dims, _, why) in MEASURED.items()}
    variables |= {name: (dims, content.values[name], {"description": why}) for name, (dims, _, why) in ORIGINAL.items()}
    variables["finished"] = (POINT, content.finished, {"description": FINISHED})
    return xr.Dataset(variables, coordinates(config), attributes)


def _stages(files: dict[str, bytes]) -> list[dict[str, bytes]]:
    """Files of metadata in the order in which they may appear: whose store it is, the rest, and what alone is read."""
    first, last = ({name: files[name]} if name in files else {} for name in (ATTRIBUTES, METADATA))
    rest = {name: content for name, content in files.items() if name not in (ATTRIBUTES, METADATA)}
    return [stage for stage in (first, rest, last) if stage]


def _extend(place, config, dtype, attributes):
    """Describe what will be in a store, too."""
    there = stored_attributes(place)
    stored = stored_config(place, there)
    check_same(place, there, attributes)
    union = dataclasses.replace(
        stored,
        rules=(*stored.rules, *(rule for rule in config.rules if rule not in stored.rules)),
        keep=(*stored.keep, *(keep for keep in config.keep if keep not in stored.keep)),
        networks=max(stored.networks, config.networks),
    )
    sources = json.loads(there["rules"]) | json.loads(attributes["rules"])
    new = attributes | {
        "config": json.dumps(union.settings(), sort_keys=True),
        "rules": json.dumps(sources, sort_keys=True),
    }
    files = empty_store(union, dtype, new)
    before = place.read(files)
    for stage in _stages({name: content for name, content in files.items() if before.get(name) != content}):
        place.write(stage)
    return union, new
