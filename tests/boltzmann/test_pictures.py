"""Pictures are of what was measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune.boltzmann import (
    dbm,
    moments_of,
    pictures,
    rbm,
    receptive_fields,
    remove,
    sample_moments,
    start_chains,
    tile,
    variance_information,
)


def test_tiles_hold_the_images():
    images = np.arange(5 * 6.0).reshape(5, 6)
    found = tile(images, (2, 3), columns=2)
    assert found.shape == (8, 7)
    for number, image in enumerate(images):
        top, left = 3 * (number // 2), 4 * (number % 2)
        np.testing.assert_array_equal(found[top : top + 2, left : left + 3], image.reshape(2, 3))
    assert np.isnan(found[2]).all()
    assert np.isnan(found[6:, 4:]).all()
    with pytest.raises(jaxprune.InputError, match="6 pixels, but 2 x 2 is 4"):
        tile(images, (2, 2))


def test_pictures_are_of_the_machine():
    key = jax.random.key(0)
    mask = receptive_fields((4, 5), 3)
    model = dbm(key, visible=20, hidden=(20, 6), masks=(mask, None), sd=1.0)
    moments, chains = sample_moments(key, model, samples=500, chains=50, burn_in=5)
    found = pictures(model, chains, moments, (4, 5), samples=3, units=7, columns=2)
    np.testing.assert_array_equal(found.samples, tile(np.asarray(chains[0])[:3], (4, 5), 2))
    np.testing.assert_allclose(
        found.information.ravel(), (np.asarray(variance_information(model, moments)[0]) * mask).sum(axis=0), rtol=1e-6
    )
    # The inner units see most, and come first; each picture is the square around its pixel.
    assert found.fields.shape == (4 * 4 - 1, 2 * 4 - 1)
    W = np.asarray(model.weights[0])
    inner = [row * 5 + column for row in (1, 2) for column in (1, 2, 3)]
    for place, unit in enumerate(inner):
        top, left = 4 * (place // 2), 4 * (place % 2)
        row, column = divmod(unit, 5)
        around = W[unit].reshape(4, 5)[row - 1 : row + 2, column - 1 : column + 2]
        np.testing.assert_array_equal(found.fields[top : top + 3, left : left + 3], around)
    with pytest.raises(jaxprune.InputError, match="20 pixels, but 3 x 5 is 15"):
        pictures(model, chains, moments, (3, 5))
    with pytest.raises(jaxprune.InputError, match="there is no image"):
        tile(np.zeros((0, 4)), (2, 2))


def test_everything_seen_and_units_alone():
    model = rbm(jax.random.key(0), visible=6, hidden=4)
    model = remove(model, [jnp.ones((4, 6)).at[2].set(0)])
    chains = start_chains(jax.random.key(1), model, 5)
    found = pictures(model, chains, moments_of(chains), (2, 3), columns=4)
    assert found.fields.shape == (2, 4 * 4 - 1)
    np.testing.assert_array_equal(found.fields[:, 4 * 3 :], 0)  # the one without synapses is last
