"""Importance from activity, and its confidence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from helpers import SIZE, dominant, untyped

import jaxprune
from jaxprune.dynamics import SPAN, BatchMeans, Differences, Linear, simulate
from jaxprune.linalg import stationary_covariance
from jaxprune.pruning import measured_importance, noise_importance

A = dominant("dale", slack=0.5)
WATCH = Differences(A)
DT = 0.1
BATCHES = 40


@jax.jit
def observe(key):
    watch = BatchMeans(WATCH)
    steps = (BATCHES + 1) * SPAN
    estimate = simulate(
        key, Linear(A), jnp.zeros(SIZE), dt=DT, steps=steps, method="exact", observe=watch, burn_in=SPAN
    )
    return WATCH.matrix(estimate.observed.value, SIZE), WATCH.matrix(estimate.observed.error, SIZE)


def test_intervals_cover_the_truth_as_often_as_they_say():
    truth = noise_importance(A, stationary_covariance(A))
    synapses = np.asarray(truth > 0)
    covered = []
    for seed in range(12):
        measured = measured_importance(A, *observe(jax.random.key(seed)), batches=BATCHES, confidence=0.95)
        covered.append((np.asarray(measured.low <= truth) & np.asarray(truth <= measured.high))[synapses].mean())
        np.testing.assert_array_equal(np.asarray(measured.value)[~synapses], 0)
        np.testing.assert_array_equal(np.asarray(measured.high)[~synapses], 0)
    # Draws are independent, synapses of one draw are not: the error of the mean over draws.
    mean, error = np.mean(covered), np.std(covered, ddof=1) / np.sqrt(len(covered))
    assert abs(mean - 0.95) < 5 * error + 0.005, (mean, error)


@pytest.mark.parametrize("batches", [2, 5, 20, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_intervals_reach_as_far_as_students_quantile(batches, confidence):
    v = jnp.full((2, 2), 1.0)
    measured = measured_importance(jnp.ones((2, 2)), v, 1e-6 * v, batches=batches, confidence=confidence)
    reach = float(measured.high[0, 1] - measured.value[0, 1]) / 1e-6
    np.testing.assert_allclose(reach, scipy.stats.t.ppf((1 + confidence) / 2, batches - 1), rtol=1e-6)


def test_few_batches_cover_as_often_as_they_say():
    # Independent normal batches of a variance: what BatchMeans sees of long ones.
    draws, batches = 20_000, 5
    samples = 1 + 0.1 * jax.random.normal(jax.random.key(1), (draws, batches))
    value, error = samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(batches)

    def covers(value, error, batches):
        matrix = jnp.array([[0.0, 1.0], [1.0, 0.0]])
        found = measured_importance(matrix, value * matrix, error * matrix, batches=batches)
        return (found.low[0, 1] <= 1) & (found.high[0, 1] >= 1)

    students, normal = (
        float(jax.vmap(lambda v, e, b=b: covers(v, e, b))(value, error).mean()) for b in (batches, None)
    )
    assert abs(students - 0.95) < 5 * np.sqrt(0.95 * 0.05 / draws)
    assert normal < 0.9


def test_wider_confidence_wider_interval():
    variance, error = observe(jax.random.key(0))
    narrow, wide = (measured_importance(A, variance, error, confidence=c) for c in (0.5, 0.99))
    present = np.asarray(narrow.value > 0)
    assert bool(np.all((wide.high - wide.low)[present] > (narrow.high - narrow.low)[present]))


def test_too_short_an_observation_is_refused_with_the_time_that_would_do():
    variance, error = observe(jax.random.key(0))
    time = BATCHES * SPAN * DT
    with pytest.raises(jaxprune.InputError, match=r"too short.*precision is 0\.001.*units of time") as refusal:
        measured_importance(A, variance, error, precision=1e-3, observed=time)
    needed = float(str(refusal.value).split("for ")[-1].split(" ")[0])
    # With errors that the asked time would leave, the same call is content.
    shrunk = error * np.sqrt(time / needed)
    measured_importance(A, variance, 0.999 * shrunk, precision=1e-3, observed=needed)
    with pytest.raises(jaxprune.InputError, match="times as long"):
        measured_importance(A, variance, 1.01 * shrunk, precision=1e-3)


def test_one_batch_has_no_error_to_trust():
    with pytest.raises(jaxprune.InputError, match="two batches"):
        measured_importance(A, -A * (1 - jnp.eye(SIZE)) ** 2 + 1, jnp.full((SIZE, SIZE), jnp.nan), precision=0.1)


def test_errors():
    with untyped(), pytest.raises(jaxprune.InputError, match="batches is 1"):
        measured_importance(A, A, A, batches=1)
    variance, error = observe(jax.random.key(0))
    with untyped():
        for confidence in (0.0, 1.0):
            with pytest.raises(jaxprune.InputError, match=f"confidence is {confidence:g}"):
                measured_importance(A, variance, error, confidence=confidence)
        with pytest.raises(jaxprune.InputError, match="one network"):
            measured_importance(A, variance, error[:2, :2])
        with pytest.raises(jaxprune.InputError, match="precision is 0"):
            measured_importance(A, variance, error, precision=0.0)
        synapse = tuple(int(i) for i in np.argwhere(np.asarray(A) * (1 - np.eye(SIZE)))[0])
        with pytest.raises(
            jaxprune.InputError, match=rf"error\[{synapse[0]}, {synapse[1]}\] is -0.5, but no standard error"
        ):
            measured_importance(A, variance, error.at[synapse].set(-0.5))
        for traced in (
            jax.jit(lambda precision: measured_importance(A, variance, error, precision=precision)),
            jax.jit(lambda scale: measured_importance(A, scale * variance, error, precision=0.1)),
            jax.jit(lambda scale: measured_importance(A, variance, scale * error, precision=0.1)),
        ):
            with pytest.raises(
                jaxprune.InputError, match="call measured_importance outside of them, or leave precision out"
            ):
                traced(1.0)


def test_errors_where_there_is_no_synapse_do_not_matter():
    variance, error = observe(jax.random.key(0))
    other = measured_importance(A, variance, jnp.where(jnp.eye(SIZE) > 0, -1.0, error))
    np.testing.assert_array_equal(other.high, measured_importance(A, variance, error).high)
