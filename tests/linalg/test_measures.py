"""All measures at once are those one by one, and what no network at all scores on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SYMMETRIC, dominant, quick_jit

from jaxprune import linalg, networks, pruning
from jaxprune.dynamics import activity_of
from jaxprune.linalg.parts import measure_names


def flat(found):
    return [float(value) for value in (*found[:-1], *found.certificate)]


def test_every_measure_that_is_named_is_measured_and_no_two_share_a_name():
    names = measure_names(4)
    assert set(names) <= set(linalg.Measures._fields)
    for column in ("recorded", "title", "quantity"):
        assert len({getattr(called, column) for called in names.values()}) == len(names)


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_each_is_what_its_own_function_says(family):
    A = dominant(family)
    B = A * (1 - 0.3 * (jnp.abs(A) < 0.1))
    found = linalg.measure(A, B, slow=4)
    errors, lost = linalg.spectral_errors(A, B), linalg.information_lost(A, B)
    certificate = linalg.certify(A, B)
    expected = (
        linalg.h2_error(A, B).relative, errors.quadratic[:4].mean(), errors.quadratic[:4].max(), lost.stationary, lost.path,
        jnp.median(errors.eigenvalue), errors.eigenvalue[:4].mean(), *certificate,
    )  # fmt: skip
    np.testing.assert_allclose(flat(found), expected, rtol=1e-9)
    np.testing.assert_allclose(flat(linalg.measure(linalg.reference(A), B, slow=4)), expected, rtol=1e-9)
    symmetric = family in SYMMETRIC
    inside = quick_jit(lambda A, B: linalg.measure(A, B, symmetric=symmetric, slow=4))(A, B)
    np.testing.assert_allclose(flat(inside), expected, rtol=1e-6)


def test_the_empty_network_wins_the_sorted_median_and_nothing_else():
    """At 5 % kept, beside compensation: the reason for the other measures."""
    ensemble = networks.Ensemble(sizes=(60, 20, 40), bridges=300)
    wins = []
    for seed in range(3):
        A = ensemble.network(jax.random.key(seed))
        original = linalg.reference(A)
        pruned = pruning.apply_rule(
            jax.random.key(9), A, activity_of(linalg.stationary_covariance(original)), pruning.named_rule("noise+compensation"),
            count=pruning.synapse_count(A, 0.05, symmetric=True), symmetric=True,
        )  # fmt: skip
        ours, empty = linalg.measure(original, pruned.matrix), linalg.measure(original, jnp.diag(jnp.diagonal(A)))
        leading = [a < b for a, b in zip(ours[:5], empty[:5], strict=True)]
        wins.append([empty.sorted_median < ours.sorted_median, *leading])
    assert np.all(wins)


def test_an_unstable_network_is_infinitely_far():
    A = dominant("clustered")
    found = linalg.measure(A, A + 10 * jnp.eye(len(A)))
    assert float(found.h2) == float(found.stationary) == np.inf
    assert float(found.certificate.abscissa) > 0


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_an_unchanged_network_is_at_no_distance(family):
    A = dominant(family)
    found = linalg.measure(A, A)
    np.testing.assert_allclose(found[:-1], 0, atol=1e-9)
