"""Sessions of deep machines that go on after an interruption, and what machines of equal size are compared by."""

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr

from experiments import _dbm, dbm_mnist
from jaxprune.boltzmann import Learning

RETRAIN = Learning(1, (0.01, 0.01), 50, chains=50, mean_field=5)
TINY = dataclasses.replace(
    _dbm.PRESETS["quick"], top=12, samples=400, burn_in=5, gap=1, temperatures=20, classified=200,
    pretraining=(Learning(1, (0.1, 0.1), 50, negative="cd"),) * 2, training=RETRAIN, retrain=RETRAIN,
    sessions={"A": 1, "B": 2},
)  # fmt: skip


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(_dbm.PRESETS, "quick", TINY)
    return _dbm.Machine(None, "quick", 0, 0)


def test_sessions_go_on_after_a_kill(machine, monkeypatch):
    def stop(self, number, state):
        if number == 2:
            raise KeyboardInterrupt
        return measure(self, number, state)

    measure = _dbm.Machine.measure
    monkeypatch.setattr(_dbm.Machine, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        machine.pruned("B", "weight")
    seen = []
    monkeypatch.setattr(
        _dbm.Machine, "measure", lambda self, number, state: seen.append(number) or measure(self, number, state)
    )
    state, rows = machine.pruned("B", "weight")
    assert seen == [2]
    assert [row["session"] for row in rows] == [0, 1, 2]
    assert rows[0]["weights"] > rows[1]["weights"] > rows[2]["weights"] == sum(int(m.sum()) for m in state.model.masks)
    # Another run starts over, from the same trained machine, and ends with the same.
    again, same = machine.pruned("B", "weight")
    assert seen == [2, 1, 2]
    assert same == rows
    for a, b in zip(jax.tree.leaves(state.model), jax.tree.leaves(again.model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert machine.pruned("B", "weight", again=False)[1] == []


def results():
    """Two seeds, of which one was pruned further."""
    rows = xr.Dataset(
        {
            "weights": (("seed", "session"), [[100.0, 10.0, 1.0], [100.0, 10.0, np.nan]]),
            "units": (("seed", "session"), [[8.0, 6.0, 4.0], [8.0, 6.0, np.nan]]),
            "silent": (("seed", "session"), [[0.0, 2.0, 3.0], [0.0, 1.0, np.nan]]),
            "code_error": (("seed", "session"), [[0.0, 1.0, 2.0], [0.0, 3.0, np.nan]]),
        },
        coords={"seed": [0, 1], "session": [0, 1, 2]},
    )
    return rows.expand_dims(protocol=["B"], criterion=["weight"], bias_step=[False])


def test_equal_sizes_are_read_off_between_sessions():
    ((protocol, criterion, step, at),) = dbm_mnist.runs(dbm_mnist.with_units_in_use(results()))
    assert (protocol, criterion, step) == ("B", "weight", False)
    assert at.session.values.tolist() == [0, 1]  # the third was not reached by both
    np.testing.assert_allclose(dbm_mnist.at_size(at, "weights", np.sqrt(1000), "code_error"), [0.5, 1.5])
    np.testing.assert_array_equal(dbm_mnist.at_size(at, "weights", 5, "code_error"), [np.nan, np.nan])
    np.testing.assert_array_equal(at.in_use, [[8, 4], [8, 5]])
    np.testing.assert_array_equal(dbm_mnist.at_size(at, "in_use", 4, "code_error"), [1, np.nan])
