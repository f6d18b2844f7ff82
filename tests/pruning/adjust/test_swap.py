"""Exchange without refitting: the drive's error falls, and no single exchange of this kind is left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, driven, untyped

import jaxprune
from jaxprune.dynamics import activity_of
from jaxprune.pruning import drive_error, prune
from jaxprune.pruning.adjust import Survivors, Swap

W, _, H, _ = driven()
NONE = jnp.zeros_like(W)


def swapped(mask, rounds=100):
    return Swap(rounds)(Survivors(W, mask, NONE, mask, activity_of(H), "recurrent"))


def errors(mask):
    missing = np.asarray(W * (1 - mask))
    return np.einsum("ij,jk,ik->i", missing, np.asarray(H), missing)


@pytest.mark.parametrize("keep", [0.2, 0.5])
def test_every_neurons_error_falls_at_a_constant_number(keep):
    mask = prune(jax.random.key(0), W, "activity+keep", keep=keep, kind="recurrent", activity=activity_of(H)).mask
    S, after = swapped(mask)
    np.testing.assert_array_equal(S, W * after)
    np.testing.assert_array_equal(after.sum(axis=1), mask.sum(axis=1))
    assert set(np.unique(after)) <= {0.0, 1.0}
    assert (errors(after) <= errors(mask) + 1e-12).all()
    assert errors(after).sum() < errors(mask).sum()
    np.testing.assert_allclose(drive_error(W, S, H), errors(after).sum() / np.trace(W @ H @ W.T), rtol=1e-9)


def test_the_best_return_has_no_exchange_left():
    mask = prune(jax.random.key(0), W, "weight+keep", keep=0.4, kind="recurrent").mask
    _, after = swapped(mask)
    before = errors(after)
    for row in range(SIZE):
        absent = np.flatnonzero((after[row] == 0) & (W[row] != 0))
        present = np.flatnonzero(after[row])
        if not len(absent) or not len(present):
            continue
        back = [errors(after.at[row, j].set(1))[row] for j in absent]
        j = absent[int(np.argmin(back))]
        assert all(errors(after.at[row, j].set(1).at[row, i].set(0))[row] >= before[row] - 1e-12 for i in present)


def test_no_rounds_no_exchange():
    mask = prune(jax.random.key(0), W, "weight+keep", keep=0.4, kind="recurrent").mask
    np.testing.assert_array_equal(swapped(mask, 0)[1], mask)
    with untyped(), pytest.raises(jaxprune.InputError, match="rounds is -1"):
        Swap(-1)


def test_a_symmetric_network_is_refused():
    with pytest.raises(jaxprune.InputError, match="would exchange apart"):
        Swap()(Survivors(W + W.T, NONE + 1, NONE, NONE + 1, activity_of(H), "recurrent", symmetric=True))
