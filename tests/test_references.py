"""Every source named in the code is in the bibliography, and the other way round."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KEYS = re.findall(r"^@\w+\{(\w+),", (ROOT / "jaxprune" / "references.bib").read_text(), re.MULTILINE)
NAMED = re.compile(r"\b[A-Z][a-z]+(?:19|20)\d\d\b")
FILES = [path for folder in ("jaxprune", "experiments") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_sources_are_listed(path):
    assert set(NAMED.findall(path.read_text())) <= set(KEYS)


def test_listed_sources_are_named_and_unique():
    text = "".join(path.read_text() for path in FILES)
    assert len(KEYS) == len(set(KEYS))
    assert [key for key in KEYS if key not in text] == []
