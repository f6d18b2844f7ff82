"""What a command has measured before it was stopped, as JSON beside its checkpoint."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxprune._checks import InputError


def beside(checkpoint: Path) -> Path:
    """The file beside a checkpoint that holds what was measured."""
    return checkpoint.with_name(checkpoint.name + ".json")


def read_notes(checkpoint: Path, fields: Iterable[str]) -> list[dict[str, Any]]:
    """Read what was measured before an interruption, a row for each step; nothing where there is no checkpoint.

    Args:
      checkpoint: what the command goes on from.
      fields: what each row must have.

    Raises:
      InputError: there is a checkpoint, but these are not there or damaged.
    """
    if not checkpoint.exists():
        return []
    notes, wanted = beside(checkpoint), set(fields)
    try:
        rows = json.loads(notes.read_bytes())
        whole = isinstance(rows, list) and all(isinstance(row, dict) and wanted <= row.keys() for row in rows)
    except (OSError, ValueError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"{notes} does not hold what was measured so far: move {checkpoint} away to begin again.")
    return rows
