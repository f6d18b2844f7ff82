"""Where tasks are computed: here one after the other, or on the workers of a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from jaxprune._checks import InputError, check_whole

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@runtime_checkable
class Executor(Protocol):
    """Maps a function over items and yields each item with its result, in whatever order they come."""

    def __call__(self, function: Callable[[Item], Outcome], items: Iterable[Item]) -> Iterator[tuple[Item, Outcome]]:
        """Compute and yield."""
        ...


def serial(function: Callable[[Item], Outcome], items: Iterable[Item]) -> Iterator[tuple[Item, Outcome]]:
    """One item after the other, in this process.

    Args:
      function: what is done with an item.
      items: in order.

    Example:
      >>> dict(serial(abs, [-1, -2]))
      {-1: 1, -2: 2}
    """
    for item in items:
        yield item, function(item)


def dask(address: str | None = None, *, workers: int | None = None) -> Executor:
    """An executor over the workers of a Dask cluster, each of which writes what it computes into the store of the sweep.

    Workers that are lost are done without, and workers that join are used; what cannot go on ends with one line, and keeps what
    is finished. The sweep says in which precision workers compute. Give the store a place that all of them see, a folder that
    they share or a URL: workers that do not see it send what they computed to this process, which is slower.

    Where jobs wait in a queue, dask-jobqueue starts workers. With Slurm (it has classes for PBS, SGE, LSF and others, too):

        from dask_jobqueue import SLURMCluster

        cluster = SLURMCluster(cores=1, memory="8GB", walltime="04:00:00")
        cluster.scale(jobs=100)
        sweep.run(config, "/shared/results.zarr", executor=sweep.dask(cluster.scheduler_address))

    Args:
      address: a scheduler that runs, such as `tcp://10.0.0.1:8786`.
      workers: or, number of workers to start on this machine, each a process with its share of the cores, which nobody else on
        the network can reach. Give one of the two.

    Raises:
      InputError: both, or neither, or a number below 1; while it runs: a scheduler that cannot be reached or is lost, no worker
        for 20 seconds, or a task that kills its workers.
      ImportError: Dask is not installed (`pip install "jaxprune[distributed]"`).

    Example:
      >>> sweep_with = dask(workers=2)
      >>> dask()
      Traceback (most recent call last):
      jaxprune._checks.InputError: neither address nor workers is given: give the address of a scheduler, or a number of workers.
    """
    if address is None and workers is None:
        raise InputError(
            "neither address nor workers is given: give the address of a scheduler, or a number of workers."
        )
    if address is not None and workers is not None:
        raise InputError(
            "address and workers are both given: workers are started for a sweep that has no scheduler, leave one out."
        )
    if workers is not None:
        check_whole("workers", workers, least=1)
    from jaxprune.sweep import _dask

    def run(function, items):
        with _dask.quiet(), _dask.connected(address, workers) as cluster:
            yield from cluster.map(function, items)

    return run
