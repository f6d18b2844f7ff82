"""Mean field: exact where it must be, a fixed point elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import joint, machine

from jaxprune.boltzmann import MeanFieldCode, mean_field

VISIBLE = jnp.array([[1.0, 0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]])


def posterior(model, visible):
    """Exact probabilities of the hidden units given a visible state."""
    parts, chance, _ = joint(model)
    at = (parts[0] == np.asarray(visible)).all(axis=1)
    weight = chance[at] / chance[at].sum()
    return [weight @ x[at] for x in parts[1:]]


def test_exact_in_a_restricted_machine():
    model = machine()
    visible = jnp.concatenate([VISIBLE, jnp.ones((3, 1))], axis=1)
    found = mean_field(model, visible)
    for row, v in enumerate(visible):
        np.testing.assert_allclose(found.states[1][row], posterior(model, v)[0], atol=1e-12)
    assert int(found.code) == MeanFieldCode.CONVERGED


def test_close_to_exact_for_weak_weights():
    """The error is of second order in the weights between hidden layers: a fourth at half the weights."""
    errors = []
    for sd in (0.4, 0.2):
        model = machine("deep", sd)
        found = mean_field(model, VISIBLE, sweeps=500, tolerance=1e-13)
        wrong = [
            np.abs(np.asarray(found.states[layer + 1][row]) - p).max()
            for row, v in enumerate(VISIBLE)
            for layer, p in enumerate(posterior(model, v))
        ]
        errors.append(max(wrong))
    assert errors[0] < 0.02
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("kind", ["deep", "deeper"])
def test_fixed_point(kind):
    model = machine(kind, 2.0)
    visible = VISIBLE[:, : model.sizes[0]]
    found = mean_field(model, visible, sweeps=2000, tolerance=1e-12)
    assert int(found.code) == MeanFieldCode.CONVERGED
    np.testing.assert_array_equal(found.states[0], visible)
    for layer in range(1, len(model.sizes)):
        np.testing.assert_allclose(found.states[layer], jax.nn.sigmoid(model.field(found.states, layer)), atol=1e-10)


def test_code_says_when_it_did_not_converge():
    found = mean_field(machine("deep", 2.0), VISIBLE, sweeps=2, tolerance=1e-12)
    assert int(found.code) == MeanFieldCode.NOT_CONVERGED
    assert int(found.sweeps) == 2
    assert float(found.change) > 1e-12
    assert "raise it" in MeanFieldCode(int(found.code)).words
