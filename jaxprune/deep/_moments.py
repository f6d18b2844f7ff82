"""Second moments of what a layer hears, in a model and in its pruned copy at once."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jaxtyping import Float

from jaxprune.deep._layers import Around, each_layer
from jaxprune.deep._watch import sum_of_outputs

PAIR = "jaxprune pair"


class Inputs(NamedTuple):
    """Inputs of a layer, x in the original and y in the pruned model; of a convolution, of its patches.

    Attributes:
      mean_x, mean_y: means.
      original: Cov(x).
      cross: `Cov(x, y)`.
      covariance: Cov(y).
      count: number of samples (and positions).
    """

    mean_x: Float[Array, " pre"]
    mean_y: Float[Array, " pre"]
    original: Float[Array, "pre pre"]
    cross: Float[Array, "pre pre"]
    covariance: Float[Array, "pre pre"]
    count: Float[Array, ""]


@custom_vmap
def _gram(rows):
    # On an accelerator, products of single precision are less precise by default.
    return jnp.matmul(rows.T, rows, precision=lax.Precision.HIGHEST)


@_gram.def_vmap
def _gram_of_many(size, batched, rows):
    # One product over everything that was mapped, rather than one for each sample: the sum is all that is wanted.
    del size, batched
    return _gram(rows.reshape(-1, rows.shape[-1])), False


@jax.custom_vjp
def _tap(x, rows, sums):
    del rows, sums
    return x


def _forward(x, rows, sums):
    del sums
    return x, rows


def _backward(rows, cotangent):
    return cotangent, jnp.zeros_like(rows), _gram(rows)


_tap.defvjp(_forward, _backward)


class _Listening(Around):
    sums: Array

    def __call__(self, x, *arguments, **options):
        rows = input_rows(self.layer, x)
        both = jnp.moveaxis(lax.all_gather(rows, PAIR), 0, 1).reshape(len(rows), -1)
        one = jnp.ones((len(rows), 1), both.dtype)
        return self.layer(_tap(x, jnp.concatenate([one, both], axis=1), self.sums), *arguments, **options)


def input_rows(layer: Any, x: Array) -> Array:
    """What a layer multiplies by its weights, one row for each output position, of the default precision."""
    if isinstance(layer, eqx.nn.Linear):
        return x.reshape(1, -1).astype(float)
    x, padding = x.astype(float), layer.padding
    if layer.padding_mode != "ZEROS":
        if isinstance(padding, str):
            reach = [(size - 1) * step + 1 for size, step in zip(layer.kernel_size, layer.dilation, strict=True)]
            padding = lax.padtype_to_pads(x.shape[1:], reach, layer.stride, padding)
        mode = {"REFLECT": "reflect", "REPLICATE": "edge", "CIRCULAR": "wrap"}[layer.padding_mode]
        x, padding = jnp.pad(x, [(0, 0), *padding], mode), "VALID"
    patches = lax.conv_general_dilated_patches(
        x[None], layer.kernel_size, layer.stride, padding, rhs_dilation=layer.dilation
    )[0]
    return patches.reshape(len(patches), -1).T


def input_moments(
    forward: Callable[[Any, Any], Any], original: Any, pruned: Any, place: int, batches: Iterable[Any]
) -> Inputs:
    """Moments of the inputs of one layer.

    Both models run side by side, so that what a layer hears in one can be held against what it hears in the other. A model
    that is held against itself, as the same object, runs alone.

    Args:
      forward: (model, batch) -> anything.
      original, pruned: models of one structure.
      place: of the layer among the prunable ones, in the order of `names`.
      batches: data.

    Returns:
      The moments; a count of zero for a layer that is not called, or that no output depends on by its gradient.
    """
    number, models = itertools.count(), 1 if pruned is original else 2

    def listen(layer):
        here = next(number) == place
        size = 1 + models * (layer.weight.size // len(layer.weight))
        return _Listening(layer, jnp.zeros((size, size), float)) if here else layer

    watched = each_layer(listen, original)
    runs = (watched,) if models == 1 else (watched, _twin(watched, pruned))
    total: Any = 0.0
    for batch in batches:
        total = total + _sums(forward, runs, batch)
    count, sums, second = total[0, 0], total[0, 1:], total[1:, 1:]
    count = jnp.maximum(count, 1)
    mean = sums / count
    covariance = second / count - jnp.outer(mean, mean)
    # What rounding leaves of the variance of an input that never changes, on either side of zero, is none.
    power = jnp.diagonal(second) / count
    moves = jnp.diagonal(covariance) > 100 * jnp.finfo(power.dtype).eps * power
    covariance = jnp.where(moves[:, None] & moves[None], covariance, 0)
    half = len(mean) // models
    x, y = slice(None, half), slice(-half, None)
    return Inputs(mean[x], mean[y], covariance[x, x], covariance[x, y], covariance[y, y], total[0, 0])


def _is_listening(node):
    return isinstance(node, _Listening)


def _twin(watched, pruned):
    """The pruned model with the same listener."""
    nodes, structure = jax.tree.flatten(watched, is_leaf=_is_listening)
    places = [place for place, node in enumerate(nodes) if _is_listening(node)]
    parts = structure.flatten_up_to(pruned)
    found = [
        _Listening(part, node.sums) if place in places else part
        for place, (node, part) in enumerate(zip(nodes, parts, strict=True))
    ]
    return jax.tree.unflatten(structure, found)


@eqx.filter_jit
def _sums(forward, models, batch):
    (node,) = [node for node in jax.tree.leaves(models[0], is_leaf=_is_listening) if _is_listening(node)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *models)

    def loss(sums):
        def one(model):
            # The sums are the same for all: unmapped, they collect from the pair once.
            nodes, structure = jax.tree.flatten(model, is_leaf=_is_listening)
            nodes = [_Listening(n.layer, sums) if _is_listening(n) else n for n in nodes]
            return sum_of_outputs(forward(jax.tree.unflatten(structure, nodes), batch))

        return jnp.sum(eqx.filter_vmap(one, in_axes=(eqx.if_array(0),), axis_name=PAIR)(stacked))

    return jax.grad(loss)(node.sums)
