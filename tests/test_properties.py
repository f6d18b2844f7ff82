"""Theorems that hold for every network and every draw, tried on many."""

import functools

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from helpers import quick_jit, rounding, row_slack, standard_errors

from jaxprune.linalg import stationary_covariance
from jaxprune.networks import dominant_leak
from jaxprune.pruning import (
    compensate,
    keep_probabilities,
    matched_diagonal,
    noise_importance,
    sample_mask,
    strengthen,
    weight_importance,
)

properties = hypothesis.settings(derandomize=True, deadline=None, max_examples=25)
fewer = hypothesis.settings(properties, max_examples=8)

SIZE = 6
"""One size, so that few programs are compiled."""

seeds = st.integers(0, 2**32 - 1)
slacks = st.sampled_from([0.0, 0.01, 1.0])
methods = st.sampled_from(["bernoulli", "systematic", "top"])


@st.composite
def weight_matrices(draw, symmetric):
    """Weights of any sign with many zeros, zero diagonal, and at least one synapse; scales differ by up to 10^4."""
    values = st.one_of(st.just(0.0), st.floats(0.01, 100), st.floats(-100, -0.01))
    W = draw(hypothesis.extra.numpy.arrays(float, (SIZE, SIZE), elements=values))
    W = np.triu(W, 1) + np.triu(W, 1).T if symmetric else W * (1 - np.eye(SIZE))
    hypothesis.assume(W.any())
    return jnp.asarray(W)


@st.composite
def networks(draw, slack=slacks):
    """A diagonally dominant network, symmetric or not."""
    symmetric = draw(st.booleans())
    return dominant_leak(draw(weight_matrices(symmetric)), draw(slack)), symmetric


definite = st.sampled_from([0.1, 1.0])


@functools.partial(quick_jit, static_argnames=("symmetric", "method"))
def draw_pruned(key, A, count, symmetric, method):
    """Masks and matched, strengthened networks for a batch of keys."""
    p = keep_probabilities(weight_importance(A), count=count)

    def one(key):
        mask = sample_mask(key, p, symmetric=symmetric, method=method)
        return mask, matched_diagonal(A, strengthen(A, mask, p))

    return p, *jax.vmap(one)(jax.random.split(key, 4))


def count_of(A, share, symmetric):
    """A whole number of synapses, of pairs where they go in pairs."""
    unit = 2 if symmetric else 1
    total = np.count_nonzero(np.asarray(weight_importance(A)))
    return unit * max(1, round(share * total / unit)), total


@properties
@hypothesis.given(networks(), seeds, st.floats(0.01, 1), methods)
def test_every_draw_keeps_every_slack_and_is_never_unstable(network, seed, share, method):
    A, symmetric = network
    count, _ = count_of(A, share, symmetric)
    p, masks, pruned = draw_pruned(jax.random.key(seed), A, count, symmetric, method)
    for mask, S in zip(masks, pruned, strict=True):
        np.testing.assert_allclose(row_slack(S), row_slack(A), rtol=0, atol=rounding(S))
        eigenvalues = np.linalg.eigvalsh(S) if symmetric else np.linalg.eigvals(S)
        # A defective eigenvalue at the edge of a disc moves with the n-th root of rounding; the discs themselves do not.
        edge = rounding(S) if symmetric else (16 * np.finfo(float).eps) ** (1 / len(S)) * float(jnp.abs(S).max())
        assert eigenvalues.real.max() <= -row_slack(A).min() + edge
        assert (np.diagonal(S) <= rounding(S)).all()
        if symmetric:
            np.testing.assert_array_equal(S, S.T)
        assert method == "bernoulli" or int(mask.sum()) == count
        assert bool(jnp.all(mask <= (p > 0)))


@properties
@hypothesis.given(networks(), st.floats(0.01, 1))
def test_probabilities_add_up_are_capped_and_rise_with_importance(network, share):
    A, symmetric = network
    importance = weight_importance(A)
    count, total = count_of(A, share, symmetric)
    p = np.asarray(fill(importance, count))
    np.testing.assert_allclose(p.sum(), min(count, total), rtol=1e-12)
    assert p.min() >= 0
    assert p.max() <= 1
    order = np.argsort(importance, axis=None)
    assert np.all(np.diff(p.flat[order]) >= 0)
    np.testing.assert_array_equal(p > 0, np.asarray(importance) > 0)
    # Below the cap they are proportional.
    free = (p > 0) & (p < 1)
    ratios = p[free] / np.asarray(importance)[free]
    np.testing.assert_allclose(ratios, ratios[:1].repeat(len(ratios)), rtol=1e-12)
    more = np.asarray(fill(importance, count + 1))
    assert np.all(more >= p * (1 - 1e-12))


@quick_jit
def fill(importance, count):
    return keep_probabilities(importance, count=count)


@functools.partial(quick_jit, static_argnames="symmetric")
def local_quantities(A, mask, symmetric):
    """Everything a synapse or neuron computes from what it sees."""
    C = stationary_covariance(A, structure="general")
    importance = noise_importance(A, C)
    p = keep_probabilities(importance, keep=0.5)
    strengthened = matched_diagonal(A, strengthen(A, mask, p))
    return C, importance, p, strengthened, compensate(A, mask, C, symmetric=symmetric)


@properties
@hypothesis.given(networks(definite), seeds)
def test_the_order_of_the_neurons_does_not_matter(network, seed):
    A, symmetric = network
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(A))
    mask = rng.random(A.shape) < 0.5
    mask = (np.triu(mask, 1) | np.triu(mask, 1).T if symmetric else mask) & (np.asarray(weight_importance(A)) > 0)
    mask = jnp.asarray(mask, float)
    shuffle = np.ix_(order, order)
    C, *_ = straight = local_quantities(A, mask, symmetric)
    shuffled = local_quantities(A[shuffle], mask[shuffle], symmetric)
    # The importances inherit the error of the Lyapunov solve, the compensation that of its iteration.
    condition = np.linalg.cond(A) * np.linalg.cond(C)
    for got, expected in zip(shuffled, straight, strict=True):
        tolerance = 1e-10 * condition * max(1.0, float(jnp.abs(expected).max()))
        np.testing.assert_allclose(got, expected[shuffle], rtol=0, atol=tolerance)


@fewer
@hypothesis.given(seeds, st.floats(0.05, 0.95), methods)
def test_results_do_not_depend_on_how_a_batch_is_cut(seed, share, method):
    A = dominant_leak(jnp.asarray(np.random.default_rng(seed).normal(size=(SIZE, SIZE))), 0.1)
    keys = jax.random.split(jax.random.key(seed), 4)

    def chunks(size):
        parts = [batch(keys[start : start + size], A, share, method) for start in range(0, 4, size)]
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    for got, expected in zip(chunks(1), chunks(4), strict=True):
        np.testing.assert_array_equal(got, expected)


@functools.partial(quick_jit, static_argnames="method")
def batch(keys, A, share, method):
    p = keep_probabilities(weight_importance(A), keep=share)

    def one(key):
        mask = sample_mask(key, p, symmetric=False, method=method)
        return mask, strengthen(A, mask, p)

    return jax.vmap(one)(keys)


@fewer
@hypothesis.given(weight_matrices(symmetric=False), seeds, st.sampled_from(["bernoulli", "systematic"]))
def test_the_mean_over_draws_is_the_original(W, seed, method):
    A, draws = dominant_leak(W / jnp.abs(W).max(), 0.1), 2000
    # Sizes 10^4 apart would have chances as far apart: evened out, so that the draws see every synapse many times.
    p = fill(weight_importance(A) ** 0.25, max(1.0, 0.5 * int((W != 0).sum())))
    mean, leak = mean_of_draws(jax.random.split(jax.random.key(seed), draws), A, p, method)
    chance = np.where(p > 0, p, 1)
    variance = np.asarray(weight_importance(A)) ** 2 * (1 / chance - 1)
    assert standard_errors(mean, A, variance, draws) < 5
    assert standard_errors(leak, np.diagonal(A), variance.sum(axis=1), draws) < 5


@functools.partial(quick_jit, static_argnames="method")
def mean_of_draws(keys, A, p, method):
    def one(key):
        S = strengthen(A, sample_mask(key, p, symmetric=False, method=method), p)
        return S, jnp.diagonal(matched_diagonal(A, S))

    return tuple(value.mean(axis=0) for value in jax.vmap(one)(keys))
