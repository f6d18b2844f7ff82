"""Summary of a sweep: one row for each rule and fraction, means over networks with standard errors."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jaxprune.files import write_whole

SLOW = 10
"""Number of slowest modes that the summary looks at by themselves."""


def summarise(results: xr.Dataset, *, slow: int = SLOW) -> xr.Dataset:
    """Statistics over the finished networks of a sweep.

    Args:
      results: from `run` or `load`.
      slow: number of slowest modes reported apart.

    Returns:
      Dataset over (statistic, rule, keep), statistic "mean" and "se" (standard error over networks), of `median` (median
      eigenvalue error over modes), `slow` (mean over the slowest modes), `worst_slow` (the worst of them), `epsilon`,
      `kept_fraction`; and, over (rule, keep), `stable` (fraction of networks still stable) and `epsilon_bound` (mean).
    """
    results = results.isel(network=np.flatnonzero(results.finished.values))
    slowest = results.eigenvalue_error.isel(mode=slice(0, slow))
    per_network = {
        "median": results.eigenvalue_error.median("mode"),
        "slow": slowest.mean("mode"),
        "worst_slow": slowest.max("mode"),
        "epsilon": results.epsilon,
        "kept_fraction": results.kept_fraction,
    }
    count = results.sizes["network"]
    summary = {}
    for name, values in per_network.items():
        spread = values.std("network", ddof=1) / np.sqrt(count) if count > 1 else values.mean("network") * np.nan
        summary[name] = xr.concat([values.mean("network"), spread], "statistic").assign_coords(statistic=["mean", "se"])
    summary["stable"] = (results.abscissa < 0).mean("network")
    summary["epsilon_bound"] = results.epsilon_bound.mean("network")
    return xr.Dataset(summary, attrs={"networks": count, "slow": slow})


def rows(summary: xr.Dataset) -> list[dict[str, Any]]:
    """The summary as rows for a table, `name` and `name_se` for each statistic; fractions from small to large."""
    table = []
    for rule in summary.rule.values:
        for keep in np.sort(summary.keep.values):
            at = summary.sel(rule=rule, keep=keep)
            row: dict[str, Any] = {"rule": str(rule), "keep": float(keep)}
            for name in ("kept_fraction", "median", "slow", "worst_slow", "epsilon"):
                row[name] = float(at[name].sel(statistic="mean"))
                row[f"{name}_se"] = float(at[name].sel(statistic="se"))
            row |= {"epsilon_bound": float(at.epsilon_bound), "stable": float(at.stable)}
            table.append(row)
    return table


def write_table(table: list[dict[str, Any]], path: str | os.PathLike) -> None:
    """Write rows as CSV, numbers to six significant digits; the file appears whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in table)
    write_whole(Path(path), text.getvalue().encode())
