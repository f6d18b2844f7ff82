"""The page of the other two systems: small runs, computed once."""

import numpy as np
import pytest

from jaxprune.explore import _pictures as pictures
from jaxprune.explore import _systems as page


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Runs of two steps, which are forgotten."""
    monkeypatch.setattr(page, "SESSIONS", 2)
    monkeypatch.setattr(page, "EPOCHS", 6)
    monkeypatch.setattr(page, "LEARNING", 3)
    monkeypatch.setattr(page, "_told", {})
    page._machine.cache_clear()
    yield
    page._machine.cache_clear()


def test_a_machine_loses_synapses_in_sessions_and_is_computed_once():
    steps = []
    found = page.machine_sessions("weight", lambda done, total: steps.append((done, total)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    weights = [session.weights for session in found]
    assert weights == [64 * page.HIDDEN, round(0.6 * 64 * page.HIDDEN), weights[2]]
    assert weights[2] < weights[1]
    assert all(0 < session.error < 0.5 for session in found)
    assert page.machine_sessions("weight", lambda done, total: steps.append(done)) is found
    assert len(steps) == 4
    assert pictures.machine(found[-1]).startswith(b"\x89PNG")


def test_a_network_loses_synapses_while_it_learns_and_pixels_go_dark():
    steps = []
    found = page.training_epochs("counter", lambda done, total: steps.append(done))
    assert steps == list(range(7))
    left = [int(epoch.inputs.sum()) for epoch in found]
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0]
    # Pixels that are always dark say nothing.
    assert np.any(found[-1].inputs.sum(axis=0) == 0)
    assert found[-1].accuracy > 0.5
    assert pictures.training(found, 3).startswith(b"\x89PNG")
