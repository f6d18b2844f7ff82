"""Where chunks are computed: here one after the other, or on the workers of a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

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

    Example:
      >>> dict(serial(abs, [-1, -2]))
      {-1: 1, -2: 2}
    """
    for item in items:
        yield item, function(item)


def dask(address: str | None = None) -> Executor:
    """An executor over the workers of a Dask cluster; results come back as they finish and are written by this process.

    Args:
      address: the scheduler, such as `tcp://10.0.0.1:8786`; None starts a cluster of processes on this machine. Workers must
        compute in this process's precision (`JAX_ENABLE_X64`).

    Raises:
      ImportError: Dask is not installed (`pip install "jaxprune[distributed]"`).
    """
    from distributed import Client, as_completed

    def run(function, items):
        with Client(address) as client:
            futures = {client.submit(function, item, pure=False): item for item in items}
            for future, outcome in as_completed(futures, with_results=True):
                yield futures[future], outcome

    return run
