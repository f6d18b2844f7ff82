"""Log likelihood: exact in a restricted machine, below the truth in a deep one."""

import numpy as np
import pytest
from helpers import untyped
from machines import exact, machine

import jaxprune
from jaxprune.boltzmann import all_states, log_likelihood


def test_exact_in_a_restricted_machine():
    found = log_likelihood(machine(), all_states(6), exact().log_partition)
    np.testing.assert_allclose(found, exact().log_visible, atol=1e-10)


@pytest.mark.parametrize("kind", ["deep", "deeper"])
def test_below_the_truth_and_close_for_weak_weights(kind):
    gaps = []
    for sd in (1.0, 0.2):
        truth = exact(kind, sd)
        model = machine(kind, sd)
        found = log_likelihood(model, all_states(model.sizes[0]), truth.log_partition, sweeps=500, tolerance=1e-12)
        gaps.append(np.asarray(truth.log_visible - found))
        assert gaps[-1].min() > -1e-10
    assert gaps[1].max() < gaps[0].max() / 5
    assert gaps[0].max() > 1e-3


def test_chunks_do_not_matter(monkeypatch):
    from jaxprune.boltzmann import _binary

    whole = log_likelihood(machine(), all_states(6), 0.0)
    monkeypatch.setattr(_binary, "CHUNK", 10)
    np.testing.assert_array_equal(log_likelihood(machine(), all_states(6), 0.0), whole)


def test_data_that_are_not_binary():
    with pytest.raises(jaxprune.InputError, match=r"data\[0, 0\] is 0.5"):
        log_likelihood(machine(), all_states(6) + 0.5, 0.0)
    with untyped(), pytest.raises(jaxprune.InputError, match=r"must be \(sample, 6\)"):
        log_likelihood(machine(), all_states(5), 0.0)
