"""Where a store lies: a folder, or a URL that fsspec knows. All that a store asks of either is here."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxprune._checks import InputError, quoted

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""How a URL begins; one letter and a colon may be a drive."""
LOCAL = ("file://", "local://")


@runtime_checkable
class Place(Protocol):
    """The files of one store, each by its name, such as `h2_error/0.0.0`. Shown, it is what a person called it."""

    def is_free(self) -> bool:
        """Whether a store can be made here."""
        ...

    def exists(self) -> bool:
        """Whether there is anything at this place."""
        ...

    def names(self) -> set[str]:
        """Names of all files."""
        ...

    def read(self, names: Iterable[str]) -> dict[str, bytes | None]:
        """Contents of those files that are there; None where one cannot be read."""
        ...

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each of which appears whole or not at all; all are safe on return."""
        ...

    def remove(self) -> None:
        """Remove the whole store."""
        ...

    def created(self, stages: Sequence[Mapping[str, bytes]], token: str, busy: str) -> AbstractContextManager[bool]:
        """Make a store of these files, the first stage first, and hold it as `held` does; false if another process was faster."""
        ...

    def held(self, token: str, busy: str) -> AbstractContextManager[None]:
        """Hold the store for the owner of a token alone.

        Raises:
          InputError: another process holds it; the message is `busy`.
        """
        ...

    def holds(self, token: str) -> bool:
        """Whether the store, as this process sees it, is held by the owner of a token."""
        ...

    def is_lost(self, token: str) -> bool:
        """Whether another process has taken the store from the owner of a token."""
        ...


def place_at(out: str | os.PathLike) -> Place:
    """The place that a path or a URL names; nothing is read or written yet.

    Raises:
      InputError: a URL of a kind that is not known, or whose package is not installed, or one that has become a path.
    """
    text = os.fspath(out)
    if isinstance(out, str) and "://" in out and not out.startswith(LOCAL):
        from jaxprune.sweep._remote import RemotePlace

        return RemotePlace.at(out)
    from jaxprune.sweep._local import LocalPlace

    if isinstance(out, str) and out.startswith(LOCAL):
        return LocalPlace(Path(out.split("://", 1)[1]).absolute(), out)
    first = Path(text).parts[:1]
    if first and URL.fullmatch(first[0]) and not os.path.lexists(first[0]):
        raise InputError(
            f"{quoted(text, 80)} is a path that begins like a URL: write a URL as a string with two slashes, such as "
            "s3://bucket/sweep.zarr."
        )
    return LocalPlace(Path(text).absolute(), str(Path(text)))


def is_url(out: str) -> bool:
    """Whether a place is not in the folders of this machine."""
    return "://" in out and not out.startswith(LOCAL)


def local_path(out: str) -> Path:
    """The path of a place in the folders of this machine.

    Example:
      >>> str(local_path("file:///data/sweep.zarr"))
      '/data/sweep.zarr'
    """
    return Path(out.split("://", 1)[1] if out.startswith(LOCAL) else out)
