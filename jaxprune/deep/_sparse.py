"""Sparse training by one rule: the least important synapses go along a schedule, and some are exchanged."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_choice
from jaxprune._types import PRNGKey, Real
from jaxprune.deep._growth import GROWTH, promise
from jaxprune.deep._importance import SCORES, importance
from jaxprune.deep._layers import Tree, times
from jaxprune.deep._schedule import Schedule, random_masks
from jaxprune.pruning import exchange, keep_probabilities, sample_mask


class SparseState(NamedTuple):
    """Which synapses are there.

    Attributes:
      masks: ones where a synapse is.
    """

    masks: Tree


@dataclasses.dataclass(frozen=True)
class Sparse:
    """Keep the most important synapses along a schedule, and exchange a share of them.

    At time t of training, `d(t) N` synapses stay. Then a share `s (1 − progress)` of the survivors is exchanged: the least
    important go, and as many of those that were absent come, at zero, where growth promises most. With a dense start there is
    little to exchange until enough have gone.

    | growth | where | needs |
    |---|---|---|
    | `"none"` | nowhere | |
    | `"random"` | anywhere | |
    | `"gradient"` | `abs(gᵢⱼ)` of the masked network is largest | a gradient where there is no synapse |
    | `"gain"` | `abs(gᵢⱼ) / √⟨xⱼ²⟩` is largest: what a synapse fitted to its input gains | the same |

    The most important synapse of every layer stays in any case, so that no layer goes empty.

    Attributes:
      schedule: of the density.
      score: as in `importance`.
      groups: "global", one budget for all layers, or "layer".
      growth: as above.
      share: s.
      start: "dense", or random masks at the density of the end: "uniform" or "erdos-renyi" (see `random_masks`).

    Raises:
      InputError: an unknown score, growth, budget or start; a share outside [0, 1).

    Reference: Zhu2017 (gradual magnitude: score "weight"), Mocanu2018 (SET: start "erdos-renyi", growth "random"), Evci2020
    (RigL: growth "gradient"). The gain is ours.
    """

    schedule: Schedule
    score: str = "weight"
    groups: str = "global"
    growth: str = "none"
    share: Real = 0.3
    start: str = "dense"

    def __post_init__(self):
        check_choice("score", self.score, tuple(SCORES))
        check_choice("groups", self.groups, ("global", "layer"))
        check_choice("growth", self.growth, GROWTH)
        check_choice("start", self.start, ("dense", "uniform", "erdos-renyi"))
        if not 0 <= self.share < 1:
            raise InputError(f"share is {self.share}, but must be in [0, 1): of the survivors that are exchanged.")

    def init(self, key: PRNGKey, weights: Tree) -> SparseState:
        """Masks before the first update."""
        if self.start == "dense":
            return SparseState(jax.tree.map(jnp.ones_like, weights))
        return SparseState(random_masks(key, weights, self.schedule.keep, layers=self.start))

    def update(
        self,
        key: PRNGKey,
        state: SparseState,
        weights: Tree,
        heard: Tree | None,
        *,
        time: Real,
        gradient: Tree | None = None,
        squares: Tree | None = None,
    ) -> SparseState:
        """Masks after one more update.

        Args:
          key: random key.
          state: from `init`, or the update before.
          weights: those of now.
          heard: activity since the last update.
          time: how much of training is over, from 0 to 1.
          gradient: of the loss of the masked network, everywhere; for growth.
          squares: mean squared gradients, for the score "fisher".

        Raises:
          InputError: growth by gradients without them.
        """
        drop_key, grow_key = jax.random.split(key)
        scores = _best_stays(times(importance(weights, heard, self.score, gradient=squares), state.masks))
        masks = state.masks
        if self.start == "dense":
            masks = self._drop(drop_key, scores, masks, self.schedule.density(time))
        if self.growth == "none":
            return SparseState(masks)
        share = self.share * (1 - self.schedule.progress(time))
        gain = promise(grow_key, self.growth, masks, heard, gradient)
        # What has just gone does not come back at once: its gradient and weight are those of a network that had it.
        where = jax.tree.map(lambda before, now: 1 - (before - now), state.masks, masks)
        if self.groups == "global":
            count = share * sum(jnp.sum(mask) for mask in jax.tree.leaves(masks))
        else:
            count = jax.tree.map(lambda mask: share * jnp.sum(mask), masks)
        return SparseState(exchange(masks, scores, gain, count, where=where, groups=self.groups))

    def _drop(self, key, scores, masks, density):
        sizes = [mask.size for mask in jax.tree.leaves(masks)]
        if self.groups == "global":
            kept = keep_probabilities(scores, count=density * sum(sizes), where=masks)
            return sample_mask(key, kept, symmetric=False, method="top")
        parts = []
        for place, (score, mask) in enumerate(zip(*map(jax.tree.leaves, (scores, masks)), strict=True)):
            kept = keep_probabilities(score, count=density * mask.size, where=mask)
            parts.append(sample_mask(jax.random.fold_in(key, place), kept, symmetric=False, method="top"))
        return jax.tree.unflatten(jax.tree.structure(masks), parts)


def _best_stays(scores):
    """Scores in which the best synapse of every layer is among the best of all."""
    greatest = jnp.max(jnp.stack([jnp.max(score) for score in jax.tree.leaves(scores)]))
    return jax.tree.map(lambda score: score.at[jnp.unravel_index(jnp.argmax(score), score.shape)].set(greatest), scores)
