"""Every removal corrected for as if it were the only one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, driven, stationary, untyped

import jaxprune
from jaxprune.dynamics import activity_of
from jaxprune.pruning import compensate, drive_error
from jaxprune.pruning.adjust import CorrectOnce, Survivors, correct_once

W, _, H, MASK = driven()
RIDGE = 1e-6
DAMPING = RIDGE * jnp.trace(H) / SIZE


def fit(W, mask):
    return compensate(W, mask, H, leak=False, ridge=RIDGE, solver="cholesky")


def test_one_removal_is_exact_and_many_are_not():
    one = jnp.ones_like(W).at[2, 7].set(0)
    np.testing.assert_allclose(correct_once(W, one, H, damping=DAMPING)[2], fit(W, one)[2], atol=1e-9)
    error = lambda S: float(drive_error(W, S, H))  # noqa: E731
    assert error(correct_once(W, MASK, H)) > 2 * error(fit(W, MASK))


def test_many_are_the_sum_of_single_removals():
    corrections = jnp.zeros_like(W)
    for i, j in np.argwhere(np.asarray(MASK[:2]) == 0):
        alone = correct_once(W, jnp.ones_like(W).at[i, j].set(0), H)
        corrections += (alone - W).at[i, j].set(0)
    np.testing.assert_allclose(correct_once(W, MASK, H)[:2], (MASK * (W + corrections))[:2], atol=1e-9)


def test_layers_of_any_shape_and_jit():
    np.testing.assert_allclose(correct_once(W[:5], MASK[:5], H), correct_once(W, MASK, H)[:5], atol=1e-12)
    np.testing.assert_allclose(jax.jit(correct_once)(W, MASK, H), correct_once(W, MASK, H), atol=1e-9)


def test_the_adjustment_corrects_leaks_too_and_pairs_stay_pairs():
    A = dominant("gaussian")
    C = stationary(A)
    S, same = CorrectOnce(damping=0.1)(Survivors(A, MASK, jnp.eye(SIZE), MASK, activity_of(C), "linear"))
    assert same is MASK
    np.testing.assert_array_equal(S, correct_once(A, MASK + jnp.eye(SIZE), C, damping=0.1))
    assert CorrectOnce().again() is None

    A = dominant("clustered")
    C = stationary(A)
    mask = jnp.triu(MASK, 1) + jnp.triu(MASK, 1).T
    S, _ = CorrectOnce()(Survivors(A, mask, jnp.eye(SIZE), mask, activity_of(C), "linear", symmetric=True))
    by_ends = correct_once(A, mask + jnp.eye(SIZE), C)
    assert float(jnp.abs(by_ends - by_ends.T).max()) > 1e-3
    np.testing.assert_array_equal(S, (by_ends + by_ends.T) / 2)


def test_errors():
    for call, words in (
        (lambda: correct_once(W, MASK[:3], H), r"mask has shape \(3, 16\) and W has \(16, 16\)"),
        (lambda: correct_once(W, MASK, H[:3, :3]), "second moment of the presynaptic neurons"),
        (lambda: correct_once(W, MASK, H.at[0, 0].set(jnp.inf)), r"H\[0, 0\] is inf"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
