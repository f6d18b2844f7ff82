"""Figures: `plot_x(data, ax) -> ax`, one look and one colour for each rule. Needs matplotlib, of the extra `experiments`.

Each part is imported when it is first used, and so is matplotlib.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxprune.plot._axes import label_decades
    from jaxprune.plot._colours import PALETTE, colour
    from jaxprune.plot._labels import label_lines
    from jaxprune.plot._large import plot_degrees, plot_spectral_density
    from jaxprune.plot._machine import machine_figure, plot_pictures, plot_sessions
    from jaxprune.plot._modes import plot_mode_errors
    from jaxprune.plot._network import NetworkView, network_figure, network_view
    from jaxprune.plot._plain import plain
    from jaxprune.plot._rnn import RNNView, rnn_figure, rnn_view
    from jaxprune.plot._save import figure_bytes, save_figure
    from jaxprune.plot._scores import plot_scores
    from jaxprune.plot._sparse_network import SparseNetworkView, sparse_network_figure, sparse_network_view
    from jaxprune.plot._spectrum import plot_spectrum
    from jaxprune.plot._style import figure_settings, rule_style
    from jaxprune.plot._sweep import plot_bound, plot_median, plot_statistic, plot_sweep, plot_unstable
    from jaxprune.plot._time_course import plot_time_course
    from jaxprune.plot._training import plot_accuracy, plot_density, plot_inputs, training_figure
    from jaxprune.plot._weights import plot_weights, weight_limit

__all__ = [
    "PALETTE",
    "NetworkView",
    "RNNView",
    "SparseNetworkView",
    "colour",
    "figure_bytes",
    "figure_settings",
    "label_decades",
    "label_lines",
    "machine_figure",
    "network_figure",
    "network_view",
    "plain",
    "plot_accuracy",
    "plot_bound",
    "plot_degrees",
    "plot_density",
    "plot_inputs",
    "plot_median",
    "plot_mode_errors",
    "plot_pictures",
    "plot_scores",
    "plot_sessions",
    "plot_spectral_density",
    "plot_spectrum",
    "plot_statistic",
    "plot_sweep",
    "plot_time_course",
    "plot_unstable",
    "plot_weights",
    "rnn_figure",
    "rnn_view",
    "rule_style",
    "save_figure",
    "sparse_network_figure",
    "sparse_network_view",
    "training_figure",
    "weight_limit",
]

_PLACES = {
    "_axes": ("label_decades",),
    "_colours": ("PALETTE", "colour"),
    "_labels": ("label_lines",),
    "_large": ("plot_degrees", "plot_spectral_density"),
    "_machine": ("machine_figure", "plot_pictures", "plot_sessions"),
    "_modes": ("plot_mode_errors",),
    "_network": ("NetworkView", "network_figure", "network_view"),
    "_plain": ("plain",),
    "_rnn": ("RNNView", "rnn_figure", "rnn_view"),
    "_save": ("figure_bytes", "save_figure"),
    "_scores": ("plot_scores",),
    "_sparse_network": ("SparseNetworkView", "sparse_network_figure", "sparse_network_view"),
    "_spectrum": ("plot_spectrum",),
    "_style": ("figure_settings", "rule_style"),
    "_sweep": ("plot_bound", "plot_median", "plot_statistic", "plot_sweep", "plot_unstable"),
    "_time_course": ("plot_time_course",),
    "_training": ("plot_accuracy", "plot_density", "plot_inputs", "training_figure"),
    "_weights": ("plot_weights", "weight_limit"),
}


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            try:
                return getattr(importlib.import_module(f"jaxprune.plot.{module}"), name)
            except ModuleNotFoundError as error:
                say = f"figures need the package {error.name}: pip install 'jaxprune[experiments]'."
                raise ModuleNotFoundError(say, name=error.name) from error
    raise AttributeError(f"module 'jaxprune.plot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
