"""Large random networks: degrees, weights and bridges as announced, symmetric or directed, the same from the same key."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import standard_errors

import jaxprune
from jaxprune.linalg.sparse import to_scipy
from jaxprune.networks import power_law_sizes, sparse_clustered, sparse_scale_free
from jaxprune.networks._sparse_scale_free import _expected

KEY = jax.random.key(0)
MADE = {
    "clustered": lambda key, directed: sparse_clustered(key, (900, 300), degree=12, bridges=100, directed=directed),
    "scale free": lambda key, directed: sparse_scale_free(key, 1200, degree=12, directed=directed),
}


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("family", MADE)
def test_shape_symmetry_and_determinism(family, directed):
    """Canonical by construction, without synapses of a neuron onto itself, symmetric to the last bit, a function of the key."""
    W = MADE[family](KEY, directed)
    rows = to_scipy(W)
    assert W.shape == (1200, 1200)
    assert W.dtype == jnp.float64
    assert rows.has_canonical_format
    assert np.all(rows.data)
    assert not rows.diagonal().any()
    assert (rows != rows.T).nnz == 0 if not directed else (rows != rows.T).nnz > rows.nnz / 2
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(MADE[family](KEY, directed), name), getattr(W, name))
    other = MADE[family](jax.random.key(1), directed)
    assert other.nse != W.nse or not np.array_equal(other.indices, W.indices)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("degree", [8, 55.5])
def test_degrees_and_weights_within_clusters(degree, directed):
    """Also where most pairs are joined, so that many are drawn twice."""
    sizes = (1500, 60, 200)
    W = to_scipy(sparse_clustered(KEY, sizes, degree=degree, bridges=0, mean=2.0, std=0.5, directed=directed))
    begins = np.cumsum((0, *sizes))
    inside = [W[a:b, a:b] for a, b in itertools.pairwise(begins)]
    assert sum(part.nnz for part in inside) == W.nnz
    for size, part in zip(sizes, inside, strict=True):
        chance, pairs = degree / (size - 1), size * (size - 1) // (1 if directed else 2)
        assert standard_errors(part.nnz / size / (size - 1), chance, chance * (1 - chance), pairs) < 5
    drawn = W.data if directed else np.triu(W.toarray())[np.triu(W.toarray()) != 0]
    assert standard_errors(drawn.mean(), 2.0, 0.25, len(drawn)) < 5
    assert standard_errors(((drawn - 2) ** 2).mean(), 0.25, 2 * 0.25**2, len(drawn)) < 5


def test_every_place_of_a_cluster_is_as_likely():
    """Rows near the end of a cluster, which have few places above the diagonal, and its first and last columns as well."""
    W = to_scipy(sparse_clustered(KEY, (12,) * 300, degree=6, bridges=0)).tocoo()
    found = np.zeros((12, 12))
    np.add.at(found, (W.row % 12, W.col % 12), 1)
    chance = 6 / 11
    upper = found[np.triu_indices(12, 1)]
    assert standard_errors(upper / 300, chance, chance * (1 - chance), 300) < 5
    # The places' counts vary as coins do, no more and no less; the square of a normal score has variance 2.
    scores = (upper - 300 * chance) ** 2 / (300 * chance * (1 - chance))
    assert standard_errors(scores.mean(), 1, 2, len(scores)) < 5


@pytest.mark.parametrize("directed", [False, True])
def test_bridges_are_uniform_weights_over_the_whole_network(directed):
    options = {"degree": 3, "mean": -1.0, "std": 0.0, "directed": directed}
    whole = to_scipy(sparse_clustered(KEY, (300, 700), bridges=4000, **options))
    without = to_scipy(sparse_clustered(KEY, (300, 700), bridges=0, **options))
    added = (whole - without).tocoo()
    entries = added.data[added.data != 0]
    assert abs(len(entries) - 4000) < 40  # a few pairs are drawn twice
    assert entries.min() > 0
    assert standard_errors(added.sum() / 4000, 0.5, 1 / 12, 2000) < 5
    apart = np.mean((added.row < 300) != (added.col < 300))
    chance = 2 * 0.3 * 0.7
    assert standard_errors(apart, chance, chance * (1 - chance), 2000) < 5


@pytest.mark.parametrize("directed", [False, True])
def test_expected_degrees_follow_the_power_law(directed):
    """Against the chance of every pair; the largest degrees fall as the exponent says."""
    W = to_scipy(sparse_scale_free(KEY, 2000, degree=15, exponent=2.5, directed=directed))
    expected = _expected(2000, 15.0, 2.5)
    np.testing.assert_allclose(expected.mean(), 15)
    # The share of neurons above w falls as w^(1 - exponent), and neurons are in that order.
    np.testing.assert_allclose(np.diff(expected**-1.5), np.diff(expected**-1.5).mean(), rtol=1e-8)
    chance = 1 - np.exp(-np.outer(expected, expected) / expected.sum())
    np.fill_diagonal(chance, 0)
    for degrees in (np.diff(W.indptr), np.diff(W.tocsc().indptr)):
        assert standard_errors(degrees, chance.sum(1), (chance * (1 - chance)).sum(1), 1) < 5
    assert standard_errors(W.nnz, chance.sum(), (1 if directed else 2) * (chance * (1 - chance)).sum(), 1) < 5


@pytest.mark.parametrize(
    ("neurons", "smallest", "largest"),
    [(10_000, 100, 3000), (24, 10, 12), (30, 10, 12), (7, 7, 7), (14, 7, 7), (5, 1, 1000), (1, 1, 1)],
)
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.5])
def test_sizes_add_up_within_their_bounds(neurons, smallest, largest, exponent):
    for key in jax.random.split(KEY, 5):
        sizes = power_law_sizes(key, neurons, smallest, largest, exponent)
        assert sum(sizes) == neurons
        assert smallest <= min(sizes) <= max(sizes) <= largest
        assert sizes == power_law_sizes(key, neurons, smallest, largest, exponent)


def test_sizes_follow_the_power_law():
    sizes = np.array(power_law_sizes(KEY, 10**6, 100, 10_000))
    # Density s^-2 between the bounds: shares of 1/s.
    for bound in (150, 300, 1000):
        chance = (1 / 100 - 1 / bound) / (1 / 100 - 1 / 10_001)
        assert standard_errors(np.mean(sizes < bound), chance, chance * (1 - chance), len(sizes)) < 5


def test_more_than_fits_is_refused_before_it_is_drawn(monkeypatch):
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 24 * 2**30)
    monkeypatch.setattr(jax.random, "bits", None)
    for draw in (
        lambda: sparse_clustered(KEY, (10**6,), degree=1e5, bridges=0),
        lambda: sparse_scale_free(KEY, 10**6, degree=1e5),
    ):
        with pytest.raises(
            jaxprune.InputError, match=r"1,000,000 neurons and 1e\+11 synapses needs at least 5.*there are 24"
        ):
            draw()


def test_errors():
    for options, message in (
        ({"sizes": ()}, "sizes is .*at least one cluster"),
        ({"sizes": (30, 0)}, "sizes is"),
        ({"degree": 0.0}, "degree is 0"),
        ({"degree": float("nan")}, "degree is nan"),
        ({"degree": 19}, "degree is 19, but must be below 19, the others in the smallest cluster"),
        ({"bridges": -1}, "bridges is -1"),
        ({"std": -1.0}, "std is -1"),
    ):
        given = {"sizes": (30, 20), "degree": 3, "bridges": 0} | options
        with pytest.raises(jaxprune.InputError, match=message):
            sparse_clustered(KEY, given.pop("sizes"), **given)
    for options, message in (
        ({"degree": -1.0}, "degree is -1"),
        ({"degree": 99}, "degree is 99, but must be below 99"),
        ({"exponent": 1.9}, "exponent is 1.9"),
        ({"std": -1.0}, "std is -1"),
    ):
        with pytest.raises(jaxprune.InputError, match=message):
            sparse_scale_free(KEY, 100, **({"degree": 3} | options))
    for bounds, message in (
        ((100, 0, 10), "smallest is 0"),
        ((100, 20, 10), "smallest is 20 and largest 10"),
        ((25, 10, 12), "neurons is 25, but no clusters of 10 to 12"),
        ((0, 1, 2), "neurons is 0"),
    ):
        with pytest.raises(jaxprune.InputError, match=message):
            power_law_sizes(KEY, *bounds)
