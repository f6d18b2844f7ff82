"""The matched quadratic form against least squares written out in full."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, SYMMETRIC, dominant, quick_jit, stationary, untyped
from test_compensate import closeness, in_pairs, pairs_by_hand, random_mask

import jaxprune
from jaxprune.dynamics import activity_of
from jaxprune.linalg import certify
from jaxprune.pruning import MatchForm
from jaxprune.pruning.adjust import Survivors, match_form

blended = quick_jit(lambda A, mask, C, blend: match_form(A, mask, C, blend=blend))


@pytest.mark.parametrize("family", SYMMETRIC)
@pytest.mark.parametrize("blend", [0.0, 0.5, 1.0])
def test_it_solves_its_least_squares(family, blend):
    A = dominant(family)
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    S = blended(A, mask, C, blend)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_allclose(S, pairs_by_hand(A, mask, C, blend), rtol=0, atol=closeness(A, C, 2))


def test_without_blend_it_is_symmetric_compensation():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    np.testing.assert_allclose(blended(A, mask, C, 0.0), in_pairs(A, mask, C), rtol=0, atol=closeness(A, C))


def test_nothing_removed_nothing_changed_and_no_step_no_change():
    A = dominant("clustered")
    C = stationary(A)
    whole = (A != 0).astype(float) * (1 - jnp.eye(SIZE))
    np.testing.assert_array_equal(blended(A, whole, C, 1.0), A)
    mask = random_mask(A, symmetric=True)
    np.testing.assert_array_equal(match_form(A, mask, C, max_iterations=0), A * (mask + jnp.eye(SIZE)))


def test_it_improves_the_certificate():
    """The blend trades drives for the quadratic form: at 1 the whitened error is least."""
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    whitened = []
    for blend in (0.0, 0.5, 1.0):
        E = np.asarray(A - blended(A, mask, C, blend))
        whitened.append(np.trace(E @ C @ E @ C))
    assert whitened[0] > whitened[1] > whitened[2]
    assert float(certify(A, blended(A, mask, C, 1.0)).epsilon) < float(certify(A, A * (mask + jnp.eye(16))).epsilon)


def test_a_covariance_that_is_not_finite_gives_nan_inside_jit():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    assert bool(jnp.all(jnp.isnan(blended(A, mask, C.at[2, 2].set(jnp.inf), 1.0))))
    both = jax.vmap(blended, (None, None, 0, None))(A, mask, jnp.stack([C.at[3, 3].set(jnp.nan), C]), 1.0)
    assert bool(jnp.all(jnp.isnan(both[0])))
    np.testing.assert_allclose(both[1], blended(A, mask, C, 1.0), rtol=0, atol=closeness(A, C, 2))


def test_single_precision():
    A = dominant("clustered").astype(jnp.float32)
    C = (-jnp.linalg.inv(A) / 2).astype(jnp.float32)
    mask = random_mask(A, symmetric=True)
    S = blended(A, mask, C, 1.0)
    assert S.dtype == jnp.float32
    tolerance = 10 * np.finfo(np.float32).eps ** (2 / 3) * np.linalg.cond(C)
    np.testing.assert_allclose(S, pairs_by_hand(A, mask, C, 1.0), rtol=0, atol=tolerance)


def test_the_adjustment_is_for_symmetric_linear_networks():
    A = dominant("clustered")
    C = stationary(A)
    mask, identity = random_mask(A, symmetric=True), jnp.eye(SIZE)
    survivors = Survivors(A, mask, identity, mask, activity_of(C), "linear", symmetric=True)
    S, same = MatchForm(blend=0.5)(survivors)
    assert same is mask
    np.testing.assert_array_equal(S, match_form(A, mask, C, blend=0.5))
    assert MatchForm().again() is None
    for kind, symmetric in (("linear", False), ("recurrent", True), ("layer", False)):
        refused = Survivors(A, mask, identity, mask, activity_of(C), kind, symmetric)
        with pytest.raises(jaxprune.InputError, match=r"'\+form', which needs a symmetric linear network"):
            MatchForm()(refused)


def test_errors():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    for call, words in (
        (lambda: match_form(A, jnp.eye(2), C), r"mask has shape \(2, 2\) and A has \(16, 16\)"),
        (lambda: match_form(A, mask, jnp.eye(2)), r"C has shape \(2, 2\)"),
        (lambda: match_form(A[:3], mask, C), r"A has shape \(3, 16\), but must be square"),
        (lambda: match_form(A, mask, C.at[0, 0].set(jnp.nan)), r"C\[0, 0\] is nan"),
        (lambda: match_form(A.at[0, 1].add(0.1), mask, C), "A is not symmetric"),
        (lambda: match_form(A, jnp.triu(mask), C), "mask is not symmetric"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
    for blend in (-0.1, 1.1, float("nan")):
        for call in (lambda blend: match_form(A, mask, C, blend=blend), lambda blend: MatchForm(blend=blend)):
            with pytest.raises(jaxprune.InputError, match="blend is"):
                call(blend)
