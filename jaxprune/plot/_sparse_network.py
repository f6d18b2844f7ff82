"""One large network beside its original, which are lists of synapses: no dense matrix is made of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxprune import dynamics, linalg
from jaxprune._checks import InputError
from jaxprune._types import PRNGKey
from jaxprune.linalg import SpectralDensity, Stability
from jaxprune.linalg.sparse import SparseMatrix, diagonal_of, from_entries, input_of, to_scipy
from jaxprune.plot import _words
from jaxprune.plot._large import plot_degrees, plot_spectral_density
from jaxprune.plot._modes import plot_mode_errors
from jaxprune.plot._spectrum import plot_spectrum
from jaxprune.plot._style import figure_settings
from jaxprune.plot._time_course import SHOWN, plot_time_course

SLOWEST = 20
"""Modes that are found."""
STEPS, EVERY = 1024, 4
"""Steps of the time course, and those between two records."""
WORK = 4 * 10**9
"""Entries that the time course may multiply; of a very large network it is shorter."""
LASTS, FINE = 12.0, 0.2
"""What a time course lasts at most, in slowest time constants; its step at most, in time constants of the fastest neuron."""


class SparseNetworkView(NamedTuple):
    """What there is to see of a large pruned network beside its original; made by `sparse_network_view`.

    Attributes:
      spectra: the slowest eigenvalues by label.
      errors: relative error along each of these modes of the original.
      densities: of all eigenvalues, by label; empty for networks that are not symmetric.
      degrees: synapses that each neuron receives, by label.
      times: of the time courses, in units of time.
      courses: activity of some neurons under the same noise by label, (time, neuron).
      stability: of the pruned network.
      names: of these neurons.
    """

    spectra: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    densities: dict[str, SpectralDensity]
    degrees: dict[str, np.ndarray]
    times: np.ndarray
    courses: dict[str, np.ndarray]
    stability: Stability
    names: tuple[str, ...]

    @property
    def kept(self) -> float:
        """Share of the original's synapses that the pruned network has."""
        before, after = (int(counts.sum()) for counts in self.degrees.values())
        return after / max(before, 1)

    @property
    def course_title(self) -> str:
        """How well the two time courses agree, in words; of a pruned network not known to be stable, why that says nothing."""
        return _words.course_title(self.courses, self.stability)


def sparse_network_view(
    key: PRNGKey,
    A: SparseMatrix,
    B: SparseMatrix,
    *,
    labels: tuple[str, str] = ("original", "pruned"),
    names: Sequence[str] = (),
    sigma: float = 1.0,
    stability: Stability | None = None,
) -> SparseNetworkView:
    """Look at a large pruned network and its original: slowest modes, density of the spectrum, degrees, activity of some neurons.

    Args:
      key: random key of the noise and of the patterns that probe the spectrum.
      A: the original dynamics matrix, stable, in 1/time.
      B: the pruned one.
      labels: what figures call them.
      names: of all neurons.
      sigma: intensity of the noise, per square root of time.
      stability: of B, if it is known already.

    Raises:
      InputError: networks of two sizes, or one whose modes cannot be looked for.

    Example:
      >>> from jaxprune.linalg.sparse import as_sparse
      >>> A = as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> sparse_network_view(jax.random.key(0), A, A).kept
      1.0
    """
    noise_key, probe_key = jax.random.split(key)
    found, after = linalg.slow_modes(A, SLOWEST), _slowest_of(B)
    own = np.arange(A.shape[0])
    bare = from_entries(own, own, np.asarray(diagonal_of(A)), len(own))
    errors = {labels[1]: linalg.mode_errors(found, B)[0], "no synapse": linalg.mode_errors(found, bare)[0]}
    symmetric = all(linalg.sparse.asymmetry(network) is None for network in (A, B))
    densities = [linalg.spectral_density(probe_key, network) for network in (A, B)] if symmetric else []
    shown = np.unique(np.linspace(0, len(own) - 1, min(SHOWN, len(own))).astype(int))
    courses = _courses(noise_key, A, B, jnp.asarray(shown), np.asarray(found.eigenvalues), sigma)
    return SparseNetworkView(
        spectra=dict(zip(labels, (np.asarray(found.eigenvalues), after), strict=True)),
        errors={name: np.asarray(values) for name, values in errors.items()},
        densities=dict(zip(labels, densities, strict=False)),
        degrees=dict(zip(labels, (_degrees(A), _degrees(B)), strict=True)),
        times=np.asarray(courses.times),
        courses=dict(zip(labels, np.asarray(courses.states), strict=True)),
        stability=linalg.stability(B) if stability is None else stability,
        names=tuple(str(names[place]) if len(names) else str(place) for place in shown),
    )


def sparse_network_figure(view: SparseNetworkView, *, title: str | None = None) -> Figure:
    """Draw a large pruned network beside its original: slowest modes, errors along them, density, degrees and time courses.

    Args:
      view: from `sparse_network_view`.
      title: of the figure; by default what was found.

    Returns:
      The figure.

    Example:
      >>> from jaxprune.linalg.sparse import as_sparse
      >>> A = as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> len(sparse_network_figure(sparse_network_view(jax.random.key(0), A, A)).axes)
      5
    """
    above: list[Any] = ["spectrum", "errors", *(["density"] if view.densities else []), "degrees"]
    panels: list[Any] = [above, ["course"] * len(above)]
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(3.6 * len(above) + 0.8, 6.8), layout="constrained")
        axes = figure.subplot_mosaic(panels)
        plot_spectrum(view.spectra, axes["spectrum"]).set_title(_words.slowest(view.spectra))
        plot_mode_errors(view.errors, axes["errors"]).set_title(_words.worst_mode(view.errors))
        if view.densities:
            plot_spectral_density(view.densities, axes["density"]).set_title("density of all modes")
        plot_degrees(view.degrees, axes["degrees"]).set_title(_silenced(view.degrees))
        plot_time_course(view.times, view.courses, axes["course"], names=view.names)
        axes["course"].set_title(view.course_title, loc="left")
        figure.suptitle(title or _words.headline(view.kept, view.stability, view.errors), fontsize=11)
    return figure


def _slowest_of(B) -> np.ndarray:
    """Eigenvalues; none where iteration finds none."""
    try:
        return np.asarray(linalg.slow_modes(B, SLOWEST).eigenvalues)
    except InputError:
        return np.zeros(0)


def _degrees(A: Any) -> np.ndarray:
    rows = to_scipy(A)
    return np.diff(rows.indptr) - (rows.diagonal() != 0)


def _silenced(degrees):
    before, after = (int((counts == 0).sum()) for counts in degrees.values())
    size = len(next(iter(degrees.values())))
    return f"{(after - before) / size:.1%} of the neurons lose all inputs"


def _courses(key, A, B, shown, values, sigma):
    """Time courses with a step that the fastest neuron of both allows."""
    fast = max(float(jnp.max(input_of(network) + jnp.abs(diagonal_of(network)))) for network in (A, B))
    steps = EVERY * max(min(STEPS, WORK // (A.data.size + B.data.size)) // EVERY, 16)
    dt = min(FINE / fast, LASTS / abs(float(values.real.max())) / steps)
    return dynamics.same_noise(key, (A, B), neurons=shown, dt=dt, steps=steps, sigma=sigma, record_every=EVERY)
