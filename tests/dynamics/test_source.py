"""Sources of activity against NumPy's moments of the same states."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, quick_jit, rounding, untyped

import jaxprune
from jaxprune.dynamics import (
    Activity,
    FromStates,
    Mixture,
    Source,
    activity_of,
    check_weights,
    mix,
    moments_of,
    wide_dtype,
)

KEY = jax.random.key(4)
STATES = 3.0 + jax.random.normal(jax.random.key(1), (6, 10, SIZE)) @ jax.random.normal(jax.random.key(2), (SIZE, SIZE))
WEIGHTS = jnp.maximum(jax.random.normal(jax.random.key(3), (6, 10)), 0)


def check(found, states, weights):
    """An activity against NumPy's weighted moments of states of any shape."""
    flat, weights = np.asarray(states, float).reshape(-1, SIZE), np.asarray(weights, float).reshape(-1)
    mean = np.average(flat, axis=0, weights=weights)
    covariance = np.cov(flat.T, aweights=weights, ddof=0)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=rounding(mean))
    np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=rounding(covariance))
    np.testing.assert_array_equal(found.covariance, found.covariance.T)
    np.testing.assert_allclose(found.weight, weights.sum(), rtol=1e-14)
    assert found.shift == 0


@pytest.mark.parametrize("shape", [(60,), (6, 10), (2, 3, 10)])
def test_moments_of_states_of_any_shape(shape):
    check(moments_of(STATES.reshape(*shape, SIZE), WEIGHTS.reshape(shape)), STATES, WEIGHTS)


def test_states_all_count_alike_by_default():
    check(FromStates(lambda key, model: STATES).activity(KEY, None), STATES, np.ones((6, 10)))


def test_weights_say_how_much_each_state_counts():
    assert int(jnp.sum(WEIGHTS == 0)) > 10
    check(FromStates(lambda key, model: STATES, WEIGHTS).activity(KEY, None), STATES, WEIGHTS)
    late = (jnp.arange(6) >= 2)[:, None] * jnp.ones((6, 10))
    check(FromStates(lambda key, model: STATES, late).activity(KEY, None), STATES[2:], np.ones((4, 10)))


def test_moments_are_summed_in_double_precision():
    single = (1e3 + STATES).astype(jnp.float32)
    found = FromStates(lambda key, model: single, WEIGHTS.astype(jnp.float32)).activity(KEY, None)
    assert found.covariance.dtype == jnp.float64
    check(found, single, WEIGHTS.astype(jnp.float32))
    assert wide_dtype(jnp.float32) == jnp.float64


def test_numpy_states_without_double_precision():
    with jax.enable_x64(False), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = FromStates(lambda key, model: np.array([[1.0], [3.0]])).activity(jax.random.key(0), None)
        assert found.covariance.dtype == wide_dtype(jnp.float32) == jnp.float32
        np.testing.assert_array_equal(found.covariance, [[1.0]])


class Layer(eqx.Module):
    """Somebody's own model."""

    weight: jax.Array

    def __call__(self, x):
        return jnp.tanh(self.weight @ x)


def run(key, model):
    return jax.vmap(model)(jax.random.normal(key, (50, 3)))


def test_key_and_model_reach_the_function():
    model = Layer(jax.random.normal(jax.random.key(5), (SIZE, 3)))
    source = FromStates(run)
    check(source.activity(KEY, model), run(KEY, model), np.ones(50))
    again, other = source.activity(KEY, model), source.activity(jax.random.key(6), model)
    np.testing.assert_array_equal(again.covariance, source.activity(KEY, model).covariance)
    assert not np.allclose(again.covariance, other.covariance)


def test_sources_jit():
    model = Layer(jax.random.normal(jax.random.key(5), (SIZE, 3)))
    source = Mixture(FromStates(run), FromStates(run), share=0.3)
    traced, expected = quick_jit(source.activity)(KEY, model), source.activity(KEY, model)
    for ours, theirs in zip(jax.tree.leaves(traced), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)


def test_a_mixture_is_of_both_sources_with_a_key_each():
    model = Layer(jax.random.normal(jax.random.key(5), (SIZE, 3)))
    seen = []

    def watched(key, model):
        seen.append(jax.random.key_data(key).tolist())
        return run(key, model)

    mixed = Mixture(FromStates(watched), FromStates(watched), share=0.25).activity(KEY, model)
    assert seen == jax.random.key_data(jax.random.split(KEY)).tolist()
    one, two = (FromStates(run).activity(key, model) for key in jax.random.split(KEY))
    expected = mix(one, two, share=0.25)
    np.testing.assert_array_equal(mixed.mean, expected.mean)
    np.testing.assert_array_equal(mixed.covariance, expected.covariance)
    with pytest.raises(jaxprune.InputError, match="share is 2"):
        Mixture(FromStates(run), FromStates(run), share=2.0).activity(KEY, model)


class Given(Source, eqx.Module):
    """Somebody's own source, with parameters that are arrays."""

    covariance: jax.Array

    def activity(self, key, model):
        return activity_of(self.covariance * model)


def test_a_source_of_ones_own_is_a_module_that_mixes_and_maps():
    given = Given(jnp.eye(2))
    assert isinstance(given, Source)
    np.testing.assert_array_equal(Mixture(given, given, share=0.5).activity(KEY, 3.0).covariance, 3 * np.eye(2))
    many = jax.vmap(lambda source: source.activity(KEY, 2.0))(Given(jnp.stack([jnp.eye(2), 5 * jnp.eye(2)])))
    np.testing.assert_array_equal(many.covariance, np.stack([2 * np.eye(2), 10 * np.eye(2)]))
    with pytest.raises(TypeError, match="abstract"):
        Source()  # pyright: ignore[reportAbstractUsage]


def test_sources_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FromStates(run).weights = WEIGHTS  # pyright: ignore[reportAttributeAccessIssue]


def test_errors():
    cases = [
        (jnp.ones((3, 2), int), "states has dtype int64"),
        (jnp.ones((3, 2)).at[1, 0].set(jnp.nan), r"states\[1, 0\] is nan"),
        (jnp.ones(3), r"states have shape \(3,\), but need at least two axes"),
        (jnp.ones((0, 2)), "states is empty"),
        ([[1.0]], "states is a list"),
        (None, "states is a NoneType"),
    ]
    with untyped():
        for states, match in cases:
            with pytest.raises(jaxprune.InputError, match=match):
                FromStates(lambda key, model, states=states: states).activity(KEY, None)
        for weights, match in (
            (jnp.ones(5), r"weights has shape \(5,\), but the states are \(3,\)"),
            (jnp.ones((3, 2)), r"weights has shape \(3, 2\)"),
            (jnp.zeros(3), "leaves no step"),
            (jnp.array([2.0, -1.0, 1.0]), "none may be negative"),
            (jnp.array([1.0, jnp.nan, 1.0]), "must be finite"),
            (jnp.array([1.0, jnp.inf, 1.0]), "must be finite"),
        ):
            with pytest.raises(jaxprune.InputError, match=match):
                FromStates(lambda key, model: jnp.ones((3, 2)), weights).activity(KEY, None)
            with pytest.raises(jaxprune.InputError, match=match):
                check_weights(weights, (3,))


def test_states_that_are_unknown_yet_are_not_looked_at():
    found = quick_jit(lambda states: FromStates(lambda key, model: states).activity(KEY, None))(
        jnp.full((3, 2), jnp.nan)
    )
    assert isinstance(found, Activity)
    assert bool(jnp.all(jnp.isnan(found.covariance)))
