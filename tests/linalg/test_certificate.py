"""Certificates: the realised epsilon, and no guarantee without its assumptions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, quick_jit, row_slack, untyped, weights

import jaxprune
from jaxprune.linalg import (
    Guarantee,
    certificate_from,
    certify,
    dominance_slack,
    eigenvalues,
    principal_epsilon,
    project,
    reference,
    spectral_abscissa,
)
from jaxprune.networks import dominant_leak


def level(certificate):
    return Guarantee(int(certificate.guarantee))


def energy(A):
    return -(np.asarray(A) + np.asarray(A).T) / 2


def generalised_epsilon(A, B):
    return np.abs(scipy.linalg.eigh(energy(B), energy(A), eigvals_only=True) - 1).max()


def thinned(A, seed=1, symmetric=True):
    """Half of the synapses removed, and the leak with them: of a symmetric network that takes energy away, never all."""
    kept = jax.random.uniform(jax.random.key(seed), A.shape) < 0.5
    kept = jnp.triu(kept, 1) | jnp.triu(kept, 1).T if symmetric else kept
    return dominant_leak(jnp.where(kept, A, 0), float(dominance_slack(A)))


@pytest.mark.parametrize("family", FAMILIES)
def test_epsilon_is_the_largest_generalised_deviation(family):
    # A slack of 1 makes the symmetric part definite also where columns outweigh rows.
    A = dominant_leak(weights(family), 1.0)
    A = A - jnp.diag(jnp.sum(jnp.abs(A), axis=0))
    B = 0.9 * thinned(A, symmetric=family in SYMMETRIC)
    certificate = certify(A, B)
    np.testing.assert_allclose(certificate.epsilon, generalised_epsilon(A, B), rtol=1e-10)
    np.testing.assert_allclose(certificate.abscissa, np.linalg.eigvals(B).real.max(), rtol=1e-10)
    np.testing.assert_allclose(certificate.dominance_slack, row_slack(B).min(), rtol=1e-10)
    expected = Guarantee.SPECTRUM if family in SYMMETRIC else Guarantee.QUADRATIC_FORM
    assert level(certificate) is expected


@pytest.mark.parametrize("family", ["clustered", "clustered directed", "dale"])
def test_no_active_set_deviates_by_more_than_the_whole(family):
    A = dominant_leak(weights(family), 1.0)
    A = A - jnp.diag(jnp.sum(jnp.abs(A), axis=0))
    B = thinned(A, symmetric=family in SYMMETRIC)
    rng = np.random.default_rng(0)
    sets = rng.random((1000, SIZE)) < rng.uniform(0.05, 1, (1000, 1))
    epsilons = np.asarray(quick_jit(jax.vmap(principal_epsilon, (None, None, 0)))(A, B, jnp.asarray(sets)))
    for active, epsilon in list(zip(sets, epsilons, strict=True))[:50]:
        chosen = np.ix_(active, active)
        expected = generalised_epsilon(np.asarray(A)[chosen], np.asarray(B)[chosen]) if active.any() else 0
        np.testing.assert_allclose(epsilon, expected, rtol=1e-9, atol=1e-12)
    whole = float(certify(A, B).epsilon)
    assert epsilons.max() <= whole * (1 + 1e-9)
    assert epsilons.max() > whole / 2  # among so many sets some come near
    everyone = principal_epsilon(A, B, jnp.ones(SIZE, bool))
    np.testing.assert_allclose(everyone, whole, rtol=1e-12)


def test_an_active_set_may_be_fine_where_the_whole_is_not_definite():
    A = jnp.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -2.0]])
    B = A - 0.5 * jnp.eye(3)
    assert np.isnan(certify(A, B).epsilon)
    np.testing.assert_allclose(principal_epsilon(A, B, jnp.array([True, False, True])), 0.5)
    assert np.isnan(principal_epsilon(A, B, jnp.array([True, True, False])))
    assert float(principal_epsilon(jnp.zeros((2, 2)), jnp.zeros((2, 2)), jnp.array([False, False]))) == 0
    uneven = jnp.diag(jnp.array([-1.0, -1.0, -1e16]))
    np.testing.assert_allclose(principal_epsilon(uneven, 0.9 * uneven, jnp.array([True, True, False])), 0.1)


def test_eigenvalues_and_principal_submatrices_stay_within_epsilon():
    rng = np.random.default_rng(0)
    for family in SYMMETRIC:
        A = dominant(family)
        B = thinned(A)
        certificate = certify(A, B)
        epsilon = float(certificate.epsilon) * (1 + 1e-9)
        assert level(certificate) is Guarantee.SPECTRUM
        for _ in range(40):
            active = rng.random(SIZE) < rng.uniform(0.1, 1)
            active[rng.integers(SIZE)] = True
            before, after = (np.linalg.eigvalsh(np.asarray(X)[np.ix_(active, active)]) for X in (A, B))
            assert np.abs(after / before - 1).max() <= epsilon
        # Epsilon is no larger than it must be: the whole network has a direction that needs it.
        values, vectors = scipy.linalg.eigh(energy(B), energy(A))
        worst = vectors[:, np.argmax(np.abs(values - 1))]
        np.testing.assert_allclose(abs(worst @ B @ worst / (worst @ A @ worst) - 1), certificate.epsilon, rtol=1e-8)


def test_quadratic_forms_of_directed_networks_stay_within_epsilon():
    A = dominant_leak(weights("gaussian"), 1.0)
    B = thinned(A, symmetric=False)
    certificate = certify(A, B)
    assert level(certificate) is Guarantee.QUADRATIC_FORM
    x = np.random.default_rng(1).normal(size=(200, SIZE))
    before, after = (np.einsum("si,ij,sj->s", x, X, x) for X in (A, B))
    assert np.abs(after / before - 1).max() <= float(certificate.epsilon)
    assert float(certificate.abscissa) < 0


class TestGuarantee:
    """Each level by a network that just earns it, and the same network without one assumption."""

    A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])

    def test_spectrum(self):
        assert level(certify(self.A, 0.5 * self.A)) is Guarantee.SPECTRUM
        assert level(certify(self.A, -jnp.eye(2))) is Guarantee.SPECTRUM

    def test_an_asymmetric_pruned_network_keeps_the_quadratic_form_only(self):
        assert level(certify(self.A, jnp.array([[-2.0, 1.0], [0.9, -2.0]]))) is Guarantee.QUADRATIC_FORM
        assert level(certify(jnp.array([[-2.0, 1.0], [0.9, -2.0]]), self.A)) is Guarantee.QUADRATIC_FORM

    def test_an_epsilon_of_one_or_more_leaves_stability_by_dominance(self):
        certificate = certify(self.A, 2.0 * self.A)
        np.testing.assert_allclose(certificate.epsilon, 1, rtol=1e-12)
        assert level(certificate) is Guarantee.STABLE
        assert level(certify(self.A, 3.0 * self.A)) is Guarantee.STABLE

    def test_without_slack_there_is_no_dominance(self):
        assert level(certify(self.A, jnp.array([[-3.0, 3.0], [3.0, -3.0]]))) is Guarantee.NONE

    def test_a_stable_network_without_assumptions_is_promised_nothing(self):
        B = jnp.array([[-1.0, 50.0], [0.0, -1.0]])
        certificate = certify(self.A, B)
        assert float(certificate.abscissa) == -1
        assert float(certificate.epsilon) > 1
        assert level(certificate) is Guarantee.NONE

    def test_an_unstable_network_is_promised_nothing(self):
        for B in (-self.A, jnp.array([[-1.0, 2.0], [2.0, -1.0]]), jnp.eye(2)):
            certificate = certify(self.A, B)
            assert float(certificate.abscissa) > 0
            assert level(certificate) is Guarantee.NONE

    def test_a_singular_network_is_promised_nothing(self):
        # An exact Laplacian has a mode that does not decay; its epsilon is one up to rounding.
        B = jnp.array([[-1.0, 1.0], [1.0, -1.0]])
        certificate = certify(B - 0.5 * jnp.eye(2), B)
        np.testing.assert_allclose(certificate.epsilon, 1, rtol=1e-12)
        assert level(certificate) is Guarantee.NONE

    @pytest.mark.parametrize(
        "A",
        [jnp.array([[-1.0, 3.0], [0.0, -1.0]]), jnp.array([[-1.0, 1.0], [1.0, -1.0]])],
        ids=["indefinite", "singular"],
    )
    def test_without_a_definite_original_epsilon_is_nan(self, A):
        dominant_one = jnp.array([[-1.0, 0.5], [0.5, -1.0]])
        certificate = certify(A, dominant_one)
        assert bool(jnp.isnan(certificate.epsilon))
        assert level(certificate) is Guarantee.STABLE
        assert level(certify(A, jnp.array([[-1.0, 3.0], [0.0, -1.0]]))) is Guarantee.NONE

    @pytest.mark.parametrize("asymmetric", ["A", "B"])
    def test_the_word_symmetric_is_not_taken_against_the_evidence(self, asymmetric):
        skewed = jnp.array([[-2.0, 0.5], [1.0, -2.0]])
        pair = (skewed, self.A) if asymmetric == "A" else (self.A, skewed)
        try:
            certificate = certify(*pair, symmetric=True)
        except jaxprune.InputError:
            return
        assert level(certificate) < Guarantee.SPECTRUM

    def test_every_level_has_words(self):
        words = [guarantee.words for guarantee in Guarantee]
        assert len(set(words)) == len(Guarantee)
        assert [text.split(":")[0] for text in words] == ["none", "stable", "quadratic form", "spectrum"]
        assert sorted(Guarantee) == [Guarantee.NONE, Guarantee.STABLE, Guarantee.QUADRATIC_FORM, Guarantee.SPECTRUM]


@pytest.mark.parametrize("family", ["clustered", "gaussian"])
def test_the_same_certificate_from_eigenvalues_computed_elsewhere(family):
    A, symmetric = dominant_leak(weights(family), 1.0), family in SYMMETRIC
    B = thinned(A, symmetric=symmetric)
    original = reference(A)
    deviations = eigenvalues(project(original, B).deviation)[::-1]
    abscissa = spectral_abscissa(B)
    found = certificate_from(A, B, original.whitening, deviations=deviations, abscissa=abscissa, symmetric=symmetric)
    for ours, theirs in zip(found, certify(A, B), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    missing = certificate_from(
        A, B, jnp.full_like(A, jnp.nan), deviations=jnp.zeros(SIZE), abscissa=abscissa, symmetric=symmetric
    )
    assert np.isnan(missing.epsilon)
    assert level(missing) is Guarantee.STABLE


def test_counts_and_amplification():
    A = jnp.array([[-9.0, 1.0, -2.0], [4.0, -9.0, 0.0], [0.5, 1.0, -9.0]])
    B = jnp.array([[-5.0, 0.0, -6.0], [2.0, -99.0, 0.0], [0.0, 1.0, -9.0]])
    certificate = certify(A, B)
    assert int(certificate.kept) == 3
    np.testing.assert_allclose(certificate.kept_fraction, 3 / 5)
    np.testing.assert_allclose(certificate.max_amplification, 3)
    empty = certify(A, jnp.diag(jnp.diagonal(A)))
    assert int(empty.kept) == 0
    assert float(empty.max_amplification) == 0
    diagonal = jnp.diag(jnp.diagonal(A))
    assert float(certify(diagonal, diagonal).kept_fraction) == 0


def test_dominance_slack_of_a_positive_diagonal_is_negative():
    assert float(dominance_slack(jnp.array([[3.0, 1.0], [0.0, -2.0]]))) == -4
    for family in FAMILIES:
        A = dominant(family, slack=0.25)
        np.testing.assert_allclose(dominance_slack(A), row_slack(A).min(), atol=1e-12)


@pytest.mark.parametrize("symmetric", [True, False])
def test_jit_and_vmap(symmetric):
    A = dominant("clustered" if symmetric else "gaussian", slack=1.0)
    members = jnp.stack([thinned(A, seed, symmetric=symmetric) for seed in range(2)] + [jnp.full_like(A, jnp.nan)])
    batch = quick_jit(jax.vmap(lambda B: certify(A, B, symmetric=symmetric)))(members)
    for position in range(2):
        alone = certify(A, members[position])
        for got, expected in zip(batch, alone, strict=True):
            np.testing.assert_allclose(got[position], expected, rtol=1e-10)
    assert bool(jnp.isnan(batch.epsilon[2]))
    assert int(batch.guarantee[2]) == Guarantee.NONE


def test_single_precision():
    A = dominant("clustered").astype(jnp.float32)
    B = thinned(A)
    certificate = certify(A, B)
    assert certificate.epsilon.dtype == certificate.abscissa.dtype == certificate.dominance_slack.dtype == jnp.float32
    expected = generalised_epsilon(np.asarray(A, float), np.asarray(B, float))
    np.testing.assert_allclose(certificate.epsilon, expected, rtol=SIZE * 100 * np.finfo(np.float32).eps)
    assert level(certificate) is Guarantee.SPECTRUM


def test_errors():
    A = dominant("clustered")
    with untyped(), pytest.raises(jaxprune.InputError, match=r"B has shape \(2, 2\) and A has \(16, 16\)"):
        certify(A, -jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match="A has shape"):
        certify(A[:2], A[:2])
    with pytest.raises(jaxprune.InputError, match=r"B\[0, 0\] is inf"):
        certify(A, A.at[0, 0].set(jnp.inf))
