"""Tasks computed elsewhere are the same tasks; whatever happens to a cluster, there is a result or one line."""

import dataclasses
import os
import time

import pytest
import xarray as xr
from clusters import Cluster

from jaxprune import InputError, networks, sweep
from jaxprune.sweep import _executors

pytest.importorskip("distributed")
from jaxprune.sweep import _dask

# A cluster that closes, or is killed, warns of what it leaves.
pytestmark = pytest.mark.filterwarnings("ignore")
CONFIG = sweep.SweepConfig(
    networks.Ensemble(sizes=(12, 8), bridges=12), ("noise", "weight+keep"), keep=(0.3, 0.8), networks=4, chunk=2
)


@pytest.fixture
def cluster(tmp_path):
    found = Cluster(tmp_path)
    yield found
    found.end()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_dask, "PATIENCE", 6.0)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return sweep.run(CONFIG, tmp_path_factory.mktemp("here") / "here.zarr")


def test_workers_of_this_machine_give_the_same_store(here, tmp_path, capfd):
    there = sweep.run(CONFIG, tmp_path / "there.zarr", executor=sweep.dask(workers=2))
    xr.testing.assert_identical(here, there)
    assert capfd.readouterr() == ("", "")


def test_a_killed_worker_of_two_is_done_without(cluster):
    cluster.add_worker()
    cluster.add_worker()
    found = {}
    for item, _ in sweep.dask(cluster.address)(time.sleep, [0.2 + 0.001 * i for i in range(12)]):
        if not found:
            cluster.workers[0].kill()
        found[item] = True
    assert len(found) == 12


def test_a_killed_scheduler_is_one_line_and_what_is_finished_stays(here, cluster, tmp_path, impatient):
    cluster.add_worker()

    def kill(finished, total):
        if finished == 1:
            cluster.scheduler.kill()

    more, started = dataclasses.replace(CONFIG, networks=40), time.monotonic()
    with pytest.raises(InputError, match=r"the scheduler .* is lost.*run the sweep again") as refused:
        sweep.run(more, tmp_path / "x.zarr", executor=sweep.dask(cluster.address), progress=kill)
    check_line(refused, started)
    xr.testing.assert_equal(sweep.load(tmp_path / "x.zarr").finished[:2], here.finished[:2])


def test_a_scheduler_without_workers_is_one_line(cluster, tmp_path, impatient):
    started = time.monotonic()
    with pytest.raises(InputError, match="has had no worker for 6 seconds: start some") as refused:
        sweep.run(CONFIG, tmp_path / "x.zarr", executor=sweep.dask(cluster.address))
    check_line(refused, started)
    assert not (tmp_path / "x.zarr").exists()


def test_all_workers_killed_is_one_line(monkeypatch, impatient):
    processes = []
    start = _dask._start
    monkeypatch.setattr(_dask, "_start", lambda *arguments: processes.append(start(*arguments)) or processes[-1])
    coming = sweep.dask(workers=2)(time.sleep, [0.0, *[5.0] * 8])
    next(coming)
    started = time.monotonic()
    for process in processes:
        process.kill()
    with pytest.raises(InputError, match="all 2 workers have ended") as refused:
        list(coming)
    check_line(refused, started)


def test_workers_that_die_of_a_task_again_and_again(cluster, impatient):
    for _ in range(5):
        cluster.add_worker()
    started = time.monotonic()
    with pytest.raises(InputError, match=r"died again and again|has had no worker") as refused:
        list(sweep.dask(cluster.address)(os._exit, [3]))
    check_line(refused, started)


@pytest.mark.parametrize("address", ["nonsense:::", "tcp://127.0.0.1:1", "", "no such place", "tcp://127.0.0.1"])
def test_an_address_where_nobody_is(address, tmp_path, impatient):
    started = time.monotonic()
    with pytest.raises(InputError, match="no scheduler can be reached at") as refused:
        sweep.run(CONFIG, tmp_path / "x.zarr", executor=sweep.dask(address))
    check_line(refused, started)
    assert not list(tmp_path.iterdir())


def test_a_malformed_address_makes_no_client(monkeypatch):
    """A client without an address would wait for itself when it goes, and then complain."""
    monkeypatch.setattr(_dask, "Client", None)
    with pytest.raises(InputError, match=r"no scheduler can be reached.*invalid address"):
        list(sweep.dask("nonsense:::")(abs, [1]))


def test_a_connection_that_breaks_while_results_come_is_one_line(cluster, monkeypatch):
    cluster.add_worker()

    def broken(*_):
        raise OSError("in <TCP (closed)>: reset by peer")

    monkeypatch.setattr(_dask.Cluster, "_outcome", broken)
    with pytest.raises(InputError, match=r"the scheduler .* is lost.*run the sweep again"):
        list(sweep.dask(cluster.address)(abs, [1]))


def test_a_bounded_number_of_tasks_is_under_way(cluster):
    cluster.add_worker()
    asked = []
    items = (asked.append(i) or 0.05 for i in range(30))
    ahead = [len(asked) - done for done, _ in enumerate(sweep.dask(cluster.address)(time.sleep, items))]
    assert len(ahead) == 30
    assert max(ahead) <= _dask.AHEAD


def test_an_error_on_a_worker_is_one_line(cluster):
    cluster.add_worker()
    started = time.monotonic()
    with pytest.raises(InputError, match=r"failed .*ValueError: could not convert") as refused:
        list(sweep.dask(cluster.address)(float, ["one\ntwo"]))
    check_line(refused, started)


def check_line(refused, started):
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) < 300
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "neither address nor workers"),
        ({"address": "tcp://127.0.0.1:8786", "workers": 2}, "both given"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_one_way_to_say_it(arguments, message):
    with pytest.raises(InputError, match=message):
        sweep.dask(**arguments)


def test_executors_are_executors():
    assert isinstance(sweep.serial, _executors.Executor)
    assert isinstance(sweep.dask(workers=1), _executors.Executor)


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7, 8})
    assert _dask.shares(2) == [[3, 5], [7, 8]]
    assert _dask.shares(3) == [[3], [5], [7]]
    assert _dask.shares(5) == [[3], [5], [7], [8], [3]]


def test_nothing_listens_beyond_this_machine():
    psutil = pytest.importorskip("psutil")
    before = {
        connection.laddr.port for connection in psutil.Process().net_connections() if connection.status == "LISTEN"
    }
    listening = []
    for _ in sweep.dask(workers=1)(abs, [1]):
        everybody = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = [
            connection.laddr
            for process in everybody
            for connection in process.net_connections()
            if connection.status == "LISTEN" and connection.laddr.port not in before
        ]
    assert len(listening) >= 2
    assert {address.ip for address in listening} == {"127.0.0.1"}
