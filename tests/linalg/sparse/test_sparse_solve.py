"""Solves: the bound of their error, the norm that sees weak bridges, and preconditioners."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from jaxprune import InputError, networks
from jaxprune.linalg import sparse
from jaxprune.linalg.sparse import _condition


def bridged(clusters=12, size=40, slack=1e-6):
    """Excitatory clusters on a ring, joined by one weak synapse each, and little slack: as many slow modes as clusters."""
    n = clusters * size
    W = np.kron(np.eye(clusters), np.ones((size, size)))
    W *= np.asarray(jax.random.uniform(jax.random.key(0), (n, n)) < 0.5)
    W = np.triu(W, 1)
    for cluster in range(clusters):
        first, second = sorted((cluster * size, (cluster + 1) % clusters * size + 1))
        W[first, second] = 0.1
    W = W + W.T
    return networks.dominant_leak(jnp.asarray(W), slack * float(W.sum()) / n)


A = bridged()
SPARSE = sparse.as_sparse("A", A)
M = -np.asarray(A)
Y = np.linalg.cholesky(M) @ np.asarray(jax.random.normal(jax.random.key(1), (len(M), 16)))
EXACT = np.linalg.solve(M, Y)


def energy(e):
    return np.sqrt(np.sum(e * (M @ e), axis=0))


def clusters():
    return sparse.precondition_clusters(jax.random.key(5), SPARSE)


@pytest.mark.parametrize("iterations", [1, 5, 20, 60, 200])
@pytest.mark.parametrize("how", ["leak", "clusters"])
def test_the_error_is_never_above_its_bound(how, iterations):
    """And the bound is no promise without content: it comes down to the tolerance."""
    preconditioner = sparse.precondition(SPARSE) if how == "leak" else clusters()
    smallest = sparse.least_slack(SPARSE)
    found = sparse.solve(
        SPARSE, jnp.asarray(Y), preconditioner, smallest=smallest, tolerance=1e-6, max_iterations=iterations
    )
    assert np.all(energy(np.asarray(found.value) - EXACT) <= np.asarray(found.error) * (1 + 1e-6) + 1e-9)
    if iterations == 200:
        assert int(found.code) == sparse.SolveCode.CONVERGED
        assert float(found.error.max()) <= 1e-6


def test_a_small_residual_hides_slow_modes_and_the_energy_norm_does_not():
    """At a Euclidean residual of a thousandth the patterns of the clusters are still missing from the solution."""
    preconditioner, smallest = sparse.precondition(SPARSE), sparse.least_slack(SPARSE)
    for iterations in range(1, 200):
        found = sparse.solve(
            SPARSE, jnp.asarray(Y), preconditioner, smallest=smallest, tolerance=1e-9, max_iterations=iterations
        )
        residual = np.linalg.norm(Y - M @ np.asarray(found.value), axis=0) / np.linalg.norm(Y, axis=0)
        if residual.max() < 1e-3:
            break
    assert iterations < 30
    assert np.median(energy(np.asarray(found.value) - EXACT)) > 0.5
    # The bridges' share of the difference, against what it should be.
    first, second = np.argwhere(np.triu(np.isclose(np.asarray(A), 0.1), 1)).T
    seen, right = ((x[first] - x[second]) for x in (np.asarray(found.value), EXACT))
    assert np.mean(np.abs(seen / right - 1) > 0.1) > 0.5
    full = sparse.solve(SPARSE, jnp.asarray(Y), preconditioner, smallest=smallest, tolerance=0.02)
    seen = np.asarray(full.value)[first] - np.asarray(full.value)[second]
    leverage = np.array([np.linalg.inv(M)[[i, j]][:, [i, j]] for i, j in zip(first, second, strict=True)])
    spread = np.sqrt(leverage[:, 0, 0] + leverage[:, 1, 1] - 2 * leverage[:, 0, 1])
    assert np.all(np.abs(seen - right) <= 0.02 * spread[:, None])


def test_clusters_are_found_and_make_solves_short():
    how = clusters()
    assert how.clusters == 12
    np.testing.assert_array_equal(np.unique(np.asarray(how.cluster).reshape(12, 40), axis=1).shape, (12, 1))
    smallest = sparse.least_slack(SPARSE)
    plain, short = (
        sparse.solve(SPARSE, jnp.asarray(Y), p, smallest=smallest, tolerance=0.02)
        for p in (sparse.precondition(SPARSE), how)
    )
    assert int(short.iterations) < int(plain.iterations) / 2
    assert np.all(energy(np.asarray(short.value) - EXACT) <= 0.02)


def test_the_smallest_ritz_value_is_that_of_the_preconditioned_matrix():
    leak = np.diagonal(M)
    exact = np.linalg.eigvalsh(M / np.sqrt(leak)[:, None] / np.sqrt(leak)[None, :])[0]
    start = jax.random.normal(jax.random.key(2), (len(M),))
    found = float(sparse.smallest_ritz(SPARSE, sparse.precondition(SPARSE), start, steps=400))
    assert exact * (1 - 1e-6) <= found <= 1.01 * exact


def test_a_bound_is_proven_however_many_neurons():
    """A row's sum is off by the rounding of its own entries alone."""
    n = 20_000
    ring = scipy.sparse.diags_array(np.ones(n - 1, np.float32), offsets=1, shape=(n, n))
    rows = ring + ring.T - scipy.sparse.diags_array(np.full(n, 2.002, np.float32))
    found = _condition.condition(jax.random.key(0), sparse.as_sparse("A", rows.tocsr()), clusters=False)
    assert found.guaranteed
    assert found.smallest == pytest.approx(0.002 / 2.002, rel=1e-3)


def test_what_cannot_be_solved_says_so():
    unstable = sparse.as_sparse("A", A + 0.5 * jnp.eye(len(A)))
    found = sparse.solve(unstable, jnp.asarray(Y), sparse.precondition(unstable), smallest=1e-3, tolerance=1e-3)
    assert int(found.code) == sparse.SolveCode.NOT_DEFINITE
    short = sparse.solve(
        SPARSE, jnp.asarray(Y), sparse.precondition(SPARSE), smallest=1e-6, tolerance=1e-3, max_iterations=3
    )
    assert int(short.code) == sparse.SolveCode.NOT_CONVERGED
    assert float(short.error.max()) > 1e-3
    for name in ("smallest", "tolerance"):
        with pytest.raises(InputError, match=f"{name} is 0"):
            sparse.solve(
                SPARSE,
                jnp.asarray(Y),
                sparse.precondition(SPARSE),
                **({"smallest": 0.1, "tolerance": 0.1} | {name: 0.0}),
            )
