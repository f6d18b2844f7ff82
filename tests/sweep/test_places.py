"""Stores at URLs: the files of a store in a folder, held by a lease, against a server of objects that the tests start."""

import concurrent.futures
import dataclasses
import importlib
import shutil
import threading
import time
from pathlib import Path

import pytest
import xarray as xr

from jaxprune import InputError, networks, sweep
from jaxprune.sweep import DamagedStoreWarning, _remote, _run, parts

fsspec = pytest.importorskip("fsspec")
registry = importlib.import_module("fsspec.registry")

TINY = sweep.SweepConfig(
    networks.Ensemble(sizes=(6, 4), bridges=4), rules=("weight",), keep=(0.4,), networks=2, chunk=2
)
MORE = dataclasses.replace(TINY, keep=(0.4, 0.8), networks=3)


@pytest.fixture(params=["s3", "memory", "file"])
def url(request, tmp_path):
    """A URL where nothing is."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{tmp_path.name}.zarr"
    return f"memory://{tmp_path.name}.zarr" if request.param == "memory" else f"file://{tmp_path}/x.zarr"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The same sweeps in folders."""
    folder = tmp_path_factory.mktemp("here")
    return {
        name: (folder / name, sweep.run(config, folder / name)) for name, config in (("tiny", TINY), ("more", MORE))
    }


def files_of(place):
    place = parts.place_at(place)
    return place.read(place.names())


def test_a_store_at_a_url_has_the_files_of_one_in_a_folder(url, here, hasty):
    xr.testing.assert_identical(sweep.run(TINY, url), here["tiny"][1])
    assert files_of(url) == files_of(here["tiny"][0])
    # Grown, damaged and mended alike.
    xr.testing.assert_identical(sweep.run(MORE, url), here["more"][1])
    place = parts.place_at(url)
    place.write({"angle/0.0.0.0": place.read(["angle/0.0.0.0"])["angle/0.0.0.0"][:-5]})
    assert "damaged: 2 results are not what was written (network 0, weight at 0.4" in sweep.check(url).words[0]
    with pytest.warns(DamagedStoreWarning, match="computed again"):
        sweep.run(MORE, url)
    xr.testing.assert_identical(sweep.load(url), here["more"][1])
    with pytest.raises(InputError, match="was written with another config"):
        sweep.run(dataclasses.replace(TINY, seed=3), url)
    place.remove()
    assert place.is_free()
    with pytest.raises(InputError, match="there is nothing at this place"):
        sweep.load(url)


def test_a_creation_that_was_cut_off_is_made_whole(here, hasty):
    """What alone is read comes last."""
    whole = files_of(here["tiny"][0])
    for name in (".zattrs", "h2_error/.zarray"):
        place = parts.place_at(f"memory://cut{len(name)}.zarr")
        place.write({each: whole[each] for each in (".zattrs", name)})
        xr.testing.assert_identical(sweep.run(TINY, place.url), here["tiny"][1])
        assert files_of(place.url) == whole


def test_a_refused_sweep_leaves_nothing_at_a_url(hasty):
    def refuse(*_):
        raise InputError("no workers")
        yield

    with pytest.raises(InputError, match="no workers"):
        sweep.run(TINY, "memory://refused.zarr", executor=refuse)
    assert not fsspec.filesystem("memory").exists("/refused.zarr")


@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_one_of_many_gets_the_lease_and_keeps_it(kind, hasty, request):
    url = f"{request.getfixturevalue('bucket')}/many" if kind == "s3" else "memory://many"
    place, start, end = parts.place_at(url), threading.Barrier(6), threading.Event()

    def hold(token):
        start.wait()
        try:
            with place.held(token, "busy"):
                end.wait(1.5)  # longer than a lease that is not renewed
                return place.holds(token)
        except InputError as error:
            assert str(error) == "busy"  # noqa: PT017
            return None

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        held = list(pool.map(hold, "abcdef"))
    assert held.count(True) == 1
    assert held.count(None) == 5
    with place.held("g", "busy"):
        assert place.holds("g")


def test_a_lease_whose_owner_is_dead_is_taken_after_a_while(hasty):
    place = parts.place_at("memory://dead.zarr")
    place._sign(7, "of a process that was killed", new=True)
    started = time.monotonic()
    with place.held("mine", "busy"):
        assert time.monotonic() - started >= _remote.LEASE
        assert place.holds("mine")
        assert place._find(_remote.LEASES) == [".lease/00000008"]
    assert not place.holds("mine")


def test_who_lost_the_lease_writes_no_more(hasty):
    """Neither by a worker nor by itself."""
    place = parts.place_at("memory://lost.zarr")

    def robbed(function, items):
        for count, item in enumerate(items):
            if count == 1:
                place._sign(99, "of another")
                before = files_of(place.url)
            yield item, function(item)
            if count == 1:
                assert files_of(place.url) == before

    with pytest.raises(InputError, match=r"another process has taken memory://lost.zarr.*run the sweep again"):
        sweep.run(MORE, place.url, executor=robbed)
    assert sweep.load(place.url).finished.sum() == 4
    assert place._last().token == "of another"


def test_what_workers_wrote_is_kept_by_a_sweep_that_heard_of_nothing(tmp_path):
    def lost(function, items):
        for item in items:
            assert function(item) is None
        raise InputError("the scheduler is lost")
        yield

    with pytest.raises(InputError, match="is lost"):
        sweep.run(TINY, tmp_path / "x.zarr", executor=lost)
    assert sweep.load(tmp_path / "x.zarr").finished.all()


def test_workers_that_do_not_see_the_store_send_what_they_computed(tmp_path, here):
    """As on a machine of which this folder is another, or a worker that another client's store has been given to."""

    def elsewhere(function, items):
        for item in items:
            (tmp_path / "x.zarr" / ".holder").write_text("another")
            yield item, function(item)

    xr.testing.assert_identical(sweep.run(MORE, tmp_path / "x.zarr", executor=elsewhere), here["more"][1])
    assert files_of(tmp_path / "x.zarr") == files_of(here["more"][0])


def test_what_is_lost_after_it_was_written_is_computed_again(tmp_path, here):
    lost = iter(["kept/0.0.0", "checksum/1.0.1"])

    def losing(function, items):
        for item in items:
            result = function(item)
            yield item, result
        if name := next(lost, None):
            (tmp_path / "x.zarr" / name).unlink()

    with pytest.warns(DamagedStoreWarning, match="computed again"):
        xr.testing.assert_identical(sweep.run(MORE, tmp_path / "x.zarr", executor=losing), here["more"][1])
    assert next(lost, None) is None

    def always(function, items):
        for item in items:
            yield item, function(item)
        shutil.rmtree(tmp_path / "y.zarr" / "checksum")

    with pytest.raises(InputError, match=r"lacks 2 of 2 chunks though all were written 3 times"):
        sweep.run(MORE, tmp_path / "y.zarr", executor=always)


def test_what_a_lost_worker_had_written_is_not_computed_again(tmp_path, here, monkeypatch):
    """It is asked for again, as nobody has heard of it; what is damaged is computed again."""
    compute, computed = _run.evaluate, []

    def twice(function, items):
        for item in items:
            assert function(item) is None
            if item.chunk == 1:
                flawed = tmp_path / "x.zarr" / "angle" / "1.0.1.0"
                flawed.write_bytes(flawed.read_bytes()[:-5])
            yield item, function(item)

    monkeypatch.setattr(
        _run,
        "evaluate",
        lambda config, task, **options: computed.append(task.chunk) or compute(config, task, **options),
    )
    xr.testing.assert_identical(sweep.run(MORE, tmp_path / "x.zarr", executor=twice), here["more"][1])
    assert computed == [0, 1, 1]


def test_a_worker_with_other_versions_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_run, "installation", lambda: {"jax": "0.1"})
    with pytest.raises(InputError, match="are other versions than those of the process that started the sweep"):
        sweep.run(TINY, tmp_path / "x.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://a/b.zarr", "is no URL of a kind that is known"),
        ("s3://", "names no place"),
        ("s3:/bucket/x.zarr", "begins like a URL"),
        (Path("s3://bucket/x.zarr"), "begins like a URL"),
        ("http://127.0.0.1:9/x.zarr", "cannot be"),
        ("missing://a/b.zarr", "needs a package that is not installed"),
        ("s3://no-such-bucket/x.zarr", "cannot be written .*bucket does not exist"),
        ("memory://user:secret@x.zarr", None),
    ],
)
def test_urls_that_cannot_be_written_are_one_line(url, message, bucket, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    missing = {"class": "no_such_package.Files", "err": "Install no_such_package to use it"}
    monkeypatch.setitem(registry.known_implementations, "missing", missing)
    if message is None:
        assert "secret" not in str(parts.place_at(url))
        return
    with pytest.raises(InputError, match=message) as refused:
        sweep.run(TINY, url)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
    assert not list(tmp_path.iterdir())
