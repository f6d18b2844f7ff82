"""The surgeon against a plain loop that solves every least-squares problem anew."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, untyped
from test_rows import MASK, H, W

import jaxprune
from jaxprune.pruning import fit_rows, surgeon_importance, surgeon_mask, surgeon_once, surgeon_order

RIDGE = 1e-6
HELD = np.asarray(H) + RIDGE * np.trace(np.asarray(H)) / SIZE * np.eye(SIZE)


def cost(w, chosen):
    """Half the drive lost by a row that keeps the chosen inputs and refits them, and pays for moving weights."""
    s = np.zeros(SIZE)
    s[chosen] = np.linalg.solve(HELD[np.ix_(chosen, chosen)], (HELD @ w)[chosen])
    return 0.5 * (w - s) @ HELD @ (w - s)


def greedy(w, keep):
    """Order of removal by trying every single one."""
    chosen, order, costs = list(np.flatnonzero(w)), [], []
    while len(chosen) > keep:
        tries = [cost(w, [k for k in chosen if k != q]) for q in chosen]
        costs.append(min(tries) - cost(w, chosen))
        order.append(chosen.pop(int(np.argmin(tries))))
    return order, costs


def test_order_is_that_of_exhaustive_greedy_removal():
    keep = 4
    removals = surgeon_order(W, H, keep=keep)
    zeros = (np.asarray(W) == 0).sum(axis=1)
    for i in (0, 5, 11):
        w = np.asarray(W[i])
        order, costs = greedy(w, keep)
        found = np.argsort(np.asarray(removals.order[i]))[: len(order)]
        np.testing.assert_array_equal(found, order)
        # Entries that are zero go first, at no cost.
        np.testing.assert_array_equal(np.sort(removals.order[i])[: len(order)], zeros[i] + np.arange(len(order)))
        np.testing.assert_allclose(np.asarray(removals.cost[i])[order], costs, rtol=1e-6)


@pytest.mark.parametrize("count", [70, 100, 130])
def test_mask_has_the_count_and_follows_the_order(count):
    removals = surgeon_order(W, H, keep=1)
    mask = np.asarray(surgeon_mask(W, removals, count))
    assert mask.sum() == count
    assert not mask[np.asarray(W) == 0].any()
    for i in range(SIZE):
        there = np.asarray(W[i]) != 0
        gone, left = there & (mask[i] == 0), there & (mask[i] > 0)
        if gone.any() and left.any():
            assert np.asarray(removals.order[i])[gone].max() < np.asarray(removals.order[i])[left].min()
    # Cheaper, all rows together, than the same number from each row.
    per_row = np.asarray(removals.order) >= SIZE - count // SIZE
    lost = lambda m: float(jaxprune.pruning.drive_error(W, fit_rows(W, jnp.asarray(m, float), H), H))  # noqa: E731
    assert lost(mask) <= lost(per_row & (np.asarray(W) != 0)) * 1.02


def test_one_removal_is_exact_and_many_are_not():
    one = jnp.ones_like(W).at[2, 7].set(0)
    damping = RIDGE * jnp.trace(H) / SIZE
    np.testing.assert_allclose(surgeon_once(W, one, H, damping=damping)[2], fit_rows(W, one, H)[2], atol=1e-9)
    error = lambda S: float(jaxprune.pruning.drive_error(W, S, H))  # noqa: E731
    assert error(surgeon_once(W, MASK, H)) > 2 * error(fit_rows(W, MASK, H))


def test_importance_is_the_cost_of_a_single_removal():
    importance = surgeon_importance(W, H, damping=RIDGE * jnp.trace(H) / SIZE)
    for i, j in ((0, 3), (7, 2), (9, 15)):
        w = np.asarray(W[i])
        every = list(range(SIZE))
        np.testing.assert_allclose(importance[i, j], cost(w, [k for k in every if k != j]) - cost(w, every), rtol=1e-6)
    np.testing.assert_array_equal(np.diag(importance), 0)


def test_errors():
    with untyped():
        for call in (surgeon_importance, lambda W, H: surgeon_order(W, H, keep=1)):
            with pytest.raises(jaxprune.InputError, match="same network"):
                call(W, H[:3, :3])
