"""Improve a mask at fixed size: swap weakly used synapses for removed ones that would reduce the error."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_fraction, check_matrix, check_whole
from jaxprune._types import Mask, Matrix, Moment, Real
from jaxprune.pruning._exchange import exchange
from jaxprune.pruning._groups import GROUPS
from jaxprune.pruning._importance import check_moment
from jaxprune.pruning.adjust._adjust import Adjust, Survivors
from jaxprune.pruning.adjust._compensate import RIDGE, Compensate, compensate


def regrow(
    W: Matrix, mask: Mask, H: Moment, *, rounds: int = 10, fraction: Real = 0.3, ridge: Real = RIDGE
) -> tuple[Matrix, Mask]:
    """Improve a mask at a constant number of synapses: weakly used ones go, removed ones that would help come back.

    In each round the survivors are refitted (`compensate`); those that carry least go, and as many of the removed ones come back
    where they would help most:

        lossᵢⱼ = sᵢⱼ² Hⱼⱼ,   gainᵢⱼ = E[eᵢ fⱼ]² / Hⱼⱼ,   eᵢ = Σₖ (wᵢₖ − sᵢₖ) fₖ

    Both are local: what a synapse carries is its weight times its input, and what it could give back is the correlation of its
    input with its neuron's error, which the delta rule measures in any case. The number exchanged falls linearly to none.

    Args:
      W: weights before pruning, without a leak; nothing grows where it is zero.
      mask: ones where a synapse stays at first.
      H: second moment of the presynaptic activity.
      rounds: number of rounds.
      fraction: share of the survivors exchanged in the first round, in (0, 1].
      ridge: as in `compensate`.

    Returns:
      The pruned, refitted weights, and their mask; the mask holds as many synapses as before.

    Raises:
      InputError: matrices empty, not finite or of shapes that do not fit; a negative number of rounds; fraction outside (0, 1].

    Example:
      >>> W = jnp.array([[0.0, 1.0, 0.9], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
      >>> H = jnp.diag(jnp.array([1.0, 0.01, 1.0]))  # the second neuron hardly fires
      >>> regrow(W, jnp.zeros((3, 3)).at[0, 1].set(1.0), H, rounds=3, fraction=1.0)[1][0]
      Array([0., 0., 1.], dtype=float64)

    Reference: turnover at constant number as in Mocanu2018 and Evci2020, with local scores instead of gradients.
    """
    check_moment(W, H, names=("W", "H"))
    check_matrix("mask", mask, like=("W", W))

    def fit(support):
        return compensate(W, support, H, leak=False, ridge=ridge, solver="cholesky", symmetric=False)

    return _turn_over(W, mask, W != 0, H, fit, rounds, fraction, "global", False)


def _turn_over(
    W: Matrix, mask: Mask, where, H: Moment, fit: Callable[[Mask], Matrix], rounds, fraction, groups, symmetric
) -> tuple[Matrix, Mask]:
    check_fraction("fraction", fraction)
    check_whole("rounds", rounds)
    if groups not in GROUPS:
        raise InputError(
            f"groups is {groups!r}, within which a share of the survivors is less than one: regrow has no room."
        )
    S = fit(mask)
    for number in range(rounds):
        loss, gain = _scores(W, S, H, symmetric)
        survivors = jnp.sum(mask, axis=1, keepdims=True) if groups == "row" else jnp.sum(mask)
        count = jnp.floor(fraction * (1 - number / rounds) * survivors)
        mask = exchange(mask, loss, gain, count, where=where, groups=groups, symmetric=symmetric)
        S = fit(mask)
    return S, mask


@partial(jax.jit, static_argnums=3)
def _scores(W, S, H, symmetric):
    power = jnp.maximum(jnp.diagonal(H), jnp.finfo(H.dtype).tiny)[None, :]
    loss, gain = S**2 * power, ((W - S) @ H) ** 2 / power
    # The two ends of a pair share one weight, and so what it carries and what it could bring.
    return (loss + loss.T, gain + gain.T) if symmetric else (loss, gain)


@dataclasses.dataclass(frozen=True)
class Regrow(Adjust):
    """Swap weakly used synapses for removed ones that would reduce the error, then refit: `regrow`.

    Attributes:
      rounds, fraction: as in `regrow`.
      fit: how survivors are refitted after each round.

    Raises:
      InputError: rounds not whole, or negative; fraction outside (0, 1]; what `Compensate` refuses.
    """

    needs_activity: ClassVar[bool] = True

    rounds: int = 10
    fraction: float = 0.3
    fit: Compensate = Compensate()

    def __post_init__(self):
        check_whole("rounds", self.rounds)
        check_fraction("fraction", self.fraction)

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The refitted weights and their new mask, as many synapses as before."""
        where = (survivors.weights != 0) & (survivors.fixed == 0)
        moment = survivors.moments().second_moment.astype(survivors.weights.dtype)
        return _turn_over(
            survivors.weights,
            survivors.mask,
            where,
            moment,
            lambda mask: self.fit.fit(survivors, mask),
            self.rounds,
            self.fraction,
            survivors.groups,
            survivors.symmetric,
        )

    def again(self) -> "Regrow":
        """A shorter turnover: three rounds, in the first of which a tenth of the synapses is exchanged."""
        return dataclasses.replace(self, rounds=min(self.rounds, 3), fraction=min(self.fraction, 0.1))
