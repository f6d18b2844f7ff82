"""Figures as files."""

import io
import os
from pathlib import Path

from matplotlib.figure import Figure

from jaxprune.files import write_whole


def figure_bytes(figure: Figure) -> bytes:
    """A figure as the content of a PNG file.

    Example:
      >>> figure_bytes(Figure())[1:4]
      b'PNG'
    """
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as PNG; the file appears whole or not at all.

    Args:
      figure: what to draw.
      path: the file; replaced if it exists.

    Example:
      >>> save_figure(Figure(), tmp_path / "empty.png")
    """
    write_whole(Path(path), figure_bytes(figure))
