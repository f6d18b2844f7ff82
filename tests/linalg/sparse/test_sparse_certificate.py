"""Certificates of sparse networks: ends of the pencil, proofs, slow modes, beside the dense way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from jaxprune import InputError, linalg, networks
from jaxprune.linalg import Guarantee, sparse
from jaxprune.linalg.sparse import _certificate, _modes, _proof

N = 330
Code = sparse.CertificateCode


def matched(W, slack=0.05):
    return networks.dominant_leak(W, slack)


def symmetric_pair():
    """A network of clusters, and a copy of it that keeps 60 % of the synapses, strengthened."""
    W = networks.clustered(jax.random.key(1), (200, 130), density=0.1, bridges=400)
    coins = jnp.triu(jax.random.uniform(jax.random.key(2), (N, N)) < 0.6, 1)
    return matched(W), matched(W * (coins + coins.T) / 0.6)


A, B = symmetric_pair()
SPARSE_A, SPARSE_B = sparse.as_sparse("A", A), sparse.as_sparse("B", B)
EXACT = linalg.certify(A, B)


@pytest.fixture(scope="module")
def found():
    return sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=False)


def test_the_estimate_is_below_the_exact_epsilon_and_near(found):
    exact = float(EXACT.epsilon)
    assert found.code == Code.ESTIMATED
    assert not found.proven
    assert exact * (1 - 1e-3) < found.epsilon <= exact * (1 + 1e-12)
    theta = scipy.linalg.eigh(-np.asarray(B), -np.asarray(A), eigvals_only=True)
    assert theta[0] * (1 - 1e-12) <= found.theta_min <= found.theta_max <= theta[-1] * (1 + 1e-12)
    end = 1 + found.epsilon if found.theta_max - 1 == found.epsilon else 1 - found.epsilon
    assert np.abs(theta - end).min() <= found.residual < 0.01 * found.epsilon
    assert "residual" in found.words


def test_counts_and_stability_are_those_of_the_dense_certificate(found):
    for name in ("dominance_slack", "kept", "kept_fraction", "max_amplification"):
        np.testing.assert_allclose(getattr(found, name), getattr(EXACT, name), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(found.abscissa, EXACT.abscissa, rtol=1e-5)
    assert found.abscissa <= -found.dominance_slack
    assert found.guarantee == Guarantee.STABLE  # an estimate alone guarantees nothing


def test_two_factorisations_prove_epsilon(found):
    proven = linalg.certify(scipy.sparse.csr_array(np.asarray(A)), SPARSE_B)
    assert isinstance(proven, linalg.SparseCertificate)
    assert (proven.proven, proven.code) == (True, Code.PROVEN)
    assert float(EXACT.epsilon) <= proven.epsilon < float(EXACT.epsilon) * 1.01
    assert proven.guarantee == EXACT.guarantee
    assert proven.iterations == found.iterations


def test_nothing_false_is_proven(monkeypatch):
    """Just below the smallest number that can be proven, neither a band nor a whole matrix gives a proof."""
    exact, first, second = float(EXACT.epsilon), -np.asarray(A), -np.asarray(B)
    monkeypatch.setattr(_certificate, "ABOVE", (-1e-6,))
    assert _certificate._proof(SPARSE_A, SPARSE_B, exact, True) is None
    form = _proof.Form(scipy.sparse.csr_array(first))
    none = np.zeros(N)
    for width in (form.width, N - 1):
        form.width = width
        for slack, expected in ((-1e-9, False), (1e-9, True)):
            lowest = np.linalg.eigvalsh(first)[0]
            shifted = scipy.sparse.csr_array(first - (lowest - slack) * np.eye(N))
            assert _proof.proven_definite(shifted, none, form) == expected
    assert not _proof.proven_definite(scipy.sparse.csr_array(second), np.full(N, 1e6), form)


def test_a_narrow_band_is_proven_however_many_neurons():
    n = 20_000
    order = np.random.default_rng(0).permutation(n)
    beside = np.random.default_rng(1).random(n - 1)
    W = scipy.sparse.diags_array([beside, beside], offsets=[-1, 1]).tocsr()[order][:, order]
    leak = scipy.sparse.diags_array(np.asarray(W.sum(axis=1)).ravel() + 0.1)
    first, second = -(W - leak), -(0.8 * W - leak)
    form = _proof.Form(first)
    assert form.affordable
    assert form.width < 10
    assert _certificate._proof(*(sparse.as_sparse("A", -X) for X in (first, second)), 1.0, None) is not None
    assert not _proof.Form(
        scipy.sparse.random_array((n, n), density=1e-3, rng=np.random.default_rng(0)) + first
    ).affordable


def test_a_bridge_that_slow_modes_carry_decides_epsilon():
    """Doubling the only bridges between clusters is an error of a pattern of whole clusters, far from any random vector."""
    blocks = [networks.clustered(jax.random.key(k), (N // 3,), density=0.3, bridges=0) for k in range(3)]
    W = jnp.abs(jax.scipy.linalg.block_diag(*blocks))
    ends = np.array([[0, 110, 220], [111, 221, 1]])
    bridges = np.zeros((N, N))
    bridges[ends[0], ends[1]] = bridges[ends[1], ends[0]] = 0.1
    original, changed = matched(W + bridges, 1e-4), matched(W + 2 * bridges, 1e-4)
    exact = float(linalg.certify(original, changed).epsilon)
    assert exact > 0.7
    found = sparse.sparse_certificate(
        sparse.as_sparse("A", original), sparse.as_sparse("B", changed), prove=False, symmetric=True
    )
    assert exact * (1 - 1e-3) < found.epsilon <= exact * (1 + 1e-9)


def test_networks_that_are_not_symmetric():
    """By their symmetric parts; and where these are not definite there is no epsilon."""
    W = networks.clustered(jax.random.key(3), (200, 130), density=0.1, bridges=400, directed=True)
    both = jnp.maximum(jnp.sum(jnp.abs(W), axis=0), jnp.sum(jnp.abs(W), axis=1)) + 0.1
    original, pruned = W - jnp.diag(both), W * (jnp.abs(W) > 0.3) - jnp.diag(both)
    exact = linalg.certify(original, pruned)
    found = linalg.certify(scipy.sparse.csr_array(original), scipy.sparse.csr_array(pruned))
    assert found.proven
    assert exact.epsilon <= found.epsilon < 1.01 * exact.epsilon
    np.testing.assert_allclose(found.abscissa, exact.abscissa, rtol=1e-8)
    assert found.guarantee == exact.guarantee
    loose = sparse.as_sparse("A", W - 0.3 * jnp.diag(both))
    lost = linalg.certify(loose, loose)
    assert np.isnan(lost.epsilon)
    assert lost.code == Code.NONE
    assert "not positive definite" in lost.words


def test_small_networks_are_looked_at_whole():
    small, copy = -2 * jnp.eye(5) + 0.3, -2 * jnp.eye(5) + 0.1
    found = linalg.certify(sparse.as_sparse("A", small), sparse.as_sparse("B", copy))
    exact = linalg.certify(small, copy)
    assert found.proven
    np.testing.assert_allclose(found.epsilon, exact.epsilon, rtol=1e-6)


def test_a_certificate_is_the_same_every_time(found):
    assert sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=False) == found


def test_what_has_not_converged_says_so():
    found = sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=False, max_iterations=1)
    assert found.code == Code.NOT_CONVERGED
    assert found.epsilon < EXACT.epsilon
    assert "allow more iterations" in found.words


def test_slow_modes_and_stability(monkeypatch):
    exact = linalg.modes(A)
    found = linalg.slow_modes(SPARSE_A, 5)
    assert found.settled
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues[:5], rtol=1e-6)
    assert jnp.all(jnp.abs(found.eigenvalues - exact.eigenvalues[:5]) <= found.residuals)
    ours, theirs = linalg.mode_errors(found, SPARSE_B), linalg.mode_errors(exact, B)
    np.testing.assert_allclose(ours[0], theirs[0][:5], rtol=0.01, atol=1e-4)
    np.testing.assert_allclose(linalg.dominance_slack(SPARSE_A), linalg.dominance_slack(A))
    for shift, word in ((-0.1, "stable"), (0.3, "unstable")):
        moved = A - (exact.eigenvalues[0] - shift) * jnp.eye(N)
        verdict = linalg.stability(sparse.as_sparse("A", moved))
        assert verdict.words == word
        np.testing.assert_allclose(verdict.abscissa, shift, rtol=1e-4)
    assert linalg.stability(scipy.sparse.csr_array(-2 * np.eye(400))).abscissa == -2
    monkeypatch.setattr(_modes, "SMALL", 1000)
    np.testing.assert_allclose(linalg.slow_modes(SPARSE_A, 3).eigenvalues, exact.eigenvalues[:3])


def test_slow_modes_of_a_directed_network(monkeypatch):
    W = networks.gaussian(jax.random.key(1), 90)
    D = networks.stable_leak(W, -0.2)
    exact = linalg.modes(D)
    for small in (0, 300):
        monkeypatch.setattr(_modes, "SMALL", small)
        found = linalg.slow_modes(sparse.as_sparse("A", D), 4)
        np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues[:4], atol=1e-9)
        ours = linalg.mode_errors(found, scipy.sparse.csr_array(1.1 * np.asarray(D)))[0]
        np.testing.assert_allclose(ours, 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda A, B: (A, B[:5, :5]), {}, "B has shape"),
        (lambda A, B: (A, B.astype(np.float32)), {}, "B has dtype float32 and A has float64"),
        (
            lambda A, B: (A, B + scipy.sparse.csr_array(([1.5], ([0], [7])), shape=A.shape)),
            {"symmetric": True},
            "differ by 1.5",
        ),
        (lambda A, B: (A, B), {"tolerance": 0.0}, "tolerance is 0"),
        (lambda A, B: (A, B), {"max_iterations": 0}, "max_iterations is 0"),
        (lambda A, B: (A * np.nan, B), {}, "not finite"),
    ],
)
def test_errors(change, options, message):
    pair = change(*(sparse.to_scipy(X) for X in (SPARSE_A, SPARSE_B)))
    with pytest.raises(InputError, match=message):
        sparse.sparse_certificate(*pair, **options)


def test_a_proof_that_does_not_fit(monkeypatch):
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 1000)
    with pytest.raises(InputError, match="leave prove out"):
        _certificate._proof(SPARSE_A, SPARSE_B, 1.0, True)
