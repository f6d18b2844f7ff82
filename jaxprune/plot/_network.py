"""One network beside its original: weights, spectrum, errors by mode, and activity under the same noise."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxprune import dynamics, linalg
from jaxprune._types import Matrix, PRNGKey
from jaxprune.linalg import Stability
from jaxprune.plot import _words
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
      stability: of the pruned network.
      names: of the neurons; empty where they have none but their numbers.
    """

    spectra: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    times: np.ndarray
    courses: dict[str, np.ndarray]
    stability: Stability
    names: tuple[str, ...] = ()

    @property
    def kept(self) -> float:
        """Share of the original's synapses that the pruned network has."""
        before, after = (_synapses(W) for W in self.weights.values())
        return after / max(before, 1)

    @property
    def course_title(self) -> str:
        """How well the two time courses agree, in words; of a pruned network not known to be stable, why that says nothing."""
        return _words.course_title(self.courses, self.stability)

    @property
    def agreement(self) -> float:
        """Correlation of the two time courses, over all neurons and times; NaN where one is not finite."""
        return _words.correlation(self.courses)


def network_view(
    key: PRNGKey,
    A: Matrix,
    B: Matrix,
    *,
    labels: tuple[str, str] = ("original", "pruned"),
    names: Sequence[str] = (),
    sigma: float = 1.0,
    stability: Stability | None = None,
) -> NetworkView:
    """Look at a pruned network and its original: spectra, errors along modes, activity under the same noise.

    Beside the pruned network's errors stand those of two controls: its mask with the original's weights, unless that is what it
    is, and no synapse at all.

    Args:
      key: random key of the noise.
      A: the original dynamics matrix, stable, in 1/time.
      B: the pruned one.
      labels: what figures call them.
      names: of the neurons.
      sigma: intensity of the noise, per square root of time.
      stability: of B, if it is known already.

    Raises:
      InputError: matrices that are not square, not finite, or of two sizes.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> view = network_view(jax.random.key(0), A, A)
      >>> view.kept, view.stability.stable, round(view.agreement, 3)
      (1.0, True, 1.0)
    """
    A, B = jnp.asarray(A), jnp.asarray(B)
    small = len(A) <= ALL
    found = linalg.modes(A) if small else linalg.slow_modes(A, SLOWEST)
    values = linalg.eigenvalues(B) if small else linalg.slow_modes(B, SLOWEST).eigenvalues
    own = jnp.diag(jnp.diagonal(A))
    networks = {labels[1]: B, "mask only": jnp.where(B != 0, A - own, 0) + own, "no synapse": own}
    errors = {name: np.asarray(linalg.mode_errors(found, network)[0]) for name, network in networks.items()}
    if np.allclose(errors["mask only"], errors[labels[1]], equal_nan=True):
        del errors["mask only"]
    stability = linalg.stability(B) if stability is None else stability
    courses = _courses(key, A, B, (np.asarray(found.eigenvalues), np.asarray(values)), stability, sigma)
    return NetworkView(
        spectra=dict(zip(labels, (np.asarray(found.eigenvalues), np.asarray(values)), strict=True)),
        errors=errors,
        weights=dict(zip(labels, (np.asarray(A), np.asarray(B)), strict=True)),
        times=np.asarray(courses.times),
        courses=dict(zip(labels, np.asarray(courses.states), strict=True)),
        stability=stability,
        names=tuple(names),
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
            plot_weights(W, axes[place], limit=limit).set_title(f"{label}: {_synapses(W):,} synapses")
        plot_spectrum(view.spectra, axes["spectrum"]).set_title(_words.slowest(view.spectra))
        plot_mode_errors(view.errors, axes["errors"]).set_title(_words.worst_mode(view.errors))
        plot_time_course(view.times, view.courses, axes["course"], names=view.names)
        axes["course"].set_title(view.course_title, loc="left")
        figure.suptitle(title or _words.headline(view.kept, view.stability, view.errors), fontsize=11)
    return figure


def _synapses(W):
    return int(np.count_nonzero(W) - np.count_nonzero(np.diagonal(W)))


def _courses(key, A, B, spectra, stability, sigma):
    """Time courses with a step that the fastest mode of both allows."""
    small = len(A) <= ALL
    settling = spectra if stability.stable else spectra[:1]
    stable = [values for values in settling if values.real.max() < 0]
    slow = min((float(-values.real.max()) for values in stable), default=1.0)
    if small:
        fast = max(float(np.abs(values).max()) for values in spectra)
        limit = min((float(np.min(-2 * v.real / np.abs(v) ** 2)) for v in stable), default=np.inf)
    else:
        fast, limit = max(float(jnp.max(jnp.sum(jnp.abs(network), axis=1))) for network in (A, B)), np.inf
    dt = min(FINE / fast, limit / 2, LASTS / slow / STEPS)
    return dynamics.same_noise(key, (A, B), dt=float(dt), steps=STEPS, sigma=sigma, record_every=EVERY)
