"""Sources of activity against trajectories computed step by step, and against theory where the network is linear."""

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
from jaxprune.rnn import _linearise, _sources

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
    activity = rnn.TaskInputs(INPUTS).activity(KEY, MODEL)
    np.testing.assert_allclose(activity.second_moment, rates.T @ rates / len(rates), atol=1e-12)
    np.testing.assert_allclose(activity.mean, rates.mean(0), atol=1e-12)
    np.testing.assert_allclose(activity.covariance, np.cov(rates.T, bias=True), atol=1e-12)
    assert float(activity.shift) == 0
    assert float(activity.weight) == len(rates)


def test_padding_does_not_count():
    padded = jnp.concatenate([INPUTS, jnp.zeros((20, 6, 3))]).at[25:, :2].set(0)
    weights = rnn.input_lasts(padded)
    np.testing.assert_array_equal(weights.sum(axis=0), [25, 25, 30, 30, 30, 30])
    states = voltages(MODEL, padded)
    rates = np.tanh(states[np.asarray(weights) > 0])
    activity = rnn.TaskInputs(padded, weights).activity(KEY, MODEL)
    np.testing.assert_allclose(activity.second_moment, rates.T @ rates / len(rates), atol=1e-12)


def test_steps_behind_the_last_that_counts_are_not_simulated(monkeypatch):
    padded = jnp.concatenate([INPUTS, jnp.zeros((170, 6, 3))])
    weights, lengths = rnn.input_lasts(padded, after=5), []
    whole = _sources._watch(MODEL, padded, weights, None, 0.0)
    gain = _linearise._mean_gain(MODEL, padded, weights / weights.sum())
    for module in (_sources, _linearise):
        for name in ("_watch", "_mean_gain"):
            if function := getattr(module, name, None):
                monkeypatch.setattr(module, name, lambda *a, f=function: lengths.append(len(a[1])) or f(*a))
    activity = rnn.TaskInputs(padded, weights).activity(KEY, MODEL)
    for found, expected in zip(jax.tree.leaves(activity), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(rnn.mean_gain(MODEL, padded, weights=weights), gain, rtol=1e-12)
    assert lengths == [35, 35]
    # What is not known yet is simulated whole.
    traced = jax.jit(lambda weights: rnn.TaskInputs(padded, weights).activity(KEY, MODEL).covariance)(weights)
    np.testing.assert_allclose(traced, whole.covariance, atol=1e-12)


def test_steps_after_the_last_input_count_where_they_are_asked_for():
    padded = jnp.concatenate([INPUTS, jnp.zeros((20, 6, 3))]).at[25:, :2].set(0).at[:, 5].set(0)
    assert rnn.input_lasts(padded, after=4).sum(axis=0).tolist() == [29, 29, 34, 34, 34, 0]
    assert rnn.input_lasts(padded, after=100).sum(axis=0).tolist() == [50, 50, 50, 50, 50, 0]
    with pytest.raises(jaxprune.InputError, match="after is -1"):
        rnn.input_lasts(padded, after=-1)


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
    one, same = (rnn.InputNoise(sd, tau, steps=60).inputs(KEY, 3) for sd, tau in ((2.0, 3.0), ((2.0, 2.0), (3.0, 3.0))))
    np.testing.assert_allclose(one, same, rtol=1e-12)


@pytest.mark.parametrize("kind", [eqx.nn.GRUCell, eqx.nn.LSTMCell])
def test_cells_of_equinox(kind):
    cell = kind(3, 8, key=KEY)
    activity = rnn.CellInputs(INPUTS, burn_in=2).activity(KEY, cell)
    hidden = []
    for trial in range(INPUTS.shape[1]):
        state = jnp.zeros(8) if kind is eqx.nn.GRUCell else (jnp.zeros(8), jnp.zeros(8))
        for time in range(len(INPUTS)):
            if time > 2:
                hidden.append(np.asarray(state if kind is eqx.nn.GRUCell else state[0]))
            state = cell(INPUTS[time, trial], state)
    np.testing.assert_allclose(activity.second_moment, np.array(hidden).T @ np.array(hidden) / len(hidden), atol=1e-12)


def test_noise_comes_from_the_key_alone():
    for source in (rnn.InputNoise(), rnn.NeuronNoise()):
        first, again, other = (source.activity(jax.random.key(seed), MODEL).second_moment for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert float(jnp.max(jnp.abs(first - other))) > 1e-3


def test_errors():
    cell = eqx.nn.GRUCell(3, 8, key=KEY)
    with untyped():
        for call, words in (
            (lambda: rnn.InputNoise(0.0), "sd is 0"),
            (lambda: rnn.InputNoise(tau=-1.0), "tau is -1"),
            (lambda: rnn.InputNoise(sd=(2.0, 1.0)), r"sd is \(2.0, 1.0\)"),
            (lambda: rnn.InputNoise(sd=(1.0, 2.0, 3.0)), "two finite numbers"),
            (lambda: rnn.InputNoise(tau=(0.0, 1.0)), r"tau is \(0.0, 1.0\)"),
            (lambda: rnn.InputNoise(burn_in=399), "burn_in is 399"),
            (lambda: rnn.NeuronNoise(trials=0), "trials is 0"),
            (lambda: rnn.NeuronNoise(-1.0), "sd is -1"),
            (
                lambda: rnn.InputNoise(trials=10**12).activity(KEY, MODEL),
                "to 1000000000000 roll-outs needs at least .* fewer",
            ),
            (
                lambda: rnn.NeuronNoise(trials=10**12).activity(KEY, MODEL),
                "to 1000000000000 roll-outs needs at least .* fewer",
            ),
            (lambda: rnn.InputNoise().activity(0, MODEL), "key is 0, but must be a typed random key"),
            (lambda: rnn.NeuronNoise().activity(0, MODEL), "key is 0, but must be a typed random key"),
            (lambda: rnn.InputNoise().activity(KEY, cell), "model is a GRUCell, but must be a rnn.CTRNN"),
            (lambda: rnn.NeuronNoise().activity(KEY, cell), "model is a GRUCell, but must be a rnn.CTRNN"),
            (lambda: rnn.TaskInputs(INPUTS).activity(KEY, cell), "model is a GRUCell, but must be a rnn.CTRNN"),
            (lambda: rnn.TaskInputs(INPUTS, jnp.ones((3, 3))).activity(KEY, MODEL), "weights has shape"),
            (lambda: rnn.TaskInputs(INPUTS, jnp.zeros((30, 6))).activity(KEY, MODEL), "weights leaves no step"),
            (lambda: rnn.TaskInputs(INPUTS, -jnp.ones((30, 6))).activity(KEY, MODEL), "none may be negative"),
            (lambda: rnn.TaskInputs(INPUTS[..., :1]).activity(KEY, MODEL), r"must be \(time, trial, 3\)"),
            (lambda: rnn.CellInputs(INPUTS).activity(KEY, MODEL), "model is a CTRNN"),
            (lambda: rnn.CellInputs(INPUTS[..., :1]).activity(KEY, cell), r"must be \(time, trial, 3\)"),
            (lambda: rnn.CellInputs(INPUTS, burn_in=29).activity(KEY, cell), "burn_in is 29"),
        ):
            with pytest.raises(jaxprune.InputError, match=words):
                call()
