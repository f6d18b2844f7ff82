"""Exchange synapses one by one while the error of a neuron's drive falls; no weight changes."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError, check_whole
from jaxprune._types import Mask, Matrix
from jaxprune.pruning.adjust._adjust import Adjust, Survivors


@dataclasses.dataclass(frozen=True)
class Swap(Adjust):
    """Exchange synapses of every neuron one by one, as long as the error of its drive falls; weights stay as they are.

    With the missing weights `d = (1 − m) ∘ w` of a neuron the error is `dᵀ H d`, H the second moment of its inputs. The
    synapse whose return lowers it most, `−2 wⱼ (H d)ⱼ + wⱼ² Hⱼⱼ`, comes back, and the one whose removal then raises it
    least goes. A control for adjustments that change weights, in the manner of training-free sparse fine-tuning; it needs what
    `Compensate` needs.

    Attributes:
      rounds: most exchanges of each neuron.

    Raises:
      InputError: rounds negative or not whole.

    Example:
      >>> from jaxprune.dynamics import activity_of
      >>> from jaxprune.pruning import Rule, prune
      >>> W = jnp.array([[1.0, 0.9]])  # the larger synapse, which the mask would keep, has the quieter neuron
      >>> activity = activity_of(jnp.diag(jnp.array([0.01, 1.0])))
      >>> prune(jax.random.key(0), W, Rule(jnp.abs, "top", Swap()), keep=0.5, activity=activity).matrix
      Array([[0. , 0.9]], dtype=float64)

    Reference: Zhang2023 (DSnoT), who look at means in place of H.
    """

    needs_activity: ClassVar[bool] = True

    rounds: int = 100

    def __post_init__(self):
        check_whole("rounds", self.rounds, least=0)

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The original weights on the exchanged mask.

        Raises:
          InputError: a symmetric network, whose two ends of a pair would exchange apart.
        """
        if survivors.symmetric:
            raise InputError(
                "exchanges without a refit are for directed networks: in a symmetric one the two ends of a pair would exchange "
                "apart; use another adjustment, or prune it as a directed one (symmetric=False)."
            )
        H = survivors.moments().second_moment
        W, fixed = survivors.weights, survivors.fixed
        rows = jax.vmap(lambda w, mask, held: _exchange(w, mask, held, H, self.rounds))
        mask = rows(W, survivors.mask, fixed)
        return W * (mask + fixed), mask


def _exchange(w, mask, held, H, rounds):
    """The mask of one neuron after its exchanges."""
    own = w**2 * jnp.diagonal(H)

    def more(state):
        _, _, improved, number = state
        return improved & (number < rounds)

    def exchange(state):
        mask, missing, _, number = state
        force = H @ missing
        absent = (mask + held == 0) & (w != 0)
        gain = jnp.where(absent, own - 2 * w * force, jnp.inf)
        j = jnp.argmin(gain)
        # What leaves does so after the other has returned.
        loss = jnp.where(mask > 0, own + 2 * w * (force - H[:, j] * w[j]), jnp.inf)
        i = jnp.argmin(loss)
        better = gain[j] + loss[i] < 0
        moved = mask.at[j].set(1).at[i].set(0)
        lost = missing.at[j].set(0).at[i].set(w[i])
        return jnp.where(better, moved, mask), jnp.where(better, lost, missing), better, number + 1

    start = (mask, w * (mask + held == 0), jnp.asarray(True), jnp.zeros((), jnp.int32))
    return lax.while_loop(more, exchange, start)[0]
