"""What befalls long sweeps: workers, clients and disks that fail; the store is in the end that of a sweep that nothing befell."""

import dataclasses
import inspect
import os
import subprocess
import sys
import textwrap
import time
import warnings

import jax
import pytest
from clusters import Cluster
from jax.experimental.compilation_cache import compilation_cache

from jaxprune import networks, sweep
from jaxprune.sweep import parts

distributed = pytest.importorskip("distributed")

# A cluster that closes, or is killed, warns of what it leaves.
pytestmark = pytest.mark.filterwarnings("ignore")
CONFIG = sweep.SweepConfig(
    networks.Ensemble(sizes=(6, 4), bridges=4), rules=("weight",), keep=(0.4, 0.8), networks=32, chunk=2
)
FEW = dataclasses.replace(CONFIG, networks=6)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The same sweeps in this process: their folders. What is compiled here is not compiled again by processes of these tests."""
    folder = tmp_path_factory.mktemp("here")
    options = {
        "jax_compilation_cache_dir": str(folder / "compiled"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in options}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in options.items():
            jax.config.update(name, value)
            patch.setenv(name.upper(), str(value))
        # XLA says much about programs that it reads back, and nobody reads the standard error of a job.
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        compilation_cache.reset_cache()
        for name, config in (("all", CONFIG), ("few", FEW)):
            sweep.run(config, folder / name)
        yield folder
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="module")
def crowd(here, tmp_path_factory):
    """Four workers, each a process."""
    cluster = Cluster(tmp_path_factory.mktemp("crowd"))
    for _ in range(4):
        cluster.add_worker()
    yield cluster
    cluster.end()


def files_of(place):
    place = parts.place_at(place)
    return place.read(place.names())


def test_four_workers_one_killed_and_one_added(crowd, here, tmp_path):
    """They write the same bytes as one process, and nothing of it passes through this one; what is finished is not redone."""
    at, finished, outcomes = str(tmp_path), [], []

    def noted(function, items):
        def note(task):
            open(f"{at}/{os.getpid()}-{task.chunk}-{time.time_ns()}", "w").close()
            time.sleep(0.1)
            return function(task)

        for task, outcome in sweep.dask(crowd.address)(note, items):
            outcomes.append(outcome)
            finished.append(task.chunk)
            yield task, outcome

    def change(done, total):
        if done == 3:
            crowd.workers[0].kill()
            crowd.add_worker("--name", "added")
            wait_for("added", crowd.address)

    sweep.run(CONFIG, tmp_path / "x.zarr", executor=noted, progress=change)
    assert files_of(tmp_path / "x.zarr") == files_of(here / "all")
    assert outcomes == [None] * 16
    begun = [entry.name.split("-")[:2] for entry in tmp_path.iterdir() if entry.name != "x.zarr"]
    assert str(crowd.workers[-1].pid) in {worker for worker, _ in begun}
    chunks = [int(chunk) for _, chunk in begun]
    assert [chunks.count(chunk) for chunk in finished[:3]] == [1, 1, 1]


def wait_for(worker, address):
    with warnings.catch_warnings(), distributed.Client(address, set_as_default=False) as client:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(each["name"] == worker for each in client.scheduler_info(n_workers=-1)["workers"].values()):
                return
            time.sleep(0.05)
    pytest.fail(f"no worker {worker}")


CLIENT = """
import sys, time

import jax

jax.config.update("jax_enable_x64", True)
from jaxprune import networks, sweep

url, address = sys.argv[1:]
config = sweep.SweepConfig(
    networks.Ensemble(sizes=(6, 4), bridges=4), rules=("weight",), keep=(0.4, 0.8), networks=6, chunk=2
)


def slowly(function, items):
    compute = sweep.dask(address) if address else sweep.serial
    for count, item in enumerate(compute(function, items)):
        yield item
        time.sleep(600 if count == 0 else 0)


sweep.run(config, url, executor=slowly, progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize("kind", ["workers, folder", "alone, url"])
def test_a_killed_client_is_gone_on_from(kind, crowd, bucket, here, tmp_path, hasty):
    url, address = (str(tmp_path / "x.zarr"), crowd.address) if kind == "workers, folder" else (f"{bucket}/x.zarr", "")
    command = [sys.executable, "-c", CLIENT, url, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert [client.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        client.kill()
    asked = []

    def noted(function, items):
        for item in sweep.serial(function, items):
            asked.append(item[0].chunk)
            yield item

    there = sweep.load(url).finished.all(("rule", "keep")).values.reshape(-1, 2).all(1)
    sweep.run(FEW, url, executor=noted)
    assert there.sum() >= 1
    assert set(asked) <= {chunk for chunk in range(3) if not there[chunk]}
    assert files_of(url) == files_of(here / "few")


def test_the_lines_for_a_queue_of_jobs(here, bucket, monkeypatch, tmp_path):
    """Those of the documentation, with jobs that are processes of this machine, and with a store at a URL."""
    jobs = pytest.importorskip("dask_jobqueue.local")
    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    options = {
        "scheduler_options": local,
        "worker_extra_args": ["--host", "127.0.0.1"],
        "local_directory": str(tmp_path),
    }
    clusters = []

    def cluster(**given):
        clusters.append(jobs.LocalCluster(**given, **options))
        return clusters[-1]

    monkeypatch.setattr("dask_jobqueue.SLURMCluster", cluster)
    text = inspect.getdoc(sweep.dask)
    lines = textwrap.dedent(text[text.index("    from dask_jobqueue") : text.index("\n\nArgs:")])
    assert len([line for line in lines.splitlines() if line]) <= 5
    for written, meant in (("/shared/results.zarr", f"{bucket}/jobs.zarr"), ("jobs=100", "jobs=1"), ("8GB", "1GB")):
        assert written in lines
        lines = lines.replace(written, meant)
    try:
        exec(lines, {"config": FEW, "sweep": sweep})
    finally:
        for each in clusters:
            each.close()
    assert files_of(f"{bucket}/jobs.zarr") == files_of(here / "few")


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory that has room for a part of a store."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=350k", "none", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("a small tmpfs needs the right to mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_what_is_finished(small_disk, here):
    with pytest.raises(OSError, match="No space left"):
        sweep.run(FEW, small_disk / "x.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error", sweep.DamagedStoreWarning)
        finished = sweep.load(small_disk / "x.zarr").finished
        assert 0 < finished.sum() < finished.size
        subprocess.run(["mount", "-o", "remount,size=5m", str(small_disk)], check=True)
        sweep.run(FEW, small_disk / "x.zarr")
    assert files_of(small_disk / "x.zarr") == files_of(here / "few")
