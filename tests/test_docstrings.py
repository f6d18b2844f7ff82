"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxprune

ROOT = Path(__file__).parent.parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(jaxprune.__path__, "jaxprune.")
    if not module.name.endswith("__main__")  # a program, which runs when it is imported
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    module = importlib.import_module(name)
    names = {"jax": jax, "jnp": jnp, "tmp_path": tmp_path}
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    for example in doctest.DocTestFinder().find(module, extraglobs=names):
        runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_every_public_function_and_class_has_a_docstring():
    packages = (
        "boltzmann",
        "data",
        "deep",
        "dynamics",
        "explore",
        "linalg",
        "networks",
        "plot",
        "pruning",
        "pruning.adjust",
        "rnn",
        "sweep",
    )
    for package in (jaxprune, *(importlib.import_module(f"jaxprune.{name}") for name in packages)):
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__.startswith("jaxprune")):
                assert value.__doc__, f"{package.__name__}.{name}"


def test_sources_hold_no_control_characters():
    """A backslash that was read as an escape leaves one in a formula."""
    for path in (*ROOT.glob("jaxprune/**/*.py"), *ROOT.glob("experiments/*.py")):
        text = path.read_text(encoding="utf-8")
        found = {character for character in text if ord(character) < 32 and character != "\n"}
        assert not found, f"{path}: {found}"
