"""The command line, `jaxprune COMMAND`: one module a subject, each offering its commands. Needs the extra `experiments`."""

import importlib
import io
import os
import sys
import warnings
from typing import NoReturn

from jaxprune.cli._cache import keep_programs
from jaxprune.cli._stop import STOPPED, WORDS, at_once

COMMANDS = {
    "sweep": ("_sweep", "sweep rules and kept fractions over an ensemble of random networks"),
    "plot": ("_sweep", "draw the figure and print the table of a stored sweep again"),
    "check": ("_sweep", "verify that a stored sweep is whole and undamaged"),
    "prune": ("_matrix", "prune one network from a file, and certify the result"),
    "certify": ("_matrix", "certify a pruned matrix against its original"),
    "prune-boltzmann": ("_boltzmann", "train a Boltzmann machine on images, and prune it in sessions"),
    "train-sparse": ("_deep", "train a network on images while most of its synapses go, and report what it keeps"),
    "prune-rnn": ("_rnn", "prune a trained recurrent network, and report what it keeps"),
    "explore": ("_explore", "look at networks and prune them on a page in the browser"),
}
"""Each command's module, which lists it in its own COMMANDS, and what it does."""


FULL = "RESOURCE_EXHAUSTED"
"""How XLA begins to say that memory did not suffice."""
LONGEST = 290
"""Characters of an error or a warning, at most: its middle is left out beyond that."""


def main() -> None:
    """Run the command line in double precision; bad input is one line on standard error and exit status 2.

    Only the module of the chosen command is imported. Ctrl-C ends with one line and status 130.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold anything
    try:
        try:
            _choose(sys.argv[1:])
        finally:
            print(end="", flush=True)  # when the program ends, it is too late to say what is wrong with a pipe
    except KeyboardInterrupt as stop:
        print(_line(stop) or WORDS, file=sys.stderr)
        sys.exit(STOPPED)
    except BrokenPipeError:  # as in `jaxprune ... | head -1`
        _discard_output()
        sys.exit(1)
    except OSError as error:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        _refuse(f"{where}{error.strerror}." if error.strerror else error)


def _choose(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        from jaxprune import __version__

        print(f"jaxprune {__version__}")
        return
    if arguments[0] not in COMMANDS:
        _refuse(f"there is no command {arguments[0]!r}: the commands are {', '.join(COMMANDS)}.")
    _run(arguments[0], arguments[1:])


def _run(name: str, arguments: list[str]) -> None:
    with at_once():
        keep_programs()
        try:
            from jaxprune.cli._options import parse

            module = importlib.import_module(f"jaxprune.cli.{COMMANDS[name][0]}")
        except ModuleNotFoundError as error:
            _refuse_without(error)
        import jax

        from jaxprune._checks import InputError

    jax.config.update("jax_enable_x64", True)
    if "" not in sys.path:
        sys.path.insert(0, "")  # rules of a module in this folder, as `python -m` finds them
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = _show_warning
            parse(module.COMMANDS[name], f"jaxprune {name}", arguments)()
    except ModuleNotFoundError as error:
        _refuse_without(error)  # some parts are imported when they are first used
    except InputError as error:
        _refuse(error)
    except MemoryError as error:
        _refuse_memory(error)
    except RuntimeError as error:  # JAX's is one
        if not str(error).startswith(FULL):
            raise
        _refuse_memory(str(error).removeprefix(FULL).lstrip(": "))


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """This package's own warnings, which are for users; those of NumPy and others are for who writes programs."""
    if issubclass(category, UserWarning) and category.__module__.startswith("jaxprune"):
        print(f"warning: {_line(message)}", file=sys.stderr)


def _overview() -> str:
    lines = [f"  {name:17}{about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: jaxprune COMMAND [OPTIONS]",
            "",
            "Prune networks by rules that use only what each synapse can see, and certify what survives.",
            "",
            *lines,
            "",
            "jaxprune COMMAND --help lists a command's options; jaxprune --version prints the version.",
            "Compiled programs are kept in ~/.cache/jaxprune; JAX_ENABLE_COMPILATION_CACHE=0 turns that off.",
        ]
    )


def _refuse_without(error: ModuleNotFoundError) -> NoReturn:
    _refuse(f"the command line needs the package {error.name}: pip install 'jaxprune[experiments]'.")


def _refuse_memory(found: object) -> NoReturn:
    said = _line(found).rstrip(".")
    _refuse(
        f"there is not enough memory{f' ({said[:120]})' if said else ''}: take a smaller network or fewer at a time, or a "
        "machine with more."
    )


def _refuse(message: object) -> NoReturn:
    try:
        print(end="", flush=True)
    except OSError:  # a full disk: what could not be written is not tried again
        _discard_output()
    print(f"error: {_line(message)}", file=sys.stderr)
    sys.exit(2)


def _line(message: object) -> str:
    """One line of characters that a terminal can show, and not a long one."""
    text = "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape", "surrogatepass").decode()
        for mark in " ".join(str(message).split())
    )
    half = (LONGEST - 3) // 2
    return text if len(text) <= LONGEST else f"{text[:half]}...{text[-half:]}"


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
