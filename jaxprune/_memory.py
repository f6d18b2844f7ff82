"""How much memory this process may use, so that what cannot fit is refused before anything is allocated."""

import os
from pathlib import Path

from jaxprune._checks import InputError

GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may use: control groups, version 2 and 1."""
GIB = 2**30


def memory_limit() -> int | None:
    """Bytes that this process may use: the machine's, its container's or its own limit, the least; None where none is known.

    Example:
      >>> memory_limit() > 2**20
      True
    """
    known = [limit for limit in (_machine(), _group(), _process()) if limit]
    return min(known, default=None)


def check_memory(what: str, need: int | float, remedy: str) -> None:
    """Refuse work that needs more memory than there is, before it begins.

    Args:
      what: the work, the first words of the message.
      need: bytes that it needs at least.
      remedy: what to do instead.

    Raises:
      InputError: with both numbers.

    Example:
      >>> check_memory("a network of 10 neurons", 800, "take fewer.")
      >>> check_memory("a network of 1e12 neurons", 8e24, "take fewer.")
      Traceback (most recent call last):
      jaxprune._checks.InputError: a network of 1e12 neurons needs at least ... GiB of memory, but there are ...: take fewer.
    """
    limit = memory_limit()
    if limit is not None and need > limit:
        raise InputError(
            f"{what} needs at least {need / GIB:,.3g} GiB of memory, but there are {limit / GIB:.3g}: {remedy}"
        )


def _machine():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _group():
    for place in GROUPS:
        try:
            return int(Path(place).read_text())
        except (OSError, ValueError):  # not there, or "max"
            continue
    return None


def _process():
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit
