"""The reference of an original: it holds what is computed one by one, and comparisons from it are those from the matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import FAMILIES, SIZE, SYMMETRIC, quick_jit, rounding, untyped, weights

import jaxprune
from jaxprune.linalg import (
    Guarantee,
    certify,
    mode_errors,
    modes,
    project,
    reference,
    spectral_errors,
    stationary_covariance,
)
from jaxprune.linalg._products import SMALLEST
from jaxprune.linalg._reference import whitening
from jaxprune.networks import dominant_leak, gaussian

PAIR = ("clustered", "dale")
"""A symmetric and a directed family."""


def definite(family, seed=0):
    """A dynamics matrix whose symmetric part is definite also where columns outweigh rows."""
    A = dominant_leak(weights(family, seed), 1.0)
    return A - jnp.diag(jnp.sum(jnp.abs(A), axis=0))


def pruned(A, symmetric, seed=1):
    """Half of the synapses, strengthened, and the leak as it was."""
    kept = jax.random.uniform(jax.random.key(seed), A.shape) < 0.5
    kept = jnp.triu(kept, 1) | jnp.triu(kept, 1).T if symmetric else kept
    return jnp.where(jnp.eye(len(A), dtype=bool), A, jnp.where(kept, 1.5 * A, 0))


def energy(A):
    return -(np.asarray(A) + np.asarray(A).T) / 2


def generalised(A, B):
    """Relative errors of the quadratic form, in rising order: generalised eigenvalues minus one."""
    return scipy.linalg.eigh(energy(B), energy(A), eigvals_only=True) - 1


def agree(found, expected, factor=1000.0):
    """Equal leaf by leaf, up to the rounding of a few operations on matrices of this size."""
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=factor * SIZE * 2.3e-16, atol=factor * SIZE * 2.3e-16)


@pytest.mark.parametrize("family", FAMILIES)
def test_holds_the_matrix_its_modes_and_its_whitening(family):
    A = definite(family)
    original = reference(A)
    assert original.symmetric == (family in SYMMETRIC)
    np.testing.assert_array_equal(original.matrix, A)
    agree(original.modes, modes(A))
    F = np.asarray(original.whitening)
    np.testing.assert_allclose(F.T @ energy(A) @ F, np.eye(SIZE), rtol=0, atol=rounding(F, energy(A)))
    # A whitening is unique up to a rotation, which F F^T does not see.
    alone = np.asarray(whitening(A))
    np.testing.assert_allclose(F @ F.T, alone @ alone.T, rtol=0, atol=rounding(F @ F.T, factor=100))


@pytest.mark.parametrize("family", FAMILIES)
def test_comparisons_agree_with_those_from_the_matrix(family):
    A, symmetric = definite(family), family in SYMMETRIC
    B, original = pruned(A, symmetric), reference(A)
    agree(certify(original, B), certify(A, B))
    agree(spectral_errors(original, B), spectral_errors(A, B))
    agree(stationary_covariance(original, 0.7), stationary_covariance(A, 0.7))
    for structure in ("general", "symmetric") if symmetric else ("general",):
        agree(stationary_covariance(original, structure=structure), stationary_covariance(A, structure=structure))


@pytest.mark.parametrize("family", FAMILIES)
def test_projection_is_the_comparison_without_eigenvalues_of_the_pruned_matrix(family):
    A, symmetric = definite(family), family in SYMMETRIC
    B = pruned(A, symmetric)
    seen = project(reference(A), B)
    errors = spectral_errors(A, B)
    agree((seen.quadratic, seen.angle), (errors.quadratic, errors.angle))
    agree((seen.quadratic, seen.angle), mode_errors(modes(A), B))
    np.testing.assert_allclose(seen.deviation, seen.deviation.T, rtol=0, atol=rounding(seen.deviation))
    deviations = np.linalg.eigvalsh(seen.deviation)
    np.testing.assert_allclose(deviations, generalised(A, B), rtol=0, atol=1e-10)
    np.testing.assert_allclose(np.abs(deviations).max(), certify(A, B).epsilon, rtol=1e-10)
    assert float(certify(A, B).epsilon) > 0.01


def test_large_networks_whose_products_are_mirrored():
    n = SMALLEST + 3
    A = dominant_leak(gaussian(jax.random.key(0), n, symmetric=True), 0.3)
    B = pruned(A, symmetric=True)
    original = reference(A)
    expected = -np.linalg.inv(A) / 2
    np.testing.assert_allclose(stationary_covariance(original), expected, rtol=0, atol=rounding(expected))
    deviations = np.linalg.eigvalsh(project(original, B).deviation)
    np.testing.assert_allclose(deviations, generalised(A, B), rtol=0, atol=1e-10)


def test_a_directed_pruned_matrix_of_a_symmetric_original():
    A = definite("clustered")
    B = pruned(A, symmetric=False)
    with pytest.raises(jaxprune.InputError, match=r"B is not symmetric.*reference\(A, symmetric=False\)"):
        project(reference(A), B)
    seen = project(reference(A, symmetric=False), B)
    np.testing.assert_allclose(np.linalg.eigvalsh(seen.deviation), generalised(A, B), rtol=0, atol=1e-10)
    agree(certify(reference(A), B), certify(A, B))
    assert Guarantee(int(certify(reference(A), B).guarantee)) is not Guarantee.SPECTRUM


@pytest.mark.parametrize(
    "A",
    [
        jnp.array([[-1.0, 3.0], [0.0, -1.0]]),
        jnp.array([[-1.0, 2.0], [2.0, -1.0]]),
        jnp.array([[-1.0, 1.0], [1.0, -1.0]]),
    ],
    ids=["indefinite and directed", "indefinite", "singular"],
)
def test_an_original_without_whitening_has_no_epsilon(A):
    # Eight pairs of neurons, which share the size and so the compiled code of other tests.
    A, B = (jnp.kron(jnp.eye(SIZE // 2), pair) for pair in (A, jnp.array([[-2.0, 0.5], [0.5, -2.0]])))
    original = reference(A)
    assert bool(jnp.all(jnp.isnan(original.whitening)))
    assert bool(jnp.all(jnp.isfinite(original.modes.eigenvalues)))
    np.testing.assert_array_equal(project(original, B).deviation, np.zeros((SIZE, SIZE)))
    assert np.isnan(certify(original, B).epsilon)
    assert Guarantee(int(certify(original, B).guarantee)) is Guarantee.STABLE
    if original.symmetric:
        with pytest.raises(jaxprune.InputError, match="singular or unstable"):
            stationary_covariance(original)
    else:
        agree(stationary_covariance(original), stationary_covariance(A))


@pytest.mark.parametrize("family", PAIR)
def test_many_networks_are_one_vmap(family):
    symmetric = family in SYMMETRIC
    As = jnp.stack([definite(family, seed) for seed in range(3)])
    Bs = jnp.stack([pruned(A, symmetric, seed) for seed, A in enumerate(As)])

    def look(A):
        return reference(A, symmetric=symmetric)

    def compare(original, B):
        covariance = stationary_covariance(original, structure="symmetric" if symmetric else "general")
        seen, certificate = project(original, B), certify(original, B, symmetric=symmetric)
        return certificate, covariance, original.matrix, jnp.linalg.eigvalsh(seen.deviation), seen.quadratic, seen.angle

    # A reference crosses the border of `vmap` and `jit`.
    originals = quick_jit(jax.vmap(look))(As)
    assert originals.symmetric == symmetric
    together = quick_jit(jax.vmap(compare))(originals, Bs)
    for position, (A, B) in enumerate(zip(As, Bs, strict=True)):
        agree(jax.tree.map(lambda leaf, at=position: leaf[at], together), compare(look(A), B))


def test_an_original_without_whitening_does_not_disturb_the_others():
    A = definite("clustered")
    members = jnp.stack([A, A + 20 * jnp.eye(SIZE)])
    B = pruned(A, symmetric=True)
    certificates = quick_jit(
        jax.vmap(lambda member: certify(reference(member, symmetric=True), B, symmetric=True).epsilon)
    )(members)
    np.testing.assert_allclose(certificates, [float(certify(A, B).epsilon), np.nan], rtol=1e-10)


def test_what_rounding_left_asymmetric_is_made_exact():
    A = definite("clustered")
    skewed = A.at[0, 1].set(jnp.nextafter(A[0, 1], 1.0))
    original = reference(skewed)
    assert original.symmetric
    np.testing.assert_array_equal(original.matrix, original.matrix.T)
    assert not np.array_equal(skewed, skewed.T)


def test_errors():
    A = definite("clustered")
    original = reference(A)
    with pytest.raises(jaxprune.InputError, match="A is traced"):
        quick_jit(lambda A: reference(A).whitening)(A)
    with pytest.raises(jaxprune.InputError, match="A is not symmetric"):
        reference(definite("dale"), symmetric=True)
    with pytest.raises(jaxprune.InputError, match=r"A\[0, 0\] is nan"):
        reference(A.at[0, 0].set(jnp.nan))
    with pytest.raises(jaxprune.InputError, match=r"B\[0, 0\] is nan"):
        project(original, A.at[0, 0].set(jnp.nan))
    for call in (project, certify, spectral_errors):
        with untyped(), pytest.raises(jaxprune.InputError, match=r"B has .*A has"):
            call(original, -jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match="is traced"):
        quick_jit(lambda B: certify(original, B).epsilon)(A)
