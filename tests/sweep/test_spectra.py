"""Eigenvalues of many matrices at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, weights
from threadpoolctl import threadpool_info

from jaxprune.linalg import eigenvalues
from jaxprune.sweep._spectra import ensemble_eigenvalues


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
