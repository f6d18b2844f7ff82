"""Summary of a sweep: one row for each rule and fraction, medians over networks."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import xarray as xr

from jaxprune._checks import check_whole
from jaxprune.files import write_whole
from jaxprune.linalg import SLOW

MEASURES = ("h2", "slow_modes", "worst_mode", "stationary", "path", "epsilon", "sorted_median", "kept_fraction")
"""What is summarised, the leading measures first."""
SHARES = ("finite", "stable", "marginal", "certified", "followed")
"""Of the networks that medians are taken of."""
CONFIDENCE = 0.6827
"""Of the interval around a median: that of one standard error."""
EMPTY, ENDS_OF_CONTROLS = "empty", ("+keep", "+abscissa")


def summarise(results: xr.Dataset, *, slow: int = SLOW) -> xr.Dataset:
    """Medians over the finished networks of a sweep; an unstable network counts as infinitely wrong.

    Args:
      results: from `run` or `load`.
      slow: number of slowest modes reported apart.

    Returns:
      Dataset over (statistic, rule, keep) of

      - `h2`: relative H2 error of the response to noise,
      - `slow_modes`, `worst_mode`: mean and worst of the errors along the slowest modes of the original,
      - `stationary`, `path`: information lost about activity at one moment, in nats per neuron, and about trajectories, in nats
        per neuron and unit of time; the second does not see whether a network is stable,
      - `epsilon`: of the certificate,
      - `sorted_median`: median error of sorted eigenvalues, the measure of the literature, on which an empty network does well,
      - `kept_fraction`,

      with the statistics "median", "low" and "high": order statistics of the networks between which the median of all networks
      lies with a confidence of 68 %, as a mean does within a standard error (of two networks, both, which hold it in half of
      the cases; of one, NaN). Over (rule, keep), of the networks of which the medians are taken:

      - `networks`: their number,
      - `failed`: number of networks of which another measure than epsilon or the slow modes is NaN, because their original is
        not stable, or pruning failed: they are left out of everything else,
      - `finite`: share with a finite H2 error,
      - `stable`, `marginal`: share that is stable, and share of which rounding decides (an abscissa within `N ε max |λ|` of
        zero, such as that of a neuron without inputs at margin 0),
      - `certified`: share that has an epsilon: none exists where the original's symmetric part is not negative definite,
      - `followed`: share whose slow modes can be followed: not where two modes of the original are one,
      - `epsilon_bound`: median.

      The attribute `networks` is the number of networks of which anything is finished.
    """
    check_whole("slow", slow, least=1)
    slowest = results.mode_error.isel(mode=slice(0, slow))
    per_network = xr.Dataset(
        {
            "h2": results.h2_error,
            "slow_modes": slowest.mean("mode", skipna=False),
            "worst_mode": slowest.max("mode", skipna=False),
            "stationary": results.stationary,
            "path": results.path,
            "epsilon": results.epsilon,
            "sorted_median": results.eigenvalue_error.median("mode", skipna=False),
            "kept_fraction": results.kept_fraction,
        }
    )
    needed = per_network.drop_vars(["epsilon", "slow_modes", "worst_mode"]).assign(abscissa=results.abscissa)
    failed = needed.isnull().to_array().any("variable") & results.finished
    used = results.finished & ~failed
    there = used.sum("network")
    summary = {name: median_interval(values.where(used)) for name, values in per_network.items()}
    rounding = _rounding(results)
    shares = {
        "finite": np.isfinite(results.h2_error),
        "stable": results.abscissa < -rounding,
        "marginal": np.abs(results.abscissa) <= rounding,
        "certified": per_network.epsilon.notnull(),
        "followed": per_network.slow_modes.notnull(),
    }
    summary |= {name: (share & used).sum("network") / there for name, share in shares.items()}
    summary |= {"networks": there, "failed": failed.sum("network")}
    summary["epsilon_bound"] = results.epsilon_bound.where(used).median("network")
    begun = int(results.finished.any(("rule", "keep")).sum())
    return xr.Dataset(summary, attrs={"networks": begun, "slow": slow})


def _rounding(results):
    """Size below which the abscissa of a pruned network has no sign."""
    largest = np.hypot(results.eigenvalue_real, results.eigenvalue_imag).max("mode")
    return (results.sizes["mode"] * np.finfo(results.abscissa.dtype).eps * largest).fillna(0)


def median_interval(values: xr.DataArray, over: str = "network") -> xr.DataArray:
    """Median over a dimension and the 68 % interval around it, as `summarise` does; NaN is left out, infinity is a value.

    Returns:
      The values with the dimension `statistic` ("median", "low", "high") in place of `over`.

    Example:
      >>> median_interval(xr.DataArray([3.0, 1.0, np.inf, 2.0, np.nan], dims="network")).values
      array([2.5, 1. , inf])
    """
    return xr.apply_ufunc(
        _median_and_interval, values, input_core_dims=[[over]], output_core_dims=[["statistic"]], vectorize=True
    ).assign_coords(statistic=["median", "low", "high"])


def _median_and_interval(values):
    values = np.sort(values[~np.isnan(values)])
    count = len(values)
    if count < 2:
        return np.array([values[0] if count else np.nan, np.nan, np.nan])
    # The largest k for which the k-th smallest and k-th largest enclose the median with this confidence, or 1.
    inside = 1 - 2 * scipy.stats.binom.cdf(np.arange(count // 2), count, 0.5)
    k = max(1, int(np.sum(inside >= CONFIDENCE)))
    return np.array([(values[(count - 1) // 2] + values[count // 2]) / 2, values[k - 1], values[count - k]])


def beaten(results: xr.Dataset) -> dict[str, list[tuple[str, float]]]:
    """Which rules do not beat the controls of a sweep in H2 error, and at which fractions.

    Controls are `empty`, the network without synapses, and rules that end in `+keep` (the mask alone) or `+abscissa` (the mask
    and one factor). A rule beats one where its H2 error is the smaller in more than half of the networks, paired.

    Args:
      results: from `run` or `load`.

    Returns:
      (rule, fraction) by control; empty lists where every rule beats it. Networks whose measures are NaN in either are left out,
      and a rule of which none is known does not beat a control. Nothing where a sweep has controls only.

    Example:
      >>> h2 = (("network", "rule", "keep"), np.array([[[0.1, 0.5], [0.3, 0.3]]]))
      >>> finished = (("network", "rule", "keep"), np.ones((1, 2, 2), bool))
      >>> labels = {"rule": ["noise", "empty"], "keep": [0.5, 0.2]}
      >>> beaten(xr.Dataset({"h2_error": h2, "finished": finished}, labels))
      {'empty': [('noise', 0.2)]}
    """
    h2 = results.h2_error.where(results.finished)
    names = [str(rule) for rule in h2.rule.values]
    controls = [name for name in names if name == EMPTY or name.endswith(ENDS_OF_CONTROLS)]
    others = [name for name in names if name not in controls]

    def wins(name, control, keep):
        ours, theirs = (h2.sel(rule=rule, keep=keep) for rule in (name, control))
        known = ours.notnull() & theirs.notnull()
        return 2 * int((ours < theirs).where(known, False).sum()) > int(known.sum())

    return {
        control: [
            (name, float(keep)) for name in others for keep in np.sort(h2.keep.values) if not wins(name, control, keep)
        ]
        for control in controls
        if others
    }


def rows(summary: xr.Dataset) -> list[dict[str, Any]]:
    """The summary as rows for a table, `name`, `name_low` and `name_high` for each measure; fractions from small to large.

    Args:
      summary: from `summarise`.
    """
    table = []
    for rule in summary.rule.values:
        for keep in np.sort(summary.keep.values):
            at = summary.sel(rule=rule, keep=keep)
            row: dict[str, Any] = {"rule": str(rule), "keep": float(keep)}
            for name in MEASURES:
                row[name] = float(at[name].sel(statistic="median"))
                row |= {f"{name}_{end}": float(at[name].sel(statistic=end)) for end in ("low", "high")}
            row |= {name: float(at[name]) for name in ("epsilon_bound", *SHARES)}
            table.append(row | {name: int(at[name]) for name in ("networks", "failed")})
    return table


def write_table(table: list[dict[str, Any]], path: str | os.PathLike) -> None:
    """Write rows as CSV, numbers to six significant digits; the file appears whole or not at all.

    Args:
      table: from `rows`.
      path: of the file.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in table)
    write_whole(Path(path), text.getvalue().encode())
