"""The integrator loop: formulas, keys, layouts, statistics, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, untyped

import jaxprune
from jaxprune.dynamics import (
    SPAN,
    BatchMeans,
    Linear,
    Moments,
    OrnsteinUhlenbeck,
    Rectified,
    SimulationCode,
    Tanh,
    White,
    simulate,
)
from jaxprune.linalg import lyapunov, stationary_covariance

KEY = jax.random.key(3)
ZERO = jnp.zeros(SIZE)
B = jax.random.normal(jax.random.key(6), (SIZE,))


def trajectory(drift, steps=40, key=KEY, every=1, **options):
    return simulate(key, drift, ZERO, steps=steps, record_every=every, **({"dt": 0.05} | options)).trajectory


def by_hand(drift, kicks, dt):
    x, states = np.zeros(SIZE), []
    for k, kick in enumerate(np.asarray(kicks)):
        x = x + np.asarray(drift(jnp.asarray(k * dt), jnp.asarray(x))) * dt + kick
        states.append(x)
    return np.array(states)


def draws(steps, key=KEY):
    key = jax.random.split(key)[1]
    return jax.random.normal(jax.random.fold_in(key, 0), (SPAN, SIZE))[:steps]


@pytest.mark.parametrize("make", [Linear, Rectified, Tanh])
@pytest.mark.parametrize("varying", [False, True])
def test_euler_maruyama_step_by_step(make, varying):
    drift = make(dominant("gaussian"), (lambda t: B * jnp.cos(t)) if varying else B)
    expected = by_hand(drift, 0.3 * np.sqrt(0.05) * draws(40), 0.05)
    np.testing.assert_allclose(trajectory(drift, sigma=0.3), expected, atol=1e-12)


def test_one_sigma_for_each_neuron():
    sigma = jnp.linspace(0, 1, SIZE)
    drift = Linear(dominant("gaussian"))
    expected = by_hand(drift, np.asarray(sigma) * np.sqrt(0.05) * np.asarray(draws(40)), 0.05)
    np.testing.assert_allclose(trajectory(drift, sigma=sigma), expected, atol=1e-12)


@pytest.mark.parametrize("drift", [Linear(dominant("gaussian")), Rectified(dominant("gaussian"))])
def test_a_longer_simulation_begins_like_a_shorter_one(drift):
    long, short = trajectory(drift, 2 * SPAN + 100), trajectory(drift, SPAN + 37)
    np.testing.assert_allclose(long[: len(short)], short, atol=1e-12)


def test_recorded_states_are_those_of_their_steps():
    drift = Rectified(dominant("dale"))
    every = trajectory(drift, SPAN + 90)
    np.testing.assert_array_equal(trajectory(drift, SPAN + 90, every=7), every[6::7])


def test_the_same_key_is_the_same_noise_in_every_network():
    first, second = Linear(dominant("gaussian")), Linear(dominant("dale"))
    dt, sigma = 0.05, 0.2

    def noise_of(drift):
        states = np.vstack([np.zeros(SIZE), trajectory(drift, dt=dt, sigma=sigma)])
        return np.diff(states, axis=0) - dt * states[:-1] @ np.asarray(drift.A).T

    np.testing.assert_allclose(noise_of(first), noise_of(second), atol=1e-12)
    assert not np.allclose(trajectory(first), trajectory(first, key=jax.random.key(4)))


@pytest.mark.parametrize("make", [Linear, Rectified])
def test_ensembles_are_vmap(make):
    matrices = jnp.stack([dominant("gaussian", seed) for seed in range(3)])
    keys = jax.random.split(KEY, 3)

    def one(key, A):
        return simulate(key, make(A), ZERO, dt=0.05, steps=SPAN + 5, observe=Moments()).observed

    together = jax.vmap(one)(keys, matrices)
    for i in range(3):
        alone = one(keys[i], matrices[i])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-12)


@pytest.mark.parametrize("method", ["euler", "exact"])
def test_covariance_within_standard_errors_of_lyapunov(method):
    A, dt = dominant("gaussian", slack=0.5), 0.02
    watch = BatchMeans(Moments(), blocks=8)
    estimate = simulate(
        KEY, Linear(A), ZERO, dt=dt, steps=400 * SPAN, method=method, observe=watch, burn_in=SPAN
    ).observed
    assert int(estimate.batches) == 49
    if method == "exact":
        expected = stationary_covariance(A)
    else:
        # What Euler-Maruyama converges to: C = E C E^T + dt I, a Lyapunov equation after a Cayley transform.
        E = np.eye(SIZE) + dt * np.asarray(A)
        expected = np.linalg.solve(np.eye(SIZE**2) - np.kron(E, E), dt * np.eye(SIZE).ravel()).reshape(SIZE, SIZE)
    distance = np.abs(estimate.value.covariance - expected) / estimate.error.covariance
    assert distance.max() < 5


def test_exact_step_with_input_and_silent_neurons():
    A = dominant("gaussian", slack=0.5)
    sigma = jnp.ones(SIZE).at[:3].set(0)
    watch = BatchMeans(Moments(), blocks=8)
    estimate = simulate(
        KEY, Linear(A, B), ZERO, dt=0.1, steps=400 * SPAN, sigma=sigma, method="exact", observe=watch, burn_in=SPAN
    ).observed
    expected = lyapunov(A, jnp.diag(sigma**2)).value
    assert np.max(np.abs(estimate.value.covariance - expected) / estimate.error.covariance) < 5
    assert np.max(np.abs(estimate.value.mean + np.linalg.solve(A, B)) / estimate.error.mean) < 5


def test_exact_step_does_not_depend_on_its_length():
    A = dominant("dale")
    coarse = simulate(KEY, Linear(A, B), ZERO, dt=1.0, steps=4, sigma=0.0, method="exact").state
    fine = simulate(KEY, Linear(A, B), ZERO, dt=0.125, steps=32, sigma=0.0, method="exact").state
    np.testing.assert_allclose(coarse, fine, atol=1e-12)


def test_rectified_network_far_above_threshold_is_linear():
    A = dominant("gaussian", slack=0.5)
    b = jnp.full(SIZE, 50.0)
    shift = -jnp.linalg.solve(A, b)
    drift = Rectified(A, b)
    assert bool(jnp.all(shift @ A.T - jnp.diagonal(A) * shift + b > 5))
    watch = BatchMeans(Moments(), blocks=8)
    estimate = simulate(KEY, drift, shift, dt=0.01, steps=400 * SPAN, observe=watch, burn_in=SPAN).observed
    E = np.eye(SIZE) + 0.01 * np.asarray(A)
    expected = np.linalg.solve(np.eye(SIZE**2) - np.kron(E, E), 0.01 * np.eye(SIZE).ravel()).reshape(SIZE, SIZE)
    assert np.max(np.abs(estimate.value.covariance - expected) / estimate.error.covariance) < 5


def test_coloured_noise_against_its_own_lyapunov_equation():
    A, tau, dt = dominant("gaussian", slack=0.5), 0.5, 0.02
    # x and its noise together are a linear network driven by white noise.
    joint = np.block([[np.asarray(A), np.eye(SIZE)], [np.zeros((SIZE, SIZE)), -np.eye(SIZE) / tau]])
    drive = np.diag(np.r_[np.zeros(SIZE), np.full(SIZE, 1 / tau**2)])
    expected = lyapunov(jnp.asarray(joint), jnp.asarray(drive)).value[:SIZE, :SIZE]
    watch = BatchMeans(Moments(), blocks=8)
    estimate = simulate(
        KEY, Linear(A), ZERO, dt=dt, steps=400 * SPAN, noise=OrnsteinUhlenbeck(tau=tau), observe=watch, burn_in=SPAN
    ).observed
    # Euler's own error is of first order in dt: allowed for beside the statistical one.
    bias = 2 * dt * np.abs(np.asarray(A)).max() * np.abs(expected).max()
    assert np.all(np.abs(estimate.value.covariance - expected) < 5 * estimate.error.covariance + bias)
    # Far from what white noise would give.
    assert np.any(np.abs(estimate.value.covariance - stationary_covariance(A)) > 10 * estimate.error.covariance + bias)


def test_a_member_that_explodes_carries_its_code():
    stable, unstable = (
        dominant("gaussian"),
        jnp.diag(jnp.full(SIZE, -1.0)) + 100 * (jnp.ones((SIZE, SIZE)) - jnp.eye(SIZE)),
    )
    result = jax.vmap(lambda A: simulate(KEY, Linear(A), ZERO, dt=0.05, steps=2 * SPAN))(jnp.stack([stable, unstable]))
    assert list(np.asarray(result.code)) == [SimulationCode.SUCCESSFUL, SimulationCode.NOT_FINITE]
    assert int(result.failed_step[0]) == -1
    assert 0 < int(result.failed_step[1]) < 2 * SPAN
    assert bool(jnp.isfinite(result.state[0]).all())


def test_compiles_once_for_new_keys_matrices_and_steps_of_time():
    traces: list[int] = []

    @jax.jit
    def run(key, A, dt):
        traces.append(1)
        return simulate(key, Linear(A), ZERO, dt=dt, steps=20).state

    for seed in range(3):
        run(jax.random.key(seed), dominant("gaussian", seed), 0.01 * (seed + 1))
    assert len(traces) == 1


@pytest.mark.parametrize("make", [Linear, Tanh])
def test_first_states_of_less_precision_are_those_of_the_network(make):
    drift, options = make(dominant("gaussian")), {"dt": 0.05, "steps": 10}
    expected = simulate(KEY, drift, jnp.ones(SIZE), **options).state
    for x0 in (jnp.ones(SIZE, jnp.float32), jnp.ones(SIZE, int), jnp.ones(SIZE, bool)):
        with untyped():
            found = simulate(KEY, drift, x0, **options).state
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    single = make(dominant("gaussian").astype(jnp.float32))
    assert simulate(KEY, single, jnp.ones(SIZE, int), **options).state.dtype == jnp.float32
    assert simulate(KEY, single, jnp.ones(SIZE), **options).state.dtype == jnp.float64
    driven = make(dominant("gaussian").astype(jnp.float32), lambda t: B * jnp.cos(t))
    assert simulate(KEY, driven, jnp.ones(SIZE, jnp.float32), **options).state.dtype == jnp.float64


def test_errors():
    A = dominant("gaussian")
    good = {"dt": 0.05, "steps": 10}
    cases = [
        ({"sigma": -1.0}, "sigma is -1"),
        ({"noise": White(1.0), "sigma": 1.0}, "both given"),
        ({"dt": 0.0}, "dt is 0"),
        ({"dt": 10.0}, r"stable for this network only below 0\.\d+.*smaller step"),
        ({"steps": 0}, "steps is 0"),
        ({"observe": Moments(), "burn_in": 10}, "burn_in is 10"),
        ({"record_every": 11}, "record_every is 11"),
        ({"method": "heun"}, "method is 'heun'"),
        ({"method": "exact", "noise": OrnsteinUhlenbeck(tau=1.0)}, "needs a Linear drift"),
        ({"noise": OrnsteinUhlenbeck(tau=0.01)}, "correlation time 0.01"),
        ({"sigma": jnp.ones(3)}, r"sigma has shape \(3,\)"),
    ]
    with untyped():
        for options, match in cases:
            with pytest.raises(jaxprune.InputError, match=match):
                simulate(KEY, Linear(A), ZERO, **(good | options))
        with pytest.raises(jaxprune.InputError, match=r"x0 has shape \(2,\)"):
            simulate(KEY, Linear(A), jnp.zeros(2), **good)
        with pytest.raises(jaxprune.InputError, match="x0 has dtype complex128, but states are real"):
            simulate(KEY, Linear(A), ZERO + 1j, **good)
        with pytest.raises(jaxprune.InputError, match="needs a Linear drift"):
            simulate(KEY, Rectified(A), ZERO, method="exact", **good)
        with pytest.raises(jaxprune.InputError, match="tau is 0"):
            OrnsteinUhlenbeck(tau=0.0)
