"""The store of a sweep: Zarr with named dimensions, of which each network and point is there whole, with its checksum, or not.

A Zarr chunk holds the networks of one chunk of the sweep, for one rule at one fraction, so that a store can grow in all three.
Its files are read and written here, one by one, so that what is damaged is found and mended file by file. What there is, and of
which sweep, is said by the consolidated metadata, which is written last.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from jaxprune._checks import InputError, quoted
from jaxprune._provenance import versions
from jaxprune.networks import Ensemble
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._evaluate import Results, Task, rule_sources
from jaxprune.sweep._files import STORE, locked, remove_partial, remove_workshops, workshop, write_files
from jaxprune.sweep._layout import (
    CODEC,
    FINISHED,
    MARKS,
    MEASURED,
    ORIGINAL,
    POINT,
    VARIABLES,
    Variable,
    chunk_shape,
    coordinates,
    empty_store,
    kind_of,
    networks_of,
    place_of,
    sizes_of,
)

FAMILY = "jaxprune sweep"
FORMAT = f"{FAMILY} 3"
METADATA, ATTRIBUTES = ".zmetadata", ".zattrs"
GROWING = ("rules", "keep", "networks")
"""Settings by which a store can be extended."""
CREATION = 20.0
"""Seconds that a process waits for another one to make its store in the same folder."""


class DamagedStoreWarning(UserWarning):
    """Results in a store are not what was written there."""


class Content(NamedTuple):
    """What a store holds: all arrays, and which networks and points are complete, or were and are damaged."""

    values: dict[str, np.ndarray]
    finished: np.ndarray
    damaged: np.ndarray
    original_finished: np.ndarray
    original_damaged: np.ndarray


@dataclasses.dataclass(frozen=True)
class Store:
    """The store of a sweep, open for this process alone.

    Attributes:
      path: where it is.
      config: all that it holds, or will hold.
      dtype: of its results.
      attributes: what it says of itself.
      new: whether this process made it.
    """

    path: Path
    config: SweepConfig
    dtype: str
    attributes: dict[str, Any]
    new: bool

    def tasks(self, config: SweepConfig) -> list[Task]:
        """What is missing of a sweep, by chunk; damaged results are missing, and one warning says so."""
        if self.new:
            return [Task(chunk, tuple(itertools.product(config.rules, config.keep))) for chunk in range(config.chunks)]
        content = read(self.path, self.config, self.dtype, self.attributes)
        if found := _damage(self.config, content):
            warnings.warn(
                f"{quoted(self.path, 80)} is damaged: {found}, and computed again.",
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
        """Write what a task computed, and, once it is on the disk, the checksums that say that it is complete."""
        data, marks = {}, {}
        networks = range(self.config.networks)[networks_of(self.config, task.chunk)]
        parts: list[tuple[str, tuple[int, ...], str, Mapping[str, np.ndarray], dict[str, Variable]]]
        parts = [("checksum_original", (task.chunk,), "", results.original, ORIGINAL)]
        for (rule, keep), measured in results.measured.items():
            place = (task.chunk, self.config.rules.index(rule), self.config.keep.index(keep))
            parts.append(("checksum", place, _point(rule, keep, self.attributes), measured, MEASURED))
        for mark, place, point, found, variables in parts:
            values = {name: self._stored(name, found[name]) for name in variables}
            sums = _checksums(_identity(self.attributes), networks, point, values)
            data |= {place_of(self.path, name, place): self._encode(name, block) for name, block in values.items()}
            marks[place_of(self.path, mark, place)] = self._encode(mark, sums)
        write_files(data)
        write_files(marks)

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


@contextlib.contextmanager
def opened(path: Path, config: SweepConfig, dtype: str) -> Iterator[Store]:
    """Open a sweep's store for this process alone; create or extend it as needed.

    Raises:
      InputError: `path` holds something else, or the store of another sweep or made with other versions, and is not touched; or
        another process works on it.
      OSError: a place that cannot be written.
    """
    attributes = _attributes(config, dtype)
    busy = f"another process is working on {quoted(path, 80)}: wait for it, or choose another place."
    with contextlib.ExitStack() as held:
        new = False
        if _is_free(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.parent, busy, patience=CREATION):
                new = _is_free(path)
                if new:
                    _create(path, config, dtype, attributes, partial(_hold, held, busy))
        if not new:
            _stored_attributes(path)
            _hold(held, busy, path)
            remove_partial(path)
            config, attributes = _extend(path, config, dtype, attributes)
        yield Store(path, config, dtype, attributes, new)


def _hold(held, busy, path):
    held.enter_context(locked(path, busy))


def load(path: str | os.PathLike) -> xr.Dataset:
    """Read the results of a sweep, finished or not, into memory.

    `finished`, over (network, rule, keep), says which are there. Results that are not what was written count as not finished.

    Warns:
      DamagedStoreWarning: there are such results.

    Raises:
      InputError: no store of a sweep at this place, or one whose description is damaged.
    """
    path = Path(path)
    attributes = _stored_attributes(path)
    config = _stored_config(path, attributes)
    content = read(path, config, attributes["dtype"], attributes)
    if found := _damage(config, content):
        warnings.warn(
            f"{quoted(path, 80)} is damaged: {found}, and left out: run the sweep again, which computes them again.",
            DamagedStoreWarning,
            stacklevel=2,
        )
    variables = {name: (dims, content.values[name], {"description": why}) for name, (dims, _, why) in MEASURED.items()}
    variables |= {name: (dims, content.values[name], {"description": why}) for name, (dims, _, why) in ORIGINAL.items()}
    variables["finished"] = (POINT, content.finished, {"description": FINISHED})
    return xr.Dataset(variables, coordinates(config), attributes)


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


def read(path: Path, config: SweepConfig, dtype: str, attributes: dict[str, Any]) -> Content:
    """Read and verify all that a store holds; what is not complete is NaN (or zero)."""
    # Marks first: what they call complete was complete before, even while another process writes.
    values = {name: _read(path, name, config, dtype) for name in (*MARKS, *ORIGINAL, *MEASURED)}
    identity, networks = _identity(attributes), range(config.networks)
    right = np.zeros_like(values["checksum"])
    for (r, rule), (k, keep) in itertools.product(enumerate(config.rules), enumerate(config.keep)):
        at = {name: values[name][:, r, k] for name in MEASURED}
        marked = values["checksum"][:, r, k] != 0
        right[:, r, k] = _checksums(identity, networks, _point(rule, keep, attributes), at, where=marked)
    original = _checksums(
        identity, networks, "", {name: values[name] for name in ORIGINAL}, where=values["checksum_original"] != 0
    )
    finished, damaged = _compare(values["checksum"], right)
    original_finished, original_damaged = _compare(values["checksum_original"], original)
    for variables, good in ((MEASURED, finished), (ORIGINAL, original_finished)):
        for name in variables:
            values[name][~good] = kind_of(name, dtype)[1]
    return Content(values, finished, damaged, original_finished, original_damaged)


def _compare(stored, right):
    return (stored != 0) & (stored == right), (stored != 0) & (stored != right)


def _read(path, name, config, dtype):
    """A whole array; chunks that are not there are filled, and those that cannot be read, too, or marked if they are marks."""
    kind, fill = kind_of(name, dtype)
    sizes, chunk = sizes_of(config), chunk_shape(name, config)
    shape = tuple(sizes[dim] for dim in VARIABLES[name][0])
    counts = [-(-size // step) for size, step in zip(shape, chunk, strict=True)]
    padded = np.full([count * step for count, step in zip(counts, chunk, strict=True)], fill, kind)
    for place in itertools.product(*map(range, counts)):
        where = tuple(slice(i * step, (i + 1) * step) for i, step in zip(place, chunk, strict=True))
        try:
            content = (path / name / ".".join(map(str, place))).read_bytes()
            padded[where] = np.frombuffer(CODEC.decode(content), kind).reshape(chunk)
        except FileNotFoundError:
            continue
        except Exception:  # damaged in whatever way
            padded[where] = 1 if name in MARKS else fill
    return padded[tuple(slice(size) for size in shape)]


def _checksums(identity, networks, point, values, where=None):
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


def _identity(attributes):
    """What all results of a store have in common."""
    settings = {k: v for k, v in json.loads(attributes["config"]).items() if k not in GROWING}
    return json.dumps([settings, attributes["dtype"], json.loads(attributes["versions"])], sort_keys=True)


def _point(rule, keep, attributes):
    return json.dumps([rule, keep, json.loads(attributes["rules"]).get(rule)], sort_keys=True)


def _damage(config, content):
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


def _is_free(path):
    """Whether a store can be made here."""
    if not os.path.lexists(path):
        return True
    return path.is_dir() and not any(path.iterdir()) and path.resolve() != Path.cwd()


def _create(path, config, dtype, attributes, hold):
    """Made beside its place and moved there whole, so that a store either is complete in its metadata or does not exist."""
    remove_workshops(path)
    with workshop(path) as place:
        (place / STORE).mkdir()
        files = empty_store(config, dtype, attributes)
        write_files({place / STORE / name: content for name, content in files.items()})
        hold(place / STORE)  # before anybody else can see it
        (place / STORE).rename(path)


def _extend(path, config, dtype, attributes):
    """Describe what will be in a store, too; its consolidated metadata, which alone is read, comes last."""
    there = _stored_attributes(path)
    stored = _stored_config(path, there)
    _check_same(path, there, attributes)
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
    files = {path / name: content for name, content in empty_store(union, dtype, new).items()}
    changed = {place: content for place, content in files.items() if _content(place) != content}
    last = changed.pop(path / METADATA, None)
    if changed:
        write_files(changed)
    if last is not None:
        write_files({path / METADATA: last})
    return union, new


def _content(path):
    try:
        return path.read_bytes()
    except OSError:
        return None


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


def _stored_attributes(path):
    """What a store says of itself.

    Raises:
      InputError: no store of this format.
    """
    shown = quoted(path, 80)
    attributes = None
    for name in (METADATA, ATTRIBUTES):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            found = json.loads((path / name).read_bytes())
            attributes = attributes or (found["metadata"][ATTRIBUTES] if name == METADATA else found)
    if not isinstance(attributes, Mapping):
        if os.path.lexists(path):
            raise InputError(f"{shown} is not the store of a sweep: choose another place. Nothing was changed.")
        raise InputError(f"{shown} is not the store of a sweep: there is nothing at this place.")
    found = attributes.get("format")
    if str(found).startswith(FAMILY) and found != FORMAT:
        raise InputError(
            f"{shown} is the store of a sweep by another version of this package ({quoted(found)}, not {FORMAT!r}): read it "
            "with that version, or run the sweep again in another place."
        )
    if found != FORMAT:
        raise InputError(f"{shown} is not the store of a sweep: it says format {quoted(found)}, not {FORMAT!r}.")
    return dict(attributes)


def _stored_config(path, attributes):
    """The sweep of a store, from its attributes; they are complete and of the right types afterwards."""
    try:
        settings: dict[str, Any] = json.loads(attributes["config"])
        config = _config_of(settings)
        sound = json.dumps(config.settings(), sort_keys=True) == json.dumps(settings, sort_keys=True)
        sound &= all(type(size) is int and size > 0 for size in (*config.ensemble.sizes, config.networks, config.chunk))
        sound &= attributes["dtype"] in ("float32", "float64")
        sound &= all(isinstance(json.loads(attributes[name]), dict) for name in ("versions", "rules"))
    except Exception:  # whatever can be wrong with it
        sound = False
    if not sound:
        raise InputError(
            f"the description of {quoted(path, 80)} is damaged (its attributes config, dtype, versions or rules): run the "
            "sweep again in another place."
        )
    config.check_results()
    return config


def _config_of(settings: dict[str, Any]) -> SweepConfig:
    """The sweep that has these settings (`SweepConfig.settings`)."""
    fields = {field.name for field in dataclasses.fields(Ensemble)}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    ensemble = Ensemble(**{name: value for name, value in settings.items() if name in fields})
    return SweepConfig(ensemble, **{name: value for name, value in settings.items() if name not in fields})


def _check_same(path, stored, attributes):
    kinds = {"config": "config", "versions": "installation", "rules": "version of a rule"}
    for name, kind in kinds.items():
        old, new = json.loads(stored[name]), json.loads(attributes[name])
        ignored = GROWING if name == "config" else old.keys() ^ new.keys() if name == "rules" else ()
        different = [
            f"{key} {quoted(old.get(key))} there, {quoted(new.get(key))} here"
            for key in sorted(old | new)
            if old.get(key) != new.get(key) and key not in ignored
        ]
        if different:
            raise InputError(
                f"{quoted(path, 80)} was written with another {kind} ({'; '.join(different[:2])}): "
                "choose another place, or go on with the same one. Nothing was changed."
            )
    if stored["dtype"] != attributes["dtype"]:
        raise InputError(
            f"{quoted(path, 80)} was written in {stored['dtype']}, this process computes in {attributes['dtype']}. "
            "Nothing was changed."
        )
