"""Parts of figures: colours, labels that do not overlap, maps of weights, spectra, modes, time courses."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import STEP_LOOKUP_MAP
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


@pytest.mark.parametrize("width", [2.0, 4.4, 8.0])
def test_modes_are_counted_in_whole_numbers(width):
    for draw, values in ((plot.plot_mode_errors, np.full(16, 0.2)), (plot.plot_spectrum, -np.arange(1.0, 17))):
        ax = draw({"pruned": values}, Figure(figsize=(width, 3)).subplots())
        assert all(place == round(place) for place in ax.get_xticks())


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
    apart = float(np.subtract(*ax.get_yticks()))
    # Each around its own mean.
    np.testing.assert_allclose(above - below, apart, atol=1e-12)
    np.testing.assert_allclose(above, np.arange(4) * 3 - 4.5 + ax.get_yticks()[0], atol=1e-12)


def test_a_course_far_from_zero_is_seen():
    times = np.arange(40.0)
    courses = {"original": np.stack([10 + np.sin(times / 3), -200 + np.cos(times)], axis=1)}
    courses["pruned"] = courses["original"] + 0.1
    ax = plot.plot_time_course(times, courses, Figure().subplots())
    low, high = ax.get_ylim()
    for line in ax.lines:
        assert np.isfinite(line.get_ydata()).all()
        assert low < line.get_ydata().min() < line.get_ydata().max() < high
    assert "around its mean" in ax.get_ylabel()


def test_degrees_are_the_share_of_neurons_with_at_least_so_many():
    counts = np.array([0, 1, 3, 3, 10])
    line = plot.plot_degrees({"original": counts}, Figure().subplots()).lines[0]
    x, y = STEP_LOOKUP_MAP[line.get_drawstyle()](*line.get_data())
    for degree in (1, 2, 2.9, 3, 5, 9.9):
        assert np.interp(degree + 0.01, x, y) == pytest.approx(np.mean(counts >= degree + 0.01))


def test_the_diagonal_is_a_leak_or_synapses():
    W = np.array([[5.0, 1.0], [-1.0, 0.0]])
    drawn = [plot.plot_weights(W, Figure().subplots(), diagonal=diagonal).images[0] for diagonal in (False, True)]
    np.testing.assert_array_equal(drawn[0].get_array().mask, np.eye(2, dtype=bool))
    np.testing.assert_array_equal(drawn[1].get_array(), W)
    assert plot.weight_limit(W) == 1 < plot.weight_limit(W, diagonal=True)
    large = np.diag(np.arange(1.0, 301))
    shown = plot.plot_weights(large, Figure().subplots(), diagonal=True).images[0].get_array()
    np.testing.assert_array_equal(np.diagonal(shown), np.arange(2, 301, 2))


def test_names_are_shown_as_they_are():
    """Mathematics that cannot be read ends the drawing of all of the figure."""
    bad = r"$\bad{$"
    figure = Figure()
    axes = figure.subplots(2, 4).flat
    course = np.arange(12.0).reshape(4, 3)
    plot.plot_time_course(np.arange(4), {bad: course}, axes[0], names=("a", bad, r"\$c"))
    plot.plot_mode_errors({bad: np.array([0.1, 0.2])}, axes[1])
    plot.plot_spectrum({bad: np.array([-1.0, -2.0])}, axes[2])
    plot.plot_degrees({bad: np.array([1, 2])}, axes[3])
    plot.plot_scores({bad: 0.5}, axes[4])
    plot.plot_accuracy({bad: [0.1, 0.2]}, axes[5])
    plot.plot_density({bad: [0.1, 0.2]}, axes[6])
    assert plot.figure_bytes(figure)[1:4] == b"PNG"
    assert axes[1].lines[0].get_color() == plot.colour(bad)


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
