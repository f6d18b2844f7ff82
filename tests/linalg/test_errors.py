"""Errors mode by mode against a plain loop in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, quick_jit, untyped

import jaxprune
from jaxprune import linalg
from jaxprune.linalg import eigenvalue_errors, mode_errors, modes, spectral_errors


def perturbed(A, symmetric, size=0.05, seed=3):
    noise = size * jax.random.normal(jax.random.key(seed), A.shape)
    return A + (noise + noise.T if symmetric else noise)


def by_pair(values, errors):
    """Errors with those of a conjugate pair in rising order: which of the two meets which of two real partners is a tie."""
    errors = np.array(errors)
    for i in range(len(errors) - 1):
        if np.imag(values[i]) != 0 and values[i] == np.conj(values[i + 1]):
            errors[i : i + 2] = np.sort(errors[i : i + 2])
    return errors


def loop(A, B, symmetric):
    """The three measures, written as they are defined."""
    A, B = np.asarray(A), np.asarray(B)
    if symmetric:
        values, vectors = np.linalg.eigh(A)
        order = np.argsort(-values)
        partners = np.sort(np.linalg.eigvalsh(B))[::-1]
    else:
        values, vectors = np.linalg.eig(A)
        order = np.argsort(-values.real, kind="stable")
        others = np.linalg.eigvals(B)
        distance = [[abs(values[i] - other) ** 2 for other in others] for i in order]
        partners = others[scipy.optimize.linear_sum_assignment(distance)[1]]
    rows = []
    left_values, left_vectors = scipy.linalg.eig(A.T)
    for i, partner in zip(order, partners, strict=True):
        v, image = vectors[:, i], B @ vectors[:, i]
        u = left_vectors[:, np.argmin(abs(left_values - values[i]))]
        along = u @ image / (u @ v)
        cosine = abs(v.conj() @ image) / np.linalg.norm(v) / np.linalg.norm(image)
        rows.append((abs(partner / values[i] - 1), abs(along / values[i] - 1), cosine))
    return np.array(rows).T


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "feedforward"])
def test_agrees_with_the_definition(family):
    A = dominant(family)
    symmetric = family in SYMMETRIC
    B = perturbed(A, symmetric)
    errors = spectral_errors(A, B)
    values = modes(A).eigenvalues
    for got, expected in zip(errors, loop(A, B, symmetric), strict=True):
        np.testing.assert_allclose(by_pair(values, got), by_pair(values, expected), rtol=1e-8, atol=1e-10)
        assert got.shape == (SIZE,)
    assert bool(jnp.all(errors.angle <= 1 + 1e-12))
    assert float(errors.eigenvalue.max()) > 1e-3


def test_modes_are_unit_eigenvectors_slowest_first():
    for family in ("clustered", "gaussian"):
        A = dominant(family)
        values, vectors, left = modes(A)
        np.testing.assert_allclose(left @ vectors, np.eye(SIZE), atol=1e-9)
        assert bool(jnp.all(jnp.diff(values.real) <= 0))
        np.testing.assert_allclose(A @ vectors, vectors * values[None, :], atol=1e-12)
        np.testing.assert_allclose(jnp.linalg.norm(vectors, axis=0), 1, rtol=1e-12)
        assert jnp.iscomplexobj(values) == (family == "gaussian")


@pytest.mark.parametrize("family", ["gaussian", "dale", "clustered directed"])
def test_the_error_along_a_mode_is_that_of_its_eigenvalue_to_first_order(family):
    A, change = dominant(family), jax.random.normal(jax.random.key(5), (SIZE, SIZE))
    small = spectral_errors(A, A + 1e-6 * change)
    values = modes(A).eigenvalues
    np.testing.assert_allclose(
        by_pair(values, small.quadratic), by_pair(values, small.eigenvalue), rtol=1e-3, atol=1e-10
    )


def test_an_unchanged_network_has_no_errors():
    for family in ("clustered", "gaussian"):
        A = dominant(family)
        errors = spectral_errors(A, A)
        np.testing.assert_allclose(errors.eigenvalue, 0, atol=1e-12)
        np.testing.assert_allclose(errors.quadratic, 0, atol=1e-12)
        np.testing.assert_allclose(errors.angle, 1, atol=1e-12)


def test_a_scaled_network_has_that_relative_error_everywhere():
    A = dominant("gaussian")
    errors = spectral_errors(A, 1.1 * A)
    np.testing.assert_allclose(errors.eigenvalue, 0.1, rtol=1e-10)
    np.testing.assert_allclose(errors.quadratic, 0.1, rtol=1e-10)
    np.testing.assert_allclose(errors.angle, 1, rtol=1e-10)


@pytest.mark.parametrize("family", ["clustered", "gaussian"])
def test_modes_given_once_serve_many_pruned_matrices_under_vmap(family):
    A, symmetric = dominant(family), family in SYMMETRIC
    pruned = jnp.stack([perturbed(A, symmetric, seed=seed) for seed in range(2)])
    original = modes(A)
    batch = quick_jit(jax.vmap(lambda B: spectral_errors(original, B, symmetric=symmetric)))(pruned)
    for position, B in enumerate(pruned):
        alone = spectral_errors(A, B)
        for got, expected in zip(batch, alone, strict=True):
            pairs = (by_pair(original.eigenvalues, errors) for errors in (got[position], expected))
            np.testing.assert_allclose(*pairs, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("family", ["clustered", "gaussian"])
def test_inside_jit_the_word_is_for_both(family):
    A, symmetric = dominant(family), family in SYMMETRIC
    B = perturbed(A, symmetric)
    values = modes(A).eigenvalues
    inside = quick_jit(lambda A, B: spectral_errors(A, B, symmetric=symmetric))(A, B)
    for got, expected in zip(inside, spectral_errors(A, B), strict=True):
        np.testing.assert_allclose(by_pair(values, got), by_pair(values, expected), rtol=1e-8, atol=1e-11)


def test_parts_are_those_of_the_whole():
    A = dominant("gaussian")
    B = perturbed(A, symmetric=False)
    original, errors = modes(A), spectral_errors(A, B)
    quadratic, angle = mode_errors(original, B)
    np.testing.assert_array_equal(quadratic, errors.quadratic)
    np.testing.assert_array_equal(angle, errors.angle)


def test_eigenvalue_errors_are_relative_to_the_partner():
    # In order -1, -2, -4 and -1.5, -2, -4.4: relative to the original, and whatever order the pruned ones come in.
    errors = eigenvalue_errors(jnp.array([-1.0, -2.0, -4.0]), jnp.array([-4.4, -1.5, -2.0]))
    np.testing.assert_allclose(errors, [0.5, 0.0, 0.1], atol=1e-15)
    turned = eigenvalue_errors(jnp.array([-1 + 1j, -1 - 1j]), jnp.array([-1 - 1.1j, -1 + 0.9j]))
    np.testing.assert_allclose(turned, 0.1 / np.sqrt(2), rtol=1e-12)


def test_a_pruned_network_may_lose_its_symmetry():
    A = dominant("clustered")
    B = perturbed(A, symmetric=False)
    errors = spectral_errors(A, B)
    expected = np.linalg.eigvals(B)
    values = np.linalg.eigvalsh(A)[::-1]
    assignment = scipy.optimize.linear_sum_assignment(np.abs(values[:, None] - expected[None, :]) ** 2)[1]
    np.testing.assert_allclose(errors.eigenvalue, np.abs(expected[assignment] / values - 1), rtol=1e-8, atol=1e-10)


def test_precision_follows_the_matrices():
    for family in ("clustered", "gaussian"):
        A = dominant(family).astype(jnp.float32)
        assert all(value.dtype == jnp.float32 for value in spectral_errors(A, A))


def test_errors():
    A = dominant("clustered")
    with pytest.raises(jaxprune.InputError, match="B has 2 neurons and A has 16"):
        spectral_errors(modes(A), -jnp.eye(2))
    with untyped(), pytest.raises(jaxprune.InputError, match="B has 2 neurons and A has 16"):
        spectral_errors(A, -jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match="B has shape"):
        spectral_errors(modes(A), jnp.ones((2, 3)))
    with pytest.raises(jaxprune.InputError, match=r"B\[0, 0\] is nan"):
        spectral_errors(A, A.at[0, 0].set(jnp.nan))


@pytest.mark.parametrize(("gap", "followed"), [(1e-12, False), (1e-3, True)])
def test_a_mode_that_is_one_with_another_cannot_be_followed(gap, followed):
    """Two of three eigenvalues differ by the gap, and their left and right eigenvectors are orthogonal up to it."""
    A = jnp.array([[-1.0, 1.0, 0.0], [0.0, -1.0 - gap, 0.0], [0.0, 0.0, -2.0]])
    B = A.at[2, 2].set(-3.0).at[0, 0].set(-1.1)
    errors = spectral_errors(A, B).quadratic
    np.testing.assert_allclose(errors[2], 0.5)
    assert bool(jnp.isfinite(errors[:2]).all()) == followed
    found = linalg.measure(A, B, slow=2)
    assert bool(jnp.isfinite(found.slow_modes)) == bool(jnp.isfinite(found.worst_mode)) == followed
    assert np.isfinite(linalg.measure(A, B, slow=2).h2)


def test_modes_beside_those_that_are_one_are_followed():
    """A ring that feeds a chain: the chain's modes are all one, those of the ring are not."""
    ring, chain = 4, 6
    A = -jnp.eye(ring + chain)
    for i in range(ring):
        A = A.at[(i + 1) % ring, i].set(0.5)
    for i in range(ring, ring + chain):
        A = A.at[i, i - 1].set(1.0)
    B = A.at[1, 0].set(0.4).at[ring + 2, ring + 1].set(0.3)
    found = modes(A)
    errors = np.asarray(spectral_errors(A, B).quadratic)
    own = np.linalg.eigvals(np.asarray(A)[:ring, :ring])
    followed = np.isfinite(errors)
    np.testing.assert_allclose(np.sort(found.eigenvalues[followed].real), np.sort(own.real), atol=1e-9)
    alone = spectral_errors(A[:ring, :ring], B[:ring, :ring]).quadratic
    np.testing.assert_allclose(np.sort(errors[followed]), np.sort(alone), atol=1e-8)
