"""The house: lower floors know nothing of higher ones, and nobody reaches into another package's private rooms."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import jaxprune

ROOT = Path(__file__).parents[1]
FLOORS = (
    "data",
    "networks",
    "linalg",
    "dynamics",
    "pruning",
    "rnn",
    "boltzmann",
    "deep",
    "sweep",
    "plot",
    "explore",
    "cli",
)
"""From the ground up; `networks` stands on the spectra of `linalg`, and nothing else of it."""
KNOWS = {
    "data": set(),
    "linalg": set(),
    "networks": {"linalg"},
    "dynamics": {"linalg"},
    "pruning": {"networks", "linalg", "dynamics"},
    "rnn": {"networks", "linalg", "dynamics", "pruning"},
    "boltzmann": {"pruning"},
    "deep": {"dynamics", "pruning"},
    "sweep": {"networks", "linalg", "dynamics", "pruning"},
    "plot": {"networks", "linalg", "dynamics", "pruning", "rnn", "boltzmann", "deep", "sweep"},
    "explore": {"data", "networks", "linalg", "dynamics", "pruning", "boltzmann", "deep", "sweep", "plot"},
    "cli": set(FLOORS) - {"cli"},
}
MODULES = sorted((ROOT / "jaxprune").rglob("*.py"))
OUTSIDE = [path for folder in ("experiments", "notebooks") for path in sorted((ROOT / folder).glob("*.py"))]


def imports(path):
    """Dotted names of everything of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("jaxprune", "experiments")}


def package_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1]


def test_files_of_tests_have_names_of_their_own():
    """Two of one name, in whatever folders, cannot be collected together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_every_package_is_on_a_floor():
    folders = {path.parent.name for path in (ROOT / "jaxprune").glob("*/__init__.py")}
    assert folders == set(FLOORS) == set(KNOWS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lower_floors_do_not_import_higher_ones(path):
    package = package_of(path)
    if len(package) < 2:
        return  # the root names all floors, and imports them when they are used
    others = {name.split(".")[1] for name in imports(path) if name.startswith("jaxprune.")} & set(FLOORS)
    assert others - {package[1]} <= KNOWS[package[1]]


@pytest.mark.parametrize("path", [*MODULES, *OUTSIDE], ids=lambda path: str(path.relative_to(ROOT)))
def test_private_modules_stay_in_their_package(path):
    """`a.b._c` may be imported from within `a.b` only."""
    mine = package_of(path)
    for name in imports(path):
        parts = name.split(".")
        private = [place for place, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")]
        for position in private[:1]:
            owner = tuple(parts[:position])
            assert mine[: len(owner)] == owner, f"{path.name} imports {name}, which is private to {'.'.join(owner)}"


def test_the_library_does_not_know_its_studies():
    for path in MODULES:
        assert not any(name.startswith("experiments") for name in imports(path)), path


@pytest.mark.parametrize(
    "name", [name for _, name, package in pkgutil.walk_packages(jaxprune.__path__, "jaxprune.") if package]
)
def test_public_names_are_listed_and_exist(name):
    package = importlib.import_module(name)
    if name == "jaxprune.cli":
        return  # a program, not a library
    assert len(set(package.__all__)) == len(package.__all__)
    for public in package.__all__:
        assert getattr(package, public) is not None, public


def test_few_public_names():
    """One word for one thing: fewer names than when two dialects were spoken, warnings not counted."""
    for name in ("pruning", "rnn"):
        assert len([word for word in getattr(jaxprune, name).__all__ if not word.endswith("Warning")]) < 39
