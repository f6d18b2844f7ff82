"""Gaussian, Dale and low-rank weights: moments, signs and spectra."""

import jax
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, quick_jit, standard_errors, weights

import jaxprune
from jaxprune.networks import dale, gaussian, low_rank

N = 120
OFF_DIAGONAL = ~np.eye(N, dtype=bool)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_its_shape_and_depends_on_the_key_alone(family):
    W = weights(family)
    assert W.shape == (16, 16)
    assert not np.diagonal(W).any()
    assert np.array_equal(W, W.T) == (family in SYMMETRIC)
    np.testing.assert_array_equal(FAMILIES[family](jax.random.key(0)), W)
    assert not np.array_equal(weights(family, seed=1), W)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"clustered", "clustered directed"}))
def test_jit_and_vmap_draw_the_same_network(family):
    keys = jax.random.split(jax.random.key(4), 3)
    batch = quick_jit(jax.vmap(FAMILIES[family]))(keys)
    for key, W in zip(keys, batch, strict=True):
        np.testing.assert_allclose(W, FAMILIES[family](key), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("symmetric", [False, True])
def test_gaussian_moments(symmetric):
    gain, density = 0.7, 0.4
    W = np.asarray(gaussian(jax.random.key(0), N, gain=gain, density=density, symmetric=symmetric))
    entries = W[np.triu_indices(N, 1)] if symmetric else W[OFF_DIAGONAL]
    variance = gain**2 / (N * density) / (4 if symmetric else 1)
    assert standard_errors((entries != 0).mean(), density, density * (1 - density), len(entries)) < 5
    present = entries[entries != 0]
    assert standard_errors(present.mean(), 0, variance, len(present)) < 5
    assert standard_errors((present**2).mean(), variance, 2 * variance**2, len(present)) < 5


@pytest.mark.parametrize(
    ("draw", "share"),
    [
        (lambda key: gaussian(key, N, gain=0.7), 1 / 2),
        (lambda key: gaussian(key, N, gain=0.7, density=0.3), 1 / 2),
        (lambda key: gaussian(key, N, gain=0.7, symmetric=True), 1 / 4),
    ],
    ids=["full", "sparse", "symmetric"],
)
def test_gaussian_spectrum_has_radius_gain(draw, share):
    # The mean squared radius is g^2 / 2 over a disc and g^2 / 4 over a semicircle, up to 1/N (the missing diagonal).
    draws = [np.abs(np.linalg.eigvals(draw(jax.random.key(seed)))) for seed in range(12)]
    squares = np.array([(radii**2).mean() for radii in draws]) / 0.7**2
    assert abs(squares.mean() - share) < 5 * squares.std(ddof=1) / np.sqrt(len(squares)) + 1 / N


def test_dale_columns_have_one_sign_and_rows_balance():
    n, gain, density, count = 400, 0.9, 0.3, 300
    off_diagonal = ~np.eye(n, dtype=bool)
    W = np.asarray(dale(jax.random.key(5), n, excitatory=0.75, gain=gain, density=density))
    assert (W[:, :count] >= 0).all()
    assert (W[:, count:] <= 0).all()
    assert (W[:, :count] > 0).any(axis=0).all()
    assert (W[:, count:] < 0).any(axis=0).all()
    column = np.where(np.arange(n) < count, 1.0, -count / (n - count))
    present = W != 0
    assert standard_errors(present[off_diagonal].mean(), density, density * (1 - density), off_diagonal.sum()) < 5
    # E[size] = density sqrt(2 / pi), E[size^2] = density; the sum of the variances of a row is gain^2.
    spread = density - 2 * density**2 / np.pi
    scale = gain / np.sqrt(n * np.mean(column**2) * spread)
    sizes = np.abs(W / (scale * column))[off_diagonal]
    assert standard_errors(sizes.mean(), density * np.sqrt(2 / np.pi), spread, len(sizes)) < 5
    assert standard_errors((sizes**2).mean(), density, 3 * density - density**2, len(sizes)) < 5
    inputs = W.sum(axis=1) + scale * density * np.sqrt(2 / np.pi) * column  # as if there were a diagonal
    assert standard_errors(inputs.mean(), 0, gain**2, n) < 5


def test_low_rank_structure_makes_one_outlier_per_rank():
    rank, strength = 2, 3.0
    W = np.asarray(low_rank(jax.random.key(6), N, rank=rank, strength=strength, gain=0.5))
    values = np.linalg.eigvals(W)
    values = values[np.argsort(-np.abs(values))]
    # The outliers add up to tr(n^T m) / N: mean rank * strength, variance rank (2 strength^2 + 1) / N.
    assert standard_errors(values[:rank].sum().real, rank * strength, rank * (2 * strength**2 + 1), N) < 5
    assert np.abs(values[:rank]).min() > strength / 2
    # Edge of a disc of radius 0.5, past which the largest of 120 radii reaches by about sqrt(ln N / (4 N)) = 10 %.
    assert 0.5 < np.abs(values[rank]) < 0.5 * 1.2


def test_low_rank_entries_have_their_size():
    draws, strength = 2000, 1.5
    keys = jax.random.split(jax.random.key(8), draws)
    W = quick_jit(jax.vmap(lambda key: low_rank(key, 16, rank=2, strength=strength, gain=0.0)))(keys)
    powers = np.asarray((W**2).sum(axis=(1, 2)))
    assert standard_errors(powers.mean(), 16 * 15 * 2 * (strength**2 + 1) / 16**2, powers.var(ddof=1), draws) < 5


def test_low_rank_without_bulk_has_that_rank():
    W = np.asarray(low_rank(jax.random.key(7), 16, rank=3, gain=0.0))
    # The zeroed diagonal of a matrix of rank 3 is a free choice of 16 numbers: read off the rank away from it.
    assert np.linalg.matrix_rank(W[:8, 8:]) == 3


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda key: gaussian(key, 0), "n is 0"),
        (lambda key: gaussian(key, 4, gain=-1.0), "gain is -1"),
        (lambda key: gaussian(key, 4, density=0.0), "density is 0"),
        (lambda key: gaussian(key, 4, density=1.1), "density is 1.1"),
        (lambda key: dale(key, 1), "both kinds"),
        (lambda key: dale(key, 10, excitatory=0.01), "leaves 0 of 10"),
        (lambda key: dale(key, 10, excitatory=1.0), "leaves 10 of 10"),
        (lambda key: dale(key, 10, gain=float("nan")), "gain is nan"),
        (lambda key: dale(key, 10, density=2.0), "density is 2"),
        (lambda key: low_rank(key, 0), "n is 0"),
        (lambda key: low_rank(key, 4, rank=0), "rank is 0"),
        (lambda key: low_rank(key, 4, rank=5), "rank is 5"),
        (lambda key: low_rank(key, 4, gain=-0.1), "gain is -0.1"),
    ],
)
def test_errors(draw, message):
    with pytest.raises(jaxprune.InputError, match=message):
        draw(jax.random.key(0))
