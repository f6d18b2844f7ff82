"""Sweeps: ensemble x rules x kept fractions -> chunks -> store -> table. Needs the extra `experiments`.

Storage is imported when it is first used: a command that only lists its options does not wait for them.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxprune.sweep._check import Check, check
    from jaxprune.sweep._config import SweepConfig
    from jaxprune.sweep._executors import Executor, dask, serial
    from jaxprune.sweep._run import run
    from jaxprune.sweep._store import DamagedStoreWarning, load
    from jaxprune.sweep._table import beaten, median_interval, rows, summarise, write_table

__all__ = [
    "Check",
    "DamagedStoreWarning",
    "Executor",
    "SweepConfig",
    "beaten",
    "check",
    "dask",
    "load",
    "median_interval",
    "rows",
    "run",
    "serial",
    "summarise",
    "write_table",
]

_PLACES = {
    "_check": ("Check", "check"),
    "_config": ("SweepConfig",),
    "_executors": ("Executor", "dask", "serial"),
    "_run": ("run",),
    "_store": ("DamagedStoreWarning", "load"),
    "_table": ("beaten", "median_interval", "rows", "summarise", "write_table"),
}


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"jaxprune.sweep.{module}"), name)
    raise AttributeError(f"module 'jaxprune.sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
