"""Activity: its moments, and mixtures of two, against the moments of the states themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, rounding, untyped

import jaxprune
from jaxprune.dynamics import Activity, activity_of, check_activity, mix
from jaxprune.linalg import stationary_covariance

FIRST = 3.0 + jax.random.normal(jax.random.key(1), (60, SIZE)) @ jax.random.normal(jax.random.key(2), (SIZE, SIZE))
SECOND = -1.0 + 2.0 * jax.random.normal(jax.random.key(3), (20, SIZE))


def moments(states):
    """Activity of stored states, by NumPy."""
    states = np.asarray(states)
    return Activity(jnp.asarray(states.mean(axis=0)), jnp.asarray(np.cov(states.T, bias=True)), float(len(states)))


def test_second_moment_is_that_of_the_states():
    activity = moments(FIRST)
    expected = np.einsum("ti,tj->ij", FIRST, FIRST) / len(FIRST)
    np.testing.assert_allclose(activity.second_moment, expected, rtol=0, atol=rounding(expected))


def test_activity_of_a_covariance_has_no_mean():
    C = stationary_covariance(dominant("gaussian"))
    activity = activity_of(C)
    np.testing.assert_array_equal(activity.mean, np.zeros(SIZE))
    np.testing.assert_array_equal(activity.second_moment, C)
    assert activity.weight == np.inf
    assert activity.shift == 0
    assert activity_of(C.astype(jnp.float32)).mean.dtype == jnp.float32


def test_precision_may_be_changed():
    activity = moments(FIRST)._replace(shift=0.5)
    single = activity.astype(jnp.float32)
    assert single.mean.dtype == single.covariance.dtype == single.second_moment.dtype == jnp.float32
    np.testing.assert_array_equal(single.covariance, activity.covariance.astype(jnp.float32))
    assert (single.weight, single.shift) == (60.0, 0.5)
    assert activity.mean.dtype == jnp.float64


def test_a_mixture_has_the_moments_of_all_states_together():
    one, two = moments(FIRST), moments(SECOND)
    mixed = mix(one, two, share=len(SECOND) / (len(FIRST) + len(SECOND)))
    together = moments(jnp.concatenate([FIRST, SECOND]))
    for name in ("mean", "covariance", "second_moment"):
        expected = getattr(together, name)
        np.testing.assert_allclose(getattr(mixed, name), expected, rtol=0, atol=rounding(expected))
    assert mixed.weight == together.weight
    # The difference of the means is part of the covariance.
    assert float(jnp.abs(mixed.covariance - 0.75 * one.covariance - 0.25 * two.covariance).max()) > 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_share_leaves_the_other_alone(share):
    one, two = moments(FIRST), moments(SECOND)
    mixed, alone = mix(one, two, share=share), two if share else one
    np.testing.assert_array_equal(mixed.mean, alone.mean)
    np.testing.assert_array_equal(mixed.covariance, alone.covariance)


def test_the_share_is_of_the_time_not_of_the_power():
    mixed = mix(activity_of(100 * jnp.eye(2)), activity_of(jnp.eye(2)), share=0.5)
    np.testing.assert_array_equal(mixed.second_moment, 50.5 * np.eye(2))


def test_jit_takes_activity_and_share():
    one, two = moments(FIRST)._replace(shift=0.25), moments(SECOND)._replace(shift=0.25)
    traced, expected = (
        jax.jit(lambda one, two, share: mix(one, two, share=share))(one, two, 0.3),
        mix(one, two, share=0.3),
    )
    for name in ("mean", "covariance"):
        np.testing.assert_allclose(getattr(traced, name), getattr(expected, name), rtol=1e-12, atol=1e-12)
    assert float(traced.shift) == expected.shift == 0.25


def test_errors():
    one, two = moments(FIRST), moments(SECOND)
    with untyped():
        for share in (-0.1, 1.1, float("nan")):
            with pytest.raises(jaxprune.InputError, match="share is"):
                mix(one, two, share=share)
        with pytest.raises(jaxprune.InputError, match="of 16 and of 2 neurons"):
            mix(one, activity_of(jnp.eye(2)), share=0.5)
        with pytest.raises(jaxprune.InputError, match=r"shifts 0 and 0\.5"):
            mix(one, two._replace(shift=0.5), share=0.5)
        with pytest.raises(jaxprune.InputError, match="covariance has shape"):
            activity_of(jnp.ones((2, 3)))
        with pytest.raises(jaxprune.InputError, match=r"covariance\[0, 1\] is nan"):
            activity_of(jnp.eye(2).at[0, 1].set(jnp.nan))


def test_what_is_no_activity_of_these_neurons_is_refused():
    activity = activity_of(jnp.eye(3))
    check_activity(activity, 3)
    for other, match in (
        (jnp.eye(3), r"is a \w+, but must be a dynamics\.Activity.*activity_of\(C\)"),
        (None, "is a NoneType"),
        (activity_of(jnp.eye(2)), "is of 2 neurons, but the weights have 3 inputs"),
        (activity._replace(mean=jnp.zeros(2)), "3 inputs"),
        (activity._replace(covariance=jnp.ones((3, 2))), "3 inputs"),
        (activity._replace(covariance=jnp.eye(3).at[1, 1].set(jnp.inf)), r"covariance of the activity\[1, 1\] is inf"),
        (activity._replace(mean=jnp.array([0.0, jnp.nan, 0.0])), r"mean of the activity\[1\] is nan"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=match):
            check_activity(other, 3)
