"""Parts of figures: colours, labels that do not overlap, maps of weights, spectra, modes, time courses."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxprune import boltzmann, deep, plot
from jaxprune.plot._colours import NAMES
from jaxprune.plot._labels import apart
from jaxprune.pruning import RULES


def test_a_rule_has_one_colour_everywhere():
    rules = {name.partition("+")[0] for name in RULES}
    for name in rules:
        assert plot.colour(name) == plot.colour(f"{name}+compensation") == plot.colour(f"{name}, original leak")
        assert plot.rule_style(f"{name}+regrow")["color"] == plot.colour(name)
    assert plot.colour("magnitude") == plot.colour("weight")
    assert plot.colour("mine") == plot.colour("mine") in plot.PALETTE.values()
    assert {*boltzmann.CRITERIA, *deep.METHODS} <= {*NAMES}
    for together in (rules, boltzmann.CRITERIA, ("original", "pruned", "mask only", "one factor", "no synapse")):
        found = [plot.colour(name) for name in together]
        assert len(set(found)) == len(found)


def test_places_are_apart_and_inside():
    rng = np.random.default_rng(0)
    for _ in range(50):
        wanted = np.sort(rng.uniform(0, 100, 8))
        found = apart(wanted, 10.0, 0.0, 100.0)
        assert np.diff(found).min() >= 10 - 1e-9
        assert found[0] >= 0
        assert found[-1] <= 100 + 1e-9
    np.testing.assert_allclose(apart(np.array([10.0, 50.0]), 5.0, 0.0, 100.0), [10, 50])


def test_labels_do_not_overlap_and_stay_on_the_page():
    figure = Figure(figsize=(4, 3), layout="constrained")
    ax = figure.subplots()
    names = [f"a rule of long name {number}" for number in range(6)]
    for number, name in enumerate(names):
        ax.plot([1, 2, 3], [1, 2, 3 + 0.001 * number], label=name)
    ax.plot([1, 2], [1, 1])
    plot.label_lines(ax)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in ax.artists[0].texts]
    assert [text.get_text() for text in ax.artists[0].texts] == names
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
        assert box.x0 >= ax.get_window_extent().x1 - 20
        assert box.x1 <= figure.bbox.x1
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_maps_of_weights_show_every_synapse():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(600, 600)) * (rng.random((600, 600)) < 1e-4)
    ax = plot.plot_weights(W, Figure().subplots(), limit=1.0)
    shown = np.asarray(ax.images[0].get_array().filled(0))
    assert shown.shape == (200, 200)
    np.fill_diagonal(W, 0)
    for row, column in zip(*np.nonzero(W), strict=True):
        assert abs(shown[row // 3, column // 3]) >= abs(W[row, column])
    assert plot.weight_limit(np.diag(np.ones(3))) == 1


def test_spectra():
    ax = plot.plot_spectrum({"original": np.array([-1.0, -3.0]), "pruned": np.array([0.5, -2.0])}, Figure().subplots())
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[1, -1], [2, -3]])
    assert ax.get_ylim()[1] > 0.5
    values = np.array([-1 + 2j, -1 - 2j])
    ax = plot.plot_spectrum({"original": values, "pruned": values.real}, Figure().subplots(), edge=1.0)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[-1, 2], [-1, -2]])
    assert ax.get_xlim()[1] > 1


def test_errors_of_few_and_of_many_modes():
    few = plot.plot_mode_errors({"pruned": np.array([0.1, np.nan, 0.3])}, Figure().subplots())
    np.testing.assert_array_equal(few.lines[0].get_ydata(), [0.1, np.nan, 0.3])
    many = plot.plot_mode_errors({"pruned": np.full(200, 0.2), "no synapse": np.ones(200)}, Figure().subplots())
    medians = next(line for line in many.lines if line.get_label() == "pruned")
    np.testing.assert_allclose(medians.get_ydata(), 0.2)
    assert medians.get_xdata()[0] == 1
    assert medians.get_xdata()[-1] <= 200


def test_time_courses_are_of_the_neurons_named():
    courses = {"original": np.arange(12.0).reshape(4, 3), "pruned": np.zeros((4, 3))}
    ax = plot.plot_time_course(np.arange(4), courses, Figure().subplots(), neurons=[2, 0], names=("a", "b", "c"))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", "a"]
    above, below = ax.lines[0].get_ydata(), ax.lines[1].get_ydata()
    np.testing.assert_allclose(above - below, 2 + above[0] - below[0] - 2)


def test_pixels_that_go_dark_are_counted():
    mask = np.zeros((3, 9))
    mask[:, :4] = 1
    ax = plot.plot_inputs(mask, (3, 3), Figure().subplots())
    assert ax.get_title() == "5 of 9 pixels have gone dark"


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("jaxprune.plot.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match=r"figures need the package matplotlib: pip install 'jaxprune\[exp"):
        _ = plot.network_figure
    assert plot.colour("noise") == "#0072B2"
    with pytest.raises(AttributeError, match="no attribute 'plot_luck'"):
        _ = plot.plot_luck


def test_importing_the_package_does_not_import_matplotlib():
    script = "import sys, jaxprune, jaxprune.plot; print('matplotlib' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
