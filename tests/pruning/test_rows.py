"""Row-wise fits against least squares, and the delta rule against the fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, untyped, weights

import jaxprune
from jaxprune.pruning import delta_rule, drive_error, fit_rows

RNG = np.random.default_rng(0)
W = weights("gaussian")
MIXING = RNG.normal(size=(SIZE, SIZE)) * np.linspace(1, 0.1, SIZE)[None, :]
RATES = RNG.normal(size=(4000, SIZE)) @ MIXING.T
H = jnp.asarray(RATES.T @ RATES / len(RATES))
MASK = jnp.asarray((RNG.random((SIZE, SIZE)) < 0.4) & (np.asarray(W) != 0), float).at[3].set(0)


def test_fit_is_least_squares_of_every_row():
    S = np.asarray(fit_rows(W, MASK, H, ridge=1e-12))
    for i in range(SIZE):
        chosen = np.asarray(MASK[i]) > 0
        wanted = RATES @ np.asarray(W[i])
        expected = np.linalg.lstsq(RATES[:, chosen], wanted, rcond=None)[0] if chosen.any() else []
        np.testing.assert_allclose(S[i, chosen], expected, rtol=1e-6)
        np.testing.assert_array_equal(S[i, ~chosen], 0)


def test_nothing_pruned_nothing_changed():
    np.testing.assert_allclose(fit_rows(W, jnp.ones_like(W), H), W, atol=1e-9)


def test_ridge_holds_weights_where_activity_says_nothing():
    silent = H.at[5].set(0).at[:, 5].set(0)
    S = fit_rows(W, jnp.ones_like(MASK).at[:, 0].set(0), silent)
    np.testing.assert_allclose(S[:, 5], W[:, 5], rtol=1e-9)


def test_fit_under_jit_and_vmap_is_the_same():
    masks = jnp.stack([MASK, MASK.T])
    together = jax.jit(jax.vmap(fit_rows, (None, 0, None)))(W, masks, H)
    for S, mask in zip(together, masks, strict=True):
        np.testing.assert_allclose(S, fit_rows(W, mask, H), atol=1e-10)


def test_fit_never_loses_more_than_leaving_survivors_alone():
    assert float(drive_error(W, fit_rows(W, MASK, H), H)) < float(drive_error(W, W * MASK, H))


def test_drive_error_is_the_lost_share_of_the_drive():
    drive, kept = RATES @ np.asarray(W).T, RATES @ np.asarray(W * MASK).T
    np.testing.assert_allclose(drive_error(W, W * MASK, H), ((drive - kept) ** 2).sum() / (drive**2).sum(), rtol=1e-10)


def test_delta_rule_ends_where_the_fit_is():
    stream = jnp.asarray(np.tile(RATES, (10, 1)))
    learnt = delta_rule(W, W * MASK, MASK, stream, batch=4)
    fitted = fit_rows(W, MASK, H, ridge=1e-12)
    start, end, best = (float(drive_error(W, S, H)) for S in (W * MASK, learnt, fitted))
    # The slowest directions of H are not reached in finite time: nine tenths of what can be won is.
    assert end - best < 0.1 * (start - best)
    np.testing.assert_array_equal(np.asarray(learnt)[np.asarray(MASK) == 0], 0)


def test_errors():
    with untyped():
        for call, words in (
            (lambda: fit_rows(W[:3], MASK, H), "W has shape"),
            (lambda: fit_rows(W, MASK[:3, :3], H), "same network"),
            (lambda: fit_rows(W, MASK, H, ridge=0.0), "ridge is 0"),
            (lambda: delta_rule(W, W, MASK, jnp.ones((5, 3))), r"rates has shape \(5, 3\)"),
            (lambda: delta_rule(W, W, MASK, jnp.ones((5, SIZE)), rate=2.0), "rate is 2"),
            (lambda: delta_rule(W, W, MASK, jnp.ones((5, SIZE)), batch=6), "batch is 6"),
        ):
            with pytest.raises(jaxprune.InputError, match=words):
                call()
