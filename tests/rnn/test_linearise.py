"""Operating points against derivatives and trajectories; linearised moments against their Lyapunov equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import untyped

import jaxprune
from jaxprune import dynamics, rnn

KEY = jax.random.key(0)
INPUTS = jax.random.normal(jax.random.key(1), (30, 6, 3))


def voltages(model, inputs):
    v, states = jnp.zeros((inputs.shape[1], len(model.b_rec))), []
    for u in inputs:
        v = model.step(v, u)
        states.append(v)
    return jnp.stack(states)


def test_fixed_point_stands_still_and_the_jacobian_is_the_derivative():
    model = rnn.ctrnn(KEY, inputs=3, neurons=30, outputs=2, gain=1.8)
    u = jnp.array([1.0, -1.0, 0.5])
    found = rnn.fixed_point(model, u, jax.random.normal(KEY, (30,)))
    assert float(found.speed) < 1e-10
    v = found.voltages[None, :]
    np.testing.assert_allclose(model.step(v, u[None, :]), v, atol=1e-10)
    slope = jax.jacfwd(lambda v: model.step(v[None, :], u[None, :])[0])(found.voltages)
    np.testing.assert_allclose((slope - np.eye(30)) / 0.2, rnn.jacobian(model, found.voltages), atol=1e-10)


@pytest.mark.parametrize("through", ["neurons", "inputs"])
def test_linearised_moments_solve_their_equation(through):
    model = rnn.ctrnn(KEY, inputs=3, neurons=20, outputs=2, gain=1.8)
    gain = rnn.mean_gain(model, INPUTS)
    np.testing.assert_allclose(gain, model.gain(jnp.asarray(voltages(model, INPUTS))).mean((0, 1)), atol=1e-12)
    for g in (None, gain):
        activity = rnn.Linearised(g, through=through, sigma=0.5).activity(KEY, model)
        slope = np.ones(20) if g is None else np.asarray(g)
        A = np.asarray(model.recurrent) * slope - (1 + float(activity.shift)) * np.eye(20)
        B = np.eye(20) if through == "neurons" else np.asarray(model.W_in)
        C = scipy.linalg.solve_continuous_lyapunov(A, -0.25 * B @ B.T)
        np.testing.assert_allclose(activity.second_moment, slope[:, None] * C * slope, atol=1e-10)
        if float(activity.shift) > 0:
            np.testing.assert_allclose(np.linalg.eigvals(A).real.max(), -0.1, atol=1e-9)


def test_unstable_linearisation_is_refused_without_a_shift():
    model = rnn.ctrnn(KEY, inputs=3, neurons=20, outputs=2, gain=2.5)
    abscissa = np.linalg.eigvals(np.asarray(model.recurrent)).real.max() - 1
    with pytest.raises(jaxprune.InputError, match=f"stable only from {abscissa:.4g} on"):
        rnn.Linearised(shift=0.0).activity(KEY, model)
    assert float(rnn.Linearised(shift=abscissa + 0.01).activity(KEY, model).shift) == abscissa + 0.01


def test_mean_gain_leaves_out_padding():
    model = rnn.ctrnn(KEY, inputs=3, neurons=20, outputs=2, gain=1.8)
    padded = INPUTS.at[25:, :2].set(0)
    weights = rnn.input_lasts(padded)
    rates = np.tanh(voltages(model, padded))[np.asarray(weights) > 0]
    expected = (1 - rates**2).mean(axis=0)
    np.testing.assert_allclose(rnn.mean_gain(model, padded, weights=weights), expected, atol=1e-12)


def test_errors():
    model = rnn.ctrnn(KEY, inputs=3, neurons=20, outputs=2, gain=1.8)
    with untyped():
        for call, words in (
            (lambda: rnn.Linearised(jnp.ones(3)).activity(KEY, model), "gain has shape"),
            (lambda: rnn.Linearised(through="ears"), "through is 'ears'"),
            (lambda: rnn.Linearised(sigma=0.0), "sigma is 0"),
            (lambda: rnn.Linearised(margin=-1.0), "margin is -1"),
            (lambda: rnn.fixed_point(model, jnp.ones(2), jnp.ones(20)), "u and start"),
            (lambda: rnn.mean_gain(model, INPUTS[..., :2]), r"must be \(time, trial, 3\)"),
            (
                lambda: dynamics.Mixture(rnn.Linearised(shift=2.0), rnn.TaskInputs(INPUTS), 0.5).activity(KEY, model),
                "leak shifts 2 and 0",
            ),
        ):
            with pytest.raises(jaxprune.InputError, match=words):
                call()
