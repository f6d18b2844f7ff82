"""A store at a URL that fsspec knows: objects that are put whole, and a lease in the place of a lock."""

import contextlib
import dataclasses
import functools
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from jaxprune._checks import InputError, quoted

LEASE = 30.0
"""Seconds without a sign of life after which a lease is taken from its owner."""
RENEW = 5.0
"""Seconds between two such signs."""
LEASES = ".lease"
"""Folder of leases; each is named by its number."""
AT_ONCE = 16
"""Requests under way."""


class Lease(NamedTuple):
    """Who holds a store: the lease of the highest number. It is free where there is none, or the last was given back."""

    number: int
    content: bytes

    @property
    def token(self) -> str | None:
        """What its owner is known by; nothing if it was given back."""
        with contextlib.suppress(ValueError, AttributeError):
            return json.loads(self.content).get("token")
        return None


@dataclasses.dataclass(frozen=True)
class RemotePlace:
    """A store at a URL. Passwords and the like are those of the process that uses it, found as fsspec finds them.

    An object is put whole or not at all, and is safe once it is put: no reader meets half of one, nothing is renamed, and nothing
    waits for a disk. Where a service is not of that kind (sftp, say), the checksums tell. There is no lock, but a lease: an
    object that its owner renews, and of which the next number is made only if it does not exist yet, in one step where the
    service can (S3, Google, Azure). Whoever finds a lease waits for a sign of life, and takes the next number if there is none.

    Not protected: where a service cannot make an object only if there is none, two processes that begin within the same second
    may both go on; and what an owner that was cut off had begun to write may come late. Both write the same bits where they
    compute the same; where not, the checksums do not fit, and it is computed again.

    Attributes:
      url: where it is.
    """

    url: str

    @classmethod
    def at(cls, url: str) -> "RemotePlace":
        """The place of a URL.

        Raises:
          InputError: a kind of URL that is not known, or whose package is not installed; one that names nothing.
        """
        place = cls(url)
        _opened(place.url)
        return place

    def __str__(self) -> str:
        return re.sub(r"://[^/@]*@", "://...@", self.url)

    def is_free(self) -> bool:
        """Whether a store can be made here."""
        return not self.names()

    def exists(self) -> bool:
        """Whether there is anything at this place."""
        return bool(self.names())

    def names(self) -> set[str]:
        """Names of all objects, without leases."""
        return {name for name in self._find() if not name.startswith(f"{LEASES}/")}

    def read(self, names: Iterable[str]) -> dict[str, bytes | None]:
        """Contents of those objects that are there."""
        wanted = list(names)
        with self._speaking("read"), ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(self._get, wanted))
        return {name: content for name, content in zip(wanted, found, strict=True) if content is not None}

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Put objects; each appears whole or not at all, and all are safe on return."""
        with self._speaking("written"), ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda item: self._put(*item), contents.items()))

    def remove(self) -> None:
        """Remove the whole store, with its leases."""
        fs, root = self._fs
        with self._speaking("written"):
            for name in self._find():
                fs.rm_file(f"{root}/{name}")

    @contextlib.contextmanager
    def created(self, stages: Sequence[Mapping[str, bytes]], token: str, busy: str) -> Iterator[bool]:
        """Make a store; what says that there is one is put last, so that half a store is made whole by the next process."""
        with contextlib.ExitStack() as held:
            held.enter_context(self.held(token, busy))
            new = self.is_free()
            if new:
                self._make(stages)
            else:
                held.close()
            yield new

    @contextlib.contextmanager
    def held(self, token: str, busy: str) -> Iterator[None]:
        """Hold the lease, and renew it until the end."""
        number = self._take(token, busy)
        stop = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(number, token, stop), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            stop.set()
            renewing.join()
            with contextlib.suppress(InputError):  # the next owner waits a while longer
                if self.holds(token):
                    self._sign(number, None)

    def holds(self, token: str) -> bool:
        """Whether the last lease has this token."""
        last = self._last()
        return last is not None and last.token == token

    def is_lost(self, token: str) -> bool:
        """Whether another process has taken the store from the owner of a token."""
        return not self.holds(token)

    @property
    def _fs(self) -> tuple[Any, str]:
        return _opened(self.url)

    def _make(self, stages):
        try:
            for stage in stages:
                self.write(stage)
        except InputError:
            with contextlib.suppress(InputError):
                self.remove()
            raise

    def _take(self, token, busy):
        last = self._last()
        if last is not None and last.token is not None:
            last = self._outlived(last, busy)
        number = 1 if last is None else last.number + 1
        if not self._sign(number, token, new=True) or not self.holds(token):
            raise InputError(busy)
        fs, root = self._fs
        with self._speaking("written"):
            for name in self._find(LEASES):
                if name < _lease_name(number):
                    fs.rm_file(f"{root}/{name}")
        return number

    def _outlived(self, last, busy):
        """Wait until a lease is given back, or has not been renewed for long. No clock of another machine is asked."""
        deadline = time.monotonic() + LEASE
        while time.monotonic() < deadline:
            time.sleep(RENEW / 10)
            now = self._last()
            if now is None or now.token is None:
                return now
            if now != last:
                raise InputError(busy)
        return last

    def _renew(self, number, token, stop):
        while not stop.wait(RENEW):
            with contextlib.suppress(InputError):  # a service that does not answer now may do so before the lease ends
                if not self.holds(token):
                    return
                self._sign(number, token)

    def _sign(self, number, token, new=False):
        """Put a lease; false if it must be new and is not. What it says changes every time."""
        content = {"token": token, "sign": secrets.token_hex(4), "host": socket.gethostname(), "process": os.getpid()}
        with self._speaking("written"):
            try:
                self._put(_lease_name(number), json.dumps(content).encode(), **({"mode": "create"} if new else {}))
            except FileExistsError:
                return False
        return True

    def _last(self) -> Lease | None:
        while names := self._find(LEASES):
            name = max(names)
            with self._speaking("read"):
                content = self._get(name)
            if content is not None:
                return Lease(int(name.removeprefix(f"{LEASES}/")), content)
        return None

    def _find(self, folder=""):
        """Names of all objects of the store, or of a folder."""
        fs, root = self._fs
        with self._speaking("read"):
            fs.invalidate_cache()
            try:
                found = fs.find(f"{root}/{folder}".rstrip("/"))
            except FileNotFoundError:
                return []
        return [path.removeprefix(root).removeprefix("/") for path in found]

    def _get(self, name):
        fs, root = self._fs
        try:
            return fs.cat_file(f"{root}/{name}")
        except FileNotFoundError:
            return None

    def _put(self, name, content, **options):
        fs, root = self._fs
        fs.pipe_file(f"{root}/{name}", content, **options)

    @contextlib.contextmanager
    def _speaking(self, done):
        """Whatever a service raises becomes one line."""
        try:
            yield
        except (InputError, FileExistsError):
            raise
        except Exception as error:
            what = quoted(" ".join(f"{type(error).__name__}: {error}".split()), 100)
            raise InputError(
                f"{quoted(self, 80)} cannot be {done} ({what}): see that it exists, that it answers, and that you may."
            ) from error


def _lease_name(number):
    return f"{LEASES}/{number:08d}"


@functools.lru_cache(8)
def _opened(url):
    """The file system of a URL, and the name of the place in it."""
    shown = quoted(str(RemotePlace(url)), 80)
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        needed = quoted(" ".join(str(error).split()), 100)
        raise InputError(f"{shown} needs a package that is not installed ({needed}).") from error
    except Exception as error:  # a scheme that nobody knows, or whatever else is wrong with it
        what = quoted(" ".join(f"{type(error).__name__}: {error}".split()), 100)
        raise InputError(f"{shown} is no URL of a kind that is known ({what}): try s3://bucket/sweep.zarr.") from error
    root = root.rstrip("/")
    if not root:
        raise InputError(f"{shown} names no place: give it a bucket and a name, such as s3://bucket/sweep.zarr.")
    return fs, root
