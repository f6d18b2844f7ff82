"""A thin loop that trains and prunes: an epoch is one compiled call, and between epochs the rule removes."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from jaxprune._checks import InputError, check_key, check_whole
from jaxprune._codes import Code
from jaxprune._types import PRNGKey
from jaxprune.deep._growth import GRADED
from jaxprune.deep._importance import SCORES
from jaxprune.deep._layers import check_single, density, masked, times, weights, with_weights
from jaxprune.deep._optimiser import MaskedState, keep_pruned, set_masks
from jaxprune.deep._rules import Counter, CounterState, Survival, SurvivalState
from jaxprune.deep._run import predict
from jaxprune.deep._sparse import Sparse, SparseState
from jaxprune.deep._watch import value_and_gradient

Loss = Callable[[Any, Any, Array, Array, PRNGKey], tuple[Array, Any]]
"""(model, extra, inputs, labels, key) -> (loss, extra); `extra` is what a model carries along, such as running means."""


class TrainCode(Code):
    """How an epoch ended."""

    FINISHED = 0, "All updates were made."
    DIVERGED = (
        1,
        "The loss stopped being finite; the state is that before the epoch: lower the learning rate, or look at the loss.",
    )


@dataclasses.dataclass(frozen=True)
class Training:
    """How a network learns, and what is removed meanwhile. Settings only, static in `jit`.

    Attributes:
      epochs: passes over the data.
      optimiser: of Optax; it is wrapped in `keep_pruned`, and told the loss as `value`.
      batch: samples to an update; the last, incomplete batch of an epoch is skipped.
      rule: `Counter`, `Survival`, `Sparse`, or None for training without removal.
      quiet: last epochs in which `Counter` and `Survival` remove nothing; the schedule of `Sparse` has an end of its own.
      probe: samples that the gradient for growth is taken from, in batches: the first of the epoch's random order.

    Raises:
      InputError: numbers out of range; so few epochs that `Counter` could not remove anything.
    """

    epochs: int
    optimiser: optax.GradientTransformation
    batch: int = 100
    rule: Counter | Survival | Sparse | None = None
    quiet: int = 2
    probe: int = 5000

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch", 1), ("quiet", 0), ("probe", 1)):
            check_whole(name, getattr(self, name), least=least)
        counting = self.epochs - self.quiet
        if isinstance(self.rule, Counter) and counting < self.rule.patience < math.inf:
            raise InputError(
                f"there are {self.epochs} epochs, the last {self.quiet} of them quiet, but a patience of {self.rule.patience:g}: "
                "nothing would ever be removed; train longer, or lower patience or quiet."
            )

    @property
    def grows(self) -> bool:
        """Whether growth asks for a gradient."""
        return getattr(self.rule, "growth", "none") in GRADED

    @property
    def squares(self) -> bool:
        """Whether the score asks for mean squared gradients."""
        return self.rule is not None and SCORES[self.rule.score].needs == "gradient"

    @property
    def hears(self) -> tuple[str, ...]:
        """What of `Heard` the rule asks for."""
        if self.rule is None:
            return ()
        needs = {SCORES[self.rule.score].needs}
        if getattr(self.rule, "growth", "none") == "gain":
            needs.add("power")
        return tuple(sorted(need for need in needs if need not in (None, "gradient")))


class TrainState(NamedTuple):
    """Between two epochs.

    Attributes:
      model: the network, with zeros where synapses were removed.
      extra: what it carries along.
      optimiser: state of `keep_pruned`.
      rule: state of the rule; its `masks` are those of the model.
      epoch: number of epochs so far.
    """

    model: Any
    extra: Any
    optimiser: MaskedState
    rule: CounterState | SurvivalState | SparseState
    epoch: Array


class EpochInfo(NamedTuple):
    """What an epoch showed.

    Attributes:
      loss: mean over its updates.
      density: fraction of all synapses, after it.
      layers: fraction in every layer, in the order of `names(model)`.
      code: a `TrainCode`.
    """

    loss: Array
    density: Array
    layers: Array
    code: Array


def cross_entropy(model: Any, extra: Any, x: Array, y: Array, key: PRNGKey) -> tuple[Array, Any]:
    """Mean cross entropy of a classifier; the default loss.

    Args:
      model: x of one sample -> logits; or, with extra, (x, extra) -> (logits, extra), as Equinox's layers with state.
      extra: None, or `eqx.nn.State`.
      x: inputs, one a row.
      y: whole numbers, the classes.
      key: not used.

    Example:
      >>> model = eqx.nn.Linear(2, 3, key=jax.random.key(0))
      >>> loss, _ = cross_entropy(model, None, jnp.ones((4, 2)), jnp.zeros(4, int), jax.random.key(1))
      >>> loss.shape
      ()
    """
    del key
    logits, extra = predict(model, extra, x)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y)), extra


def init_training(key: PRNGKey, model: Any, training: Training, *, extra: Any = None) -> TrainState:
    """State before the first epoch.

    Args:
      key: random key of masks that are random from the start.
      model: any Equinox model with linear or convolutional layers.
      training: settings.
      extra: as in `cross_entropy`.

    Raises:
      InputError: a model without prunable layers, or with stacked ones.

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> int(init_training(jax.random.key(1), model, Training(3, optax.sgd(0.1))).epoch)
      0
    """
    check_key("key", key)
    check_single(model)
    W = weights(model)
    if training.rule is None:
        state: Any = SparseState(jax.tree.map(jnp.ones_like, W))
    elif isinstance(training.rule, Sparse):
        state = training.rule.init(key, W)
    else:
        state = training.rule.init(W)
    model = masked(model, state.masks)
    optimiser = keep_pruned(training.optimiser).init(eqx.filter(model, eqx.is_inexact_array))
    return TrainState(model, extra, set_masks(training.optimiser, optimiser, state.masks), state, jnp.array(0))


@eqx.filter_jit
def train_epoch(
    key: PRNGKey, state: TrainState, x: Array, y: Array, training: Training, loss: Loss = cross_entropy
) -> tuple[TrainState, EpochInfo]:
    """One epoch of training, in one compiled loop, and what the rule removes after it. `eqx.filter_vmap` it over seeds.

    Args:
      key: random key of all epochs; each takes its own part of it.
      state: from `init_training`, or the epoch before.
      x, y: inputs and labels.
      training: settings.
      loss: (model, extra, inputs, labels, key) -> (loss, extra).

    Returns:
      The state after it, or as it was if the loss stopped being finite; and what was seen.

    Raises:
      InputError: fewer samples than a batch.

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> training = Training(3, optax.sgd(0.1), batch=5, rule=Counter(patience=1), quiet=0)
      >>> state = init_training(jax.random.key(1), model, training)
      >>> x, y = jnp.eye(4).repeat(5, axis=0), jnp.arange(20) % 2
      >>> state, info = train_epoch(jax.random.key(2), state, x, y, training)
      >>> bool(info.density < 1)
      True
    """
    return _epoch(key, state, x, y, training, loss, _scanned)


def train_epoch_by_steps(
    key: PRNGKey, state: TrainState, x: Array, y: Array, training: Training, loss: Loss = cross_entropy
) -> tuple[TrainState, EpochInfo]:
    """The same as `train_epoch`, one compiled update after the other, and not for `vmap`.

    On a CPU a convolution inside a compiled loop takes many times as long as outside (issue 12868 of JAX). `fit` therefore trains
    models with convolutions in this way where there is no accelerator. What it returns differs from `train_epoch` by rounding.

    Args:
      key, state, x, y, training, loss: as in `train_epoch`.

    Returns:
      As `train_epoch`.

    Raises:
      InputError: as `train_epoch`.

    Example:
      >>> model = eqx.nn.Conv1d(1, 2, 4, key=jax.random.key(0))
      >>> def loss(model, extra, x, y, key):
      ...     return jnp.mean((jax.vmap(model)(x)[:, 0, 0] - y) ** 2), extra
      >>> training = Training(1, optax.sgd(0.1), batch=5)
      >>> state = init_training(jax.random.key(1), model, training)
      >>> x, y = jnp.ones((20, 1, 4)), jnp.zeros(20)
      >>> state, info = train_epoch_by_steps(jax.random.key(2), state, x, y, training, loss)
      >>> int(state.epoch), bool(info.loss > loss(state.model, None, x, y, None)[0])
      (1, True)
    """
    return _epoch(key, state, x, y, training, loss, _one_by_one)


def _scanned(body, carry, steps, fixed):
    return lax.scan(lambda carry, step: (body(carry, step, fixed), None), carry, steps)[0]


def _one_by_one(body, carry, steps, fixed):
    compiled = _COMPILED[body]
    for number in range(len(jax.tree.leaves(steps)[0])):
        carry = compiled(carry, jax.tree.map(lambda leaf, number=number: leaf[number], steps), fixed)
    return carry


def _epoch(key, state, x, y, training, loss, loop):
    order_key, step_key, rule_key = jax.random.split(jax.random.fold_in(key, state.epoch), 3)
    updates = len(x) // training.batch
    if not updates:
        raise InputError(f"there are {len(x)} samples, fewer than a batch of {training.batch}: lower batch.")
    arrays, rest = eqx.partition(state.model, eqx.is_inexact_array)
    places = jax.random.permutation(order_key, len(x))[: updates * training.batch].reshape(updates, training.batch)
    steps, fixed = (jax.random.split(step_key, updates), places), _Fixed(rest, x, y, training, loss)
    start = (arrays, state.extra, state.optimiser)
    nothing = _nothing if loop is _scanned else _NOTHING  # compiled: a step is then looked at once, not in every epoch
    zero = nothing(start, jax.tree.map(lambda leaf: leaf[0], steps), fixed)
    (arrays, extra, remembered), total = loop(_summed, (start, zero), steps, fixed)
    model = eqx.combine(arrays, rest)
    gradient = None
    if training.grows:
        probe = places[: max(1, training.probe // training.batch)]
        none = jax.tree.map(jnp.zeros_like, weights(model))
        gradient = loop(_graded, none, probe, (model, extra, x, y, rule_key, loss))
        gradient = jax.tree.map(lambda leaf: leaf / len(probe), gradient)
    finish = _finish if loop is _scanned else _FINISH
    return finish(rule_key, state, training, arrays, extra, remembered, total, updates, gradient)


class _Fixed(NamedTuple):
    """What all updates of an epoch share."""

    rest: Any
    x: Array
    y: Array
    training: Training
    loss: Loss


def _step(carry, step, fixed):
    """One update, and what it saw."""
    arrays, extra, remembered = carry
    key, place = step
    training, model = fixed.training, eqx.combine(arrays, fixed.rest)
    arguments = (model, extra, fixed.x[place], fixed.y[place], key)
    if training.hears:
        (value, extra), gradient, heard = value_and_gradient(fixed.loss, *arguments, has_aux=True, hear=training.hears)
    else:
        ((value, extra), gradient), heard = eqx.filter_value_and_grad(fixed.loss, has_aux=True)(*arguments), None
    changes, remembered = keep_pruned(training.optimiser).update(gradient, remembered, arrays, value=value)
    arrays = optax.apply_updates(arrays, changes)
    squares = jax.tree.map(jnp.square, weights(gradient)) if training.squares else None
    return (arrays, extra, remembered), (value, heard, squares)


def _nothing(carry, step, fixed):
    """Zeros of the shapes of what an update sees."""
    shapes = eqx.filter_eval_shape(_step, carry, step, fixed)[1]
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def _summed(carry, step, fixed):
    """One update; sums over the epoch are carried, not stacked."""
    inside, total = carry
    inside, found = _step(inside, step, fixed)
    return inside, jax.tree.map(jnp.add, total, found)


def _graded(total, place, fixed):
    """Gradient of the weights, summed over batches."""
    model, extra, x, y, key, loss = fixed
    found = eqx.filter_grad(loss, has_aux=True)(model, extra, x[place], y[place], key)[0]
    return jax.tree.map(jnp.add, total, weights(found))


def _finish(key, state, training, arrays, extra, remembered, total, updates, gradient):
    """The state after an epoch's updates: what the rule removes goes; nothing changes if the loss was not finite."""
    value, heard, squares = jax.tree.map(lambda leaf: leaf / updates, total)
    model = eqx.combine(arrays, eqx.filter(state.model, eqx.is_inexact_array, inverse=True))
    rule = _removed(key, state, training, weights(model), heard, gradient, squares)
    now = TrainState(
        with_weights(model, times(weights(model), rule.masks)),
        extra,
        set_masks(training.optimiser, remembered, rule.masks),
        rule,
        state.epoch + 1,
    )
    finite = jnp.isfinite(value) & jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(arrays)]).all()
    kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old) if eqx.is_array(new) else new, now, state)
    info = EpochInfo(
        value,
        density(kept.rule.masks),
        jnp.stack([jnp.mean(mask > 0) for mask in jax.tree.leaves(kept.rule.masks)]),
        jnp.where(finite, int(TrainCode.FINISHED), int(TrainCode.DIVERGED)),
    )
    return kept, info


_COMPILED = {_summed: eqx.filter_jit(_summed), _graded: eqx.filter_jit(_graded)}
_FINISH = eqx.filter_jit(_finish)
_NOTHING = eqx.filter_jit(_nothing)


def _removed(key, state, training, W, heard, gradient, squares):
    """State of the rule after the epoch."""
    rule, earlier = training.rule, state.rule
    if rule is None:
        return earlier
    if isinstance(rule, Sparse):
        time = (state.epoch + 1) / training.epochs
        return rule.update(key, earlier, W, heard, time=time, gradient=gradient, squares=squares)
    growth = {"key": key, "gradient": gradient} if isinstance(rule, Counter) else {}
    found = rule.update(earlier, W, heard, squares=squares, **growth)
    removes = state.epoch + 1 <= training.epochs - training.quiet
    return jax.tree.map(lambda new, old: jnp.where(removes, new, old), found, earlier)
