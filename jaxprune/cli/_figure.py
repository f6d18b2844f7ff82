"""The option `--figure`: where a figure goes, checked before anything is computed, and what is drawn of one network."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from jaxprune import plot
from jaxprune._checks import InputError
from jaxprune.linalg.sparse import is_sparse

Place = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="[PATH]", help_behavior_hint="(default: beside OUT)")]
"""`--figure` of a command that always draws one: nothing, or where it goes."""
Figure = Annotated[tuple[Path, ...] | None, tyro.conf.arg(metavar="[PATH]", help_behavior_hint="(default: no figure)")]
"""`--figure` of the others, alone or with a path; None where it was not given."""
NOISE = 0
"""Seed of the noise under which figures show two networks, the same in all of them."""


def figure_path(given: tuple[Path, ...], output: Path) -> Path:
    """Where a figure goes: to the path that was given, or beside an output, under its name.

    Args:
      given: what `--figure` was given.
      output: what the command writes besides.

    Raises:
      InputError: several paths, no .png, a folder that is not there, or no matplotlib.
    """
    if len(given) > 1:
        raise InputError(f"--figure takes one path, but {len(given)} were given: name one figure.")
    path = given[0] if given else output.with_suffix(".png")
    if path.suffix != ".png":
        raise InputError(f"--figure is {path}, but its suffix must be .png.")
    if not path.parent.is_dir():
        raise InputError(f"--figure is {path}, but there is no directory {path.parent}: make it first.")
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("--figure needs the package matplotlib: pip install 'jaxprune[experiments]'.")
    return path


def network_picture(A: Any, B: Any, names: Sequence[str]) -> bytes:
    """The figure of a pruned network beside its original, as PNG.

    Args:
      A: the original dynamics matrix, dense or sparse.
      B: the pruned one, of the same kind.
      names: of the neurons.
    """
    key = jax.random.key(NOISE)
    if is_sparse(A):
        return plot.figure_bytes(plot.sparse_network_figure(plot.sparse_network_view(key, A, B, names=names)))
    return plot.figure_bytes(plot.network_figure(plot.network_view(key, A, B, names=names)))


def said(path: Path | None) -> str:
    """The end of the line that names what was written."""
    return "" if path is None else f"   figure {path}"
