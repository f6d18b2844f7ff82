"""What the layers of a model hear, measured while it runs, without editing it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap
from jaxtyping import Float

from jaxprune.deep._layers import Tree, each_layer, weights


class Pairs(NamedTuple):
    r"""Activity of both ends of every synapse, with $y_i$ the layer's output where it is positive and zero elsewhere.

    Attributes:
      rate: $\langle y_i \rangle$, over samples and, in a convolution, positions.
      power: $\langle y_i^2 \rangle$.
      first: $\langle x_j y_i \rangle$, of the shape of the weights.
      second: $\langle x_j y_i^2 \rangle$.
    """

    rate: Float[Array, " post"]
    power: Float[Array, " post"]
    first: Float[Array, "post pre ..."]
    second: Float[Array, "post pre ..."]


class Heard(NamedTuple):
    r"""Activity of a layer's inputs: one number for each input unit (linear) or input channel (convolution).

    Attributes:
      size: $\langle |x_j| \rangle$, over samples and, in a convolution, positions.
      power: $\langle x_j^2 \rangle$.
      pairs: activity of both ends of every synapse, where it was asked for.
    """

    size: Float[Array, " pre"]
    power: Float[Array, " pre"]
    pairs: Pairs | None = None


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


def _tap_pairs(layer, x, y, sums):
    """y as it is; the gradient with respect to sums is that of `_pairs`."""

    @jax.custom_vjp
    def tap(y, x, sums):
        del x, sums
        return y

    def forward(y, x, sums):
        del sums
        return y, (x, jax.nn.relu(y))

    def backward(seen, cotangent):
        x, y = seen
        return cotangent, jnp.zeros_like(x), _pairs(layer, x, y)

    tap.defvjp(forward, backward)
    return tap(y, x, sums)


def _pairs(layer, x, y):
    """Sums of what `Pairs` holds: of rates, powers and their number; of both products."""
    # A layer is linear in its weights: the derivative of its output times y is the sum of the products with its input.
    of_weights = eqx.partition(layer, eqx.is_array)[1]
    W = jnp.zeros(layer.weight.shape, layer.weight.dtype)
    bias = None if layer.bias is None else jnp.zeros(layer.bias.shape, layer.bias.dtype)

    def run(W, x):
        found = eqx.tree_at(lambda part: part.weight, of_weights, W, is_leaf=_is_none)
        if bias is not None:
            found = eqx.tree_at(lambda part: part.bias, found, bias, is_leaf=_is_none)
        return found(x)

    @custom_vmap
    def products(x, y):
        return jax.vjp(lambda W: run(W, x), W)[1](y)[0]

    @products.def_vmap
    def _(size, batched, x, y):
        # One product over all samples that are mapped: the sum is all that is wanted.
        x, y = (v if b else jnp.broadcast_to(v, (size, *v.shape)) for v, b in zip((x, y), batched, strict=True))
        return jax.vjp(lambda W: jax.vmap(lambda one: run(W, one))(x), W)[1](y)[0], False

    units = y.shape[0] if y.ndim else 1
    flat = y.reshape(units, -1)
    number = jnp.full(units, flat.shape[1], y.dtype)
    rates = jnp.stack([jnp.sum(flat, axis=1), jnp.sum(flat**2, axis=1), number])
    return rates, products(x, y), products(x, y**2)


def _is_none(leaf):
    return leaf is None


class _Watched(eqx.Module):
    layer: Any
    counts: Array
    sums: tuple[Array, Array, Array] | None

    def __call__(self, x, *arguments, **options):
        y = self.layer(_tap(x, self.counts), *arguments, **options)
        return y if self.sums is None else _tap_pairs(self.layer, x, y, self.sums)

    def __getattr__(self, name):
        # What the model's own code asks of its layer, such as `in_features`.
        return getattr(object.__getattribute__(self, "layer"), name)


def watch(model: Any, *, pairs: bool = False) -> Any:
    """The model with a listener at the inputs of every layer that can be pruned; it computes the same.

    See `value_and_gradient`, which hears and differentiates in one pass.

    Args:
      model: any Equinox model.
      pairs: listen at the outputs, too.

    Example:
      >>> model = eqx.nn.Linear(4, 2, key=jax.random.key(0))
      >>> bool((watch(model)(jnp.ones(4)) == model(jnp.ones(4))).all())
      True
    """

    def listen(layer):
        units, W = layer.weight.shape[1] * getattr(layer, "groups", 1), layer.weight
        sums = (jnp.zeros((3, len(W)), W.dtype), jnp.zeros_like(W), jnp.zeros_like(W)) if pairs else None
        return _Watched(layer, jnp.zeros((3, units), W.dtype), sums)

    return each_layer(listen, model)


def value_and_gradient(
    loss: Callable[..., Any], model: Any, *arguments: Any, has_aux: bool = False, pairs: bool = False
) -> tuple[Any, Any, Tree]:
    r"""Value and gradient of a loss, and what every prunable layer heard, in one pass.

    The activity is summed in the backward pass by a function whose "gradient" is its input: nothing of the model is edited, and
    layers may be called several times, under `vmap`, in a `scan` or in a checkpoint.

    Args:
      loss: (model, *arguments) -> number, or (number, anything) with `has_aux`.
      model: any Equinox model.
      arguments: such as inputs and labels.
      has_aux: as in `jax.value_and_grad`.
      pairs: hear both ends of every synapse, for the score "bcm"; needs two more arrays of the size of the weights.

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
    value, found = eqx.filter_value_and_grad(loss, has_aux=has_aux)(watch(model, pairs=pairs), *arguments)

    def is_watched(node):
        return isinstance(node, _Watched)

    gradient = jax.tree.map(lambda node: node.layer if is_watched(node) else node, found, is_leaf=is_watched)
    heard = [_means(node) for node in jax.tree.leaves(found, is_leaf=is_watched) if is_watched(node)]
    return value, gradient, jax.tree.unflatten(jax.tree.structure(like), heard)


def _means(node):
    size, power = node.counts[:2] / jnp.maximum(node.counts[2:], 1)
    if node.sums is None:
        return Heard(size, power)
    (rate, square, number), *products = node.sums
    number = jnp.maximum(number[0], 1)
    return Heard(size, power, Pairs(rate / number, square / number, *(found / number for found in products)))


def activity(forward: Callable[..., Any], model: Any, *arguments: Any, pairs: bool = False) -> Tree:
    """What every prunable layer hears while a model runs.

    Args:
      forward: (model, *arguments) -> anything.
      model: any Equinox model.
      arguments: such as inputs.
      pairs: as in `value_and_gradient`.

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

    return value_and_gradient(loss, model, *arguments, pairs=pairs)[2]
