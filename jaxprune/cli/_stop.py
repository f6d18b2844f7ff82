"""Ctrl-C: at once while nothing has begun, and later with a line that says what is kept."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

STOPPED = 130
"""Exit status of a program that Ctrl-C ended."""
WORDS = "stopped."


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Ctrl-C in here ends the process on the spot: for imports, whose C code may swallow a KeyboardInterrupt."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # whoever started this decides
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def kept(words: Callable[[], str]) -> Iterator[None]:
    """Within this block, Ctrl-C ends the program with a line that says what is kept.

    Args:
      words: makes the line, "stopped: ...", when it is needed.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(words()) from stop


def goes_on(checkpoint: Path) -> str:
    """What to say of a command that was stopped, if it has got as far as a checkpoint."""
    return f"stopped: {checkpoint} is kept; the same command goes on from there." if checkpoint.exists() else WORDS


def _end(*_):
    os.write(2, f"{WORDS}\n".encode())
    os._exit(STOPPED)
