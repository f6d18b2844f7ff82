"""Sampled moments and Fisher information against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import standard_errors
from machines import SIZES, exact, joint, machine, units_of

import jaxprune
from jaxprune.boltzmann import fisher_matrix, moments_of, run_gibbs, sample_moments, start_chains, statistics


@pytest.mark.parametrize("kind", SIZES)
def test_free_activity_has_the_exact_moments(kind):
    """Samples are many sweeps apart, so that they count as independent."""
    model = machine(kind)
    found = sample_moments(jax.random.key(0), model, samples=20_000, chains=2000, burn_in=50, gap=30).moments
    assert float(found.count) == 20_000
    expected = units_of(exact(kind).moments)
    assert standard_errors(units_of(found), expected, expected * (1 - expected), 20_000) < 5


def test_rounds_of_chains_add_up():
    """Streaming over rounds is the mean of what each round shows."""
    model = machine("deep")
    states = start_chains(jax.random.key(0), model, 10)
    found, last = sample_moments(jax.random.key(1), model, samples=25, chains=states, burn_in=0, gap=2)
    assert float(found.count) == 30
    _, run_key = jax.random.split(jax.random.key(1))
    burn_key, round_key = jax.random.split(run_key)
    states, seen = run_gibbs(burn_key, model, states, 0), []
    for key in jax.random.split(round_key, 3):
        states = run_gibbs(key, model, states, 2)
        seen.append(units_of(moments_of(states)))
    np.testing.assert_allclose(units_of(found), np.mean(seen, axis=0), rtol=1e-12)
    for a, b in zip(states, last, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["restricted", "deep"])
def test_sampled_fisher_information(kind):
    model, samples = machine(kind), 20_000
    found = np.asarray(fisher_matrix(jax.random.key(0), model, samples=samples, chains=2000, burn_in=50, gap=30))
    parts, chance, _ = joint(model)
    phi = np.asarray(statistics(model, tuple(jnp.asarray(x) for x in parts)))
    centred = phi - chance @ phi
    expected = np.asarray(exact(kind).fisher)
    # Variance of a product of centred statistics, and as much again for the estimated mean.
    variance = np.einsum("s,si,sj->ij", chance, centred**2, centred**2) - expected**2
    assert standard_errors(found, expected, np.where(variance < 1e-14, 0, variance) * 1.1, samples) < 5


def test_diagonal_of_the_fisher_information_is_the_variance_of_the_pairs():
    from jaxprune.boltzmann import variance_information

    model, found = machine("deep"), exact("deep")
    diagonal = np.diag(found.fisher)[sum(model.sizes) :]
    expected = np.concatenate([np.ravel(F) for F in variance_information(model, found.moments)])
    np.testing.assert_allclose(diagonal, expected, atol=1e-12)


def test_errors():
    model = machine()
    for call in (sample_moments, fisher_matrix):
        for options, message in (
            ({"samples": 0}, "samples is 0"),
            ({"burn_in": -1}, "burn_in is -1"),
            ({"gap": 0}, "gap is 0"),
            ({"chains": 0}, "chains is 0"),
        ):
            with pytest.raises(jaxprune.InputError, match=message):
                call(jax.random.key(0), model, **options)
