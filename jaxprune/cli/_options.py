"""A command and its options from the command line; what is wrong with them is said in one line."""

import contextlib
import functools
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tyro

from jaxprune._checks import InputError

SIDE = 2
"""Characters to the left of what is in a box, a bar or a blank and a blank."""
FRAME = "│╭╮╰╯─|+- "
"""What boxes are drawn of; a line of these alone parts one, or ends it."""
COLOURS = re.compile("\x1b\\[[0-9;]*m")
ASIDE = ("For full helptext", "Argument helptext", "Got errors")
"""Beginnings of parts that `--help` says better, or only a programmer understands."""
HELP_INDENT = 8
"""From here on stands what an option is for, below its name."""


def parse(command: Callable[..., None], name: str, arguments: list[str]) -> Callable[[], None]:
    """Read the options of a command, and return what runs it. A path must name a file: not ".", "/" or nothing.

    Args:
      command: function whose arguments are the options.
      name: of the program and the command, as users type it.
      arguments: what follows it.

    Raises:
      InputError: unknown options, missing ones, values of another type, or a path without a name.
      SystemExit: the options were asked for, and are listed.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            run = tyro.cli(_later(command), prog=name, args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(f"{_sentence(said.getvalue())} (see {name} --help).") from None
    for option, value in run.keywords.items():
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path) and not path.name:
                raise InputError(
                    f"{option} is {str(path)!r}, but must name a file: give it a name (see {name} --help)."
                )
    return run


def _later(command):
    """The same signature, but calling it runs nothing yet."""

    @functools.wraps(command)
    def later(*arguments: Any, **options: Any) -> Any:
        return functools.partial(command, *arguments, **options)

    return later


def _sentence(box):
    """What stands in a box of several lines, without its frame, its title and its advice."""
    lines = COLOURS.sub("", box).splitlines()[1:]
    parts = [_part(part) for part in _parts(line[SIDE:].rstrip("│| ") for line in lines)]
    text = "; ".join(part for part in parts if part and not part.startswith(ASIDE))
    return text.removeprefix("Error parsing ").rstrip(".")


def _parts(lines: Iterable[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.strip(FRAME):
            parts[-1].append(line)
        else:
            parts.append([])
    return parts


def _part(lines):
    """A heading and the options below it, which are indented; or lines of running text."""
    shown = [line for line in lines if not line.startswith(" " * HELP_INDENT)]
    heads = [line for line in shown if not line.startswith(" ")]
    options = ", ".join(line.strip() for line in shown if line.startswith(" "))
    return " ".join([*heads, options]).strip()
