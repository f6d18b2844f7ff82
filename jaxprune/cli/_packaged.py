"""Names that stand for what comes with the package, where a command asks for a file."""

import difflib
from collections.abc import Collection
from pathlib import Path

from jaxprune._checks import InputError, quoted

EXAMPLE = "example"


def is_packaged(path: Path, name: str, suffixes: Collection[str]) -> bool:
    """Whether a path means what comes with the package under a name. A file of that name comes first.

    Args:
      path: as it was given.
      name: of what comes with the package.
      suffixes: of the files that are asked for here; empty where any will do.

    Raises:
      InputError: a file of this name that is none of these; or no such file, and a name that is not known.
    """
    if path.exists() and not path.is_dir():
        if str(path) == name and suffixes:
            raise InputError(
                f"the file {name} in this folder comes before the {name} that comes with jaxprune, and does not end in "
                f"{' or '.join(suffixes)}: rename it, or run this elsewhere."
            )
        return False
    if str(path) == name:
        return True
    if path.suffix and (path.suffix in suffixes or not suffixes):
        return False  # a file that is not there, which the reader says, or that is yet to be written
    if difflib.get_close_matches(str(path).lower(), [name]):
        raise InputError(f"there is no file {quoted(str(path))}: did you mean {name}, which comes with jaxprune?")
    if suffixes and not path.suffix:
        raise InputError(
            f"there is no file {quoted(str(path))}, and nothing of this name comes with jaxprune: {name} does. A file ends in "
            f"{' or '.join(suffixes)}."
        )
    return False


def recorded_source(path: Path, packaged: bool) -> str:
    """A file, or what comes with the package, as reports name it."""
    return f"{path} (packaged)" if packaged else str(path)
