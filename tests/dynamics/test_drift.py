"""Drifts against the formulas, written with NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, untyped, weights

import jaxprune
from jaxprune.dynamics import Linear, Rectified, Tanh, simulate
from jaxprune.linalg import dominance_slack, eigenvalues
from jaxprune.networks import dominant_leak

X = np.asarray(jax.random.normal(jax.random.key(5), (SIZE,)))
B = np.asarray(jax.random.normal(jax.random.key(6), (SIZE,)))


def parts(A):
    A = np.asarray(A)
    leak = -np.diag(A)
    return A + np.diag(leak), leak


@pytest.mark.parametrize("family", ["gaussian", "dale"])
def test_formulas(family):
    A = dominant(family)
    W, leak = parts(A)
    b, x = jnp.asarray(B), jnp.asarray(X)
    expected = [
        (Linear(A, b), np.asarray(A) @ X + B),
        (Rectified(A, b), -leak * X + np.maximum(W @ X + B, 0)),
        (Rectified(A, b, form="input"), -leak * X + W @ np.maximum(X, 0) + B),
        (Tanh(A, b), -leak * X + np.tanh(W @ X + B)),
        (Tanh(A, b, form="input"), -leak * X + W @ np.tanh(X) + B),
    ]
    for drift, value in expected:
        np.testing.assert_allclose(drift(jnp.asarray(0.0), x), value, atol=1e-13)


def test_input_may_change_with_time():
    A = dominant("gaussian")
    drift = Linear(A, lambda t: jnp.full(SIZE, t))
    np.testing.assert_allclose(drift(jnp.asarray(3.0), jnp.zeros(SIZE)), np.full(SIZE, 3.0))


@pytest.mark.parametrize("form", ["output", "input"])
def test_spectrum_of_the_jacobian_is_that_of_the_principal_submatrix(form):
    A = dominant("gaussian")
    drift, x = Rectified(A, jnp.asarray(B), form=form), jnp.asarray(X)
    active = np.asarray(drift.active_set(jnp.asarray(0.0), x))
    assert 0 < active.sum() < SIZE
    jacobian = jax.jacfwd(lambda x: drift(jnp.asarray(0.0), x))(x)
    inside = np.linalg.eigvals(np.asarray(A)[np.ix_(active, active)])
    expected = np.concatenate([inside, np.diag(np.asarray(A))[~active]])
    found = np.asarray(eigenvalues(jacobian, symmetric=False))
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(expected), atol=1e-9)


@pytest.mark.parametrize("form", ["output", "input"])
@pytest.mark.parametrize("network", [Rectified, Tanh])
def test_trajectories_approach_at_the_rate_of_the_slack_whoever_switches(network, form):
    # Excitation alone and the same slack in every row: neurons that are all apart by the same approach at that rate exactly,
    # as long as all slopes are one.
    A, dt, steps = dominant_leak(jnp.abs(weights("gaussian")), 0.1), 0.02, 400
    slack = float(dominance_slack(A))
    level, swing = (2.0, 5.0) if network is Rectified else (0.0, 0.01)

    def moving(t):  # of rectified neurons each is pushed under its threshold and back, at its own time
        return level + swing * jnp.sin(2 * t + jnp.arange(SIZE))

    drift = network(A, moving, form=form)
    first, second = (
        simulate(
            jax.random.key(0), drift, jnp.asarray(start), dt=dt, steps=steps, sigma=0.01, record_every=1
        ).trajectory
        for start in (0.01 * X, 0.01 * X + 0.01)
    )
    distance = np.abs(np.asarray(first - second)).max(axis=1)
    bound = 0.01 * (1 - slack * dt) ** np.arange(1, steps + 1)
    assert np.all(distance <= bound * (1 + 1e-9))
    assert distance[20] > 0.95 * bound[20]
    if network is Rectified:
        sets = np.asarray(jax.vmap(drift.active_set)(dt * jnp.arange(1, steps + 1), first))
        assert len(np.unique(sets, axis=0)) > 5


def test_errors():
    with untyped():
        for drift in (Linear, Rectified, Tanh):
            with pytest.raises(jaxprune.InputError, match="square"):
                drift(jnp.ones((2, 3)))
            with pytest.raises(jaxprune.InputError, match="must not be positive"):
                drift(jnp.eye(2))
            with pytest.raises(jaxprune.InputError, match=r"b has shape \(3,\)"):
                drift(-jnp.eye(2), jnp.ones(3))
        with pytest.raises(jaxprune.InputError, match="form is 'both'"):
            Rectified(-jnp.eye(2), form="both")
