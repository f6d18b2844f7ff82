"""The program itself: its overview, its version, commands that do not exist, packages that are not installed."""

import importlib
import os
import runpy
import shlex
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxprune
from jaxprune import cli, pruning
from jaxprune.cli import _matrix
from jaxprune.cli._stop import at_once, kept


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
    assert "there is no command 'pruen': the commands are sweep, plot, check, prune" in err


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
    heavy = ("xarray", "pandas", "zarr", "matplotlib", "dask", "sklearn", "scipy.stats", "PIL")
    modules = ", ".join(sorted({f"jaxprune.cli.{module}" for module, _ in cli.COMMANDS.values()}))
    script = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout == "[]\n"


@pytest.fixture
def command(monkeypatch):
    """Put a function in the place of `prune`."""
    return lambda function: monkeypatch.setitem(_matrix.COMMANDS, "prune", function)


HEARD = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "sys.argv[0] = 'jaxprune'; runpy.run_module('jaxprune.cli', run_name='__main__')"
)
"""The program, which hears Ctrl-C also where the tests themselves do not, as in the background of a script."""


def start(*arguments, **options):
    """The program in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", HEARD, *arguments], stderr=subprocess.PIPE, text=True, **options)


ON = ("prune", "A.npy", "--keep", ".5", "--out", "B.npy")
WRONG = [
    (("prune",), "Missing from jaxprune prune: PATH, --keep FLOAT, --out PATH"),
    (
        ("prune", "A.npy", "--out", "B.npy", "--kep", ".5"),
        "Missing from jaxprune prune: --keep FLOAT; Unrecognized options: ",
    ),
    ((*ON, "--nonsense", "3"), "Unrecognized options: --nonsense, 3"),
    ((*ON, "--seed"), "Missing value for argument '--seed'. Expected 1 values"),
    ((*ON, "--seed", "one"), "--seed: invalid literal for int() with base 10: 'one'"),
    (
        (*ON, "--leak", "much"),
        "invalid choice 'much' for argument '--leak'. Expected one of ('auto', 'none', 'scaled', ",
    ),
    (("train-sparse", "--out", "x.npz", "--hidden", "a"), "--hidden: Could not find valid parse for arguments: ['a']"),
    (
        ("sweep", "--seed", "1" * 9000),
        "--seed: Exceeds the limit (4300 digits) for integer string conversion: value has 9000",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_options_are_one_line(run, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {message}")
    assert err.endswith(f" (see jaxprune {arguments[0]} --help).\n")
    assert len(err) < 300


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_wrong_options_are_the_same_line_whatever_the_terminal_can_draw(encoding):
    program = start(*ON, "--leak", "much", env={**os.environ, "PYTHONIOENCODING": encoding})
    assert program.communicate()[1] == (
        "error: invalid choice 'much' for argument '--leak'. Expected one of ('auto', 'none', 'scaled', 'dominant', 'stable') "
        "(see jaxprune prune --help).\n"
    )


def test_colours_do_not_reach_a_message(monkeypatch, run):
    from tyro import _fmtlib

    monkeypatch.setattr(_fmtlib, "_FORCE_ANSI", True)
    assert run(*ON, "--seed", "one")[2].startswith("error: --seed: invalid literal for int() with base 10: 'one' (see")


def test_help_lists_options_on_standard_output(run):
    status, out, err = run("prune", "--help")
    assert (status, err) == (0, "")
    assert "--keep FLOAT" in out
    assert "fraction of synapses to keep" in out


def test_a_path_without_a_name_is_refused(run):
    for place in (".", "/", ""):
        status, _, err = run("prune", "A.npy", "--keep", ".5", "--out", place)
        assert (status, err) == (
            2,
            f"error: out is {str(Path(place))!r}, but must name a file: give it a name (see jaxprune prune --help).\n",
        )


def test_ctrl_c_is_one_line(run, command):
    def stops():
        raise KeyboardInterrupt

    def says_more():
        with kept(lambda: "stopped: 3 of 8 chunks are kept; the same command goes on."):
            stops()

    command(stops)
    assert run("prune") == (130, "", "stopped.\n")
    command(says_more)
    assert run("prune") == (130, "", "stopped: 3 of 8 chunks are kept; the same command goes on.\n")


def test_ctrl_c_while_modules_are_imported(tmp_path):
    """Also where what is imported swallows it, as C code does."""
    (tmp_path / "tyro.py").write_text(
        "import time\nprint('ready', flush=True)\ntry: time.sleep(60)\nexcept BaseException: raise ImportError from None\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    program = start("prune", stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGINT)
    assert program.communicate() == ("", "stopped.\n")
    assert program.returncode == 130


def test_ctrl_c_is_as_it_was_afterwards(run):
    before = signal.getsignal(signal.SIGINT)
    run("prune")
    assert signal.getsignal(signal.SIGINT) is before
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
        with at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_closed_pipe_says_nothing():
    read, write = os.pipe()
    os.close(read)
    for arguments in (("--help",), ("prune", "--help")):
        program = start(*arguments, stdout=write)
        assert (program.communicate()[1], program.returncode) == ("", 1)
    os.close(write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        program = start("--help", stdout=full)
        assert program.communicate()[1] == "error: No space left on device.\n"
    assert program.returncode == 2


def test_closed_output_is_no_error():
    for close, shown in (("1>&-", "error: A.npy: No such file or directory.\n"), ("1>&- 2>&-", "")):
        line = f"{shlex.quote(sys.executable)} -m jaxprune.cli {' '.join(ON)} {close}"
        found = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
        assert (found.returncode, found.stderr) == (2, shown)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), ""),
        (MemoryError("Unable to allocate 7.28 TiB"), " (Unable to allocate 7.28 TiB)"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Allocating\n 8 bytes."), " (Allocating 8 bytes)"),
    ],
)  # fmt: skip
def test_full_memory_is_one_line(run, command, error, said):
    def fills():
        raise error

    command(fills)
    assert run("prune") == (
        *(2, ""),
        f"error: there is not enough memory{said}: take a smaller network or fewer at a time, or a machine with more.\n",
    )


def test_memory_that_xla_does_not_get_is_one_line(run, command):
    command(lambda: jax.numpy.zeros(10**15).block_until_ready() and None)
    status, _, err = run("prune")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("error: there is not enough memory (Out of memory allocating 8")


@pytest.mark.parametrize(
    "error", [jax.errors.JaxRuntimeError("INTERNAL: nonsense"), RuntimeError("x"), ValueError("x")]
)
def test_what_is_no_bad_input_is_not_hidden(run, command, error):
    def fails():
        raise error

    command(fails)
    with pytest.raises(type(error)):
        run("prune")


def test_an_error_of_the_system_names_the_file(run, command):
    command(lambda: open("nowhere/x").close())
    assert run("prune") == (2, "", "error: nowhere/x: No such file or directory.\n")


def test_only_this_package_warns(run, command):
    class OwnWarning(UserWarning):
        __module__ = "jaxprune.sweep._store"

    def warns():
        _ = np.float64(1e200) * np.float64(1e200)
        for category in (UserWarning, RuntimeWarning, DeprecationWarning, FutureWarning):
            warnings.warn("of others", category, stacklevel=1)
        for _ in range(2):
            warnings.warn(pruning.FragmentationWarning("it is in\n 3 parts"), stacklevel=1)
        warnings.warn("chunk 3 is computed again", OwnWarning, stacklevel=1)

    command(warns)
    shown = warnings.showwarning
    assert run("prune") == (
        *(0, ""),
        "warning: it is in 3 parts\nwarning: it is in 3 parts\nwarning: chunk 3 is computed again\n",
    )
    assert warnings.showwarning is shown


def test_a_message_is_short_and_a_terminal_can_show_it(run, command):
    def refuses():
        raise jaxprune.InputError(f"\x1b[2J\udcff é\n\t{'x' * 5000} end")

    command(refuses)
    err = run("prune")[2]
    assert err.startswith("error: \\x1b[2J\\udcff é xxx")
    assert err.endswith("xxx end\n")
    assert len(err) < 300


def test_a_name_that_is_no_text_is_written(run, tmp_path):
    np.save(tmp_path / "A.npy", np.array([[-2.0, 1.0], [1.0, -2.0]]))
    name = os.fsdecode(b"\xff.npy")
    status, out, err = run("prune", "A.npy", "--keep", "1", "--rule", "weight+keep", "--out", name)
    assert (status, err) == (0, "")
    assert "pruned \\udcff.npy" in out
    assert (tmp_path / name).is_file()


def test_processes_that_a_command_starts_do_not_run_it_again():
    """They import the main module under another name."""
    runpy.run_module("jaxprune.cli.__main__", run_name="__mp_main__")
