"""Every notebook runs from top to bottom, on a small network."""

from pathlib import Path

import jupytext
import nbclient
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXPRUNE_FAST", "1")
    notebook = nbclient.execute(jupytext.read(path), cwd=str(tmp_path), timeout=300)
    figures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "display_data" and "image/png" in output.data
    ]
    assert len(figures) >= 2


def test_there_are_notebooks():
    assert NOTEBOOKS
