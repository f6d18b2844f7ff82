"""A server of the page, in a process of its own."""

import contextlib
import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 90
"""Seconds in which it must say its address, and end when it is told to."""


@contextlib.contextmanager
def served(folder):
    """The address that `jaxprune explore` prints, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxprune.cli", "explore", "--no-browser"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = queue.SimpleQueue()
    # By a thread: a server that says nothing would be waited for without end, and one whose output nobody reads stops.
    reader = threading.Thread(target=lambda: [*map(lines.put, process.stdout or ())], daemon=True)
    reader.start()
    try:
        yield _address(lines)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(PATIENCE)
        if process.stdout:
            process.stdout.close()


def _address(lines):
    try:
        line = lines.get(timeout=PATIENCE)
    except queue.Empty:
        pytest.fail(f"the server said nothing in {PATIENCE} seconds")
    found = re.search(r"http://127\.0\.0\.1:\d+/\?\S+", line)
    assert found, line
    return found.group()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("marimo")
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found
