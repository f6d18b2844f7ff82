"""An Optax transformation under which pruned synapses stay exactly zero, whatever optimiser is inside."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.tree_utils

from jaxprune.deep._layers import Tree, times, with_weights


class MaskedState(NamedTuple):
    """State of `keep_pruned`.

    Attributes:
      masks: ones where synapses are, of the structure of the parameters; a single one for what is never pruned.
      inner: the inner optimiser's own.
    """

    masks: Any
    inner: Any


def keep_pruned(inner: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Let an optimiser train a pruned model: gradients, moments and updates of pruned synapses are exactly zero.

    Gradients are masked before the inner optimiser sees them, so its moments stay zero, and updates behind it, so that weight
    decay or noise cannot bring a weight back. `set_masks` says which synapses are pruned; at first none is.

    Args:
      inner: an Optax optimiser. Moments that are shared by many synapses, such as those of rows in Adafactor, are left to it.

    Example:
      >>> import equinox as eqx
      >>> from jaxprune.deep import masked, ones
      >>> model, adam = eqx.nn.Linear(2, 1, key=jax.random.key(0)), optax.adam(0.1)
      >>> masks = jax.tree.map(lambda mask: mask.at[0, 0].set(0), ones(model))
      >>> model, optimiser = masked(model, masks), keep_pruned(adam)
      >>> state = set_masks(adam, optimiser.init(eqx.filter(model, eqx.is_inexact_array)), masks)
      >>> gradient = jax.tree.map(jnp.ones_like, eqx.filter(model, eqx.is_inexact_array))
      >>> updates, state = optimiser.update(gradient, state)
      >>> eqx.apply_updates(model, updates).weight[0, 0]
      Array(0., dtype=float64)
    """

    def init(params):
        return MaskedState(jax.tree.map(lambda leaf: jnp.ones((), leaf.dtype), params), inner.init(params))

    inside = optax.with_extra_args_support(inner)

    def update(updates, state, params=None, **more):
        changes, now = inside.update(times(updates, state.masks), state.inner, params, **more)
        return times(changes, state.masks), MaskedState(state.masks, now)

    return optax.GradientTransformationExtraArgs(init, update)


def set_masks(inner: optax.GradientTransformation, state: Any, masks: Tree) -> MaskedState:
    """The state with other masks; what the inner optimiser remembers of pruned synapses becomes zero.

    Args:
      inner: the optimiser inside `keep_pruned`.
      state: of `keep_pruned(inner)`.
      masks: ones where synapses are, of the structure of `weights(model)`.
    """
    everything = with_weights(state.masks, masks)
    remembered = optax.tree_utils.tree_map_params(inner, _zero, state.inner, everything, is_leaf=_elsewhere)
    return MaskedState(everything, remembered)


def _elsewhere(node):
    """Whether a part of an optimiser for several kinds of parameters leaves this one to another part."""
    return isinstance(node, optax.MaskedNode)


def _zero(leaf, mask):
    """A moment of every synapse, with zeros; anything else as it is."""
    return times(leaf, mask) if getattr(leaf, "shape", None) == mask.shape else leaf
