"""Turnover at constant number."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, driven, quick_jit, stationary, untyped

import jaxprune
from jaxprune.dynamics import activity_of
from jaxprune.pruning import Compensate, Regrow, compensate, drive_error, exchange
from jaxprune.pruning.adjust import Survivors, regrow

W, _, H, MASK = driven()


def fit(W, mask, H=H):
    return compensate(W, mask, H, leak=False, ridge=1e-6, solver="cholesky", symmetric=False)


@pytest.mark.parametrize("rounds", [0, 1, 6])
def test_number_of_synapses_is_kept_and_none_appears_from_nothing(rounds):
    S, mask = regrow(W, MASK, H, rounds=rounds)
    assert int(mask.sum()) == int(MASK.sum())
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert not np.any(np.asarray(mask)[np.asarray(W) == 0])
    np.testing.assert_allclose(S, fit(W, mask), atol=1e-12)
    if rounds == 0:
        np.testing.assert_array_equal(mask, MASK)


def test_turnover_finds_a_better_mask():
    before = float(drive_error(W, fit(W, MASK), H))
    S, _ = regrow(W, MASK, H, rounds=10)
    assert float(drive_error(W, S, H)) < 0.5 * before


def scores(W, S, H):
    """Loss and gain as the docstring writes them, from what neurons miss."""
    power = np.diag(np.asarray(H))
    missing = np.asarray(W) - np.asarray(S)
    return np.asarray(S) ** 2 * power, (missing @ np.asarray(H)) ** 2 / power


def test_one_round_exchanges_by_the_scores():
    loss, gain = scores(W, fit(W, MASK), H)
    carried = np.where(np.asarray(MASK) > 0, loss, np.inf)
    lost = (np.asarray(MASK) == 0) & (np.asarray(W) != 0)
    number = int(0.3 * MASK.sum())
    expected = np.asarray(MASK).copy().ravel()
    expected[np.argsort(carried.ravel())[:number]] = 0
    expected[np.argsort(-np.where(lost, gain, -np.inf).ravel())[:number]] = 1
    _, mask = regrow(W, MASK, H, rounds=1, fraction=0.3)
    np.testing.assert_array_equal(mask, expected.reshape(SIZE, SIZE))


def test_the_number_exchanged_falls_to_none():
    """Three rounds, by hand: 0.6, 0.4 and 0.2 of the survivors."""
    mask = MASK
    for share in (0.6, 0.4, 0.2):
        loss, gain = scores(W, fit(W, mask), H)
        mask = exchange(mask, jnp.asarray(loss), jnp.asarray(gain), int(share * int(MASK.sum())), where=W != 0)
    np.testing.assert_array_equal(regrow(W, MASK, H, rounds=3, fraction=0.6)[1], mask)


def test_under_jit_the_same():
    S, mask = quick_jit(lambda W, mask, H: regrow(W, mask, H, rounds=2))(W, MASK, H)
    expected = regrow(W, MASK, H, rounds=2)
    np.testing.assert_array_equal(mask, expected[1])
    np.testing.assert_allclose(S, expected[0], atol=1e-10)


def test_more_to_exchange_than_was_lost():
    nearly = jnp.where(W != 0, 1.0, 0.0).at[0, 1].set(0)
    _, mask = regrow(W, nearly, H, rounds=2, fraction=1.0)
    assert int(mask.sum()) == int(nearly.sum())


def test_layers_of_any_shape():
    S, mask = regrow(W[:5], MASK[:5], H, rounds=3)
    assert int(mask.sum()) == int(MASK[:5].sum())
    np.testing.assert_allclose(S, fit(W[:5], mask), atol=1e-12)
    assert float(drive_error(W[:5], S, H)) < float(drive_error(W[:5], fit(W[:5], MASK[:5]), H))


def test_the_adjustment_of_a_network_without_a_leak_is_regrow():
    fixed = jnp.zeros_like(W)
    S, mask = Regrow(rounds=3, fraction=0.2)(Survivors(W, MASK, fixed, MASK, activity_of(H), "recurrent"))
    expected = regrow(W, MASK, H, rounds=3, fraction=0.2)
    np.testing.assert_array_equal(mask, expected[1])
    np.testing.assert_allclose(S, expected[0], atol=1e-12)
    own = W + jnp.diag(jnp.linspace(0.1, 0.5, SIZE))
    S, mask = Regrow()(Survivors(own, MASK, jnp.eye(SIZE), MASK, activity_of(H), "recurrent"))
    assert int(mask.sum()) == int(MASK.sum())
    np.testing.assert_array_equal(jnp.diagonal(mask), 0)
    assert bool(jnp.all(jnp.diagonal(S) != 0))


def test_rows_that_have_their_own_budget_keep_it():
    survivors = Survivors(W, MASK, jnp.zeros_like(W), MASK, activity_of(H), "layer", groups="row")
    _, mask = Regrow(rounds=4)(survivors)
    np.testing.assert_array_equal(mask.sum(axis=1), MASK.sum(axis=1))
    assert float(jnp.abs(mask - MASK).sum()) > 0
    # Of every row its own share: the least loss goes there, whatever others lose.
    _, mask = Regrow(rounds=1)(survivors)
    loss, gain = scores(W, fit(W, MASK), H)
    for i in range(SIZE):
        number = int(0.3 * int(MASK[i].sum()))
        there = np.flatnonzero(MASK[i])
        gone = there[np.argsort(loss[i, there])[:number]]
        came = np.flatnonzero((np.asarray(MASK[i]) == 0) & (np.asarray(W[i]) != 0))
        came = came[np.argsort(-gain[i, came])[:number]]
        np.testing.assert_array_equal(np.flatnonzero(mask[i]), np.sort([*np.setdiff1d(there, gone), *came]))
    with pytest.raises(jaxprune.InputError, match="groups is '2:4'"):
        Regrow()(Survivors(W, MASK, jnp.zeros_like(W), MASK, activity_of(H), "layer", groups="2:4"))


def test_pairs_are_exchanged_as_pairs_by_what_both_ends_carry():
    A = dominant("clustered")
    C = stationary(A)
    strong = jnp.abs(A) > jnp.median(jnp.abs(A[A != 0]))
    mask = strong.astype(float) * (1 - jnp.eye(SIZE))
    survivors = Survivors(A, mask, jnp.eye(SIZE), mask, activity_of(C), "linear", symmetric=True)
    S, grown = Regrow(rounds=1)(survivors)
    np.testing.assert_array_equal(grown, grown.T)
    np.testing.assert_array_equal(S, S.T)
    assert int(grown.sum()) == int(mask.sum())
    fitted = np.asarray(compensate(A, mask, C))
    loss, gain = scores(A, fitted, C)
    loss, gain = np.triu(loss + loss.T, 1), np.triu(gain + gain.T, 1)
    pairs = np.triu(np.asarray(mask), 1) > 0
    absent = (np.triu(np.asarray(A), 1) != 0) & ~pairs
    number = int(0.3 * int(mask.sum())) // 2
    expected = pairs.copy().ravel()
    expected[np.argsort(np.where(pairs, loss, np.inf).ravel())[:number]] = False
    expected[np.argsort(-np.where(absent, gain, -np.inf).ravel())[:number]] = True
    np.testing.assert_array_equal(np.triu(np.asarray(grown), 1) > 0, expected.reshape(SIZE, SIZE))


def test_a_loop_exchanges_less():
    assert Regrow().again() == Regrow(rounds=3, fraction=0.1)
    assert Regrow(rounds=1, fraction=0.05).again() == Regrow(rounds=1, fraction=0.05)
    firm = Compensate(ridge=0.1)
    assert Regrow(fit=firm).again().fit == firm


def test_errors():
    for arguments, words in (
        ({"rounds": -1}, "rounds is -1"),
        ({"rounds": 1.5}, "rounds is 1.5"),
        ({"fraction": 0.0}, "fraction is 0"),
    ):
        with untyped():
            for call in (lambda **options: regrow(W, MASK, H, **options), Regrow):
                with pytest.raises(jaxprune.InputError, match=words):
                    call(**arguments)
    with untyped(), pytest.raises(jaxprune.InputError, match="mask has shape"):
        regrow(W, MASK[:3], H)
    with untyped(), pytest.raises(jaxprune.InputError, match="second moment of the presynaptic neurons"):
        regrow(W, MASK, H[:3, :3])
