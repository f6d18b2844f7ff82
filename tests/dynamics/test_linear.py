"""Many steps of a linear network at once, against one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant

from jaxprune.dynamics import SPAN, powers_of, run_linear

KEY = jax.random.key(3)


@pytest.mark.parametrize("steps", [SPAN, 37])
@pytest.mark.parametrize("family", ["gaussian", "clustered"])
def test_many_steps_at_once_change_nothing(family, steps):
    A = dominant(family)
    propagator = jnp.eye(SIZE) + 0.05 * A
    kicks = jax.random.normal(KEY, (steps, SIZE))
    x, expected = np.ones(SIZE), []
    for kick in np.asarray(kicks):
        x = np.asarray(propagator) @ x + kick
        expected.append(x)
    np.testing.assert_allclose(run_linear(powers_of(propagator), jnp.ones(SIZE), kicks), expected, atol=1e-11)


def test_powers_double_from_one_to_the_next():
    propagator = jnp.eye(SIZE) + 0.05 * dominant("gaussian")
    for level, power in enumerate(powers_of(propagator)):
        np.testing.assert_allclose(power, np.linalg.matrix_power(propagator, 2**level), atol=1e-12)
