"""Epsilon by iteration and two factorisations: what is proven is right, and what is not proven is not said."""

import numpy as np
import pytest
import scipy.linalg
from helpers import SYMMETRIC, dominant

from jaxprune.linalg import _proven
from jaxprune.linalg.parts import proven_epsilon


def exact(A, B):
    return np.abs(scipy.linalg.eigh(-B, -A, eigvals_only=True) - 1).max()


def proven(A, B, stable=False):
    return proven_epsilon(A, B, -np.linalg.inv(A) / 2, stable=stable)


def thinned(A, seed, keep):
    """Synapses at random, strengthened, with a leak that follows."""
    rng = np.random.default_rng(seed)
    mask = np.triu(rng.random(A.shape) < keep, 1)
    off = np.where(mask | mask.T, A / keep, 0)
    return off + np.diag(np.diag(A) + np.abs(A - np.diag(np.diag(A))).sum(1) - np.abs(off).sum(1))


@pytest.mark.parametrize("family", SYMMETRIC)
@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_it_is_the_largest_deviation(family, keep):
    A = np.asarray(dominant(family))
    for seed in range(5):
        B = thinned(A, seed, keep)
        for pruned in (B, 0.7 * B, B + np.diag(np.abs(B).sum(1))):  # at either end of the spectrum, and not stable
            found = proven(A, pruned, stable=bool(np.linalg.eigvalsh(pruned)[-1] < -1e-9))
            np.testing.assert_allclose(found, exact(A, pruned), rtol=1e-9)


def test_a_large_network_takes_few_steps(monkeypatch):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(300, 300))
    A = -(W @ W.T / 300 + np.eye(300))
    B = A * (1 + 0.1 * (W + W.T))
    monkeypatch.setattr(_proven, "STEPS", 80)
    np.testing.assert_allclose(proven(A, B), exact(A, B), rtol=1e-9)


@pytest.mark.parametrize("missed", [0.5, -0.5, -3.0])
def test_what_the_iteration_misses_is_not_proven(monkeypatch, missed):
    """The extreme deviation is at either end, and the pruned matrix stable or not."""
    A = -np.eye(16)
    B = A - np.diag([missed, *np.full(15, 0.01)])
    monkeypatch.setattr(_proven, "_largest", lambda *_: abs(missed) * (1 - 1e-6))
    assert proven(A, B, stable=missed > -1) is None
    monkeypatch.setattr(_proven, "_largest", lambda *_: abs(missed))
    assert proven(A, B, stable=missed > -1) == abs(missed)


def test_the_same_matrix_is_not_proven_and_a_multiple_is():
    A = np.asarray(dominant("clustered"))
    assert proven(A, A) is None
    assert proven(A, 1.1 * A, stable=True) == pytest.approx(0.1, rel=1e-9)
