"""Figures of Boltzmann machines."""

import numpy as np
from matplotlib.figure import Figure

from jaxprune.boltzmann import Pictures
from jaxprune.plot import plot_pictures, plot_sessions


def test_pictures_show_the_arrays():
    found = Pictures(np.zeros((2, 2)), np.array([[1.0, -2.0]]), np.array([[1.0, 3.0]]))
    axes = Figure().subplots(1, 3)
    plot_pictures(found, axes)
    for ax, shown in zip(axes, (found.fields, found.information, found.samples), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), shown)


def test_sessions():
    rows = [
        {
            "weights": 100 / 2**n,
            "units": 10 - n,
            "log_likelihood": -5.0 - n,
            "log_partition_error": 0.1,
            "code_error": 0.1 * n,
        }
        for n in range(3)
    ]
    axes = Figure().subplots(1, 2)
    plot_sessions(rows, axes)
    np.testing.assert_allclose(axes[0].lines[0].get_xydata().T, [[100, 50, 25], [-5, -6, -7]])
    np.testing.assert_allclose(axes[1].lines[0].get_xydata().T, [[100, 50, 25], [0, 10, 20]])
    assert axes[0].get_xlim()[0] > axes[0].get_xlim()[1]
