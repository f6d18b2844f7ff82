"""What studies of pruned linear networks measure, beside what: one set of measures and of controls for all of them."""

import xarray as xr
from jax import Array

from experiments import _study
from jaxprune import linalg
from jaxprune.sweep import median_interval

MEASURES = {
    "h2": "H2 error",
    "slow_modes": "slow modes",
    "worst_mode": "worst of them",
    "stationary": "nats per neuron",
    "epsilon": "epsilon",
    "sorted_median": "sorted median",
}
"""Those of `linalg.measure` that tables show, and their headings."""
CONTROLS = ("noise+keep", "noise+abscissa", "empty")
"""The mask alone, the mask and one factor, and no synapse."""


def measures(original: linalg.Reference, S: Array, *, slow: int = linalg.SLOW) -> _study.Row:
    """All measures of a pruned matrix as plain numbers."""
    *found, certificate = linalg.measure(original, S, slow=slow)
    named = dict(zip(linalg.Measures._fields, found, strict=False))
    named |= {"epsilon": certificate.epsilon, "abscissa": certificate.abscissa}
    return {name: float(value) for name, value in named.items()}


def unstable() -> _study.Row:
    """What a network scores that could not be made because something on the way was not stable."""
    names = (*linalg.Measures._fields[:-1], "epsilon", "abscissa")
    return {name: float("inf") for name in names}


def cell(values: xr.DataArray, over: str = "network", digits: int = 3) -> str:
    """Median and its 68 % interval over networks, infinity a value; of one value, that alone; of none, nothing."""
    median, low, high = (float(x) for x in median_interval(values, over))
    if median != median:
        return ""
    shown = f"{median:.{digits}f}"
    return shown if low != low else f"{shown} ({low:.{digits}f}, {high:.{digits}f})"


def finite(values: xr.Dataset, over: str = "network") -> str:
    """Share of networks with a finite H2 error."""
    there = values.h2.notnull().sum(over)
    return f"{float((abs(values.h2) < float('inf')).sum(over) / there):.0%}"
