"""Sweeps: ensemble x rules x kept fractions -> chunks -> store -> figures. Needs the extra `experiments`."""

from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._executors import Executor, dask, serial
from jaxprune.sweep._figure import plot_bound, plot_statistic, plot_sweep, save_figure
from jaxprune.sweep._run import run
from jaxprune.sweep._store import load
from jaxprune.sweep._style import figure_settings, rule_style
from jaxprune.sweep._table import rows, summarise, write_table

__all__ = [
    "Executor",
    "SweepConfig",
    "dask",
    "figure_settings",
    "load",
    "plot_bound",
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
