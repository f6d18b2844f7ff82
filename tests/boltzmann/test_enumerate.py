"""Enumeration against a plain list of all joint states."""

import jax.numpy as jnp
import numpy as np
import pytest
from machines import SIZES, exact, joint, machine

import jaxprune
from jaxprune.boltzmann import all_states, divergence, enumerate_machine, rbm


@pytest.mark.parametrize("kind", SIZES)
def test_partition_function_moments_and_visible_distribution(kind):
    parts, chance, log_partition = joint(machine(kind))
    found = exact(kind)
    np.testing.assert_allclose(found.log_partition, log_partition, rtol=1e-12)
    for mean, x in zip(found.moments.means, parts, strict=True):
        np.testing.assert_allclose(mean, chance @ x, atol=1e-12)
    for pair, below, above in zip(found.moments.pairs, parts[:-1], parts[1:], strict=True):
        np.testing.assert_allclose(pair, (above * chance[:, None]).T @ below, atol=1e-12)
    index = (parts[0] @ 2 ** np.arange(parts[0].shape[1])).astype(int)
    np.testing.assert_allclose(np.exp(found.log_visible), np.bincount(index, chance), atol=1e-12)


@pytest.mark.parametrize("kind", SIZES)
def test_fisher_information_is_the_covariance_of_the_statistics(kind):
    model = machine(kind)
    parts, chance, _ = joint(model)
    products = [
        (above[:, :, None] * below[:, None, :] * np.asarray(mask)).reshape(len(chance), -1)
        for below, above, mask in zip(parts[:-1], parts[1:], model.masks, strict=True)
    ]
    phi = np.concatenate([*parts, *products], axis=1)
    centred = phi - chance @ phi
    np.testing.assert_allclose(exact(kind).fisher, (centred * chance[:, None]).T @ centred, atol=1e-12)


def test_states_and_divergence():
    np.testing.assert_array_equal(all_states(3)[5], [1, 0, 1])
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.2, 0.2, 0.6])
    np.testing.assert_allclose(divergence(jnp.log(p), jnp.log(q)), np.sum(p * np.log(p / q)), rtol=1e-12)
    assert float(divergence(jnp.log(p), jnp.log(p))) == 0
    np.testing.assert_allclose(divergence(jnp.log(jnp.array([0.0, 1.0])), jnp.log(jnp.array([0.5, 0.5]))), np.log(2))
    # A state that has no chance under either costs nothing; one that has none under the second only, everything.
    ends = jnp.log(jnp.array([0.0, 0.5, 0.5]))
    np.testing.assert_allclose(divergence(ends, jnp.log(jnp.array([0.0, 0.25, 0.75]))), 0.5 * np.log(4 / 3), rtol=1e-12)
    assert float(divergence(jnp.log(jnp.array([0.5, 0.5])), jnp.log(jnp.array([0.0, 1.0])))) == np.inf


def test_too_large():
    import jax

    key = jax.random.key(0)
    with pytest.raises(jaxprune.InputError, match="21 units in every other layer, but at most 20"):
        enumerate_machine(rbm(key, visible=21, hidden=21))
    with pytest.raises(jaxprune.InputError, match="21 visible units"):
        enumerate_machine(rbm(key, visible=21, hidden=2), visible=True)
    with pytest.raises(jaxprune.InputError, match="25 units, but at most 24"):
        enumerate_machine(rbm(key, visible=20, hidden=5), fisher=True)
