"""Eigenvalues of many matrices at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, weights
from threadpoolctl import threadpool_info

from jaxprune.linalg import eigenvalues, h2_error, project, reference
from jaxprune.sweep._spectra import _response, ensemble_eigenvalues, ensemble_responses


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


def test_responses_of_every_member_on_a_cpu_and_elsewhere():
    originals, found, members = pruned_members()
    residuals = jax.vmap(project)(found, members).residual
    ((values, errors), (again, same)) = ensemble_responses(found.modes, (members, residuals), (members, residuals))
    elsewhere, others = jax.vmap(_response)(found.modes, members)
    np.testing.assert_array_equal(values, again)
    np.testing.assert_array_equal(errors, same)
    np.testing.assert_allclose(values[:3], elsewhere[:3], rtol=1e-9)
    np.testing.assert_allclose(errors, others, rtol=1e-6)
    assert np.isnan(values[3]).all()
    assert np.isnan(errors[3])
    assert errors[2] == np.inf
    for member in range(2):
        np.testing.assert_allclose(errors[member], h2_error(originals[member], members[member]).relative, rtol=1e-6)


def test_threads_compute_in_the_precision_of_the_members():
    """JAX's precision may be set for one thread only."""
    _, found, members = pruned_members()
    residuals = jax.vmap(project)(found, members).residual
    single = [jax.tree.map(lambda leaf: leaf.astype(jnp.float32), part) for part in (found.modes, members, residuals)]
    ((values, errors),) = ensemble_responses(single[0], (single[1], single[2]))
    assert values.dtype == errors.dtype == np.float32
    ((values, errors),) = ensemble_responses(found.modes, (members, residuals))
    assert values.dtype == errors.dtype == np.float64
