"""Connected components, against a walk from neuron to neuron."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune.linalg.sparse import as_sparse
from jaxprune.networks import clustered, count_components


def walk(mask):
    """Number of components by a search from every neuron that was not yet reached."""
    joined, reached, components = np.asarray(mask) != 0, set(), 0
    joined = joined | joined.T
    for start in range(len(joined)):
        components += start not in reached
        waiting = [start]
        while waiting:
            neuron = waiting.pop()
            if neuron not in reached:
                reached.add(neuron)
                waiting.extend(np.flatnonzero(joined[neuron]))
    return components


@pytest.mark.parametrize("density", [0.0, 0.02, 0.05, 0.1, 1.0])
def test_agrees_with_a_walk(density):
    for seed in range(5):
        mask = jax.random.uniform(jax.random.key(seed), (30, 30)) < density
        assert count_components(mask) == count_components(as_sparse("mask", mask.astype(float))) == walk(mask)


def test_directions_signs_and_the_diagonal_do_not_matter():
    chain = jnp.array([[0.0, 0.0, 0.0], [-2.0, 0.0, 1e-12], [0.0, 0.0, 0.0]])
    assert count_components(chain) == count_components(chain.T) == count_components(chain - jnp.eye(3)) == 1
    assert count_components(-jnp.eye(3)) == 3


def test_clusters_without_bridges_are_apart():
    W = clustered(jax.random.key(0), (8, 5, 3), density=1.0, bridges=0)
    assert count_components(W) == 3
    assert count_components(clustered(jax.random.key(0), (8, 5, 3), density=1.0, bridges=40)) == 1
