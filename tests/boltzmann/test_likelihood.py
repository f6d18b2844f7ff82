"""Log likelihood: exact in a restricted machine, below the truth in a deep one."""

import numpy as np
import pytest
from helpers import untyped
from machines import exact, machine

import jaxprune
from jaxprune.boltzmann import all_states, independent_log_likelihood, log_likelihood


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


def test_independent_units_are_a_machine_without_synapses():
    data = (np.random.default_rng(0).random((400, 6)) < np.linspace(0.1, 0.9, 6)).astype(float)
    others = all_states(6)
    found = independent_log_likelihood(data, others)
    np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=1e-12)
    p = (data.sum(axis=0) + 1) / (len(data) + 2)
    np.testing.assert_allclose(
        found, np.asarray(others) @ np.log(p) + (1 - np.asarray(others)) @ np.log(1 - p), rtol=1e-10
    )
    # No other independent units do better on the data themselves, up to the two samples that are added.
    best = float(independent_log_likelihood(data, data).mean())
    for shift in (-0.3, 0.3):
        q = np.clip(p + shift * p * (1 - p), 1e-6, 1 - 1e-6)
        assert (data @ np.log(q) + (1 - data) @ np.log(1 - q)).mean() < best
    with untyped(), pytest.raises(jaxprune.InputError, match=r"must be \(sample, 6\)"):
        independent_log_likelihood(data, all_states(5))


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
