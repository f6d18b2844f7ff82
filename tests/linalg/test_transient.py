"""Measures of transients against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from helpers import DIRECTED, FAMILIES, SYMMETRIC, quick_jit, untyped, weights

import jaxprune
from jaxprune import linalg, networks

KEY = jax.random.key(3)


def stable(family, seed=0):
    return networks.stable_leak(weights(family, seed), -0.3)


def perturbed(A):
    """Weights off by a fifth at random, and a faster leak."""
    return A * (1 + 0.2 * jax.random.normal(jax.random.key(1), A.shape)) - 0.2 * jnp.eye(len(A))


@pytest.mark.parametrize("family", FAMILIES)
def test_numerical_abscissa_is_the_slope_of_the_norm_at_zero(family):
    A = np.asarray(stable(family))
    slope = lambda h: (np.linalg.norm(scipy.linalg.expm(A * h), 2) - 1) / h  # noqa: E731
    # Richardson: the error of the quotient is of first order in h.
    expected = 2 * slope(1e-5) - slope(2e-5)
    np.testing.assert_allclose(linalg.numerical_abscissa(jnp.asarray(A)), expected, atol=1e-6)


def test_normal_networks_have_no_departure_and_grow_as_their_eigenvalues_say():
    for family in SYMMETRIC:
        A = stable(family)
        assert float(linalg.departure_from_normality(A)) < 1e-6  # the root of rounding
        np.testing.assert_allclose(linalg.numerical_abscissa(A), -0.3, rtol=1e-9)
        np.testing.assert_allclose(linalg.transient_growth(A, dt=0.5, steps=3), np.exp(-0.3 * np.arange(0.5, 2, 0.5)))


def test_a_nilpotent_chain_departs_completely_but_for_its_leak():
    W = weights("feedforward")
    leak = 2.0
    A = W - leak * jnp.eye(len(W))
    share = len(W) * leak**2 / (len(W) * leak**2 + float(jnp.sum(W**2)))
    np.testing.assert_allclose(linalg.departure_from_normality(A), np.sqrt(1 - share), rtol=1e-6)


@pytest.mark.parametrize("family", DIRECTED)
def test_growth_is_the_norm_of_the_propagator(family):
    A = stable(family)
    expected = [np.linalg.norm(scipy.linalg.expm(np.asarray(A) * t), 2) for t in (0.7, 1.4, 2.1)]
    np.testing.assert_allclose(linalg.transient_growth(A, dt=0.7, steps=3), expected, rtol=1e-9)


def test_extremes_of_normality():
    assert float(linalg.departure_from_normality(jnp.array([[0.0, 1.0], [0.0, 0.0]]))) == 1
    assert float(linalg.departure_from_normality(jnp.zeros((2, 2)))) == 0


def test_ensembles_do_not_wait_for_each_other():
    # Two batched factorisations of this size on a CPU stop for ever unless they are looped over (linalg/lapack.py).
    As = jnp.stack([networks.stable_leak(networks.gaussian(key, 64), -0.5) for key in jax.random.split(KEY, 8)])
    responses = jax.jit(jax.vmap(lambda A: linalg.impulse_responses(A, 1.1 * A, dt=0.5, steps=2).difference))
    growths = jax.jit(jax.vmap(lambda A: linalg.transient_growth(A, dt=0.5, steps=2)))
    for _ in range(3):
        assert bool(jnp.all(jnp.isfinite(responses(As)) & jnp.isfinite(growths(As))))


def test_measures_jit_and_vmap():
    As = jnp.stack([stable("dale", seed) for seed in range(3)])

    def measures(A):
        B = perturbed(A) - 2 * jnp.eye(len(A))
        return (
            linalg.numerical_abscissa(A),
            linalg.departure_from_normality(A),
            linalg.transient_growth(A, dt=0.5, steps=2),
            linalg.impulse_responses(A, B, dt=0.5, steps=2).difference,
            linalg.h2_error(A, B).relative,
        )

    for batched, single in zip(quick_jit(jax.vmap(measures))(As), zip(*map(measures, As), strict=True), strict=True):
        np.testing.assert_allclose(batched, jnp.stack(single), rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda A: linalg.numerical_abscissa(A[:2]), "must be square"),
        (lambda A: linalg.transient_growth(A, dt=0.0, steps=3), "dt is 0"),
        (lambda A: linalg.transient_growth(A, dt=0.1, steps=0), "steps is 0"),
        (lambda A: linalg.h2_error(A, A[:2, :2]), "its own pruned matrix"),
        (lambda A: linalg.impulse_responses(A, A[:2, :2], dt=0.1, steps=1), "its own pruned matrix"),
    ],
)
def test_bad_input(call, words):
    with untyped(), pytest.raises(jaxprune.InputError, match=words):
        call(stable("dale"))
