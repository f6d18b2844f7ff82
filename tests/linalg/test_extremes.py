"""The slowest modes found by iteration are those of the whole spectrum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, weights

import jaxprune
from jaxprune import linalg, networks
from jaxprune.linalg import _extremes, sparse


@pytest.fixture
def iterated(monkeypatch):
    """Small networks are treated as large ones are."""
    monkeypatch.setattr(_extremes, "DENSE", 0)
    monkeypatch.setattr(_extremes, "MORE", 1)


def large(family):
    W = (
        networks.gaussian(jax.random.key(1), 90)
        if family == "gaussian"
        else networks.clustered(jax.random.key(1), (60, 30), bridges=80)
    )
    return networks.stable_leak(W, -0.2)


@pytest.mark.parametrize("family", ["gaussian", "clustered"])
def test_slow_modes_are_those_of_the_spectrum(family, iterated):
    A = large(family)
    found, all_of_them = linalg.slow_modes(A, 4), linalg.modes(A)
    np.testing.assert_allclose(found.eigenvalues, all_of_them.eigenvalues[:4], atol=1e-9)
    np.testing.assert_allclose(
        jnp.abs(jnp.sum(found.vectors.conj() * all_of_them.vectors[:, :4], axis=0)), 1, atol=1e-7
    )
    np.testing.assert_allclose(found.left @ found.vectors, np.eye(4), atol=1e-7)
    B = A * (1 + 0.1 * jax.random.normal(jax.random.key(2), A.shape))
    ours, theirs = linalg.mode_errors(found, B)[0], linalg.mode_errors(all_of_them, B)[0][:4]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_network_is_looked_at_whole(family):
    A = networks.stable_leak(weights(family), -0.3)
    np.testing.assert_array_equal(linalg.slow_modes(A, 3).eigenvalues, linalg.modes(A).eigenvalues[:3])
    found = linalg.stability(A)
    assert found.stable
    assert found.abscissa == pytest.approx(-0.3)


@pytest.mark.parametrize(("shift", "words"), [(-0.1, "stable"), (0.0, "marginal"), (0.1, "unstable")])
@pytest.mark.parametrize("family", ["gaussian", "clustered"])
def test_stability_has_a_tolerance(family, shift, words, iterated):
    A = large(family)
    A = A + (shift - linalg.spectral_abscissa(A)) * jnp.eye(len(A))
    found = linalg.stability(A)
    assert found.words == words
    assert found.stable == (words == "stable")
    assert found.abscissa == pytest.approx(shift, abs=1e-9)


def test_an_abscissa_just_below_zero_is_marginal():
    """On either side of zero, rounding decides."""
    for tiny in (-1e-17, 0.0, 1e-17):
        found = linalg.stability(jnp.diag(jnp.array([-1.0, tiny])))
        assert (found.words, found.stable) == ("marginal", False)


def test_many_equal_modes(iterated):
    """Neurons without inputs, and a network without any synapse."""
    assert linalg.stability(-2 * jnp.eye(50)).abscissa == -2
    A = jnp.diag(jnp.full(49, 0.5), -1) - jnp.eye(50)
    assert linalg.stability(A).abscissa == pytest.approx(-1, abs=0.3)


@pytest.mark.parametrize(
    ("leak", "seen", "words"), [(0.5, -0.1, "not known"), (0.5, 0.1, "unstable"), (4.0, -2.0, "stable")]
)
def test_what_an_iteration_did_not_find_is_not_called_stable(leak, seen, words, monkeypatch):
    """Unless dominance tells, or what was found grows."""
    ring = jnp.roll(jnp.eye(9), 1, axis=0)
    A = sparse.as_sparse("A", ring + ring.T - leak * jnp.eye(9))
    monkeypatch.setattr(_extremes, "sparse_abscissa", lambda A, *, symmetric: sparse.Abscissa(seen, 0.1, False))
    found = linalg.stability(A)
    assert found.words.startswith(words)
    assert (found.stable, found.known) == (words == "stable", words != "not known")


def test_errors():
    with pytest.raises(jaxprune.InputError, match="A is traced"):
        jax.jit(lambda A: linalg.slow_modes(A, 1).eigenvalues)(-jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match="count is 0"):
        linalg.slow_modes(-jnp.eye(2), 0)
