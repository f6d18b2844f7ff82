"""Spectra in order, and the pairing of two of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, quick_jit

import jaxprune
from jaxprune.linalg import eigenvalues, is_symmetric, match_eigenvalues, spectral_abscissa


def as_multiset(values):
    """Complex numbers in an order that rounding of the real parts does not change."""
    return sorted(np.asarray(values, complex), key=lambda value: (round(value.real, 8), round(value.imag, 8)))


@pytest.mark.parametrize("family", FAMILIES)
def test_eigenvalues_are_those_of_lapack_slowest_first(family):
    A = dominant(family)
    values = eigenvalues(A, symmetric=family in SYMMETRIC)
    assert bool(jnp.all(jnp.diff(values.real) <= 0))
    np.testing.assert_allclose(as_multiset(values), as_multiset(np.linalg.eigvals(A)), atol=1e-10)
    assert jnp.iscomplexobj(values) != (family in SYMMETRIC)
    np.testing.assert_allclose(
        spectral_abscissa(A, symmetric=family in SYMMETRIC), np.linalg.eigvals(A).real.max(), atol=1e-12
    )


@pytest.mark.parametrize("symmetric", [True, False])
def test_host_and_traced_paths_agree(symmetric):
    A = dominant("clustered" if symmetric else "gaussian")
    host = eigenvalues(A, symmetric=symmetric)
    traced = quick_jit(lambda A: eigenvalues(A, symmetric=symmetric))(A)
    assert host.dtype == traced.dtype
    np.testing.assert_allclose(traced, host, atol=1e-12)


@pytest.mark.parametrize("symmetric", [True, False])
def test_precision_follows_the_matrix(symmetric):
    A = dominant("clustered").astype(jnp.float32)
    assert eigenvalues(A, symmetric=symmetric).dtype == (jnp.float32 if symmetric else jnp.complex64)
    assert spectral_abscissa(A, symmetric=symmetric).dtype == jnp.float32


def test_symmetric_reads_the_lower_triangle_alone():
    A = dominant("gaussian symmetric")
    np.testing.assert_allclose(eigenvalues(jnp.tril(A), symmetric=True), eigenvalues(A, symmetric=True), atol=1e-12)


def test_is_symmetric_to_the_last_bit():
    A = dominant("clustered")
    assert is_symmetric(A)
    assert not is_symmetric(A.at[0, 1].set(jnp.nextafter(A[0, 1], 1.0)))


def best_cost(reference, other):
    return min(
        sum(abs(reference[i] - other[j]) ** 2 for i, j in enumerate(order))
        for order in itertools.permutations(range(len(other)))
    )


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("real", [True, False])
def test_matching_is_optimal(n, real):
    for seed in range(4):
        parts = jax.random.normal(jax.random.key(seed), (2, 2, n))
        reference, other = parts[:, 0] if real else parts[:, 0] + 1j * parts[:, 1]
        pairing = match_eigenvalues(reference, other)
        assert sorted(np.asarray(pairing)) == list(range(n))
        cost = float(jnp.sum(jnp.abs(reference - other[pairing]) ** 2))
        np.testing.assert_allclose(cost, best_cost(np.asarray(reference), np.asarray(other)), rtol=1e-12)


def test_real_spectra_are_paired_in_order():
    reference = jnp.array([-3.0, -1.0, -2.0])
    other = jnp.array([-9.0, -7.0, -8.0])
    np.testing.assert_array_equal(match_eigenvalues(reference, other), [0, 1, 2])
    np.testing.assert_array_equal(match_eigenvalues(reference, other[::-1]), [2, 1, 0])


def test_squared_distance_decides():
    # On a line, distances alone would let the first two swap; a complex pairing must not.
    reference = jnp.array([0.0 + 0j, -1.0, -2.0])
    np.testing.assert_array_equal(match_eigenvalues(reference, reference + 1.0), [0, 1, 2])


@pytest.mark.parametrize("kinds", [(False, False), (True, False), (False, True)], ids=str)
def test_traced_matching_is_that_of_the_host(kinds):
    traced = quick_jit(match_eigenvalues)
    for seed in range(5):
        reference, other = (
            eigenvalues(dominant("clustered" if real else "gaussian", seed + shift), symmetric=real)
            for shift, real in zip((0, 10), kinds, strict=True)
        )
        pairings = traced(reference, other), match_eigenvalues(reference, other)
        assert all(sorted(np.asarray(pairing)) == list(range(SIZE)) for pairing in pairings)
        # Where a conjugate pair meets two real values either way is as good: only the cost is unique.
        costs = [float(jnp.sum(jnp.abs(reference - other[pairing]) ** 2)) for pairing in pairings]
        np.testing.assert_allclose(*costs, rtol=1e-12)


def test_spectra_that_are_not_finite_still_pair():
    broken = jnp.full(4, jnp.nan + 0j)
    pairing = match_eigenvalues(jnp.arange(4.0) + 1j, broken)
    assert sorted(np.asarray(pairing)) == [0, 1, 2, 3]


def test_errors():
    with pytest.raises(jaxprune.InputError, match="square"):
        eigenvalues(jnp.ones((2, 3)), symmetric=False)
    with pytest.raises(jaxprune.InputError, match=r"A\[0, 1\] is inf"):
        spectral_abscissa(jnp.array([[0.0, jnp.inf], [0.0, 0.0]]))
