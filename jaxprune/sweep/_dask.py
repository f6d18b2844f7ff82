"""A Dask cluster as a sweep uses it: watched, so that whatever happens to it, there is a result or one line."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.comm import get_address_host_port

from jaxprune._checks import InputError, quoted

PATIENCE = 20.0
"""Seconds without an answer from the scheduler, or without any worker, after which a sweep ends."""
LOOK = 0.5
"""Seconds between two looks at the scheduler, and at results of which nobody gave notice."""
AHEAD = 2
"""Tasks under way for each thread of a worker."""
BROKEN = (OSError, concurrent.futures.CancelledError, asyncio.CancelledError)
"""What Dask raises where a connection breaks."""
LOGGERS = ("distributed", "dask", "tornado", "asyncio")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SETTINGS = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "500 ms"}
"""A scheduler and workers of our own are not watched every few milliseconds for a page that nobody opens."""
WORKER = """
import os, sys

cores = [int(core) for core in sys.argv.pop(1).split(",") if core]
if cores:
    os.sched_setaffinity(0, cores)
from distributed.cli.dask_worker import main

main()
"""
"""Started in its share of the cores, because JAX counts them when it starts."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the log of Dask, which speaks of its own insides."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in LOGGERS]
    loggers = [logging.getLogger(name) for name in {*LOGGERS, *names}]
    before = [(logger, logger.disabled, logger.level) for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, disabled, level in before:
            logger.disabled = disabled
            logger.setLevel(level)


@contextlib.contextmanager
def connected(address: str | None, workers: int | None) -> Iterator["Cluster"]:
    """A scheduler by its address, or one with workers of its own on this machine, which end with it."""
    with contextlib.ExitStack() as stack:
        processes: list[subprocess.Popen] = []
        if workers is not None:
            stack.enter_context(dask.config.set(SETTINGS))
            scheduler = LocalCluster(
                n_workers=0,
                processes=False,
                protocol="tcp",
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=False,
            )
            stack.callback(scheduler.close, timeout=2)
            address = scheduler.scheduler_address
            stack.callback(_end, processes)
            processes += [_start(address, cores) for cores in shares(workers)]
        assert address is not None
        client = _client(address)
        stack.callback(_close, client)
        yield Cluster(client, address, processes)


def shares(workers: int) -> list[list[int]]:
    """Cores for each worker; empty where a process cannot be bound to cores.

    Example:
      >>> len(shares(3))
      3
    """
    if not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(workers)]
    cores = sorted(os.sched_getaffinity(0))
    each = len(cores) // workers
    if not each:
        return [[cores[i % len(cores)]] for i in range(workers)]
    return [cores[i * each : (i + 1) * each] for i in range(workers)]


class Cluster:
    """Functions are mapped over items by the workers there are."""

    def __init__(self, client: Client, address: str, processes: list[subprocess.Popen]):
        self._client, self._address, self._processes = client, address, processes
        self._looked = self._seen = self._answered = time.monotonic()
        self._threads = max(1, len(processes))
        self._news = threading.Event()

    def map(self, function: Callable, items: Iterable) -> Iterator[tuple[Any, Any]]:
        """Items with their results, as they come; a bounded number is under way."""
        waiting, flying = iter(items), {}
        try:
            yield from self._map(function, waiting, flying)
        except BROKEN as error:  # a connection, while it is used; what a task raises comes otherwise
            raise self._lost() from error

    def _map(self, function, waiting, flying):
        while True:
            self._news.clear()
            for item in itertools.islice(waiting, max(0, AHEAD * self._threads - len(flying))):
                flying[self._submit(function, item)] = item
            if not flying:
                return
            ready = []
            for future in [future for future in flying if future.status != "pending"]:
                outcome = self._outcome(future)
                if outcome is not None:
                    ready.append((flying.pop(future), outcome[0]))
                    future.release()  # what is held would be computed again if its worker were lost now
            yield from ready
            self._watch()
            if not ready:
                self._news.wait(LOOK)

    def _submit(self, function, item) -> Future:
        future = self._client.submit(function, item, pure=False)
        future.add_done_callback(lambda _: self._news.set())
        return future

    def _outcome(self, future):
        """The result in a tuple; nothing if it was lost on the way, and is computed again."""
        if future.status == "finished":
            with contextlib.suppress(TimeoutError):
                return (future.result(timeout=PATIENCE / 2),)
            return None
        if future.status == "pending":
            return None
        if future.status != "error":
            raise self._lost()
        error = future.exception(timeout=PATIENCE / 2)
        if isinstance(error, InputError):
            raise error
        if isinstance(error, KilledWorker):
            raise InputError(
                f"workers of {self._shown()} died again and again at one task, perhaps for want of memory: give them more, or "
                f"take a smaller chunk. {KEPT}"
            )
        what = quoted(" ".join(f"{type(error).__name__}: {error}".split()), 120)
        raise InputError(f"a worker of {self._shown()} failed ({what}). {KEPT}") from error

    def _watch(self):
        """Raises where nothing will come any more."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        if self._processes and all(process.poll() is not None for process in self._processes):
            raise InputError(f"all {len(self._processes)} workers have ended, perhaps for want of memory. {KEPT}")
        scheduler: Any = self._client.scheduler
        try:
            threads: Any = self._client.sync(scheduler.ncores, callback_timeout=PATIENCE / 4)
        except Exception as error:  # whatever a broken connection raises
            if time.monotonic() - self._answered > PATIENCE / 2 or self._client.status != "running":
                raise self._lost() from error
            return
        self._answered = now
        if threads:
            self._seen, self._threads = now, max(1, sum(threads.values()))
        elif now - self._seen > PATIENCE:
            raise InputError(f"{self._shown()} has had no worker for {PATIENCE:.3g} seconds: start some. {KEPT}")

    def _lost(self):
        return InputError(f"{self._shown()} is lost. {KEPT}")

    def _shown(self):
        return f"the scheduler {quoted(self._address)}"


KEPT = "What is finished is kept: run the sweep again to go on."


def _client(address):
    try:
        get_address_host_port(address)  # a client that is given no address waits for itself when it goes
        return Client(address, timeout=PATIENCE / 2, set_as_default=False)
    except Exception as error:  # a malformed address, or nobody there
        why = quoted(" ".join(f"{type(error).__name__}: {error}".split()), 100)
        raise InputError(
            f"no scheduler can be reached at {quoted(address)} ({why}): give an address such as tcp://10.0.0.1:8786, and start "
            "the scheduler first."
        ) from error


def _close(client):
    with contextlib.suppress(Exception):  # it may be lost
        client.close(timeout=2)


def _start(address, cores):
    command = [sys.executable, "-c", WORKER, ",".join(map(str, cores)), address, "--nthreads", "1", "--no-nanny"]
    command += ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--memory-limit", "0"]
    command += ["--death-timeout", str(PATIENCE)]
    # Rules of a user's own are found where this process finds them.
    here = os.pathsep.join(place or os.getcwd() for place in sys.path)
    settings = {f"DASK_{name.replace('.', '__').upper()}": str(value) for name, value in SETTINGS.items()}
    threads = dict.fromkeys(THREADS, str(max(1, len(cores))))
    # Not told of Ctrl-C, after which this process ends them.
    return subprocess.Popen(
        command,
        env={**os.environ, **settings, **threads, "PYTHONPATH": here},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _end(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
