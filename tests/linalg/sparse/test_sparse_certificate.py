"""Certificates of sparse networks: ends of the pencil, proofs, slow modes, beside the dense way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg as iterative

from jaxprune import InputError, linalg, networks
from jaxprune.linalg import Guarantee, sparse
from jaxprune.linalg.sparse import _certificate, _modes, _proof

N = 330
Code = sparse.CertificateCode


def symmetric_pair():
    """A network of clusters, and one with the same synapses of other strengths, which shares compiled programs with it."""
    W = networks.clustered(jax.random.key(1), (200, 130), density=0.1, bridges=400)
    strengths = jax.random.choice(jax.random.key(2), jnp.array([0.4, 1.4]), (N, N), p=jnp.array([0.4, 0.6]))
    strengths = jnp.triu(strengths, 1)
    return networks.dominant_leak(W, 0.05), networks.dominant_leak(W * (strengths + strengths.T), 0.05)


A, B = symmetric_pair()
SPARSE_A, SPARSE_B = sparse.as_sparse("A", A), sparse.as_sparse("B", B)


def thetas(original, pruned):
    """All eigenvalues of a pencil."""
    return scipy.linalg.eigh(*(-np.asarray(X + X.T) / 2 for X in (pruned, original)), eigvals_only=True)


def epsilon_of(original, pruned):
    return np.abs(thetas(original, pruned) - 1).max()


EXACT = epsilon_of(A, B)


@pytest.fixture(scope="module")
def found():
    return sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=False)


def test_the_estimate_is_below_the_exact_epsilon_and_near(found):
    theta = thetas(A, B)
    assert found.code == Code.ESTIMATED
    assert not found.proven
    assert EXACT * (1 - 1e-3) < found.epsilon <= EXACT * (1 + 1e-12)
    assert theta[0] * (1 - 1e-12) <= found.theta_min <= found.theta_max <= theta[-1] * (1 + 1e-12)
    end = 1 + found.epsilon if found.theta_max - 1 == found.epsilon else 1 - found.epsilon
    assert np.abs(theta - end).min() <= found.residual < 0.01 * found.epsilon
    assert "residual" in found.words
    np.testing.assert_allclose(found.abscissa, np.linalg.eigvalsh(np.asarray(B))[-1], rtol=1e-5)
    np.testing.assert_allclose(found.dominance_slack, linalg.dominance_slack(B), rtol=1e-12)
    assert found.abscissa <= -found.dominance_slack
    assert found.guarantee == Guarantee.STABLE  # an estimate alone guarantees nothing


def test_two_factorisations_prove_epsilon(found):
    proven = linalg.certify(scipy.sparse.csr_array(np.asarray(A)), SPARSE_B)
    assert isinstance(proven, linalg.SparseCertificate)
    assert (proven.proven, proven.code) == (True, Code.PROVEN)
    assert EXACT <= proven.epsilon < EXACT * 1.01
    assert EXACT < 1
    assert proven.guarantee == Guarantee.SPECTRUM
    assert proven.iterations == found.iterations


def test_counts_of_synapses():
    pruned = jnp.where(jax.random.uniform(jax.random.key(3), (N, N)) < 0.5, 1.5 * A, 0).at[0, 329].set(7.0)
    counted = _certificate._counts(SPARSE_A, sparse.as_sparse("B", pruned))
    off = ~np.eye(N, dtype=bool)
    assert A[0, 329] == 0
    assert counted["kept"] == np.count_nonzero(pruned[off])
    assert counted["kept_fraction"] == counted["kept"] / np.count_nonzero(A[off])
    assert counted["max_amplification"] == pytest.approx(1.5)


def test_nothing_false_is_proven(monkeypatch):
    """Just below the smallest number that can be proven, neither a band nor a whole matrix gives a proof."""
    first, second = -np.asarray(A), -np.asarray(B)
    monkeypatch.setattr(_certificate, "ABOVE", (-1e-6,))
    assert _certificate._proof(SPARSE_A, SPARSE_B, EXACT, True) is None
    form = _proof.Form(scipy.sparse.csr_array(first))
    none = np.zeros(N)
    for width in (form.width, N - 1):
        form.width = width
        for slack, expected in ((-1e-9, False), (1e-9, True)):
            lowest = np.linalg.eigvalsh(first)[0]
            shifted = scipy.sparse.csr_array(first - (lowest - slack) * np.eye(N))
            assert _proof.proven_definite(shifted, none, form) == expected
    assert not _proof.proven_definite(scipy.sparse.csr_array(second), np.full(N, 1e6), form)


def test_a_proof_that_fails_says_so_and_an_estimated_residual_too(monkeypatch):
    monkeypatch.setattr(_certificate, "proven_definite", lambda *_: False)
    found = sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=True)
    assert (found.code, found.proven) == (Code.NOT_PROVEN, False)
    assert "proof that was asked for failed" in found.words
    assert "residual about" not in found.words
    assert found.guaranteed
    assert "residual about" in found._replace(guaranteed=False).words


def test_a_narrow_band_is_proven_however_many_neurons():
    n = 20_000
    order = np.random.default_rng(0).permutation(n)
    beside = np.random.default_rng(1).random(n - 1)
    W = scipy.sparse.diags_array(beside, offsets=1, shape=(n, n)).tocsr()[order][:, order]
    W = W + W.T
    first = scipy.sparse.diags_array(np.asarray(W.sum(axis=1)).ravel() + 0.1) - W
    form = _proof.Form(first)
    assert form.affordable
    assert form.width < 10
    bound = _certificate._proof(sparse.as_sparse("A", -first), sparse.as_sparse("B", -1.1 * first), 0.1, None)
    assert bound is not None
    assert bound == pytest.approx(0.1, rel=1e-6)
    assert bound > 0.1
    scattered = scipy.sparse.random_array((n, n), density=1e-3, rng=np.random.default_rng(0))
    assert not _proof.Form(scattered + first).affordable


def test_a_bridge_that_slow_modes_carry_decides_epsilon():
    """Doubling the only bridges between clusters is an error of a pattern of whole clusters, far from any random vector."""
    blocks = [networks.clustered(jax.random.key(k), (N // 3,), density=0.3, bridges=0) for k in range(3)]
    W = jnp.abs(jax.scipy.linalg.block_diag(*blocks))
    ends = np.array([[0, 110, 220], [111, 221, 1]])
    bridges = np.zeros((N, N))
    bridges[ends[0], ends[1]] = bridges[ends[1], ends[0]] = 0.1
    original, changed = (networks.dominant_leak(W + times * bridges, 1e-4) for times in (1, 2))
    exact = epsilon_of(original, changed)
    assert exact > 0.7
    found = _certificate._deviation(
        sparse.as_sparse("A", original), sparse.as_sparse("B", changed), tolerance=3e-3, most=200
    )
    assert exact * (1 - 1e-3) < found["epsilon"] <= exact * (1 + 1e-9)


def test_networks_that_are_not_symmetric():
    """By their symmetric parts; and where these are not definite there is no epsilon. Small ones are looked at whole."""
    W = networks.clustered(jax.random.key(3), (40, 20), density=0.3, bridges=40, directed=True)
    both = jnp.maximum(jnp.sum(jnp.abs(W), axis=0), jnp.sum(jnp.abs(W), axis=1)) + 0.1
    original, pruned = W - jnp.diag(both), W * (jnp.abs(W) > 0.3) - jnp.diag(both)
    exact = epsilon_of(original, pruned)
    found = linalg.certify(scipy.sparse.csr_array(original), scipy.sparse.csr_array(pruned))
    assert found.proven
    assert exact <= found.epsilon < 1.01 * exact
    np.testing.assert_allclose(found.abscissa, np.linalg.eigvals(np.asarray(pruned)).real.max(), rtol=1e-8)
    assert found.guarantee == (Guarantee.QUADRATIC_FORM if exact < 1 else Guarantee.STABLE)
    loose = sparse.as_sparse("A", W - 0.1 * jnp.diag(both))
    lost = linalg.certify(loose, loose)
    assert np.isnan(lost.epsilon)
    assert lost.code == Code.NONE
    assert "not positive definite" in lost.words


def test_a_certificate_is_the_same_every_time(found):
    assert sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=False) == found


def test_a_network_beside_itself():
    same = sparse.sparse_certificate(SPARSE_A, SPARSE_A)
    assert same.proven
    assert 0 <= same.epsilon < 1e-6
    assert same.iterations < 30


def test_a_singular_network_has_no_epsilon():
    """A component without slack that is balanced never comes to rest; no iteration would tell that from slow."""
    W = jnp.zeros((N, N)).at[jnp.arange(N - 1), jnp.arange(1, N)].set(1.0)
    bare = networks.dominant_leak(W + W.T, 0.0)
    original = sparse.as_sparse("A", bare)
    lost = sparse.sparse_certificate(original, original)
    assert lost.code == Code.NONE
    assert np.isnan(lost.epsilon)
    response = sparse.sparse_response(jax.random.key(0), original, original)
    assert np.isnan(response.h2.value)


def test_what_has_not_converged_says_so():
    found = sparse.sparse_certificate(SPARSE_A, SPARSE_B, prove=False, max_iterations=1)
    assert found.code == Code.NOT_CONVERGED
    assert found.epsilon < EXACT
    assert "allow more iterations" in found.words


def test_slow_modes_and_stability(monkeypatch):
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(np.asarray(A)))
    found = linalg.slow_modes(SPARSE_A, 1)
    assert found.settled
    np.testing.assert_allclose(found.eigenvalues, values[:1], rtol=1e-6)
    assert abs(found.eigenvalues[0] - values[0]) <= found.residuals[0]
    along = vectors[:, 0] @ (np.asarray(B) @ vectors[:, 0]) / values[0] - 1
    np.testing.assert_allclose(linalg.mode_errors(found, SPARSE_B)[0], np.abs(along), rtol=0.01, atol=1e-4)
    np.testing.assert_allclose(linalg.dominance_slack(SPARSE_A), linalg.dominance_slack(A))
    for shift, word in ((-0.1, "stable"), (0.3, "unstable")):
        moved = A - (values[0] - shift) * jnp.eye(N)
        verdict = linalg.stability(sparse.as_sparse("A", moved))
        assert verdict.words == word
        np.testing.assert_allclose(verdict.abscissa, shift, rtol=1e-4)
    assert linalg.stability(scipy.sparse.csr_array(-2 * np.eye(400))).abscissa == -2
    monkeypatch.setattr(_modes, "SMALL", 1000)
    np.testing.assert_allclose(linalg.slow_modes(SPARSE_A, 3).eigenvalues, values[:3])


def test_slow_modes_of_a_directed_network(monkeypatch):
    D = networks.stable_leak(networks.gaussian(jax.random.key(1), 90), -0.2)
    values = np.linalg.eigvals(np.asarray(D))
    values = values[np.lexsort((-values.imag, -values.real))]
    for small in (0, 300):
        monkeypatch.setattr(_modes, "SMALL", small)
        found = linalg.slow_modes(sparse.as_sparse("A", D), 4)
        np.testing.assert_allclose(found.eigenvalues, values[:4], atol=1e-9)
        np.testing.assert_allclose(found.left @ found.vectors, np.eye(4), atol=1e-6)
    ours = linalg.mode_errors(found, scipy.sparse.csr_array(1.1 * np.asarray(D)))[0]
    np.testing.assert_allclose(ours, 0.1, rtol=1e-6)


def test_the_abscissa_of_a_directed_network(monkeypatch):
    D = networks.dominant_leak(networks.gaussian(jax.random.key(1), 90), 0.1)
    A = sparse.as_sparse("A", D)
    monkeypatch.setattr(_modes, "SMALL", 0)
    found = sparse.sparse_abscissa(A, symmetric=False)
    assert found.settled
    np.testing.assert_allclose(found.abscissa, np.linalg.eigvals(np.asarray(D)).real.max(), rtol=1e-5)
    values = np.linalg.eigvals(np.asarray(D))[:1]

    def cut_short(*_, **__):
        raise iterative.ArpackNoConvergence("%s", values, np.ones((90, 1)))

    with monkeypatch.context() as patch:
        patch.setattr(iterative, "eigs", cut_short)
        assert not sparse.sparse_abscissa(A, symmetric=False).settled
        assert not sparse.sparse_modes(A, 1).settled
    # Where nothing is found, dominance promises this much; and without it, nothing is known.
    monkeypatch.setattr(_modes, "_arpack", lambda *_: (np.zeros(0), np.zeros((90, 0)), 60, False))
    lost = sparse.sparse_abscissa(A, symmetric=False)
    assert not lost.settled
    np.testing.assert_allclose(lost.abscissa, -linalg.dominance_slack(D), rtol=1e-9)
    assert np.isnan(sparse.sparse_abscissa(sparse.as_sparse("A", D + 2 * jnp.eye(90)), symmetric=False).abscissa)
    with pytest.raises(InputError, match="no mode of A was found"):
        sparse.sparse_modes(A, 2)


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
