"""Files of a store: locked while somebody works on them, on the disk before they are relied on, replaced whole."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxprune._checks import InputError

try:
    import fcntl
except ImportError:  # a system without such locks
    fcntl = None

STORE = "store"
"""Name of what is made in a workshop."""
PARTIAL = ".partial"
"""End of the name of a file that is being written; Zarr uses the same."""


@contextlib.contextmanager
def locked(folder: Path, busy: str, *, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock on a folder. It ends with the process, and leaves no file.

    A file system that knows no locks gives none.

    Raises:
      InputError: another process holds it, still after `patience` seconds; the message is `busy`.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + patience
        while not _take(handle):
            if time.monotonic() >= deadline:
                raise InputError(busy)
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _take(handle):
    assert fcntl is not None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # not on this file system
        return True
    return True


@contextlib.contextmanager
def workshop(beside: Path) -> Iterator[Path]:
    """A folder beside a place, in which what will be there is made; it is gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix=f".{beside.name}-", dir=beside.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_workshops(beside: Path) -> None:
    """Remove what killed processes left of their workshops; the caller holds the lock."""
    pattern = re.compile(re.escape(f".{beside.name}-") + "[a-z0-9_]{8}")
    for entry in beside.parent.iterdir():
        if pattern.fullmatch(entry.name) and entry.is_dir() and {each.name for each in entry.iterdir()} <= {STORE}:
            shutil.rmtree(entry, ignore_errors=True)


def remove_partial(store: Path) -> None:
    """Remove files that a killed process had not finished writing."""
    for folder in (store, *(entry for entry in store.iterdir() if entry.is_dir())):
        for entry in folder.iterdir():
            if entry.name.endswith(PARTIAL):
                entry.unlink(missing_ok=True)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, each of which appears whole or not at all; all are on the disk on return. Folders are made."""
    folders = {path.parent for path in contents}
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            folder.unlink()  # nothing of ours
        folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(_write, contents.items()))
        list(pool.map(_flush_folder, folders | {folder.parent for folder in folders}))


def _write(item):
    path, content = item
    temporary = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if path.is_dir():  # nothing of ours
        shutil.rmtree(path)
    temporary.replace(path)


def _flush_folder(path):
    handle = os.open(path, os.O_RDONLY)
    # Some systems cannot do it for folders.
    with contextlib.suppress(OSError):
        os.fsync(handle)
    os.close(handle)
