"""Use it or lose it: rules that remove synapses which are hardly active several times in a row."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_choice, check_positive, check_whole
from jaxprune._types import PRNGKey, Real
from jaxprune.deep._growth import GROWTH, promise
from jaxprune.deep._importance import GRANULARITIES, SCORES, importance
from jaxprune.deep._layers import Tree, times
from jaxprune.pruning import exchange


class CounterState(NamedTuple):
    """Which synapses are there, and how many times in a row each was low.

    Attributes:
      masks: ones where a synapse is.
      counts: whole numbers, of the same structure.
    """

    masks: Tree
    counts: Tree


@dataclasses.dataclass(frozen=True)
class Counter:
    """Remove a synapse once its use has been below a threshold several times in a row.

        θ = (α / N) Σᵢⱼ cᵢⱼ
        nᵢⱼ ← nᵢⱼ + 1 where cᵢⱼ < θ, else 0
        mᵢⱼ ← 0 where nᵢⱼ ≥ K

    in every layer, with c the importance of the synapses that are there and N the number that the layer had at first: as synapses
    go, the threshold falls. For alpha up to 1 pruning ends by itself, as something is always at or above it. What would empty a
    layer is not done. With growth, a share of the number that an update removes comes elsewhere in the same layer, at zero, as in
    `Sparse`; what has come has K updates to prove itself.

    Attributes:
      alpha: threshold in units of the mean importance; nothing is removed at 0.
      patience: K, in updates; infinite for never.
      score, granularity: as in `importance`.
      growth: `"none"`, `"random"`, `"gradient"` or `"gain"`.
      share: of the number that is removed, what comes.

    Raises:
      InputError: a negative alpha, a patience below 1, a share outside [0, 1]; an unknown score, granularity or growth.

    Example:
      >>> import equinox as eqx
      >>> from jaxprune.deep import activity, weights
      >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
      >>> heard = activity(lambda m, x: jax.vmap(m)(x), model, jnp.array([[1.0, 0.0]]))
      >>> rule, W = Counter(patience=2), weights(model)
      >>> state = rule.init(W)
      >>> for _ in range(2):
      ...     state = rule.update(state, W, heard)
      >>> state.masks.weight
      Array([[1., 0.]], dtype=float64)

    Reference: a reconstruction of the rule stated in Frontiers in Systems Neuroscience 15:620558 (2021), whose equations are not
    public to us.
    """

    alpha: Real = 1.0
    patience: Real = 3
    score: str = "use"
    granularity: str = "weight"
    growth: str = "none"
    share: Real = 0.5

    def __post_init__(self):
        check_choice("growth", self.growth, GROWTH)
        if not 0 <= self.share <= 1:
            raise InputError(
                f"share is {self.share}, but must be in [0, 1]: of the number that is removed, what comes."
            )
        check_positive("alpha", self.alpha, zero=True)
        if not self.patience >= 1:
            raise InputError(f"patience is {self.patience}, but must be at least 1: updates in a row.")
        check_choice("score", self.score, tuple(SCORES))
        check_choice("granularity", self.granularity, GRANULARITIES)

    def init(self, weights: Tree) -> CounterState:
        """State before the first update: every synapse is there."""
        return CounterState(
            jax.tree.map(jnp.ones_like, weights), jax.tree.map(lambda W: jnp.zeros(W.shape, jnp.int32), weights)
        )

    def update(
        self,
        state: CounterState,
        weights: Tree,
        heard: Tree | None,
        *,
        key: PRNGKey | None = None,
        gradient: Tree | None = None,
        squares: Tree | None = None,
    ) -> CounterState:
        """Count once more, and remove.

        Args:
          state: from `init`, or the update before.
          weights: those of now.
          heard: activity since the last update.
          key: random key, for growth at random.
          gradient: of the loss of the masked network, everywhere; for growth.
          squares: mean squared gradients, for the score "fisher".

        Raises:
          InputError: a score or growth without what it needs.
        """
        scores = importance(weights, heard, self.score, gradient=squares, granularity=self.granularity)
        scores = times(scores, state.masks)

        def count(c, mask, n):
            low = (c < self.alpha * jnp.sum(c) / c.size) & (mask > 0)
            # Nothing is low in a layer in which nothing is active.
            return jnp.where(low, n + 1, 0)

        counts = jax.tree.map(count, scores, state.masks, state.counts)
        masks = jax.tree.map(lambda mask, n: jnp.where(n >= self.patience, 0, mask), state.masks, counts)
        masks = _never_empty(masks, state.masks)
        if self.growth != "none":
            masks = self._grown(key, state.masks, masks, heard, gradient)
        return CounterState(masks, counts)

    def _grown(self, key, before, masks, heard, gradient):
        """Masks with some synapses that were absent."""
        removed = jax.tree.map(lambda old, new: old - new, before, masks)
        gain = promise(key, self.growth, masks, heard, gradient)
        # What goes first in the exchange is among the removed, so that the rest of them can go after it.
        loss = jax.tree.map(lambda gone: 1 - gone, removed)
        count = jax.tree.map(lambda gone: self.share * jnp.sum(gone), removed)
        swapped = exchange(before, loss, gain, count, groups="layer")
        return jax.tree.map(lambda new, gone: jnp.where(gone > 0, 0, new), swapped, removed)


def _never_empty(masks, before):
    """Masks, or those before where a layer would lose its last synapses."""
    return jax.tree.map(lambda mask, old: jnp.where(jnp.any(mask > 0), mask, old), masks, before)


class SurvivalState(NamedTuple):
    """Which synapses are there, what each has left, and the number of updates.

    Attributes:
      masks: ones where a synapse is.
      reserves: R.
      number: of updates.
    """

    masks: Tree
    reserves: Tree
    number: Array


class Constants(NamedTuple):
    """Of one kind of layer: reserve at the start, threshold, time scale in updates, bonus."""

    reserve: Real
    threshold: Real
    time: Real
    bonus: Real


CONVOLUTION, LINEAR = Constants(10.0, 0.65, 12.0, 5.0), Constants(10.0, 1.5, 13.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Survival:
    """Remove a synapse once it has used up its reserve.

        Rᵢⱼ ← 0.999 Rᵢⱼ + dᵢⱼ exp(−⌊t / τ⌋)
        dᵢⱼ = 2 uᵢⱼ − θ   (+ bonus where dᵢⱼ > 0)
        mᵢⱼ ← 0 where Rᵢⱼ < 0

    with `u = min(1, (c − cₘᵢₙ) / (c₇₅ − cₘᵢₙ))`, where c is the importance, c₇₅ its 75th percentile among the
    layer's survivors, and t the number of updates before that counted. A layer whose survivors are all alike stays as it is,
    and what would empty a layer is not done.

    Attributes:
      convolution, linear: constants of both kinds of layers.
      decay: of the reserve.
      begin: number of updates at first that do not count.
      score, granularity: as in `importance`.

    Raises:
      InputError: a time scale or decay that is not positive, a begin that is no whole number, an unknown score or granularity.

    Reference: a later form of the rule by the same group; a reconstruction, as for `Counter`.
    """

    convolution: Constants = CONVOLUTION
    linear: Constants = LINEAR
    decay: Real = 0.999
    score: str = "use"
    granularity: str = "weight"
    begin: int = 4

    def __post_init__(self):
        check_whole("begin", self.begin)
        for constants in (self.convolution, self.linear):
            check_positive("time", constants.time)
        check_positive("decay", self.decay)
        check_choice("score", self.score, tuple(SCORES))
        check_choice("granularity", self.granularity, GRANULARITIES)

    def _constants(self, W) -> Constants:
        return self.convolution if W.ndim > 2 else self.linear

    def init(self, weights: Tree) -> SurvivalState:
        """State before the first update: every synapse is there, with a full reserve."""
        masks = jax.tree.map(jnp.ones_like, weights)
        return SurvivalState(
            masks, jax.tree.map(lambda W: jnp.full_like(W, self._constants(W).reserve), weights), jnp.array(0)
        )

    def update(
        self, state: SurvivalState, weights: Tree, heard: Tree | None, *, squares: Tree | None = None
    ) -> SurvivalState:
        """Change the reserves once more, and remove; arguments as in `Counter.update`."""
        scores = importance(weights, heard, self.score, gradient=squares, granularity=self.granularity)

        def spend(c, mask, R):
            constants = self._constants(c)
            there = jnp.where(mask > 0, c, jnp.nan)
            least = jnp.nanmin(there)
            span = jnp.nanpercentile(there, 75) - least
            u = jnp.clip((c - least) / jnp.where(span > 0, span, 1), 0, 1)
            spent = self.spend(u, R, state.number - self.begin, constants)
            return jnp.where((span > 0) & (state.number >= self.begin), spent, R)

        reserves = jax.tree.map(spend, scores, state.masks, state.reserves)
        masks = jax.tree.map(lambda mask, R: jnp.where(R < 0, 0, mask), state.masks, reserves)
        return SurvivalState(_never_empty(masks, state.masks), reserves, state.number + 1)

    def spend(self, u: Array, reserve: Array, number: Array | int, constants: Constants) -> Array:
        """The reserve after one more update at a normalised importance u."""
        d = 2 * u - constants.threshold
        d = jnp.where(d > 0, d + constants.bonus, d)
        return self.decay * reserve + d * jnp.exp(-jnp.floor(number / constants.time))
