"""Verify a stored sweep: what is there, what is missing, and what is not what was written."""

import json
import os
from typing import NamedTuple

import numpy as np

from jaxprune._checks import quoted
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._content import damage
from jaxprune.sweep._layout import empty_store
from jaxprune.sweep._place import place_at
from jaxprune.sweep._store import look


class Check(NamedTuple):
    """What is wrong with a stored sweep.

    Attributes:
      config: the sweep, all that the store should hold.
      dtype: precision of its results.
      missing: results, over (network, rule, keep), that have not been written.
      damaged: those that are not what was written.
      original_missing: original networks, by number, of which nothing has been written.
      original_damaged: those of which what is stored is not what was written.
      description: files of metadata and labels that are not as they should be.
      words: all this in plain words, one sentence for each kind.
    """

    config: SweepConfig
    dtype: str
    missing: np.ndarray
    damaged: np.ndarray
    original_missing: np.ndarray
    original_damaged: np.ndarray
    description: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether everything is there and as it was written."""
        flags = (self.missing, self.damaged, self.original_missing, self.original_damaged)
        return not any(flag.any() for flag in flags) and not self.description


def check(store: str | os.PathLike) -> Check:
    """Verify a stored sweep, finished or not: read everything, and compare every checksum. Nothing is changed.

    What is wrong is mended by running the sweep again, which computes that, and only that.

    Args:
      store: the Zarr store, by its path or URL.

    Returns:
      What is missing or damaged; `whole` if nothing is.

    Raises:
      InputError: no store of a sweep at this place, or one whose description is damaged; a URL that cannot be read.

    Example:
      >>> from jaxprune.networks import Ensemble
      >>> from jaxprune.sweep import run
      >>> config = SweepConfig(Ensemble(sizes=(6, 4), bridges=4), ("weight",), keep=(0.5,), networks=2, chunk=2)
      >>> results = run(config, tmp_path / "checked.zarr")
      >>> check(tmp_path / "checked.zarr").words
      ('whole: 2 results of 2 networks, and every checksum is right.',)
      >>> (tmp_path / "checked.zarr" / "epsilon" / "0.0.0").unlink()
      >>> check(tmp_path / "checked.zarr").words
      ('damaged: 2 results are not what was written (network 0, weight at 0.5; network 1, weight at 0.5).',)
    """
    place = place_at(store)
    content, config, attributes = look(place)
    missing = ~content.finished & ~content.damaged
    original_missing = ~content.original_finished & ~content.original_damaged
    description = _wrong_files(place, empty_store(config, attributes["dtype"], attributes))
    words = []
    if missing.any() or original_missing.any():
        words.append(f"unfinished: {_missing_words(config, missing, original_missing)}.")
    if found := damage(config, content):
        words.append(f"damaged: {found}.")
    if description:
        words.append(
            f"damaged: {len(description)} of the files that describe it ({quoted(', '.join(description), 100)})."
        )
    if not words:
        words.append(
            f"whole: {content.finished.size} results of {config.networks} networks, and every checksum is right."
        )
    return Check(
        config,
        attributes["dtype"],
        missing,
        content.damaged,
        original_missing,
        content.original_damaged,
        description,
        tuple(words),
    )


def _missing_words(config, missing, original_missing):
    rows = missing.any((1, 2)) | original_missing
    networks = np.flatnonzero(rows)
    count = f"{int(missing.sum())} of {missing.size} results are missing"
    if (missing[rows].all((1, 2))).all():
        return f"{count}: all of {_ranges(networks)}"
    points = [f"{config.rules[rule]} at {config.keep[keep]:g}" for rule, keep in np.argwhere(missing.any(0))]
    return f"{count}: of {_ranges(networks)}, at {'; '.join(points[:3])}{'; ...' if points[3:] else ''}"


def _ranges(numbers):
    """Networks by number, neighbours together; no more than a few."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    shown = [f"{part[0]}" if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return f"network{'s' if len(numbers) > 1 else ''} {', '.join(shown[:5])}{', ...' if shown[5:] else ''}"


def _wrong_files(place, right):
    there = place.read(right)
    return tuple(sorted(name for name in right if _meaning(there.get(name)) != _meaning(right[name])))


def _meaning(content):
    """JSON by what it says; anything else by its bytes."""
    try:
        return json.loads(content)
    except (TypeError, ValueError, RecursionError):
        return content
