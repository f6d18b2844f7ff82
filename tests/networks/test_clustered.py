"""The reference ensemble: blocks, bridges and normalisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, quick_jit, standard_errors

import jaxprune
from jaxprune.networks import clustered

SIZES = (40, 8, 32)


def blocks(sizes):
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    return cluster[:, None] == cluster[None, :]


def unscaled(**options):
    """A network divided by one of its deterministic within-cluster weights, which undoes the normalisation."""
    W = np.asarray(clustered(jax.random.key(1), SIZES, density=1.0, std=0.0, **options))
    return W / W[0, 1]


@pytest.mark.parametrize("directed", [False, True])
def test_slowest_mode_is_normalised(directed):
    W = np.asarray(clustered(jax.random.key(0), SIZES, bridges=30, directed=directed))
    np.testing.assert_allclose(np.linalg.eigvals(W).real.max(), 1 / 1.1, rtol=1e-12)
    assert not np.diagonal(W).any()
    assert np.array_equal(W, W.T) != directed


@pytest.mark.parametrize("directed", [False, True])
def test_without_bridges_clusters_are_apart(directed):
    W = np.asarray(clustered(jax.random.key(0), SIZES, bridges=0, directed=directed))
    assert not W[~blocks(SIZES)].any()
    assert W[:40, :40].any()
    assert W[40:48, 40:48].any()
    assert W[48:, 48:].any()


@pytest.mark.parametrize("directed", [False, True])
def test_bridges_are_counted_and_weigh_between_zero_and_one(directed):
    # With all within-cluster weights equal to one, bridges are what is left: so few that no pair is drawn twice.
    added = unscaled(bridges=20, directed=directed) - blocks(SIZES) * (1 - np.eye(sum(SIZES)))
    added[np.abs(added) < 1e-12] = 0
    assert np.count_nonzero(added) == 20
    assert np.count_nonzero(np.triu(added)) == 10
    assert added.min() >= 0
    assert added.max() < 1
    assert np.array_equal(added, added.T) != directed


def test_bridges_are_uniform_over_the_whole_network():
    # Pairs drawn with replacement over 3160 places: each place gains a sum of Binomial(pairs, 1/3160) uniform weights.
    n, pairs = 80, 200_000
    W = np.asarray(clustered(jax.random.key(2), (1,) * n, bridges=2 * pairs))
    drawn = W[np.triu_indices(n, 1)]
    drawn = drawn / drawn.mean() * pairs / len(drawn) / 2
    chance = 1 / len(drawn)
    # Per pair drawn: E[b u] = chance / 2 and E[(b u)^2] = chance / 3 for a coin b of that chance and u uniform.
    mean, variance = pairs * chance / 2, pairs * (chance / 3 - chance**2 / 4)
    assert standard_errors(drawn, mean, variance, 1) < 5
    # Places vary as they should, no less; the square of a normal score has variance 2.
    assert standard_errors(((drawn - mean) ** 2 / variance).mean(), 1, 2, len(drawn)) < 5


@pytest.mark.parametrize("directed", [False, True])
def test_density_and_weights_within_clusters(directed):
    W = np.asarray(clustered(jax.random.key(3), (80,), density=0.6, bridges=0, mean=2.0, std=0.5, directed=directed))
    entries = W[~np.eye(80, dtype=bool)] if directed else W[np.triu_indices(80, 1)]
    assert standard_errors((entries != 0).mean(), 0.6, 0.6 * 0.4, len(entries)) < 5
    present = entries[entries != 0]
    # The scale is not known, the ratio of deviation to mean is: 1/4, with variance (1/2 + r^2) r^2 / n to first order.
    ratio = present.std() / present.mean()
    assert standard_errors(ratio, 0.25, 0.25**2 * (0.5 + 0.25**2), len(present)) < 5


def test_jit_and_vmap_draw_the_same_network():
    keys = jax.random.split(jax.random.key(4), 3)
    batch = quick_jit(jax.vmap(FAMILIES["clustered"]))(keys)
    for key, W in zip(keys, batch, strict=True):
        np.testing.assert_allclose(FAMILIES["clustered"](key), W, rtol=1e-12)


def test_a_network_whose_weights_cannot_be_normalised_is_finite_or_refused():
    # Three neurons and no synapse: there is no mode to scale by.
    try:
        W = clustered(jax.random.key(0), (1, 1, 1), bridges=0)
    except jaxprune.InputError:
        return
    assert bool(jnp.all(jnp.isfinite(W)))


def test_errors():
    key = jax.random.key(0)
    with pytest.raises(jaxprune.InputError, match="at least one cluster"):
        clustered(key, (), bridges=0)
    with pytest.raises(jaxprune.InputError, match=r"sizes is \(3, 0\)"):
        clustered(key, (3, 0), bridges=0)
    with pytest.raises(jaxprune.InputError, match="bridges is -2"):
        clustered(key, (3,), bridges=-2)
    with pytest.raises(jaxprune.InputError, match="single neuron"):
        clustered(key, (1,), bridges=2)
    for density in (0.0, 1.5, float("nan")):
        with pytest.raises(jaxprune.InputError, match="density"):
            clustered(key, (3,), density=density, bridges=0)
    with pytest.raises(jaxprune.InputError, match="std is -1"):
        clustered(key, (3,), std=-1.0, bridges=0)
