"""The program itself: its overview, its version, commands that do not exist, packages that are not installed."""

import importlib
import subprocess
import sys

import jaxprune
from jaxprune import cli


def test_module_and_script_are_the_same_program():
    shown = subprocess.run([sys.executable, "-m", "jaxprune.cli", "--help"], capture_output=True, text=True, check=True)
    for command in cli.COMMANDS:
        assert command in shown.stdout


def test_every_module_offers_the_commands_that_are_listed():
    for name, (module, _) in cli.COMMANDS.items():
        assert name in importlib.import_module(f"jaxprune.cli.{module}").COMMANDS


def test_version_and_overview_import_nothing_heavy():
    """Start-up is fast because JAX, tyro and the storage libraries are imported by the command that needs them."""
    program = (
        "import sys; sys.argv = ['jaxprune', sys.argv[1]]\n"
        "from jaxprune.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'jax', 'tyro', 'xarray', 'matplotlib'} & set(sys.modules)))"
    )
    for option in ("--version", "--help"):
        shown = subprocess.run([sys.executable, "-c", program, option], capture_output=True, text=True, check=True)
        assert shown.stdout.splitlines()[-1] == "[]"
        assert option == "--help" or f"jaxprune {jaxprune.__version__}" in shown.stdout


def test_an_unknown_command_is_one_line(run):
    status, _, err = run("pruen")
    assert (status, err.count("\n")) == (2, 1)
    assert "there is no command 'pruen': the commands are sweep, plot, prune" in err


def test_without_the_extra_it_says_what_to_install(run, monkeypatch):
    for package, arguments in (("tyro", ("prune", "A.npy")), ("xarray", ("plot", "x.zarr"))):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            patch.delitem(sys.modules, "jaxprune.sweep._store", raising=False)
            status, _, err = run(*arguments)
        assert (status, err.count("\n")) == (2, 1)
        assert f"needs the package {package}: pip install 'jaxprune[experiments]'" in err


def test_listing_options_does_not_load_what_computes():
    """Storage, tables and figures are imported when they are used."""
    heavy = ("xarray", "pandas", "zarr", "matplotlib", "dask")
    script = f"import sys, jaxprune.cli._sweep; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout == "[]\n"
