"""The largest stable step of Euler-Maruyama."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SIZE, dominant

import jaxprune
from jaxprune.dynamics import largest_step
from jaxprune.dynamics._stability import check_step


def test_largest_step_is_where_the_propagator_loses_stability():
    A = dominant("gaussian")
    bound = largest_step(A)
    radii = [
        np.abs(np.linalg.eigvals(np.eye(SIZE) + factor * bound * np.asarray(A))).max() for factor in (0.999, 1.001)
    ]
    assert radii[0] < 1 < radii[1]
    assert largest_step(jnp.array([[-1.0, 2.0], [2.0, -1.0]])) == 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_are_refused_from_the_largest_on(family):
    A = dominant(family)
    bound = largest_step(A)
    check_step(A, 0.999 * bound)
    with pytest.raises(jaxprune.InputError, match="smaller step"):
        check_step(A, 1.001 * bound)


def test_an_unstable_network_is_let_pass():
    check_step(jnp.array([[-1.0, 2.0], [2.0, -1.0]]), 10.0)
