"""Measures of sparse networks from random patterns agree with the exact ones within what they say of themselves."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from jaxprune import InputError, linalg, networks
from jaxprune.linalg import _estimates, sparse
from jaxprune.linalg.sparse import _certificate, _matrix, _response
from jaxprune.linalg.sparse._krylov import krylov

N = 320


def pair(slack, bridges):
    """Excitatory clusters, and a copy that keeps half of the synapses, strengthened."""
    W = jnp.abs(networks.clustered(jax.random.key(1), (200, 120), density=0.1, bridges=bridges))
    coins = jnp.triu(jax.random.uniform(jax.random.key(2), (N, N)) < 0.5, 1)
    return networks.dominant_leak(W, slack), networks.dominant_leak(W * (coins + coins.T) * 2, slack)


PAIRS = {"slack": pair(0.05, 400), "slow": pair(1e-3, 8)}


def sparse_pair(A, B):
    return sparse.as_sparse("A", A), sparse.as_sparse("B", B)


@pytest.mark.parametrize("which", PAIRS)
def test_the_response_within_five_standard_errors(which):
    A, B = PAIRS[which]
    exact = linalg.measure(A, B)
    found = sparse.sparse_response(jax.random.key(0), *sparse_pair(A, B), probes=16, symmetric=True)
    for name in ("h2", "stationary", "path"):
        estimate, value = getattr(found, name), float(getattr(exact, name))
        assert estimate.error > 0, name
        assert abs(estimate.value - value) < 5 * estimate.error + estimate.unsettled, (name, estimate, value)
        assert estimate.unsettled < 0.05 * value, (name, estimate)
        assert "16 patterns" in estimate.words


def test_what_solves_leave_open_is_unsettled(monkeypatch):
    A, B = sparse_pair(*PAIRS["slow"])
    found = []
    for most in (1000, 3):
        monkeypatch.setattr(_response, "MOST", most)
        found.append(sparse.sparse_response(jax.random.key(0), A, B, probes=4, symmetric=True))
    solved, cut_short = found
    assert solved.path.unsettled < 1e-3 * solved.path.value
    assert cut_short.path.value < solved.path.value
    assert cut_short.path.unsettled > 0.1 * cut_short.path.value
    assert cut_short.h2.unsettled > 0.1 * cut_short.h2.value


def test_patterns_are_followed_exactly():
    """With the same patterns and without chance: the exact integrals for each pattern, slow modes included."""
    A, B = PAIRS["slow"]
    found = sparse.sparse_response(jax.random.key(3), *sparse_pair(A, B), probes=4, steps=20, symmetric=True)
    draw_key = jax.random.split(jax.random.key(3))[1]
    z = np.asarray(jax.random.rademacher(jax.random.fold_in(draw_key, 0), (N, 4), float))
    (a, U), (b, X) = (np.linalg.eigh(-np.asarray(part)) for part in (A, B))
    u, v = U.T @ z, X.T @ z
    own = np.sum(u**2 / (2 * a[:, None]))
    between = (U.T @ X) / (a[:, None] + b[None, :])
    apart = own + np.sum(v**2 / (2 * b[:, None])) - 2 * np.sum(u * (between @ v))
    np.testing.assert_allclose(found.h2.value, np.sqrt(apart / own), rtol=2e-3)
    assert abs(found.h2.value - np.sqrt(apart / own)) < found.h2.unsettled + 1e-6
    logs = np.sum(v**2 * np.log(b)[:, None]) - np.sum(u**2 * np.log(a)[:, None])
    trace = np.sum(z * (-np.asarray(B) @ np.linalg.solve(-np.asarray(A), z)))
    np.testing.assert_allclose(found.stationary.value, (trace - logs - 4 * N) / (8 * N), rtol=1e-3)


def test_all_measures_of_a_sparse_network(monkeypatch):
    looked = []
    known = _matrix.symmetric_up_to_rounding
    monkeypatch.setattr(_matrix, "symmetric_up_to_rounding", lambda A: looked.append("again") or known(A))
    monkeypatch.setattr(_certificate, "symmetric_up_to_rounding", lambda A: looked.append("once") or known(A))
    A, B = PAIRS["slack"]
    exact = linalg.measure(A, B)
    found = linalg.estimate_measures(jax.random.key(0), *(scipy.sparse.csr_array(np.asarray(X)) for X in (A, B)))
    assert isinstance(found, linalg.SparseEstimates)
    for name in ("slow_modes", "worst_mode"):
        estimate = getattr(found, name)
        np.testing.assert_allclose(estimate.value, getattr(exact, name), rtol=0.01)
        assert estimate.error == 0
    assert abs(found.h2.value - exact.h2) < 5 * found.h2.error + found.h2.unsettled
    assert found.certificate.proven
    assert len(found.words.splitlines()) == 6
    assert looked == ["once", "once"]
    again = linalg.estimate_measures(jax.random.key(0), *sparse_pair(A, B))
    assert again == found
    estimate: Any = linalg.estimate_measures
    with pytest.raises(InputError, match="leave C out"):
        estimate(jax.random.key(0), *sparse_pair(A, B), C=jnp.eye(N))


def test_a_directed_network_has_fewer_measures(monkeypatch):
    W = networks.clustered(jax.random.key(3), (40, 20), density=0.3, bridges=40, directed=True)
    A = networks.dominant_leak(W, 0.3)
    B = A * (jnp.abs(A) > 0.3)
    C, change = (np.asarray(X) for X in (linalg.stationary_covariance(A), A - B))
    monkeypatch.setattr(
        _estimates, "estimate_h2", lambda key, A, B: linalg.H2Estimate(jnp.sum(A), jnp.sum(B))
    )  # by a dense inverse, tested elsewhere
    found = linalg.estimate_measures(jax.random.key(1), *sparse_pair(A, B))
    np.testing.assert_allclose((found.h2.value, found.h2.error), (jnp.sum(A), jnp.sum(B)))
    assert abs(found.path.value - np.sum((change @ C) * change) / (2 * len(C))) < 5 * found.path.error
    assert np.isnan(found.stationary.value)
    assert "only symmetric" in found.stationary.words
    monkeypatch.setattr(_estimates, "DENSE", 10)
    h2, _, _ = _estimates._of_directed(jax.random.key(1), *sparse_pair(A, B))
    assert np.isnan(h2.value)
    with pytest.raises(InputError, match="symmetric ones alone"):
        sparse.sparse_response(jax.random.key(0), *sparse_pair(A, B))


def test_networks_that_are_not_stable():
    A, _ = PAIRS["slack"]
    growing = A + 0.2 * jnp.eye(N)
    stable, unstable = sparse_pair(A, growing)
    for original, pruned, value in ((stable, unstable, np.inf), (unstable, stable, np.nan)):
        found = sparse.sparse_response(jax.random.key(0), original, pruned, symmetric=True)
        assert (found.h2.value, found.stationary.value) == pytest.approx((value, value), nan_ok=True)
        assert "not stable" in found.h2.words


def test_a_network_beside_itself_and_without_synapses():
    A, _ = sparse_pair(*PAIRS["slack"])
    found = sparse.sparse_response(jax.random.key(0), A, A, symmetric=True)
    assert (found.h2.value, found.stationary.value, found.path.value) == pytest.approx((0, 0, 0), abs=1e-6)
    alone, faster = (sparse.as_sparse("A", -rate * jnp.eye(N)) for rate in (1.0, 2.0))
    lost = sparse.sparse_response(jax.random.key(0), alone, faster)
    assert lost.h2.value == pytest.approx(np.sqrt((1 / 2 - 2 / 3 + 1 / 4) * 2))
    assert lost.h2.error == pytest.approx(0, abs=1e-12)
    assert lost.stationary.value == pytest.approx((2 - 1 - np.log(2)) / 2)


def test_the_density_of_eigenvalues():
    A = PAIRS["slack"][0]
    found = linalg.spectral_density(jax.random.key(0), sparse.as_sparse("A", A))
    values = np.linalg.eigvalsh(np.asarray(A))
    at, width = np.asarray(found.points), found.width
    exact = np.exp(-(((at[:, None] - values) / width) ** 2) / 2).mean(axis=1) / (np.sqrt(2 * np.pi) * width)
    assert np.all(np.abs(found.density - exact) < 5 * found.error + 1e-3 * exact.max())
    np.testing.assert_allclose(np.trapezoid(found.density, at), 1, rtol=0.01)
    np.testing.assert_allclose(jnp.sum(found.weights), 1)
    # Means of powers are exact up to the scatter over patterns, which the diagonal alone does not have.
    np.testing.assert_allclose(jnp.sum(found.weights * found.nodes), values.mean(), rtol=0.02)
    given = linalg.spectral_density(jax.random.key(0), A, points=found.points[:3], width=width)
    np.testing.assert_array_equal(given.density, found.density[:3])


def test_a_space_that_is_exhausted():
    """Two different rates alone: after two steps nothing new comes, and what is there is exact."""
    A = sparse.as_sparse("A", -jnp.diag(jnp.array([1.0, 1.0, 3.0, 3.0, 3.0])))
    space = krylov(A, jnp.ones((5, 1)), 4)
    assert np.linalg.matrix_rank(np.asarray(space.basis)) == 2
    np.testing.assert_allclose(jnp.linalg.eigvalsh(space.small), [1, 1, 1, 3], atol=1e-12)
    found = linalg.spectral_density(jax.random.key(0), A, points=jnp.array([-1.0, -3.0]), width=0.1, steps=9)
    np.testing.assert_allclose(found.density[1] / found.density[0], 1.5, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda A: sparse.sparse_response(jax.random.key(0), A, A, probes=1), "probes is 1"),
        (lambda A: sparse.sparse_response(jax.random.key(0), A, A, steps=3), "steps is 3"),
        (lambda A: linalg.spectral_density(jax.random.key(0), A, width=0.0), "width is 0"),
        (lambda A: linalg.spectral_density(jax.random.key(0), A, points=0), "points is 0"),
        (
            lambda A: linalg.spectral_density(jax.random.key(0), jnp.array([[-1.0, 0.5], [0.0, -1.0]])),
            "A is not symmetric",
        ),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call(sparse.as_sparse("A", PAIRS["slack"][0]))


def test_spaces_that_do_not_fit(monkeypatch):
    A = sparse.as_sparse("A", PAIRS["slack"][0])
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 1000)
    for call in (
        lambda: sparse.sparse_response(jax.random.key(0), A, A),
        lambda: linalg.spectral_density(jax.random.key(0), A),
    ):
        with pytest.raises(InputError, match="take fewer"):
            call()
