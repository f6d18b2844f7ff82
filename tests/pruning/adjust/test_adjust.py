"""What adjustments share: what they are shown, and what they ask of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, driven, stationary, untyped

import jaxprune
from jaxprune import pruning
from jaxprune.dynamics import activity_of
from jaxprune.pruning import Compensate, Keep, MatchForm, MatchRadius, Pruned, Regrow, Rule, Strengthen, prune, readjust
from jaxprune.pruning.adjust import Adjust, CorrectOnce, Empty, MatchAbscissa, Survivors, Swap

ALL = (
    Compensate(), CorrectOnce(), Empty(), Keep(), MatchAbscissa(), MatchForm(), MatchRadius(), Regrow(rounds=1), Strengthen(),
    Swap(),
)  # fmt: skip
W, _, H, MASK = driven()


def test_all_adjustments_are_here():
    """One that is added later joins this list."""
    there = {value for value in vars(pruning.adjust).values() if isinstance(value, type) and issubclass(value, Adjust)}
    assert there - {Adjust} == {type(adjust) for adjust in ALL}


@pytest.mark.parametrize("adjust", ALL, ids=lambda adjust: type(adjust).__name__)
def test_adjustments_are_values_that_jit_can_compare(adjust):
    assert adjust == dataclasses.replace(adjust)
    assert hash(adjust) == hash(dataclasses.replace(adjust))
    again = adjust.again()
    assert again is None or again.again() == again


@pytest.mark.parametrize("adjust", ALL, ids=lambda adjust: type(adjust).__name__)
def test_every_adjustment_stays_on_its_support_and_says_whether_it_needs_activity(adjust):
    A = dominant("clustered")
    mask = (jnp.abs(A) > jnp.median(jnp.abs(A[A != 0]))).astype(float) * (1 - jnp.eye(SIZE))
    symmetric = adjust != Swap()  # which refuses symmetric networks
    survivors = Survivors(A, mask, jnp.eye(SIZE), mask, activity_of(stationary(A)), "linear", symmetric)
    S, kept = adjust(survivors)
    assert not np.asarray(S)[np.asarray(kept + jnp.eye(SIZE)) == 0].any()
    assert float(kept.sum()) == (0 if adjust == Empty() else float(mask.sum()))
    if symmetric:
        np.testing.assert_array_equal(S, S.T)
    without = dataclasses.replace(survivors, activity=None)
    if adjust.needs_activity:
        with pytest.raises(jaxprune.InputError, match="the rule looks at activity"):
            adjust(without)
    else:
        np.testing.assert_array_equal(adjust(without)[0], S)


def test_the_support_is_the_mask_and_what_always_stays():
    fixed = jnp.eye(SIZE)
    np.testing.assert_array_equal(Survivors(W, MASK, fixed, MASK, None, "linear").support, MASK + fixed)


@dataclasses.dataclass(frozen=True)
class Halve(Adjust):
    """A user's own."""

    share: float = 0.5

    def __call__(self, survivors):
        return self.share * survivors.weights * survivors.support, survivors.mask


def test_an_adjustment_of_the_users_own():
    halved = prune(jax.random.key(0), W, Rule(jnp.abs, "top", Halve()), keep=0.5, kind="recurrent")
    kept = prune(jax.random.key(0), W, Rule(jnp.abs, "top", Keep()), keep=0.5, kind="recurrent")
    np.testing.assert_array_equal(halved.matrix, kept.matrix / 2)
    with untyped(), pytest.raises(jaxprune.InputError, match=r"adjust is .*Halve.*, but must be an adjustment such as"):
        Rule(jnp.abs, "top", Halve)


def test_readjust_does_it_once_more_for_another_activity():
    seen, other = activity_of(H), activity_of(stationary(dominant("dale")))
    pruned = prune(jax.random.key(0), W, "activity+compensation", keep=0.4, kind="recurrent", activity=seen)
    again = readjust(W, pruned, Compensate(), other, kind="recurrent")
    assert isinstance(again, Pruned)
    np.testing.assert_array_equal(again.mask, pruned.mask)
    expected = pruning.compensate(W, pruned.mask, other.covariance, leak=False, ridge=1e-6, solver="cholesky")
    np.testing.assert_allclose(again.matrix, expected, atol=1e-12)
    np.testing.assert_allclose(readjust(W, pruned, Compensate(), seen, kind="recurrent").matrix, pruned.matrix)
