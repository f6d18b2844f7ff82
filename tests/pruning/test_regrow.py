"""Turnover at constant number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, untyped
from test_rows import MASK, H, W

import jaxprune
from jaxprune.pruning import drive_error, fit_rows, regrow


@pytest.mark.parametrize("rounds", [0, 1, 6])
def test_number_of_synapses_is_kept_and_none_appears_from_nothing(rounds):
    S, mask = regrow(W, MASK, H, rounds=rounds)
    assert int(mask.sum()) == int(MASK.sum())
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert not np.any(np.asarray(mask)[np.asarray(W) == 0])
    np.testing.assert_allclose(S, fit_rows(W, mask, H), atol=1e-12)
    if rounds == 0:
        np.testing.assert_array_equal(mask, MASK)


def test_turnover_finds_a_better_mask():
    before = float(drive_error(W, fit_rows(W, MASK, H), H))
    S, _ = regrow(W, MASK, H, rounds=10)
    assert float(drive_error(W, S, H)) < 0.5 * before


def test_one_round_exchanges_by_the_scores():
    S = np.asarray(fit_rows(W, MASK, H))
    power = np.diag(np.asarray(H))
    carried = np.where(np.asarray(MASK) > 0, S**2 * power, np.inf)
    lost = (np.asarray(MASK) == 0) & (np.asarray(W) != 0)
    gain = np.where(lost, ((np.asarray(W) - S) @ np.asarray(H)) ** 2 / power, -np.inf)
    number = int(0.3 * MASK.sum())
    expected = np.asarray(MASK).copy().ravel()
    expected[np.argsort(carried.ravel())[:number]] = 0
    expected[np.argsort(-gain.ravel())[:number]] = 1
    _, mask = regrow(W, MASK, H, rounds=1, fraction=0.3)
    np.testing.assert_array_equal(mask, expected.reshape(SIZE, SIZE))


def test_under_jit_the_same():
    S, mask = jax.jit(lambda W, mask, H: regrow(W, mask, H, rounds=3))(W, MASK, H)
    expected = regrow(W, MASK, H, rounds=3)
    np.testing.assert_array_equal(mask, expected[1])
    np.testing.assert_allclose(S, expected[0], atol=1e-10)


def test_more_to_exchange_than_was_lost():
    nearly = jnp.where(W != 0, 1.0, 0.0).at[0, 1].set(0)
    _, mask = regrow(W, nearly, H, rounds=2, fraction=1.0)
    assert int(mask.sum()) == int(nearly.sum())


def test_errors():
    with untyped():
        for arguments, words in (({"rounds": -1}, "rounds is -1"), ({"fraction": 0.0}, "fraction is 0")):
            with pytest.raises(jaxprune.InputError, match=words):
                regrow(W, MASK, H, **arguments)
