"""The figure shows what was stored."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from jaxprune import networks, plot, sweep
from jaxprune.explore import _pictures as explore_pictures
from jaxprune.explore._store import Opened


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    config = sweep.SweepConfig(networks.Ensemble(sizes=(12, 8), bridges=12), keep=(0.3, 0.6, 0.9), networks=3, chunk=3)
    return sweep.run(config, tmp_path_factory.mktemp("sweep") / "small.zarr").load()


def test_lines_are_the_medians(results):
    summary = sweep.summarise(results)
    ax = plot.plot_statistic(summary, "slow_modes", Figure().subplots())
    lines = {container.get_label(): container.lines[0] for container in ax.containers}
    assert set(lines) == set(results.rule.values)
    for rule, line in lines.items():
        np.testing.assert_allclose(line.get_ydata(), summary.slow_modes.sel(rule=rule, statistic="median"))


def test_a_bar_without_end_is_an_arrow_and_an_infinite_median_no_point():
    values = [[1.0, 0.5, 2.0], [1.0, 0.5, np.inf], [np.inf, 1.0, np.inf]]
    interval = xr.DataArray(values, {"x": [1, 2, 3], "statistic": ["median", "low", "high"]}, ("x", "statistic"))
    ax = Figure().subplots()
    plot.plot_median(ax, np.array([1, 2, 3]), interval)
    line, arrows = ax.containers[0].lines[0], ax.lines[-1]
    np.testing.assert_array_equal(line.get_ydata(), [1, 1, np.nan])
    np.testing.assert_array_equal(arrows.get_xdata(), [2])


def test_bound_is_drawn_only_where_it_says_something(results):
    summary = sweep.summarise(results)
    summary["epsilon_bound"] = summary.epsilon_bound.copy(
        data=np.broadcast_to([1.5, 0.9, 0.4], summary.epsilon_bound.shape)
    )
    ax = plot.plot_bound(summary, Figure().subplots())
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.6, 0.9])


def test_where_the_median_network_is_unstable_there_is_a_mark(results):
    shaken = results.copy(deep=True)
    shaken["abscissa"].loc[{"rule": "weight", "keep": 0.3}] = 1.0
    figure = plot.plot_sweep(shaken)
    for ax in figure.axes:
        marks = [line for line in ax.lines if line.get_transform() != ax.transData and len(line.get_xdata()) == 1]
        assert [line.get_color() for line in marks] == [plot.colour("weight")]
        np.testing.assert_array_equal(marks[0].get_xdata(), [0.3])
        assert "unstable" in [text.get_text() for text in ax.texts]
        assert "lower is better" in ax.get_ylabel()
    assert "Response to noise nearest" in figure.get_suptitle()
    assert not [text for ax in plot.plot_sweep(results).axes for text in ax.texts if text.get_text() == "unstable"]


def test_names_of_rules_are_shown_as_they_are(results):
    strange = results.assign_coords(rule=[rf"$\bad{{$ {number}" for number in range(results.sizes["rule"])])
    opened = Opened(strange, sweep.summarise(strange), ())
    for drawn in (
        plot.figure_bytes(plot.plot_sweep(strange)),
        explore_pictures.store_curves(opened, "h2", "H2 error", 1),
        explore_pictures.store_network(opened, 0, 0.6, list(strange.rule.values)),
    ):
        assert drawn[1:4] == b"PNG"


def test_png(results, tmp_path):
    plot.save_figure(plot.plot_sweep(results), tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "sweep.png").stat().st_size < 200_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["sweep.png"]


@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_where_nothing_can_be_drawn_the_figure_says_so(results, value, tmp_path):
    empty = results.copy(deep=True)
    for name in ("h2_error", "mode_error", "stationary", "path", "epsilon", "eigenvalue_error"):
        empty[name][:] = value
    figure = plot.plot_sweep(empty)
    assert [text.get_text() for ax in figure.axes for text in ax.texts if "throughout" in text.get_text()]
    plot.save_figure(figure, tmp_path / "empty.png")
