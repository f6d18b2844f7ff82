"""Figures of studies, drawn from the committed results: few panels, one palette, a finding for a title, which way is better."""

import importlib
import importlib.util

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from experiments import _study
from jaxprune import plot

FIGURES = sorted(path.stem for path in _study.RESULTS.glob("*.png"))
PICTURES = ("dbm_pictures", "idea")
"""Images beside each other, and nothing that is better or worse."""
COLOURS = {to_hex(colour) for colour in (*plot.PALETTE.values(), "white", "grey", "black")}


@pytest.fixture(scope="module", params=FIGURES)
def drawn(request):
    name = next(study for study in (request.param, request.param.rpartition("_")[0]) if _is_study(study))
    study = importlib.import_module(f"experiments.{name}")
    with mpl.rc_context(plot.figure_settings()):
        figure = study.draw(_study.load(request.param, _study.RESULTS))
        figure.draw_without_rendering()
    return request.param, figure


def _is_study(name):
    return importlib.util.find_spec(f"experiments.{name}") is not None


def test_a_figure_says_what_it_shows_in_one_palette(drawn):
    name, figure = drawn
    axes = figure.findobj(Axes)
    title = figure.get_suptitle()
    assert len(title) > 30
    assert (
        sum(word.strip("(,.;:)%").replace(",", "").replace(".", "").isdigit() for word in title.split("(")[0].split())
        <= 2
    )
    assert {to_hex(line.get_color()) for ax in axes for line in ax.findobj(Line2D) if line in ax.lines} <= COLOURS
    if name not in PICTURES:
        assert len(axes) <= 6
        assert any("better" in label for ax in axes for label in (ax.get_xlabel(), ax.get_ylabel()))
    assert (_study.RESULTS / f"{name}.png").stat().st_size < 200_000


def test_no_word_is_cut_off(drawn):
    _, figure = drawn
    page = figure.bbox
    for text in _words(figure):
        if text.get_text().strip():
            box = text.get_window_extent()
            assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, text.get_text()
            assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, text.get_text()


def _words(figure):
    """Everything that is written but the ticks."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    for ax in (ax for ax in figure.axes if ax.axison):
        yield from (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts)
    yield from (text for legend in legends for text in legend.get_texts())
    yield from figure.texts
