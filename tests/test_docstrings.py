"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxprune

MODULES = [module.name for module in pkgutil.walk_packages(jaxprune.__path__, "jaxprune.")]


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


def test_every_public_callable_has_a_docstring():
    for package in (jaxprune, jaxprune.networks, jaxprune.linalg, jaxprune.pruning, jaxprune.pruning.theory):
        for name in (name for name in vars(package) if not name.startswith("_")):
            assert getattr(package, name).__doc__ is not None or isinstance(getattr(package, name), dict), f"{package.__name__}.{name}"


def test_every_example_folder_is_walked():
    found = {Path(importlib.import_module(name).__file__).parent.name for name in MODULES}
    assert {"networks", "linalg", "pruning", "sweep"} <= found
