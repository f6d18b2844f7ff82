"""Sweeps: ensemble x rules x kept fractions -> chunks -> store -> figures. Needs the extra `experiments`.

Storage and figures are imported when they are first used: a command that only lists its options does not wait for them.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxprune.sweep._check import Check, check
    from jaxprune.sweep._config import SweepConfig
    from jaxprune.sweep._executors import Executor, dask, serial
    from jaxprune.sweep._figure import plot_bound, plot_median, plot_statistic, plot_sweep, save_figure
    from jaxprune.sweep._run import run
    from jaxprune.sweep._store import DamagedStoreWarning, load
    from jaxprune.sweep._style import figure_settings, rule_style
    from jaxprune.sweep._table import beaten, median_interval, rows, summarise, write_table

__all__ = [
    "Check",
    "DamagedStoreWarning",
    "Executor",
    "SweepConfig",
    "beaten",
    "check",
    "dask",
    "figure_settings",
    "load",
    "median_interval",
    "plot_bound",
    "plot_median",
    "plot_statistic",
    "plot_sweep",
    "rows",
    "rule_style",
    "run",
    "save_figure",
    "serial",
    "summarise",
    "write_table",
]

_PLACES = {
    "_check": ("Check", "check"),
    "_config": ("SweepConfig",),
    "_executors": ("Executor", "dask", "serial"),
    "_figure": ("plot_bound", "plot_median", "plot_statistic", "plot_sweep", "save_figure"),
    "_run": ("run",),
    "_store": ("DamagedStoreWarning", "load"),
    "_style": ("figure_settings", "rule_style"),
    "_table": ("beaten", "median_interval", "rows", "summarise", "write_table"),
}


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"jaxprune.sweep.{module}"), name)
    raise AttributeError(f"module 'jaxprune.sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
