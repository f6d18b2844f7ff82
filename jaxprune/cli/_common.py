"""What commands share: checks of output paths, and reports as JSON."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import rich
import rich.console
import rich.table

from jaxprune import linalg
from jaxprune._checks import InputError
from jaxprune._provenance import versions
from jaxprune.files import write_whole
from jaxprune.pruning import Rule, rule_source


def check_outputs(out: Path, *beside: Path, suffixes: Iterable[str], overwrite: bool) -> None:
    """Refuse to overwrite a file unasked, an unknown format, or a directory that cannot be written, before anything is computed.

    Args:
      out: what a command writes.
      beside: other files that it writes.
      suffixes: formats of `out`.
      overwrite: whether files may be replaced.
    """
    for path in (out, *beside):
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists: choose another name, or pass --overwrite. Nothing was changed.")
    if out.suffix not in suffixes:
        raise InputError(f"--out is {out}, but its suffix must be one of {', '.join(suffixes)}.")
    if not out.parent.is_dir():
        raise InputError(f"--out is {out}, but there is no directory {out.parent}: make it first.")
    for path in (out, *beside):
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}): choose another place.") from error


WIDTH = 110
"""Least width of a table; a narrower terminal wraps its lines, but no cell is cut into pieces."""


def print_table(view: rich.table.Table) -> None:
    """Print a table at its own width."""
    rich.console.Console(width=max(WIDTH, rich.get_console().width)).print(view)


def rule_facts(name: str, rule: Rule) -> dict[str, Any]:
    """A rule as it is recorded: its name, its parts, and, from outside, where it came from."""
    source = rule_source(name)
    return {"name": name, **rule.describe()} | ({} if source is None else {"source": source})


def certificate_facts(certificate: linalg.Certificate) -> dict[str, Any]:
    """A certificate as it is recorded."""
    values = {name: np.asarray(value).item() for name, value in certificate._asdict().items()}
    shown = {name: value if isinstance(value, int) else recorded(value) for name, value in values.items()}
    guarantee = linalg.Guarantee(values["guarantee"])
    return shown | {"guarantee": guarantee.name.lower().replace("_", " "), "guarantee_words": guarantee.words}


def recorded(value: Any) -> float | str | None:
    """A number as it is recorded: "infinite" is a value, None a number that does not exist."""
    number = float(value)
    if np.isinf(number):
        return "infinite"
    return None if np.isnan(number) else number


def report_bytes(facts: dict[str, Any]) -> bytes:
    """A report with the versions that made it, as JSON; numbers that JSON does not know as `recorded` has them."""
    return (json.dumps(_plain(facts | {"versions": versions()}), indent=2, allow_nan=False) + "\n").encode()


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return recorded(value) if isinstance(value, float) else value


def write_report(path: Path, facts: dict[str, Any]) -> None:
    """Write a report with the versions that made it."""
    write_whole(path, report_bytes(facts))


def write_together(contents: dict[Path, bytes]) -> None:
    """Write several files whose contents are all made; each appears whole or not at all."""
    for path, content in contents.items():
        write_whole(path, content)


def refuse_unused(why: str, options: dict[str, Any], used: Iterable[str]) -> None:
    """Refuse options that would have no effect.

    Args:
      why: what makes them useless, the option and its value.
      options: values by option; None where it was not given.
      used: those that have an effect.
    """
    for name, value in options.items():
        if value is not None and name not in used:
            raise InputError(f"{name} has no effect with {why}: leave it out.")
