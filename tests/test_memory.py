"""What cannot fit into memory is refused with the number."""

import resource

import pytest

from jaxprune import _memory
from jaxprune._checks import InputError


def test_the_least_limit_counts(tmp_path, monkeypatch):
    """Of the machine's, the container's and the process's own."""
    machine = _memory.memory_limit()
    assert machine > 2**28
    group = tmp_path / "memory.max"
    monkeypatch.setattr(_memory, "GROUPS", (str(tmp_path / "none"), str(group)))
    group.write_text("max\n")
    assert _memory.memory_limit() >= machine
    group.write_text("1000000\n")
    assert _memory.memory_limit() == 1_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5000, 5000))
    assert _memory.memory_limit() == 5000


def test_what_does_not_fit_is_refused(monkeypatch):
    """With both numbers and the remedy."""
    monkeypatch.setattr(_memory, "memory_limit", lambda: 2 * 2**30)
    _memory.check_memory("this", 2 * 2**30, "do that.")
    with pytest.raises(InputError, match=r"^this needs at least 3 GiB of memory, but there are 2: do that\.$"):
        _memory.check_memory("this", 3 * 2**30, "do that.")
    monkeypatch.setattr(_memory, "memory_limit", lambda: None)
    _memory.check_memory("this", 1e30, "do that.")
