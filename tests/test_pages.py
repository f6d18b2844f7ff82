"""The pages of the library: they are built without a warning, and their mathematics is readable there and in a terminal."""

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxprune

ROOT = Path(__file__).parent.parent
NEEDS_TYPESETTING = re.compile(r"\\frac|\\int_|\\begin")
"""What one line of plain text cannot show: fractions of sums, integrals with limits, matrices."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The folder that the published command makes; a warning stops it."""
    pytest.importorskip("pdoc")
    place = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-W", "error", ".github/pages/build.py", str(place)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return place


def test_every_package_has_a_page_with_its_functions(pages):
    for package in (jaxprune, jaxprune.linalg, jaxprune.pruning, jaxprune.networks, jaxprune.sweep, jaxprune.plot):
        page = pages.joinpath(*package.__name__.split(".")).with_suffix(".html").read_text()
        parts = [name for name in package.__all__ if not inspect.ismodule(getattr(package, name))]
        missing = [name for name in parts if f'id="{name}"' not in page]
        assert parts
        assert not missing, (package.__name__, missing)
        assert "Alias for field number" not in page


def test_formulas_reach_the_page_whole(pages):
    page = (pages / "jaxprune" / "linalg.html").read_text()
    assert "mathjax" in page.lower()
    assert r"$$\|G_A - G_B\|_2^2 = \int_0^\infty \|e^{A t} - e^{B t}\|_F^2 \, dt = \operatorname{tr} E$$" in page
    assert "A C + C Aᵀ = −σ² I" in page


def test_tables_are_not_torn_by_bars_in_their_formulas(pages):
    tables = [
        table for page in pages.rglob("*.html") for table in re.findall(r"<table.*?</table>", page.read_text(), re.S)
    ]
    assert tables
    for table in tables:
        columns = {
            row.count("<th") - row.count("<thead") or row.count("<td")
            for row in re.findall("<tr>.*?</tr>", table, re.S)
        }
        assert len(columns) == 1, table


def test_mathematics_is_plain_text_where_a_line_can_show_it():
    for path in sorted((ROOT / "jaxprune").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    for formula in re.findall(r"\$\$?.+?\$\$?", text, re.S):
                        assert NEEDS_TYPESETTING.search(formula), f"{path.name}, line {node.lineno}: {formula}"
