"""Stores: grown to the bits of a fresh sweep, never damaged without a word, worked on by one process at a time."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import jaxprune
from jaxprune import networks, sweep
from jaxprune.sweep import DamagedStoreWarning, _local, serial
from jaxprune.sweep._store import opened

TINY = sweep.SweepConfig(
    networks.Ensemble(sizes=(6, 4), bridges=4), rules=("noise", "weight+keep"), keep=(0.4, 0.8), networks=5, chunk=2
)
ALL = dataclasses.replace(TINY, rules=("uniform", *TINY.rules), keep=(0.4, 0.6, 0.8), networks=8)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A finished store, and its results."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.zarr"
    return path, sweep.run(TINY, path)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return sweep.run(ALL, tmp_path_factory.mktemp("all") / "all.zarr")


@pytest.fixture
def store(tiny, tmp_path):
    """A copy that can be spoilt."""
    shutil.copytree(tiny[0], tmp_path / "x.zarr")
    return tmp_path / "x.zarr"


def noting(tasks):
    """An executor that notes what it is asked for."""

    def run(function, items):
        items = list(items)
        tasks.extend(items)
        return serial(function, items)

    return run


def test_a_stored_sweep_can_be_opened_by_anybody(tiny):
    path, results = tiny
    there = xr.open_zarr(path, chunks=None).load()
    for name in set(results.data_vars) - {"finished"}:
        np.testing.assert_array_equal(there[name], results[name])
    assert results.rule.values.tolist() == there.rule.values.tolist() == list(TINY.rules)
    assert there.checksum.all()


def test_results_are_in_memory(store):
    results = sweep.load(store)
    shutil.rmtree(store)
    assert np.isfinite(results.h2_error.values).all()


@pytest.mark.parametrize(
    "steps",
    [
        ({"rules": ALL.rules}, {"keep": ALL.keep}, {"networks": 8}),
        ({"networks": 6}, {"keep": (0.6,)}, {"rules": ("uniform",)}, {}),
        ({"keep": ALL.keep, "rules": ALL.rules, "networks": 8},),
    ],
    ids=["one by one", "parts", "at once"],
)
def test_a_grown_store_has_the_bits_of_a_fresh_one(store, fresh, steps, monkeypatch):
    tasks, config = [], TINY
    for step in steps:
        config = dataclasses.replace(config, **step)
        sweep.run(config, store, executor=noting(tasks))
    results = sweep.run(ALL, store, executor=noting(tasks))
    xr.testing.assert_identical(results, fresh)
    # What was there, in chunks that were full, is not computed again.
    old = {(chunk, rule, keep) for chunk in range(2) for rule in TINY.rules for keep in TINY.keep}
    asked = [(task.chunk, *point) for task in tasks for point in task.points]
    assert not old & set(asked)
    assert len(asked) == len(set(asked)) or "parts" not in str(steps)
    monkeypatch.setattr("jaxprune.sweep._run.evaluate", lambda *_, **__: pytest.fail("computed again"))
    xr.testing.assert_identical(sweep.run(ALL, store), fresh)


def test_less_than_a_store_holds_is_selected(store, fresh):
    sweep.run(ALL, store)
    less = dataclasses.replace(TINY, rules=("weight+keep",), keep=(0.8, 0.6), networks=3)
    found = sweep.run(less, store, executor=lambda *_: pytest.fail("computed again"))
    xr.testing.assert_equal(found, fresh.sel(rule=["weight+keep"], keep=[0.8, 0.6]).isel(network=slice(3)))
    assert json.loads(found.attrs["config"])["networks"] == 3
    assert sweep.load(store).sizes["network"] == 8


class KilledError(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("count", [0, 1, 2, 5, 20, 40, 60, 61, 62, 63, 64, 65, 80, 120])
def test_a_kill_at_any_file_leaves_the_old_or_the_new_store(store, tiny, fresh, count, monkeypatch):
    """Of a store that is being extended; whatever was finished stays."""
    write, left = _local._write, iter(range(count))

    def dying(item):
        if next(left, None) is None:
            raise KilledError
        write(item)

    with monkeypatch.context() as patch:
        patch.setattr(_local, "_write", dying)
        with pytest.raises(KilledError):
            sweep.run(ALL, store)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DamagedStoreWarning)
        there = sweep.load(store)
        old = there.sel(rule=list(TINY.rules), keep=list(TINY.keep)).isel(network=slice(5))
        xr.testing.assert_equal(old, tiny[1])
        xr.testing.assert_identical(sweep.run(ALL, store), fresh)


def test_data_are_on_the_disk_before_the_checksum(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (events.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    monkeypatch.setattr(
        Path, "replace", lambda self, other: (events.append(("replace", str(other))), replace(self, other))
    )
    sweep.run(dataclasses.replace(TINY, networks=2), tmp_path / "x.zarr")
    first = min(i for i, event in enumerate(events) if event[0] == "replace" and "/checksum/0." in event[1])
    data = [i for i, event in enumerate(events) if event[0] == "replace" and "/h2_error/" in event[1]]
    assert len(data) == 2 * 2 + 2  # and its metadata
    assert max(data) < first
    flushed = {event for event in events[:first] if isinstance(event, str)}
    assert str(tmp_path / "x.zarr" / "h2_error") in flushed
    assert sum("/h2_error/0." in event for event in flushed) == 4


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def flip(path, position=-1):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def swap(one, other):
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def become_a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "x").write_text("")


def become_a_file(path):
    shutil.rmtree(path)
    path.write_text("")


def enlarge(metadata):
    attributes = metadata["metadata"][".zattrs"]
    attributes["config"] = json.dumps(json.loads(attributes["config"]) | {"networks": 10**12})


def all_of_a_point(store):
    for name in [entry.name for entry in store.iterdir() if (entry / "0.0.0.0").exists() or (entry / "0.0.0").exists()]:
        end = ".0" if (store / name / "0.0.0.0").exists() else ""
        shutil.copy(store / name / f"0.1.1{end}", store / name / f"0.0.0{end}")


TAMPER = {
    "deleted": lambda s: (s / "h2_error/0.0.0").unlink(),
    "deleted vector": lambda s: (s / "mode_error/1.0.1.0").unlink(),
    "emptied": lambda s: (s / "h2_error/0.0.0").write_bytes(b""),
    "zeroed": lambda s: (s / "path/1.1.0").write_bytes(bytes(len((s / "path/1.1.0").read_bytes()))),
    "truncated": lambda s: (s / "angle/0.0.0.0").write_bytes((s / "angle/0.0.0.0").read_bytes()[:-5]),
    "flipped at the end": lambda s: flip(s / "angle/2.1.1.0"),
    "flipped at the start": lambda s: flip(s / "kept/0.0.0", 0),
    "flipped in the middle": lambda s: flip(s / "eigenvalue_error/1.0.0.0", 40),
    "flipped size": lambda s: flip(s / "angle/0.1.0.0", 5),
    "swapped": lambda s: swap(s / "h2_error/0.0.0", s / "h2_error/1.0.0"),
    "another point": all_of_a_point,
    "a folder": lambda s: become_a_folder(s / "h2_error/0.0.0"),
    "variable deleted": lambda s: shutil.rmtree(s / "epsilon"),
    "variable a file": lambda s: become_a_file(s / "guarantee"),
    "originals deleted": lambda s: shutil.rmtree(s / "eigenvalue_real"),
    "originals flipped": lambda s: flip(s / "eigenvalue_imag/0.0"),
    "checksum flipped": lambda s: flip(s / "checksum/0.0.0"),
    "checksum truncated": lambda s: (s / "checksum/0.0.0").write_bytes(b"12"),
    "checksum of another": lambda s: swap(s / "checksum/0.0.0", s / "checksum/1.0.0"),
    "originals' checksum": lambda s: flip(s / "checksum_original/1"),
}
UNMARKED = {
    "checksum deleted": lambda s: (s / "checksum/0.1.0").unlink(),
    "checksums deleted": lambda s: shutil.rmtree(s / "checksum"),
    "checksums of originals": lambda s: shutil.rmtree(s / "checksum_original"),
    "checksums and damage": lambda s: (shutil.rmtree(s / "checksum"), flip(s / "angle/0.0.0.0")),
}
HARMLESS = {
    "array's metadata deleted": lambda s: (s / "h2_error/.zarray").unlink(),
    "array's metadata broken": lambda s: (s / "h2_error/.zarray").write_text("{"),
    "array's metadata changed": lambda s: edit(s / "h2_error/.zarray", lambda c: c.update(dtype="<f4", shape=[1])),
    "attributes without config": lambda s: edit(s / ".zattrs", lambda c: c.pop("config")),
    "attributes without dtype": lambda s: edit(s / ".zattrs", lambda c: c.pop("dtype")),
    "attributes deleted": lambda s: (s / ".zattrs").unlink(),
    "coordinate flipped": lambda s: flip(s / "keep/0"),
    "coordinate deleted": lambda s: shutil.rmtree(s / "rule"),
    "consolidated deleted": lambda s: (s / ".zmetadata").unlink(),
    "consolidated broken": lambda s: (s / ".zmetadata").write_bytes(b"\xff\x00"),
    "consolidated arrays": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"]["kept/.zarray"].update(shape=[0])),
    "half a file of a kill": lambda s: (s / "kept/0.0.0.123.partial").write_bytes(b"1"),
}
DESTROYED = {
    "both metadata": lambda s: ((s / ".zmetadata").write_text("{}"), (s / ".zattrs").write_text("[]")),
    "no format": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"][".zattrs"].pop("format")),
    "no config": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"][".zattrs"].pop("config")),
    "too much": lambda s: edit(s / ".zmetadata", enlarge),
    "no dtype": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"][".zattrs"].pop("dtype")),
    "config of numbers": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"][".zattrs"].update(config=3)),
    "config of nothing": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"][".zattrs"].update(config="{}")),
    "versions": lambda s: edit(s / ".zmetadata", lambda c: c["metadata"][".zattrs"].update(versions="[1]")),
}


@pytest.mark.parametrize("kind", TAMPER)
def test_what_is_damaged_is_left_out_and_computed_again(store, tiny, kind):
    TAMPER[kind](store)
    with pytest.warns(DamagedStoreWarning, match="left out: run the sweep again") as warned:
        partial = sweep.load(store)
    assert len(warned) == 1
    assert len(str(warned[0].message)) < 300
    assert not partial.finished.all() or np.isnan(partial.eigenvalue_real).any()
    assert partial.where(partial.finished).h2_error.equals(tiny[1].where(partial.finished).h2_error)
    with pytest.warns(DamagedStoreWarning, match="computed again") as warned:
        xr.testing.assert_identical(sweep.run(TINY, store), tiny[1])
    assert len(warned) == 1
    xr.testing.assert_identical(sweep.load(store), tiny[1])


@pytest.mark.parametrize("kind", UNMARKED)
def test_what_has_no_checksum_is_not_finished(store, tiny, kind):
    UNMARKED[kind](store)
    there = sweep.load(store)
    assert not there.finished.all() or np.isnan(there.eigenvalue_real).any()
    xr.testing.assert_identical(sweep.run(TINY, store), tiny[1])
    xr.testing.assert_identical(sweep.load(store), tiny[1])


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_a_store_says_twice_is_mended(store, tiny, kind):
    HARMLESS[kind](store)
    xr.testing.assert_identical(sweep.load(store), tiny[1])
    xr.testing.assert_identical(sweep.run(TINY, store, executor=noting(tasks := [])), tiny[1])
    assert tasks == []
    assert not list(store.rglob("*.partial"))
    there = xr.open_zarr(store, chunks=None, consolidated=False).load()
    np.testing.assert_array_equal(there.h2_error, tiny[1].h2_error)
    assert there.keep.values.tolist() == list(TINY.keep)


@pytest.mark.parametrize("kind", DESTROYED)
def test_a_store_that_does_not_say_what_it_is_is_one_line(store, kind):
    DESTROYED[kind](store)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    for call in (lambda: sweep.run(TINY, store), lambda: sweep.load(store)):
        with pytest.raises(jaxprune.InputError) as refused:
            call()
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 300
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_results_of_another_seed_are_not_taken_for_this_one(store, fresh):
    """Whatever the store says of itself: checksums are of the settings, too."""
    other = dataclasses.replace(TINY, seed=3)
    attributes = {"config": json.dumps(other.settings(), sort_keys=True), "seed": 3}
    edit(store / ".zmetadata", lambda content: content["metadata"][".zattrs"].update(attributes))
    with pytest.warns(DamagedStoreWarning, match="25 results"):
        results = sweep.run(other, store)
    old = fresh.sel(rule=list(TINY.rules), keep=list(TINY.keep)).isel(network=slice(5))
    assert not np.isclose(results.h2_error, old.h2_error).any()


def test_another_version_is_refused(store, tmp_path):
    edit(store / ".zmetadata", lambda content: content["metadata"][".zattrs"].update(format="jaxprune sweep 2"))
    for call in (lambda: sweep.run(TINY, store), lambda: sweep.load(store)):
        with pytest.raises(jaxprune.InputError, match="another version of this package"):
            call()


def test_nothing_is_nothing(tmp_path):
    with pytest.raises(jaxprune.InputError, match="there is nothing at this place"):
        sweep.load(tmp_path / "x.zarr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(jaxprune.InputError, match="not the store of a sweep"):
        sweep.load(tmp_path / "empty")


@pytest.mark.parametrize("place", [".", "", "/", "..", "notes", "notes/precious.txt", "../cwd"])
def test_places_that_hold_something_else_are_refused(tmp_path, monkeypatch, place):
    (tmp_path / "cwd" / "notes").mkdir(parents=True)
    (tmp_path / "cwd" / "notes" / "precious.txt").write_text("keep me")
    monkeypatch.chdir(tmp_path / "cwd")
    with pytest.raises(jaxprune.InputError, match="not the store of a sweep"):
        sweep.run(TINY, place)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["cwd", "cwd/notes", "cwd/notes/precious.txt"]
    assert (tmp_path / "cwd" / "notes" / "precious.txt").read_text() == "keep me"


def test_an_empty_folder_may_be_used_but_not_the_current_one(tmp_path, tiny, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(jaxprune.InputError, match="not the store of a sweep"):
        sweep.run(TINY, ".")
    monkeypatch.chdir(tmp_path)
    xr.testing.assert_identical(sweep.run(TINY, "empty"), tiny[1])


def test_a_sweep_that_cannot_be_computed_leaves_no_store(tmp_path, store):
    def refuse(*_):
        raise jaxprune.InputError("no workers")
        yield

    with pytest.raises(jaxprune.InputError, match="no workers"):
        sweep.run(TINY, tmp_path / "new.zarr", executor=refuse)
    assert not (tmp_path / "new.zarr").exists()
    with pytest.raises(jaxprune.InputError, match="no workers"):
        sweep.run(ALL, store, executor=refuse)
    assert sweep.load(store).finished.sum() == 20


def test_what_a_killed_creation_left_is_removed(tmp_path):
    left = [tmp_path / ".x.zarr-abcd1234", tmp_path / ".x.zarr-efgh5678"]
    (left[0] / "store" / "kept").mkdir(parents=True)
    left[1].mkdir()
    (tmp_path / ".x.zarr-precious").mkdir()
    (tmp_path / ".x.zarr-precious" / "notes.txt").write_text("keep me")
    (tmp_path / ".y.zarr-abcd1234").mkdir()
    sweep.run(TINY, tmp_path / "x.zarr")
    assert {entry.name for entry in tmp_path.iterdir()} == {"x.zarr", ".x.zarr-precious", ".y.zarr-abcd1234"}


def test_one_process_at_a_time(store):
    with opened(store, TINY, "float64"):
        with pytest.raises(jaxprune.InputError, match="another process is working on"):
            sweep.run(TINY, store)
        assert sweep.load(store).finished.all()
    sweep.run(TINY, store)


RACER = """
import dataclasses, sys, time, traceback
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)
from jaxprune import InputError, networks, sweep

place, number = Path(sys.argv[1]), int(sys.argv[2])
config = sweep.SweepConfig(
    networks.Ensemble(sizes=(6, 4), bridges=4), rules=("noise", "weight+keep"), keep=(0.4, 0.8), networks=5, chunk=2
)
sweep.run(dataclasses.replace(config, networks=2), place / f"warm-{number}.zarr")  # compiled before the races
for race in sys.argv[3:]:
    action, out = race.split("-")[number], place / race / "x.zarr"
    if action == "grow":
        config = dataclasses.replace(config, keep=(0.4, 0.6, 0.8), networks=8)
    (place / f"{race}-{number}").touch()
    while len(list(place.glob(f"{race}-?"))) < 2:
        time.sleep(0.001)
    said = ""
    try:
        for _ in range(10 if action == "load" else 1):
            sweep.load(out) if action == "load" else sweep.run(config, out)
    except InputError as error:
        said = f"{error}"
    except BaseException:
        said = traceback.format_exc()
    (place / race / f"said-{number}").write_text(said)
"""


def test_two_processes_at_one_store(tiny, fresh, tmp_path):
    """A result, or one line; and the store is whole in the end. Four races of the same two processes."""
    races = ("run-run", "resume-resume", "resume-load", "grow-grow")
    for race in races:
        (tmp_path / race).mkdir()
        if race != "run-run":
            shutil.copytree(tiny[0], tmp_path / race / "x.zarr")
        if race.startswith("resume"):
            for name in ("0.0.0", "1.0.1", "2.1.1"):
                (tmp_path / race / "x.zarr" / "checksum" / name).unlink()
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [subprocess.Popen([*command, str(number), *races]) for number in range(2)]
    assert [racer.wait(timeout=240) for racer in racers] == [0, 0]
    for race in races:
        said = [(tmp_path / race / f"said-{number}").read_text() for number in range(2)]
        assert "" in said, said
        assert all(words == "" or ("another process is working on" in words and "\n" not in words) for words in said)
        config = dataclasses.replace(TINY, keep=ALL.keep, networks=8) if race == "grow-grow" else TINY
        with warnings.catch_warnings():
            warnings.simplefilter("error", DamagedStoreWarning)
            results = sweep.run(config, tmp_path / race / "x.zarr")
        expected = fresh.sel(rule=list(config.rules)) if race == "grow-grow" else tiny[1]
        xr.testing.assert_equal(results, expected)
        assert not [entry for entry in (tmp_path / race).iterdir() if entry.name.startswith(".x.zarr")]
