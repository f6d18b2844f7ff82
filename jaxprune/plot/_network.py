"""One network beside its original: weights, spectrum, errors by mode, and activity under the same noise."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxprune import dynamics, linalg
from jaxprune._types import Matrix, PRNGKey
from jaxprune.dynamics import Linear
from jaxprune.plot._modes import plot_mode_errors
from jaxprune.plot._spectrum import plot_spectrum
from jaxprune.plot._style import figure_settings
from jaxprune.plot._time_course import plot_time_course
from jaxprune.plot._weights import plot_weights, weight_limit

ALL = 1000
"""Neurons up to which all modes are found."""
SLOWEST = 40
"""Modes of larger networks that are found."""
STEPS, EVERY = 2048, 4
"""Steps of the time course, and those between two records."""
LASTS = 12.0
"""What a time course lasts at most, in time constants of the slowest mode."""
FINE = 0.2
"""Step, at most, in time constants of the fastest mode."""


class NetworkView(NamedTuple):
    """What there is to see of a pruned network beside its original, as arrays; made by `network_view`.

    Attributes:
      spectra: eigenvalues by label, slowest first: all, or of a large network the slowest.
      errors: relative error along each of the original's modes, of the pruned network and of controls.
      weights: dynamics matrices by label.
      times: of the time courses, in units of time.
      courses: activity under the same noise by label, (time, neuron).
    """

    spectra: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    times: np.ndarray
    courses: dict[str, np.ndarray]

    @property
    def kept(self) -> float:
        """Share of the original's synapses that the pruned network has."""
        counts = [np.count_nonzero(W) - np.count_nonzero(np.diagonal(W)) for W in self.weights.values()]
        return counts[1] / max(counts[0], 1)

    @property
    def stable(self) -> bool:
        """Whether the pruned network comes to rest."""
        return bool(list(self.spectra.values())[1].real.max() < 0)

    @property
    def agreement(self) -> float:
        """Correlation of the two time courses, over all neurons and times; NaN where one is not finite."""
        first, second = (course.ravel() for course in self.courses.values())
        with np.errstate(all="ignore"):
            return float(np.corrcoef(first, second)[0, 1])


def network_view(
    key: PRNGKey, A: Matrix, B: Matrix, *, labels: tuple[str, str] = ("original", "pruned"), sigma: float = 1.0
) -> NetworkView:
    """Look at a pruned network and its original: spectra, errors along modes, activity under the same noise.

    Beside the pruned network's errors stand those of two controls: its mask with the original's weights, and no synapse at all.

    Args:
      key: random key of the noise.
      A: the original dynamics matrix, stable, in 1/time.
      B: the pruned one.
      labels: what figures call them.
      sigma: intensity of the noise, per square root of time.

    Raises:
      InputError: matrices that are not square, not finite, or of two sizes.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> view = network_view(jax.random.key(0), A, A)
      >>> view.kept, view.stable, round(view.agreement, 3)
      (1.0, True, 1.0)
    """
    A, B = jnp.asarray(A), jnp.asarray(B)
    size = len(A)
    found = linalg.modes(A) if size <= ALL else linalg.slow_modes(A, SLOWEST)
    values = linalg.eigenvalues(B) if size <= ALL else linalg.slow_modes(B, SLOWEST).eigenvalues
    own = jnp.diag(jnp.diagonal(A))
    bare = jnp.where(B != 0, A, 0) * (1 - jnp.eye(size, dtype=A.dtype)) + own
    networks = {labels[1]: B, "mask only": bare, "no synapse": own}
    errors = {name: np.asarray(linalg.mode_errors(found, network)[0]) for name, network in networks.items()}
    if np.allclose(errors["mask only"], errors[labels[1]], equal_nan=True):
        del errors["mask only"]
    courses = _courses(key, A, B, (found.eigenvalues, values), sigma)
    return NetworkView(
        spectra=dict(zip(labels, (np.asarray(found.eigenvalues), np.asarray(values)), strict=True)),
        errors=errors,
        weights=dict(zip(labels, (np.asarray(A), np.asarray(B)), strict=True)),
        times=np.asarray(courses.times),
        courses=dict(zip(labels, np.asarray(courses.states), strict=True)),
    )


def network_figure(view: NetworkView, *, title: str | None = None) -> Figure:
    """Draw a pruned network beside its original: weights and spectra above, errors by mode and time courses below.

    Args:
      view: from `network_view`.
      title: of the figure; by default what was found.

    Returns:
      The figure.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> len(network_figure(network_view(jax.random.key(0), A, A)).axes)
      5
    """
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 7.2), layout="constrained")
        axes = figure.subplot_mosaic([["first", "second", "spectrum"], ["errors", "course", "course"]])
        limit = weight_limit(*view.weights.values())
        for place, (label, W) in zip(("first", "second"), view.weights.items(), strict=True):
            count = np.count_nonzero(W) - np.count_nonzero(np.diagonal(W))
            plot_weights(W, axes[place], limit=limit).set_title(f"{label}: {count:,} synapses")
        plot_spectrum(view.spectra, axes["spectrum"]).set_title(_spectrum_title(view))
        plot_mode_errors(view.errors, axes["errors"]).set_title(_errors_title(view))
        plot_time_course(view.times, view.courses, axes["course"]).set_title(_course_title(view), loc="left")
        figure.suptitle(title or _title(view), fontsize=11)
    return figure


def _courses(key, A, B, spectra, sigma):
    """Time courses with a step that the fastest mode of both allows."""
    spectra = [np.asarray(values) for values in spectra]
    stable = [values for values in spectra if values.real.max() < 0]
    slow = min((float(-values.real.max()) for values in stable), default=1.0)
    if len(A) <= ALL:
        fast = max(float(np.abs(values).max()) for values in spectra)
        limit = min((float(np.min(-2 * v.real / np.abs(v) ** 2)) for v in stable), default=np.inf)
    else:
        fast, limit = max(float(jnp.max(jnp.sum(jnp.abs(network), axis=1))) for network in (A, B)), np.inf
    dt = min(FINE / fast, limit / 2, LASTS / slow / STEPS)
    run = dynamics.same_noise if len(A) <= ALL else eqx.filter_jit(dynamics.same_noise)
    return run(key, [Linear(A), Linear(B)], dt=dt, steps=STEPS, sigma=sigma, record_every=EVERY)


def _title(view):
    if not view.stable:
        return f"with {view.kept:.1%} of the synapses the network is not stable"
    slow = next(iter(view.errors.values()))[: linalg.SLOW]
    known = slow[np.isfinite(slow)]
    change = f", and its {len(known)} slowest modes change by {known.mean():.1%} on average" if len(known) else ""
    return f"{view.kept:.1%} of the synapses are kept{change}"


def _spectrum_title(view):
    first, second = (float(values.real.max()) for values in view.spectra.values())
    return f"slowest mode: {first:.3g} before, {second:.3g} after"


def _errors_title(view):
    slow = next(iter(view.errors.values()))[: linalg.SLOW]
    known = slow[np.isfinite(slow)]
    return f"the worst slow mode is off by {known.max():.1%}" if len(known) else "modes that cannot be followed"


def _course_title(view):
    value = view.agreement
    if np.isnan(value):
        return "activity under the same noise grows without end"
    return f"activity under the same noise: correlation {value:.2f}"
