"""Which arrays of an Equinox model are synapses that can be pruned: the weights of linear and convolutional layers."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError

LAYERS = (eqx.nn.Linear, eqx.nn.Conv)
"""Kinds of layers whose weights can be pruned, and what derives from them."""

Tree = Any
"""A pytree of the structure of `weights(model)`: one array for every prunable layer, None everywhere else."""


def is_layer(node: Any) -> bool:
    """Whether a node of a model is a layer that can be pruned."""
    return isinstance(node, LAYERS)


def layers(model: Any) -> list[Any]:
    """All layers that can be pruned, in the order of `names(model)`."""
    return [node for node in jax.tree.leaves(model, is_leaf=is_layer) if is_layer(node)]


def has_convolutions(model: Any) -> bool:
    """Whether a convolution, plain or transposed, is anywhere in a model."""
    kinds = (eqx.nn.Conv, eqx.nn.ConvTranspose)
    nodes = jax.tree.leaves(model, is_leaf=lambda node: isinstance(node, kinds))
    return any(isinstance(node, kinds) for node in nodes)


class Around(eqx.Module):
    """A layer in something else that takes its place; what the model's own code asks of its layer, it still finds."""

    layer: Any

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "layer"), name)


def weights(model: Any) -> Tree:
    """The weights that can be pruned: a model of the same structure with None in place of everything else.

    Transposed convolutions, embeddings and recurrent cells are left alone, as is everything that is no layer of Equinox.

    Args:
      model: any Equinox model, or pytree of them.

    Returns:
      Weights [post, pre] of linear layers and [post channel, pre channel, ...] of convolutions, wherever they are.

    Raises:
      InputError: a model without linear or convolutional layers; a weight that is no array, such as one of `eqx.nn.Shared`.

    Example:
      >>> model = eqx.nn.MLP(4, 2, width_size=8, depth=1, key=jax.random.key(0))
      >>> [leaf.shape for leaf in jax.tree.leaves(weights(model))]
      [(8, 4), (2, 8)]
    """

    def only_weight(node):
        if not is_layer(node):
            return None
        if not (node.weight is None or hasattr(node.weight, "shape")):
            raise InputError(
                f"a layer's weight is a {type(node.weight).__name__}, but must be an array: weights that several layers share "
                "cannot be pruned."
            )
        empty = jax.tree.map(lambda _: None, node)
        return eqx.tree_at(lambda layer: layer.weight, empty, node.weight, is_leaf=lambda leaf: leaf is None)

    found = jax.tree.map(only_weight, model, is_leaf=is_layer)
    if not jax.tree.leaves(found):
        kinds = " or ".join(f"eqx.nn.{kind.__name__}" for kind in LAYERS)
        raise InputError(f"the model has no layer that can be pruned: no {kinds} is in it.")
    return found


def with_weights(model: Any, new: Tree) -> Any:
    """The model with other weights in its prunable layers.

    Args:
      model: any Equinox model.
      new: of the structure of `weights(model)`.

    Example:
      >>> model = eqx.nn.Linear(4, 2, key=jax.random.key(0))
      >>> bool(with_weights(model, jax.tree.map(jnp.zeros_like, weights(model))).weight.any())
      False
    """
    return eqx.combine(new, model)


def names(model: Any) -> list[str]:
    """Where each prunable layer is in the model, in the order of `jax.tree.leaves(weights(model))`.

    Args:
      model: any Equinox model.

    Raises:
      InputError: a model without linear or convolutional layers.

    Example:
      >>> names(eqx.nn.MLP(4, 2, width_size=8, depth=1, key=jax.random.key(0)))
      ['layers[0]', 'layers[1]']
    """
    paths = [path[:-1] for path, _ in jax.tree_util.tree_flatten_with_path(weights(model))[0]]
    return [jax.tree_util.keystr(path).removeprefix(".") or type(model).__name__ for path in paths]


def ones(model: Any) -> Tree:
    """Masks in which every synapse is there.

    Args:
      model: any Equinox model.

    Returns:
      Masks of the structure of `weights(model)`.

    Raises:
      InputError: a model without linear or convolutional layers.

    Example:
      >>> int(ones(eqx.nn.Linear(4, 2, key=jax.random.key(0))).weight.sum())
      8
    """
    return jax.tree.map(jnp.ones_like, weights(model))


def masked(model: Any, masks: Tree) -> Any:
    """The model without the synapses that are not in the masks.

    Args:
      model: any Equinox model.
      masks: ones where synapses stay, of the structure of `weights(model)`.

    Raises:
      InputError: masks of another structure or shape.

    Example:
      >>> model = eqx.nn.Linear(4, 2, key=jax.random.key(0))
      >>> int((masked(model, jax.tree.map(lambda mask: mask.at[0].set(0), ones(model))).weight == 0).sum())
      4
    """
    check_masks(model, masks)
    return with_weights(model, times(weights(model), masks))


def times(tree: Tree, masks: Tree) -> Tree:
    """Arrays with exact zeros where the masks are zero, whatever they held."""
    return jax.tree.map(lambda leaf, mask: jnp.where(mask > 0, leaf, jnp.zeros((), leaf.dtype)), tree, masks)


def check_masks(model: Any, masks: Tree) -> None:
    """Refuse masks of another structure, or of other shapes, than the model's weights."""
    wanted = weights(model)
    if jax.tree.structure(masks) != jax.tree.structure(wanted):
        raise InputError("masks have another structure than the model's weights: start from deep.ones(model).")
    for name, mask, W in zip(names(model), jax.tree.leaves(masks), jax.tree.leaves(wanted), strict=True):
        if mask.shape != W.shape:
            raise InputError(f"the mask of {name} has shape {mask.shape}, but its weights have {W.shape}.")


def check_single(model: Any) -> None:
    """Refuse a model without layers, and one whose arrays are those of several layers or models stacked.

    Raises:
      InputError: as said.
    """
    for name, layer in zip(names(model), layers(model), strict=True):
        axes, wanted = layer.weight.ndim, 2 if isinstance(layer, eqx.nn.Linear) else 2 + layer.num_spatial_dims
        if axes != wanted:
            raise InputError(
                f"the weights of {name} have {axes} axes instead of {wanted}: stacked layers cannot be pruned together; map over "
                "models with eqx.filter_vmap."
            )


def density(masks: Tree) -> Array:
    """Fraction of the synapses that are there, over all layers.

    Args:
      masks: ones where synapses are, zeros elsewhere; any pytree.

    Returns:
      A number in [0, 1].

    Example:
      >>> float(density({"a": jnp.ones((2, 2)), "b": jnp.zeros(4)}))
      0.5
    """
    leaves = jax.tree.leaves(masks)
    there = jnp.sum(jnp.stack([jnp.sum(mask > 0) for mask in leaves]))
    return there / sum(mask.size for mask in leaves)


def each_layer(function: Callable[..., Any], model: Any, *trees: Tree) -> Any:
    """The model with a function of each prunable layer, and of its entries in trees like `weights(model)`, in their place."""
    nodes, structure = jax.tree.flatten(model, is_leaf=is_layer)
    parts = [iter(jax.tree.leaves(tree)) for tree in trees]
    found = [function(node, *(next(part) for part in parts)) if is_layer(node) else node for node in nodes]
    return jax.tree.unflatten(structure, found)
