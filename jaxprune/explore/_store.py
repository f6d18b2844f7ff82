"""A stored sweep: what is there of it, and what a page draws of it."""

import json
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxprune import sweep
from jaxprune._checks import InputError
from jaxprune._provenance import versions
from jaxprune.linalg import SLOW
from jaxprune.linalg.parts import measure_names

MEASURES = {called.title: name for name, called in measure_names().items()} | {"certificate, epsilon": "epsilon"}
"""What curves are drawn of, by what the page calls it."""


class Opened(NamedTuple):
    """A sweep that was opened: its results, their medians, and what has to be said of it, one line each."""

    results: xr.Dataset
    summary: xr.Dataset
    notes: tuple[str, ...]


def open_store(place: str) -> Opened:
    """Read a sweep's store.

    Args:
      place: its path or URL.

    Raises:
      InputError: there is none, or one of another version, or one without a finished network.
    """
    if not place.strip():
        raise InputError("give the path or URL of a sweep's store, such as sweep.zarr: `jaxprune sweep` makes one.")
    # Not from the warning of `load`: warnings are of the whole process, and each visitor has a thread.
    found, results = sweep.check(place.strip()), sweep.load(place.strip())
    if not bool(results.finished.any()):
        raise InputError(f"{place} holds no finished network yet: run the sweep first.")
    said = (*_lacks(found), other_versions(results))
    return Opened(results, sweep.summarise(results), tuple(line for line in said if line))


def about(opened: Opened) -> str:
    """What the sweep is, in one line."""
    config, sizes = json.loads(opened.results.attrs["config"]), opened.results.sizes
    return (
        f"{opened.summary.attrs['networks']} networks ({config['family']}) of {sizes['mode']} neurons; "
        f"{sizes['rule']} rules at {sizes['keep']} fractions"
    )


def other_versions(results: xr.Dataset) -> str:
    """Which packages computed it in another version than is installed here, in one line; nothing if none did."""
    here = versions()
    stored = json.loads(results.attrs["versions"])
    other = [f"{name} {old} (here {here[name]})" for name, old in stored.items() if here.get(name, old) != old]
    return f"computed with other versions: {', '.join(other)}." if other else ""


def mode_intervals(opened: Opened, mode: int) -> xr.DataArray:
    """Median error along one mode over networks with its 68 % interval, over (statistic, rule, keep).

    Args:
      opened: the sweep.
      mode: number of the mode, 1 for the slowest.
    """
    errors = opened.results.mode_error.isel(mode=mode - 1)
    return sweep.median_interval(errors.where(opened.results.finished))


def unstable_at(opened: Opened) -> dict[str, np.ndarray]:
    """Fractions kept at which half of the networks, or more, are not stable, so that a median has no end; by rule."""
    stable = opened.summary.stable
    return {str(rule): stable.keep.values[(stable.sel(rule=rule) <= 0.5).values] for rule in stable.rule.values}


def network_errors(opened: Opened, network: int, keep: float) -> dict[str, np.ndarray]:
    """Errors of one network along each mode, slowest first, by rule; rules that are not finished there are left out."""
    at = opened.results.sel(network=network, keep=keep)
    return {str(rule): at.mode_error.sel(rule=rule).values for rule in at.rule.values if at.finished.sel(rule=rule)}


def network_rows(opened: Opened, network: int, keep: float) -> list[dict[str, str]]:
    """The leading measures of one network, a row for each rule."""
    at = opened.results.sel(network=network, keep=keep)
    rows = []
    for rule in at.rule.values:
        one = at.sel(rule=rule)
        if not bool(one.finished):
            rows.append({"rule": str(rule), "H2 error": "not computed yet"})
            continue
        rows.append(
            {
                "rule": str(rule),
                "H2 error": f"{float(one.h2_error):.3g}",
                f"worst of the {SLOW} slowest modes": f"{float(one.mode_error[:SLOW].max()):.3g}",
                "epsilon": f"{float(one.epsilon):.3g}",
                "spectral abscissa": f"{float(one.abscissa):.3g}",
                "synapses": f"{int(one.kept):,}",
            }
        )
    return rows


def _lacks(found):
    """What a store lacks, one line for each kind."""
    size, damaged, originals = found.damaged.size, int(found.damaged.sum()), int(found.original_damaged.sum())
    if damaged:
        yield f"damaged: {damaged} of {size} results, and left out: run the sweep again, which computes them again."
    if originals:
        yield f"damaged: {originals} of the original networks: run the sweep again, which computes them again."
    if missing := int(found.missing.sum()):
        yield f"unfinished: {missing} of {size} results are not computed yet, and left out."
