"""Spectra in order, and the pairing of two of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, quick_jit, untyped

import jaxprune
from jaxprune.linalg import (
    Guarantee,
    certify,
    eigenvalues,
    host_eigenvalues,
    is_symmetric,
    lyapunov,
    match_eigenvalues,
    modes,
    reference,
    resolve_symmetry,
    spectral_abscissa,
    spectral_errors,
    stationary_covariance,
    symmetrise,
)


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


def skewed(A, share):
    """A network with each pair of entries apart by a share of what rounding is allowed to leave, N eps max|a|."""
    signs = jnp.triu(jnp.sign(jax.random.normal(jax.random.key(7), A.shape)), 1)
    allowed = len(A) * jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(A))
    return A + (share * allowed * signs).astype(A.dtype)


class TestSymmetryUpToRounding:
    A = dominant("clustered")
    rounded = skewed(A, 0.5)
    wrong = A.at[0, 1].add(1e-6)

    @pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_is_relative_to_size_and_precision(self, dtype, scale):
        A = (scale * self.A).astype(dtype)
        assert is_symmetric(A)
        assert is_symmetric(skewed(A, 0.5))
        assert not is_symmetric(skewed(A, 2.0))
        assert not np.array_equal(skewed(A, 0.5), skewed(A, 0.5).T)

    def test_of_other_shapes_and_types(self):
        with untyped():
            assert not is_symmetric(jnp.ones((2, 3)))
            assert is_symmetric(jnp.array([[0, 1], [1, 0]]))
            assert not is_symmetric(jnp.array([[0, 1], [2, 0]]))
            assert not is_symmetric(jnp.full((2, 2), jnp.nan))

    def test_is_made_exact(self):
        exact = symmetrise(self.rounded)
        np.testing.assert_array_equal(exact, exact.T)
        np.testing.assert_array_equal(symmetrise(exact), exact)
        assert not np.array_equal(exact, self.rounded)
        for found, expected in (
            (modes(self.rounded), modes(exact)),
            (eigenvalues(self.rounded), eigenvalues(exact)),
            (certify(self.A, self.rounded), certify(self.A, exact)),
            (certify(self.rounded, self.A), certify(exact, self.A)),
            (spectral_errors(self.A, self.rounded), spectral_errors(self.A, exact)),
        ):
            for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                np.testing.assert_array_equal(ours, theirs)
        certificate = certify(self.A, 0.9 * self.rounded)
        assert Guarantee(int(certificate.guarantee)) is Guarantee.SPECTRUM
        assert not jnp.iscomplexobj(modes(self.rounded).eigenvalues)

    def test_inside_jit_the_word_is_taken_and_the_two_triangles_are_averaged(self):
        found = quick_jit(lambda A: eigenvalues(A, symmetric=True))(jnp.tril(self.A))
        np.testing.assert_allclose(found, np.linalg.eigvalsh(symmetrise(jnp.tril(self.A)))[::-1], atol=1e-12)

    def test_more_is_refused(self):
        assert not is_symmetric(self.wrong)
        assert not reference(self.wrong).symmetric
        assert jnp.iscomplexobj(modes(self.wrong).eigenvalues)
        for call in (
            lambda A: eigenvalues(A, symmetric=True),
            lambda A: spectral_abscissa(A, symmetric=True),
            lambda A: modes(A, symmetric=True),
            lambda A: reference(A, symmetric=True),
            lambda A: certify(A, A, symmetric=True),
            lambda A: certify(self.A, A, symmetric=True),
            lambda A: spectral_errors(self.A, A, symmetric=True),
            lambda A: lyapunov(self.A, A, symmetric=True),
            lambda A: stationary_covariance(A, structure="symmetric"),
        ):
            call(self.rounded)
            with pytest.raises(jaxprune.InputError, match=r"symmetric is True, but [ABQ] is not symmetric"):
                call(self.wrong)

    @pytest.mark.parametrize(
        "call",
        [
            eigenvalues,
            spectral_abscissa,
            modes,
            reference,
            lambda A: certify(A, dominant("clustered")),
            lambda A: certify(dominant("clustered"), A),
            lambda A: spectral_errors(A, dominant("clustered")),
            lambda A: spectral_errors(dominant("clustered"), A),
            stationary_covariance,
        ],
        ids=["eigenvalues", "abscissa", "modes", "reference", "certify A", "certify B", "errors A", "errors B", "cov"],
    )
    def test_of_a_traced_matrix_must_be_said(self, call):
        message = r"[AB] is traced, so that its \w+ cannot be looked up: pass"
        with pytest.raises(jaxprune.InputError, match=message):
            jax.eval_shape(call, self.A)
        with pytest.raises(jaxprune.InputError, match=message):
            jax.vmap(call)(self.A[None])

    def test_resolved(self):
        assert resolve_symmetry(None, A=self.A, B=self.rounded)
        assert not resolve_symmetry(None, A=self.A, B=self.wrong)
        assert not resolve_symmetry(False, A=self.A)
        with pytest.raises(jaxprune.InputError, match="but B is not symmetric"):
            resolve_symmetry(True, A=self.A, B=self.wrong)

        def inside(A):
            assert resolve_symmetry(True, A=A, B=self.A)
            assert not resolve_symmetry(False, A=A)
            # One that is known not to be settles it for all.
            assert not resolve_symmetry(None, A=A, B=self.wrong)
            with pytest.raises(jaxprune.InputError, match="A is traced"):
                resolve_symmetry(None, A=A, B=self.A)
            return A

        jax.eval_shape(inside, self.A)


@pytest.mark.parametrize("symmetric", [True, False])
def test_host_eigenvalues_of_many_matrices(symmetric):
    family = "clustered" if symmetric else "gaussian"
    many = np.stack([dominant(family, seed) for seed in range(3)])
    found = host_eigenvalues(many, symmetric=symmetric)
    assert np.iscomplexobj(found) != symmetric
    for A, values in zip(many, found, strict=True):
        np.testing.assert_array_equal(values, eigenvalues(jnp.asarray(A), symmetric=symmetric))
    real = host_eigenvalues(np.array([[-1.0, 4.0], [0.0, -3.0]]), symmetric=False)
    assert real.dtype == np.complex128
    np.testing.assert_array_equal(real, [-1, -3])


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
