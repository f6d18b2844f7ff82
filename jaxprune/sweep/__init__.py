"""Sweeps: grid -> chunks -> store -> figures. Needs the extra `experiments`."""

from jaxprune.sweep._config import SweepConfig as SweepConfig
from jaxprune.sweep._executors import Executor as Executor
from jaxprune.sweep._executors import dask as dask
from jaxprune.sweep._executors import serial as serial
from jaxprune.sweep._figure import plot_bound as plot_bound
from jaxprune.sweep._figure import plot_statistic as plot_statistic
from jaxprune.sweep._figure import plot_sweep as plot_sweep
from jaxprune.sweep._figure import save_figure as save_figure
from jaxprune.sweep._run import run as run
from jaxprune.sweep._store import load as load
from jaxprune.sweep._style import figure_settings as figure_settings
from jaxprune.sweep._style import rule_style as rule_style
from jaxprune.sweep._table import rows as rows
from jaxprune.sweep._table import summarise as summarise
from jaxprune.sweep._table import write_table as write_table
