"""Every notebook runs from top to bottom, on a small network, and is committed as executed from the .py beside it."""

import runpy
from pathlib import Path

import jax
import jupytext
import matplotlib.pyplot as plt
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
LARGEST = 400_000
"""Bytes of a notebook with its figures."""
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@named
# Networks as small as these fall apart, and one or the other does not come to rest.
@pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
@pytest.mark.filterwarnings("ignore::jaxprune.pruning.UnstableWarning")
def test_runs(path, monkeypatch):
    monkeypatch.setenv("JAXPRUNE_FAST", "1")
    monkeypatch.chdir(FOLDER)
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()) or plt.close("all"))
    with plt.rc_context(), jax.numpy_rank_promotion("allow"):  # as for whoever opens it
        plt.switch_backend("agg")
        runpy.run_path(str(path))
    assert len(shown) >= 2


@named
def test_what_is_committed_is_in_step(path):
    """`python notebooks/_make.py` makes it so."""
    source, executed = jupytext.read(path), jupytext.read(path.with_suffix(".ipynb"))
    assert [(cell.cell_type, cell.source) for cell in executed.cells] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ]
    assert executed.metadata.jupytext.formats == source.metadata.jupytext.formats == "ipynb,py:percent"


@named
def test_what_is_committed_shows_what_came_out_and_nothing_of_the_machine(path):
    text = path.with_suffix(".ipynb").read_text()
    assert len(text) < LARGEST
    cells = [cell for cell in jupytext.reads(text, "ipynb").cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert all(cell.execution_count is None for cell in cells)
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert all(output.name == "stdout" for output in outputs if output.output_type == "stream")
    assert not any(word in printed for word in ("Warning", "/home/", "/tmp/", "/root/", "site-packages"))


def test_each_begins_with_a_question_and_its_answer():
    assert len(NOTEBOOKS) == 8
    for path in NOTEBOOKS:
        title, first = jupytext.read(path).cells[0].source.split("\n\n")[:2]
        assert title.startswith("# ")
        question, _, answer = first.replace("\n", " ").partition("?** ")
        assert question.startswith("**"), path.name
        assert answer, path.name
