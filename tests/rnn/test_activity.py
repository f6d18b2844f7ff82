"""Moments of rates against trajectories, and the linearised ones against simulation."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import untyped

import jaxprune
from jaxprune import rnn

KEY = jax.random.key(0)
MODEL = rnn.ctrnn(KEY, inputs=3, neurons=10, outputs=2, alpha=0.2)
INPUTS = jax.random.normal(jax.random.key(1), (30, 6, 3))


def voltages(model, inputs):
    v, states = np.zeros((inputs.shape[1], len(model.b_rec))), []
    for u in np.asarray(inputs):
        states.append(v)
        v = np.asarray(model.step(jnp.asarray(v), jnp.asarray(u)))
    return np.array([*states[1:], v])


def test_task_moments_are_those_of_the_rates():
    rates = np.tanh(voltages(MODEL, INPUTS)).reshape(-1, 10)
    activity = rnn.task_activity(MODEL, INPUTS)
    np.testing.assert_allclose(activity.second_moment, rates.T @ rates / len(rates), atol=1e-12)
    np.testing.assert_allclose(activity.mean, rates.mean(0), atol=1e-12)
    np.testing.assert_allclose(activity.covariance, np.cov(rates.T, bias=True), atol=1e-12)
    assert float(activity.shift) == 0


def test_padding_does_not_count():
    padded = jnp.concatenate([INPUTS, jnp.zeros((20, 6, 3))]).at[25:, :2].set(0)
    weights = rnn.input_lasts(padded)
    np.testing.assert_array_equal(weights.sum(axis=0), [25, 25, 30, 30, 30, 30])
    states = voltages(MODEL, padded)
    rates = np.tanh(states[np.asarray(weights) > 0])
    activity = rnn.task_activity(MODEL, padded, weights=weights)
    np.testing.assert_allclose(activity.second_moment, rates.T @ rates / len(rates), atol=1e-12)
    slope = (1 - rates**2).mean(axis=0)
    np.testing.assert_allclose(rnn.mean_gain(MODEL, padded, weights=weights), slope, atol=1e-12)


def discrete_covariance(A, B, alpha):
    """Of x <- (1 + alpha A) x + alpha B z, by the discrete Lyapunov equation."""
    return scipy.linalg.solve_discrete_lyapunov(np.eye(len(A)) + alpha * A, alpha**2 * B @ B.T)


@pytest.mark.parametrize("source", [rnn.InputNoise(0.7, steps=2000), rnn.NeuronNoise(0.7, steps=2000)])
def test_noise_moments_of_a_linear_network(source):
    model = dataclasses.replace(rnn.ctrnn(KEY, inputs=3, neurons=10, outputs=2, gain=0.6), activation="linear")
    A = np.asarray(model.recurrent) - np.eye(10)
    B = np.asarray(model.W_in) if isinstance(source, rnn.InputNoise) else np.eye(10)
    expected = 0.49 * discrete_covariance(A, B, 0.2)
    found = [np.asarray(source.activity(key, model).second_moment) for key in jax.random.split(KEY, 12)]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.max(np.abs(np.mean(found, axis=0) - expected) / error) < 6  # of 100 entries, 12 draws: t, not normal


def test_coloured_noise_of_a_linear_network():
    """Noise and network together are one linear network driven by white noise; the first states are stationary noise's."""
    model = dataclasses.replace(rnn.ctrnn(KEY, inputs=3, neurons=10, outputs=2, gain=0.6), activation="linear")
    keep, n = np.exp(-1 / 4), 10
    A = np.asarray(model.recurrent) - np.eye(n)
    # x <- (1 + a A) x + a B u with u <- keep u + sqrt(1 - keep^2) z before it.
    B = 0.2 * np.asarray(model.W_in)
    joint = np.block([[np.eye(n) + 0.2 * A, keep * B], [np.zeros((3, n)), keep * np.eye(3)]])
    push = np.sqrt(1 - keep**2) * np.vstack([B, np.eye(3)])
    expected = scipy.linalg.solve_discrete_lyapunov(joint, push @ push.T)[:n, :n]
    source = rnn.InputNoise(1.0, tau=4.0, steps=2000)
    found = [np.asarray(source.activity(key, model).second_moment) for key in jax.random.split(KEY, 12)]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.max(np.abs(np.mean(found, axis=0) - expected) / error) < 6


def test_coloured_noise_moves_slow_modes_more():
    white, coloured = (rnn.InputNoise(1.0, tau=tau).activity(KEY, MODEL).second_moment for tau in (0.0, 20.0))
    assert float(jnp.trace(coloured)) > 2 * float(jnp.trace(white))


def test_broadband_noise_draws_a_size_and_a_time_for_every_trial():
    u = np.asarray(rnn.InputNoise(sd=(0.5, 4.0), tau=(2.0, 20.0), steps=4000, trials=60).inputs(KEY, 5))
    size = np.log(u.std(axis=(0, 2)))
    middle, spread = np.log(0.5 * 4.0) / 2, np.log(4.0 / 0.5) / np.sqrt(12)
    assert abs(size.mean() - middle) < 5 * spread / np.sqrt(60)
    np.testing.assert_allclose(size.std(), spread, rtol=0.3)
    lagged = (u[1:] * u[:-1]).mean(axis=(0, 2)) / (u**2).mean(axis=(0, 2))
    time = np.log(-1 / np.log(lagged))
    middle, spread = np.log(2.0 * 20.0) / 2, np.log(20.0 / 2.0) / np.sqrt(12)
    assert abs(time.mean() - middle) < 5 * spread / np.sqrt(60)
    np.testing.assert_allclose(time.std(), spread, rtol=0.3)
    assert abs(np.corrcoef(size, time)[0, 1]) < 0.5
    # Stationary from the first step on, whatever the times.
    np.testing.assert_allclose(np.log(u[0].std(axis=1)).mean(), np.log(u[-1].std(axis=1)).mean(), atol=0.4)


def test_a_range_of_one_size_is_that_size():
    one, same = (
        rnn.InputNoise(sd, tau, steps=60).activity(KEY, MODEL) for sd, tau in ((2.0, 3.0), ((2.0, 2.0), (3.0, 3.0)))
    )
    np.testing.assert_allclose(one.second_moment, same.second_moment, rtol=1e-12)


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
        activity = rnn.linearised_activity(model, g, through=through, sigma=0.5)
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
        rnn.linearised_activity(model, shift=0.0)
    assert float(rnn.linearised_activity(model, shift=abscissa + 0.01).shift) == abscissa + 0.01


@pytest.mark.parametrize("kind", [eqx.nn.GRUCell, eqx.nn.LSTMCell])
def test_cells_of_equinox(kind):
    cell = kind(3, 8, key=KEY)
    activity = rnn.cell_activity(cell, INPUTS, burn_in=2)
    hidden = []
    for trial in range(INPUTS.shape[1]):
        state = jnp.zeros(8) if kind is eqx.nn.GRUCell else (jnp.zeros(8), jnp.zeros(8))
        for time in range(len(INPUTS)):
            if time > 2:
                hidden.append(np.asarray(state if kind is eqx.nn.GRUCell else state[0]))
            state = cell(INPUTS[time, trial], state)
    np.testing.assert_allclose(activity.second_moment, np.array(hidden).T @ np.array(hidden) / len(hidden), atol=1e-12)


def test_errors():
    with untyped():
        for call, words in (
            (lambda: rnn.InputNoise(0.0), "sd is 0"),
            (lambda: rnn.InputNoise(tau=-1.0), "tau is -1"),
            (lambda: rnn.InputNoise(sd=(2.0, 1.0)), r"sd is \(2.0, 1.0\)"),
            (lambda: rnn.InputNoise(sd=(1.0, 2.0, 3.0)), "two finite numbers"),
            (lambda: rnn.InputNoise(tau=(0.0, 1.0)), r"tau is \(0.0, 1.0\)"),
            (lambda: rnn.mixed_activity(*[rnn.task_activity(MODEL, INPUTS)] * 2, share=1.5), "share is 1.5"),
            (
                lambda: rnn.mixed_activity(
                    rnn.linearised_activity(MODEL, shift=2.0), rnn.task_activity(MODEL, INPUTS), share=0.5
                ),
                "leak shifts 2 and 0",
            ),
            (lambda: rnn.InputNoise(burn_in=399), "burn_in is 399"),
            (lambda: rnn.NeuronNoise(trials=0), "trials is 0"),
            (lambda: rnn.task_activity(MODEL, INPUTS, weights=jnp.ones((3, 3))), "weights has shape"),
            (lambda: rnn.task_activity(MODEL, INPUTS, weights=jnp.zeros((30, 6))), "weights leaves no step"),
            (lambda: rnn.task_activity(MODEL, INPUTS[..., :1]), r"must be \(time, trial, 3\)"),
            (lambda: rnn.linearised_activity(MODEL, jnp.ones(3)), "gain has shape"),
            (lambda: rnn.linearised_activity(MODEL, through="ears"), "through is 'ears'"),
            (lambda: rnn.fixed_point(MODEL, jnp.ones(2), jnp.ones(10)), "u and start"),
            (lambda: rnn.cell_activity(MODEL, INPUTS), "cell is a CTRNN"),
        ):
            with pytest.raises(jaxprune.InputError, match=words):
                call()
