"""Eigenvalues of many matrices at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, weights
from threadpoolctl import threadpool_info

from jaxprune.linalg import certify, eigenvalues, h2_error, information_lost, reference, stationary_covariance
from jaxprune.sweep import _spectra
from jaxprune.sweep._spectra import cores, ensemble_eigenvalues, response, responses


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_failed_member_does_not_disturb_the_others(symmetric):
    family = "clustered" if symmetric else "gaussian"
    members = jnp.stack([dominant(family, 0), jnp.full((SIZE, SIZE), jnp.nan), dominant(family, 1)])
    members = members.at[1, 0, 0].set(-1.0)
    (values,) = ensemble_eigenvalues(members, symmetric=symmetric)
    assert bool(np.all(np.isnan(values[1])))
    for position in (0, 2):
        np.testing.assert_allclose(values[position], eigenvalues(members[position], symmetric=symmetric), atol=1e-12)
        assert values.dtype == eigenvalues(members[position], symmetric=symmetric).dtype


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 1), (5, 2, 4)])
def test_every_member_of_every_ensemble_in_its_place(sizes):
    members = jnp.stack([dominant("gaussian", seed) for seed in range(sum(sizes))])
    ensembles = jnp.split(members, np.cumsum(sizes)[:-1])
    values = ensemble_eigenvalues(*ensembles, symmetric=False)
    assert [value.shape for value in values] == [(size, SIZE) for size in sizes]
    expected = np.stack([eigenvalues(A, symmetric=False) for A in members])
    np.testing.assert_allclose(np.concatenate(values), expected, atol=1e-12)


def test_general_matrices_have_complex_spectra():
    # A chain has a real spectrum; its type must not depend on that.
    A = jnp.tril(weights("gaussian")) - jnp.eye(SIZE)
    (values,) = ensemble_eigenvalues(A[None], symmetric=False)
    assert values.dtype == eigenvalues(A, symmetric=False).dtype


def test_threads_of_the_linear_algebra_are_given_back():
    before = [library["num_threads"] for library in threadpool_info()]
    ensemble_eigenvalues(jax.random.normal(jax.random.key(0), (4, 8, 8)), symmetric=True)
    assert [library["num_threads"] for library in threadpool_info()] == before


def pruned_members():
    """Originals, and pruned ones: two that are stable, one that is not, one that failed."""
    originals = jnp.stack([dominant("clustered", seed) for seed in range(4)])
    members = originals * (1 - 0.5 * (jnp.abs(originals) < 0.1))
    members = members.at[2].add(10 * jnp.eye(SIZE)).at[3].set(jnp.nan)
    found = jax.vmap(lambda A: reference(A, symmetric=True))(originals)
    return originals, found, members


def measured(found, members):
    C = jax.vmap(lambda original: stationary_covariance(original, structure="symmetric"))(found)
    with cores() as pool:
        return responses(pool, found, C, members)()


@pytest.mark.parametrize("large", [False, True])
def test_responses_of_every_member_on_a_cpu_and_elsewhere(monkeypatch, large):
    monkeypatch.setattr(_spectra, "LARGE", SIZE if large else SIZE + 1)
    originals, found, members = pruned_members()
    here = measured(found, members)
    again = measured(found, members)
    elsewhere = jax.vmap(response)(found, members)
    for name, values in here._asdict().items():
        np.testing.assert_array_equal(values, getattr(again, name), err_msg=name)
        np.testing.assert_allclose(values, getattr(elsewhere, name), rtol=1e-7, atol=1e-12, err_msg=name)
        assert np.isnan(values[3]).all()
    assert here.h2_error[2] == here.stationary[2] == np.inf
    for member in range(2):
        A, B = originals[member], members[member]
        np.testing.assert_allclose(here.h2_error[member], h2_error(A, B).relative, rtol=1e-6)
        np.testing.assert_allclose(here.epsilon[member], certify(A, B).epsilon, rtol=1e-9)
        np.testing.assert_allclose(here.stationary[member], information_lost(A, B).stationary, rtol=1e-9)


def test_what_iteration_cannot_prove_is_found_by_all_deviations(monkeypatch):
    _, found, members = pruned_members()
    monkeypatch.setattr(_spectra, "LARGE", SIZE)
    expected = measured(found, members)
    monkeypatch.setattr(_spectra, "proven_epsilon", lambda *_, **__: None)
    for values, others in zip(measured(found, members), expected, strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-9, atol=1e-12)


def test_an_original_that_is_not_stable_has_no_epsilon():
    _, found, members = pruned_members()
    unstable = jax.vmap(lambda A: reference(A + 10 * jnp.eye(SIZE), symmetric=True))(found.matrix)
    here, elsewhere = measured(unstable, members), jax.vmap(response)(unstable, members)
    for name in ("h2_error", "stationary", "path"):
        assert np.isnan(getattr(here, name)).all()
    np.testing.assert_allclose(here.mode_error, elsewhere.mode_error, rtol=1e-9)


def test_threads_compute_in_the_precision_of_the_members():
    """JAX's precision may be set for one thread only."""
    _, found, members = pruned_members()
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (found, members))
    assert {values.dtype for values in measured(*single)} == {np.dtype("float32")}
    assert {values.dtype for values in measured(found, members)} == {np.dtype("float64")}
