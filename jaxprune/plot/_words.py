"""What titles of figures say of a pruned network."""

from collections.abc import Mapping

import numpy as np

from jaxprune.linalg import SLOW, Stability


def headline(kept: float, stability: Stability, errors: Mapping[str, np.ndarray]) -> str:
    """What became of the network, in one sentence.

    Args:
      kept: share of the synapses.
      stability: of the pruned network.
      errors: along the original's modes, slowest first; those of the pruned network come first.

    Example:
      >>> headline(0.1, Stability(-1.0, 1e-15, True), {"pruned": np.array([0.1, 0.3])})
      '10.0% of the synapses are kept, and the 2 slowest modes change by 20.0% on average'
    """
    if not stability.known:
        return f"{kept:.1%} of the synapses are kept; whether the network is stable is {stability.words}"
    if not stability.stable:
        return f"with {kept:.1%} of its synapses the network is {stability.words}"
    known = _slow(errors)
    change = f", and the {len(known)} slowest modes change by {known.mean():.1%} on average" if len(known) else ""
    return f"{kept:.1%} of the synapses are kept{change}"


def worst_mode(errors: Mapping[str, np.ndarray]) -> str:
    """How well the slow mode is kept that is kept worst.

    Example:
      >>> worst_mode({"pruned": np.array([0.1, 0.3])})
      'the worst slow mode is off by 30.0%'
    """
    known = _slow(errors)
    return f"the worst slow mode is off by {known.max():.1%}" if len(known) else "the slow modes cannot be followed"


def slowest(spectra: Mapping[str, np.ndarray]) -> str:
    """The slowest mode of both networks.

    Example:
      >>> slowest({"original": np.array([-1.0, -2.0]), "pruned": np.array([-1.5, -2.0])})
      'slowest mode: -1 before, -1.5 after'
    """
    before, after = (abscissa(values) for values in spectra.values())
    return f"slowest mode: {before:.3g} before, {after:.3g} after"


def abscissa(values: np.ndarray) -> float:
    """Largest real part of eigenvalues; NaN where none is known.

    Example:
      >>> abscissa(np.array([-1.0 + 2j, -1.0 - 2j]))
      -1.0
    """
    known = np.real(values)[np.isfinite(values)]
    return float(known.max()) if len(known) else np.nan


def correlation(courses: Mapping[str, np.ndarray]) -> float:
    """Correlation of two time courses over all neurons and times; NaN where one is not finite.

    Example:
      >>> round(correlation({"original": np.array([[1.0], [2.0]]), "pruned": np.array([[2.0], [4.0]])}), 3)
      1.0
    """
    first, second = (np.asarray(course, float).ravel() for course in courses.values())
    with np.errstate(all="ignore"):
        return float(np.corrcoef(first, second)[0, 1])


def course_title(courses: Mapping[str, np.ndarray], stability: Stability) -> str:
    """How well activity agrees: a correlation where both networks come to rest, else why there is none.

    Args:
      courses: of the original and of the pruned network.
      stability: of the pruned network.

    Example:
      >>> courses = {"original": np.array([[1.0], [2.0]]), "pruned": np.array([[2.0], [4.0]])}
      >>> course_title(courses, Stability(-1.0, 1e-15, True))
      'activity under the same noise: correlation 1.000'
    """
    if not stability.known:
        says = "whether it comes to rest is not known"
    elif not stability.stable:
        says = "it grows without end" if stability.words == "unstable" else "it never comes to rest"
    else:
        says = f"correlation {correlation(courses):.3f}"
    return f"activity under the same noise: {says}"


def _slow(errors):
    found = np.asarray(next(iter(errors.values())), float)[:SLOW]
    return found[np.isfinite(found)]
