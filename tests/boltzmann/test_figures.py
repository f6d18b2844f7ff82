"""Pictures are of what was measured."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import jaxprune
from jaxprune.boltzmann import plot_sessions, tile


def test_tiles_hold_the_images():
    images = np.arange(5 * 6.0).reshape(5, 6)
    found = tile(images, (2, 3), columns=2)
    assert found.shape == (8, 7)
    for number, image in enumerate(images):
        top, left = 3 * (number // 2), 4 * (number % 2)
        np.testing.assert_array_equal(found[top : top + 2, left : left + 3], image.reshape(2, 3))
    assert np.isnan(found[2]).all()
    assert np.isnan(found[6:, 4:]).all()
    with pytest.raises(jaxprune.InputError, match="6 pixels, but 2 x 2 is 4"):
        tile(images, (2, 2))


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
