"""A store in a folder: locked while somebody works on it, its files on the disk before they are relied on, replaced whole."""

import contextlib
import dataclasses
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
HOLDER = ".holder"
"""File that says by a token who holds the store, so that workers, which hold no lock, know whether it is theirs."""
CREATION = 20.0
"""Seconds that a process waits for another one to make its store in the same folder."""


@dataclasses.dataclass(frozen=True)
class LocalPlace:
    """A store in a folder of this machine, or one that it shares with others.

    Attributes:
      path: the folder, so that workers find it wherever they run.
      called: what a person called it.
    """

    path: Path
    called: str

    def __str__(self) -> str:
        return self.called

    def is_free(self) -> bool:
        """Whether a store can be made here."""
        if not self.exists():
            return True
        return self.path.is_dir() and not any(self.path.iterdir()) and self.path.resolve() != Path.cwd()

    def exists(self) -> bool:
        """Whether there is anything at this place."""
        return os.path.lexists(self.path)

    def names(self) -> set[str]:
        """Names of all files, and of folders where files should be."""
        found = set()
        with contextlib.suppress(OSError):  # not there, or no folder
            for entry in os.scandir(self.path):
                inside = os.scandir(entry.path) if entry.is_dir() else ()
                found |= {f"{entry.name}/{each.name}" for each in inside} or {entry.name}
        return {name for name in found if not name.endswith((PARTIAL, HOLDER))}

    def read(self, names: Iterable[str]) -> dict[str, bytes | None]:
        """Contents of those files that are there; None where one cannot be read."""
        found: dict[str, bytes | None] = {}
        for name in names:
            try:
                found[name] = (self.path / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                found[name] = None
        return found

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each of which appears whole or not at all; all are on the disk on return."""
        write_files({self.path / name: content for name, content in contents.items()})

    def remove(self) -> None:
        """Remove the whole store."""
        shutil.rmtree(self.path)

    @contextlib.contextmanager
    def created(self, stages: Sequence[Mapping[str, bytes]], token: str, busy: str) -> Iterator[bool]:
        """Make a store beside its place and move it there whole: it is complete in its metadata, or does not exist."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            with locked(self.path.parent, busy, patience=CREATION):
                new = self.is_free()
                if new:
                    self._make(stages, lambda made: held.enter_context(locked(made, busy)))
                    held.enter_context(self._announced(token))
            yield new

    def _make(self, stages, hold: Callable[[Path], object]):
        remove_workshops(self.path)
        with workshop(self.path) as place:
            (place / STORE).mkdir()
            for stage in stages:
                write_files({place / STORE / name: content for name, content in stage.items()})
            hold(place / STORE)  # before anybody else can see it
            (place / STORE).rename(self.path)

    @contextlib.contextmanager
    def held(self, token: str, busy: str) -> Iterator[None]:
        """Hold a lock on the folder. It ends with the process."""
        with locked(self.path, busy):
            remove_partial(self.path)
            with self._announced(token):
                yield

    def holds(self, token: str) -> bool:
        """Whether the store, as this process sees it, is held by the owner of a token."""
        return self.read([HOLDER]).get(HOLDER) == token.encode()

    def is_lost(self, token: str) -> bool:
        """Never: a lock is its owner's until the end."""
        return False

    @contextlib.contextmanager
    def _announced(self, token):
        """Say to workers whose store it is; not where nothing can be written, which does no harm to a store that is whole."""
        with contextlib.suppress(OSError):
            (self.path / HOLDER).write_bytes(token.encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                (self.path / HOLDER).unlink(missing_ok=True)


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
    # Two machines may write one file.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_dir():  # nothing of ours
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError:  # on a full disk, half a file leaves no room for the rest
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _flush_folder(path):
    handle = os.open(path, os.O_RDONLY)
    # Some systems cannot do it for folders.
    with contextlib.suppress(OSError):
        os.fsync(handle)
    os.close(handle)
