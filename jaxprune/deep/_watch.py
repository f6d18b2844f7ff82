"""What the layers of a model hear, measured while it runs, without editing it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune.deep._layers import Tree, each_layer, weights


class Heard(NamedTuple):
    r"""Activity of a layer's inputs: one number for each input unit (linear) or input channel (convolution).

    Attributes:
      size: $\langle |x_j| \rangle$, over samples and, in a convolution, positions.
      power: $\langle x_j^2 \rangle$.
    """

    size: Float[Array, " pre"]
    power: Float[Array, " pre"]


@jax.custom_vjp
def _tap(x, counts):
    """x as it is; the gradient of anything with respect to counts is the sum of what went through here."""
    del counts
    return x


def _forward(x, counts):
    del counts
    return x, x


def _backward(x, cotangent):
    # The sums do not depend on what the gradient is of, and are added up by JAX over samples, positions, calls and time.
    units = x.shape[0] if x.ndim else 1
    flat = x.reshape(units, -1)
    number = jnp.full(units, flat.shape[1], x.dtype)
    return cotangent, jnp.stack([jnp.sum(jnp.abs(flat), axis=1), jnp.sum(flat**2, axis=1), number])


_tap.defvjp(_forward, _backward)


class _Watched(eqx.Module):
    layer: Any
    counts: Array

    def __call__(self, x, *arguments, **options):
        return self.layer(_tap(x, self.counts), *arguments, **options)

    def __getattr__(self, name):
        # What the model's own code asks of its layer, such as `in_features`.
        return getattr(object.__getattribute__(self, "layer"), name)


def watch(model: Any) -> Any:
    """The model with a listener at the inputs of every layer that can be pruned; it computes the same.

    See `value_and_gradient`, which hears and differentiates in one pass.

    Example:
      >>> model = eqx.nn.Linear(4, 2, key=jax.random.key(0))
      >>> bool((watch(model)(jnp.ones(4)) == model(jnp.ones(4))).all())
      True
    """

    def listen(layer):
        units = layer.weight.shape[1] * getattr(layer, "groups", 1)
        return _Watched(layer, jnp.zeros((3, units), layer.weight.dtype))

    return each_layer(listen, model)


def value_and_gradient(
    loss: Callable[..., Any], model: Any, *arguments: Any, has_aux: bool = False
) -> tuple[Any, Any, Tree]:
    r"""Value and gradient of a loss, and what every prunable layer heard, in one pass.

    The activity is summed in the backward pass by a function whose "gradient" is its input: nothing of the model is edited, and
    layers may be called several times, under `vmap`, in a `scan` or in a checkpoint.

    Args:
      loss: (model, *arguments) -> number, or (number, anything) with `has_aux`.
      model: any Equinox model.
      arguments: such as inputs and labels.
      has_aux: as in `jax.value_and_grad`.

    Returns:
      The value; the gradient, of the structure of the model's arrays of floats; and a `Heard` for every prunable layer, in a tree
      like `weights(model)`.

    Raises:
      InputError: a model without prunable layers.

    Example:
      >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
      >>> x = jnp.array([[1.0, 0.0], [-3.0, 0.0]])
      >>> _, _, heard = value_and_gradient(lambda m, x: jnp.sum(jax.vmap(m)(x)), model, x)
      >>> heard.weight.size.tolist(), heard.weight.power.tolist()
      ([2.0, 0.0], [5.0, 0.0])
    """
    like = weights(model)
    value, found = eqx.filter_value_and_grad(loss, has_aux=has_aux)(watch(model), *arguments)

    def is_watched(node):
        return isinstance(node, _Watched)

    gradient = jax.tree.map(lambda node: node.layer if is_watched(node) else node, found, is_leaf=is_watched)
    listeners = [node.counts for node in jax.tree.leaves(found, is_leaf=is_watched) if is_watched(node)]
    heard = [Heard(*(sums[:2] / jnp.maximum(sums[2:], 1))) for sums in listeners]
    return value, gradient, jax.tree.unflatten(jax.tree.structure(like), heard)


def activity(forward: Callable[..., Any], model: Any, *arguments: Any) -> Tree:
    """What every prunable layer hears while a model runs.

    Args:
      forward: (model, *arguments) -> anything.
      model: any Equinox model.
      arguments: such as inputs.

    Returns:
      A `Heard` for every prunable layer, in a tree like `weights(model)`; zero for one that is not called.

    Example:
      >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
      >>> activity(lambda m, x: jax.vmap(m)(x), model, jnp.array([[1.0, 0.0], [-3.0, 0.0]])).weight.size.tolist()
      [2.0, 0.0]
    """

    def loss(model, *arguments):
        found = [leaf for leaf in jax.tree.leaves(forward(model, *arguments)) if eqx.is_inexact_array(leaf)]
        return sum(jnp.sum(leaf) for leaf in found)

    return value_and_gradient(loss, model, *arguments)[2]
