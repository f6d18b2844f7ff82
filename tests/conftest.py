"""Strict settings for every test: double precision, no silent broadcasting between ranks, two devices, typed signatures.

And `run`, which every test of the command line uses.
"""

import os
import sys
from pathlib import Path

# Before JAX starts: two CPU devices, so that sharding is exercised; and code that is compiled fast rather than fast code, as
# most of what is compiled here runs once (without the fusion emitters, in two thirds of the processor's time). Processes
# that tests start have both, too.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + (
    " --xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false"
)
# Commands that tests start as processes keep no compiled programs in the user's home.
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "0"

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("jaxprune", "beartype.beartype")


def pytest_collection_modifyitems(items):
    """The longest files first: started last, one would leave one of two workers without work.

    They are the notebooks, and what runs over the whole package: examples, protocols, the README.
    """
    top = Path(__file__).parent
    items.sort(key=lambda item: (item.path.name != "test_notebooks.py", item.path.parent != top))


@pytest.fixture(autouse=True, scope="module")
def compiled_code_has_room():
    """Drop compiled code after a file of tests before there is too much of it."""
    from experiments import _study

    yield
    _study.make_room()


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command line in this process, in an empty directory; the status, what it printed, and its errors."""
    from jaxprune import cli

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["jaxprune", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code or 0
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def short_chains(monkeypatch):
    """Machines on the command line are watched for a short while: most of the time of tests would go there."""
    from functools import partial

    from jaxprune.boltzmann import _evaluate
    from jaxprune.cli import _boltzmann

    run_gibbs = _evaluate.run_gibbs
    monkeypatch.setattr(_evaluate, "run_gibbs", lambda key, model, chains, _: run_gibbs(key, model, chains, 20))
    monkeypatch.setattr(_boltzmann, "Sessions", partial(_boltzmann.Sessions, samples=2000, burn_in=20))
