"""The barrier method: as many pairs as asked for, and the ratio of largest and smallest change that is proven."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import linalg, networks, pruning
from jaxprune.pruning.theory import barrier_sparsify


def extremes(A, B):
    """Smallest and largest change of the quadratic form of all synapses, slack aside, where there is one."""
    forms = [np.asarray(jnp.diag(jnp.sum(jnp.abs(X), axis=1)) - X) for X in (without_leak(A), without_leak(B))]
    values, vectors = np.linalg.eigh(forms[0])
    F = vectors[:, values > 1e-10] / np.sqrt(values[values > 1e-10])
    found = np.linalg.eigvalsh(F.T @ forms[1] @ F)
    return len(found), found[0], found[-1]


def without_leak(X):
    return X - jnp.diag(jnp.diagonal(X))


def slack(X):
    return -jnp.diagonal(X) - jnp.sum(jnp.abs(without_leak(X)), axis=1)


@pytest.mark.parametrize("margin", [0.0, 0.05, 3.0])
@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("kind", ["clique", "clustered"])
def test_no_direction_is_lost(kind, share, margin):
    if kind == "clique":  # all excitatory: the constant vector is in no pair
        W = jnp.ones((24, 24)) - jnp.eye(24)
    else:
        W = networks.clustered(jax.random.key(0), (20, 16), bridges=60)
    A = networks.dominant_leak(W, margin)
    there = int((jnp.triu(A, 1) != 0).sum())
    pairs = int(share * there)
    found = barrier_sparsify(A, pairs)
    S = found.matrix
    assert int(found.pairs) == pairs == int((jnp.triu(S, 1) != 0).sum())
    np.testing.assert_array_equal(S, S.T)
    assert (np.asarray(without_leak(S)) * np.asarray(A) >= 0).all()
    assert not np.asarray(S)[np.asarray(A) == 0].any()
    np.testing.assert_allclose(slack(S), slack(A), atol=1e-12)
    rank, smallest, largest = extremes(A, S)
    assert rank == len(A) - (kind == "clique")
    root, d = np.sqrt(pairs / rank), int(found.steps) / rank
    assert largest / smallest <= (root + 1) * (root + d) / ((root - 1) * (d - root))
    assert smallest + largest == pytest.approx(2)
    if margin > 0:
        epsilon = float(linalg.certify(A, S).epsilon)
        assert epsilon <= largest - 1 + 1e-12
        assert margin < 1 or epsilon < largest - 1 - 0.01


@pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
@pytest.mark.parametrize("margin", [0.05, 1.0, 10.0])
def test_it_beats_coins(margin):
    A = networks.dominant_leak(networks.clustered(jax.random.key(1), (24, 16), bridges=60), margin)
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
