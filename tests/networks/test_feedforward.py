"""Feed-forward chains: who projects to whom, and how strongly."""

import jax
import numpy as np
import pytest
from helpers import standard_errors

import jaxprune
from jaxprune.networks import feedforward

LAYERS, WIDTH = 4, 40


def test_only_the_next_layer_is_driven():
    W = np.asarray(feedforward(jax.random.key(0), LAYERS, WIDTH))
    layer = np.repeat(np.arange(LAYERS), WIDTH)
    np.testing.assert_array_equal(W > 0, layer[:, None] == layer[None, :] + 1)
    assert (W >= 0).all()
    assert not np.linalg.matrix_power(W, LAYERS).any()
    assert np.linalg.matrix_power(W, LAYERS - 1).any()


@pytest.mark.parametrize("density", [1.0, 0.3])
def test_mean_activity_is_handed_on_times_strength(density):
    strength = 1.5
    W = np.asarray(feedforward(jax.random.key(1), LAYERS, WIDTH, strength=strength, density=density))
    layer = np.repeat(np.arange(LAYERS), WIDTH)
    entries = W[layer[:, None] == layer[None, :] + 1]
    assert standard_errors((entries != 0).mean(), density, density * (1 - density), len(entries)) < 5
    # Half-normal sizes of scale s: mean s sqrt(2 / pi), second moment s^2.
    scale = strength / (density * WIDTH * np.sqrt(2 / np.pi))
    variance = density * scale**2 - (strength / WIDTH) ** 2
    assert standard_errors(entries.mean(), strength / WIDTH, variance, len(entries)) < 5


def test_gain_adds_a_random_part_everywhere_but_on_the_diagonal():
    n, key = LAYERS * WIDTH, jax.random.key(2)
    added = np.asarray(feedforward(key, LAYERS, WIDTH, gain=0.4)) - np.asarray(feedforward(key, LAYERS, WIDTH))
    assert not np.diagonal(added).any()
    entries = added[~np.eye(n, dtype=bool)]
    variance = 0.4**2 / n
    assert standard_errors(entries.mean(), 0, variance, len(entries)) < 5
    assert standard_errors((entries**2).mean(), variance, 2 * variance**2, len(entries)) < 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 1, "width": 3}, "layers is 1"),
        ({"layers": 2, "width": 0}, "width 0"),
        ({"layers": 2, "width": 3, "strength": -1.0}, "strength is -1"),
        ({"layers": 2, "width": 3, "gain": -1.0}, "gain is -1"),
        ({"layers": 2, "width": 3, "density": 0.0}, "density is 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(jaxprune.InputError, match=message):
        feedforward(jax.random.key(0), **options)
