"""The barrier method: as many pairs as asked for, and the condition number that is proven."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import linalg, networks, pruning
from jaxprune.pruning.theory import barrier_sparsify


def condition(A, B):
    values = np.linalg.eigvals(np.linalg.solve(np.asarray(A), np.asarray(B))).real
    return values.max() / values.min()


@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("kind", ["clique", "clustered"])
def test_no_direction_is_lost(kind, share):
    if kind == "clique":
        W = jnp.ones((24, 24)) - jnp.eye(24)
    else:
        W = networks.clustered(jax.random.key(0), (20, 16), bridges=60)
    A = networks.dominant_leak(W, 0.05)
    there = int((jnp.triu(A, 1) != 0).sum())
    pairs = int(share * there)
    found = barrier_sparsify(A, pairs)
    S = found.matrix
    assert int(found.pairs) == pairs == int((jnp.triu(S, 1) != 0).sum())
    np.testing.assert_array_equal(S, S.T)
    assert not np.asarray(S)[np.asarray(A) == 0].any()
    slack = [-jnp.diagonal(X) - jnp.sum(jnp.abs(X - jnp.diag(jnp.diagonal(X))), axis=1) for X in (A, S)]
    np.testing.assert_allclose(slack[1], slack[0], atol=1e-12)
    d = int(found.steps) / len(A)
    assert condition(A, S) <= (d + 1 + 2 * np.sqrt(d)) / (d + 1 - 2 * np.sqrt(d))


def test_it_beats_coins():
    A = networks.dominant_leak(networks.clustered(jax.random.key(1), (24, 16), bridges=60), 0.05)
    pairs = int(0.4 * int((jnp.triu(A, 1) != 0).sum()))
    ours = linalg.certify(A, barrier_sparsify(A, pairs).matrix).epsilon
    coins = [
        float(linalg.certify(A, pruning.prune(jax.random.key(seed), A, "noise", keep=0.4).matrix).epsilon)
        for seed in range(8)
    ]
    assert float(ours) < min(coins)


def test_refusals():
    A = networks.dominant_leak(jnp.ones((6, 6)) - jnp.eye(6), 0.1)
    with untyped():
        for pairs in (6, 16):
            with pytest.raises(
                jaxprune.InputError, match=f"pairs is {pairs}, but must be above the number of neurons, 6"
            ):
                barrier_sparsify(A, pairs)
        with pytest.raises(jaxprune.InputError, match="symmetric"):
            barrier_sparsify(A.at[0, 1].set(0.5), 10)
