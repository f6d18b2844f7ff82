"""A command and its options from the command line; what is wrong with them is said in one line."""

import contextlib
import functools
import io
import re
from collections.abc import Callable, Iterable
from typing import Any

import tyro

from jaxprune._checks import InputError

SIDES = "│┃|"
RULES = "─━-╭╮╰╯┏┓┗┛+ "
"""What the box around an error is drawn of; a line of these alone parts it, or ends it."""
ASIDE = ("For full helptext", "Argument helptext", "(required)")
"""Beginnings of parts that `--help` says better."""
HELP_INDENT = 8
"""From here on stands what an option is for, below its name."""


def parse(command: Callable[..., None], name: str, arguments: list[str]) -> Callable[[], None]:
    """What runs the command with these options.

    Args:
      command: function whose arguments are the options.
      name: of the program and the command, as users type it.
      arguments: what follows it.

    Raises:
      InputError: unknown options, missing ones, or values of another type.
      SystemExit: the options were asked for, and are listed.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(_later(command), prog=name, args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(f"{_sentence(said.getvalue())} (see {name} --help).") from None


def _later(command):
    """The same signature, but calling it runs nothing yet."""

    @functools.wraps(command)
    def later(*arguments: Any, **options: Any) -> Any:
        return functools.partial(command, *arguments, **options)

    return later


def _sentence(box):
    """What stands in a box of several lines, without its frame, its title and its advice."""
    parts = [_part(lines) for lines in _parts(box.splitlines()[1:])]
    text = "; ".join(part for part in parts if part and not part.startswith(ASIDE))
    return re.sub(r"^Error parsing ", "", text).rstrip(".")


def _parts(lines: Iterable[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        inside = line.strip().strip(SIDES)[1:].rstrip()
        if inside.strip(RULES):
            parts[-1].append(inside)
        else:
            parts.append([])
    return parts


def _part(lines):
    """A heading and the options below it, which are indented; or lines of running text."""
    shown = [line for line in lines if not line.startswith(" " * HELP_INDENT)]
    heads = [line for line in shown if not line.startswith(" ")]
    options = ", ".join(line.strip() for line in shown if line.startswith(" "))
    return " ".join([*heads, options]).strip()
