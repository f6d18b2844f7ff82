"""What the layers of a model hear, measured while it runs, without editing it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap
from jaxtyping import Float

from jaxprune._checks import InputError, check_choice
from jaxprune.deep._layers import Around, Tree, check_single, each_layer, weights


class Pairs(NamedTuple):
    """Activity of both ends of every synapse, with yᵢ the layer's output where it is positive and zero elsewhere.

    Attributes:
      rate: ⟨yᵢ⟩, over samples and, in a convolution, positions.
      power: ⟨yᵢ²⟩.
      first: `⟨xⱼ yᵢ⟩`, of the shape of the weights.
      second: `⟨xⱼ yᵢ²⟩`.
    """

    rate: Float[Array, " post"]
    power: Float[Array, " post"]
    first: Float[Array, "post pre ..."]
    second: Float[Array, "post pre ..."]


class Heard(NamedTuple):
    """Activity of a layer's inputs: one number for each input unit (linear) or input channel (convolution).

    What was not asked for is None.

    Attributes:
      size: ⟨|xⱼ|⟩, over samples and, in a convolution, positions.
      power: ⟨xⱼ²⟩.
      pairs: activity of both ends of every synapse.
    """

    size: Float[Array, " pre"] | None
    power: Float[Array, " pre"] | None
    pairs: Pairs | None = None


HEARD = Heard._fields
"""What can be heard."""
INPUTS = ("size", "power")


class _Sums(NamedTuple):
    """Sums over samples and positions, and their number; None for what is not asked for."""

    number: Array
    size: Array | None
    power: Array | None


def _total(of):
    """Sums of a function of a layer's inputs, x of (sample, unit, position)."""

    @custom_vmap
    def total(x):
        return of(x.reshape(1, x.shape[0] if x.ndim else 1, -1))

    @total.def_vmap
    def _(size, batched, x):
        # All samples at once, rather than each of them.
        del batched
        return of(x.reshape(size, x.shape[1] if x.ndim > 1 else 1, -1)), False

    return total


def _over_samples(x):
    # By a product with ones: XLA sums over the first axis much more slowly (147 against 36 microseconds at 100 x 784).
    return jnp.ones(len(x), x.dtype) @ jnp.sum(x, axis=2)


_size = _total(lambda x: _over_samples(jnp.abs(x)))
_power = _total(lambda x: _over_samples(x**2))


def count_positions(x: Array) -> Array:
    """Number of positions of an array of (unit, position, ...), as a sum over its values, so that JAX adds it up over whatever is
    mapped."""
    positions = x.reshape(x.shape[0] if x.ndim else 1, -1)[0]
    return jnp.sum(jnp.where(jnp.isnan(positions), 1.0, 1.0))


@jax.custom_vjp
def _tap(x, sums):
    """x as it is; the gradient of anything with respect to sums is those of what went through here."""
    del sums
    return x


def _forward(x, sums):
    return x, (x, sums)


def _backward(seen, cotangent):
    # The sums do not depend on what the gradient is of, and are added up by JAX over calls and time.
    x, sums = seen
    wide = x.astype(sums.number.dtype)
    size = None if sums.size is None else _size(wide)
    power = None if sums.power is None else _power(wide)
    return cotangent, _Sums(count_positions(wide).astype(wide.dtype), size, power)


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


class _Watched(Around):
    sums: _Sums
    pairs: tuple[Array, Array, Array] | None

    def __call__(self, x, *arguments, **options):
        y = self.layer(_tap(x, self.sums), *arguments, **options)
        return y if self.pairs is None else _tap_pairs(self.layer, x, y, self.pairs)


def watch(model: Any, *, hear: Sequence[str] = INPUTS) -> Any:
    """The model with a listener at every layer that can be pruned; it computes the same.

    See `value_and_gradient`, which hears and differentiates in one pass.

    Args:
      model: any Equinox model.
      hear: as in `value_and_gradient`.

    Raises:
      InputError: a model without prunable layers, or with stacked ones; an unknown name in hear.

    Example:
      >>> model = eqx.nn.Linear(4, 2, key=jax.random.key(0))
      >>> bool((watch(model)(jnp.ones(4)) == model(jnp.ones(4))).all())
      True
    """
    for name in hear:
        check_choice("hear", name, HEARD)

    def listen(layer):
        units, W = layer.weight.shape[1] * getattr(layer, "groups", 1), layer.weight
        dtype = jnp.promote_types(W.dtype, jnp.float32)  # half precision does not hold sums
        size, power = (jnp.zeros(units, dtype) if name in hear else None for name in INPUTS)
        pairs = (jnp.zeros((3, len(W)), W.dtype), jnp.zeros_like(W), jnp.zeros_like(W)) if "pairs" in hear else None
        return _Watched(layer, _Sums(jnp.zeros((), dtype), size, power), pairs)

    check_single(model)
    return each_layer(listen, model)


def value_and_gradient(
    loss: Callable[..., Any], model: Any, *arguments: Any, has_aux: bool = False, hear: Sequence[str] = INPUTS
) -> tuple[Any, Any, Tree]:
    r"""Value and gradient of a loss, and what every prunable layer heard, in one pass.

    The activity is summed in the backward pass by a function whose "gradient" is its input: nothing of the model is edited, and
    layers may be called several times, under `vmap`, in a `scan` or in a checkpoint.

    Args:
      loss: (model, *arguments) -> number, or (number, anything) with `has_aux`.
      model: any Equinox model.
      arguments: such as inputs and labels.
      has_aux: as in `jax.value_and_grad`.
      hear: names of the fields of `Heard` that are wanted. "pairs", for the score "bcm", needs two more arrays of the size of the
        weights.

    Returns:
      The value; the gradient, of the structure of the model's arrays of floats; and a `Heard` for every prunable layer, in a tree
      like `weights(model)`.

    Raises:
      InputError: a model without prunable layers; an unknown name in hear.

    Example:
      >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
      >>> x = jnp.array([[1.0, 0.0], [-3.0, 0.0]])
      >>> _, _, heard = value_and_gradient(lambda m, x: jnp.sum(jax.vmap(m)(x)), model, x)
      >>> heard.weight.size.tolist(), heard.weight.power.tolist()
      ([2.0, 0.0], [5.0, 0.0])
    """
    value, found = eqx.filter_value_and_grad(loss, has_aux=has_aux)(watch(model, hear=hear), *arguments)

    def is_watched(node):
        return isinstance(node, _Watched)

    gradient = jax.tree.map(lambda node: node.layer if is_watched(node) else node, found, is_leaf=is_watched)
    heard = [_means(node) for node in jax.tree.leaves(found, is_leaf=is_watched) if is_watched(node)]
    return value, gradient, jax.tree.unflatten(jax.tree.structure(weights(model)), heard)


def _means(node):
    number = jnp.maximum(node.sums.number, 1)
    size, power = (None if total is None else total / number for total in node.sums[1:])
    if node.pairs is None:
        return Heard(size, power)
    (rate, square, count), *products = node.pairs
    count = jnp.maximum(count[0], 1)
    return Heard(size, power, Pairs(rate / count, square / count, *(found / count for found in products)))


def sum_of_outputs(found: Any) -> Array:
    """Something to differentiate, so that every layer that outputs depend on is heard."""
    leaves = [leaf for leaf in jax.tree.leaves(found) if eqx.is_inexact_array(leaf)]
    if not leaves:
        raise InputError(
            "the outputs hold no floats: return what the last layer gives, such as logits rather than classes."
        )
    return sum((jnp.sum(leaf) for leaf in leaves), jnp.zeros(()))


def activity(forward: Callable[..., Any], model: Any, *arguments: Any, hear: Sequence[str] = INPUTS) -> Tree:
    """What every prunable layer hears while a model runs.

    Args:
      forward: (model, *arguments) -> anything.
      model: any Equinox model.
      arguments: such as inputs.
      hear: as in `value_and_gradient`.

    Returns:
      A `Heard` for every prunable layer, in a tree like `weights(model)`; zero for one that is not called, or that no output
      depends on by its gradient, such as one behind `stop_gradient`.

    Raises:
      InputError: as `value_and_gradient`; outputs without any number that is differentiable.

    Example:
      >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
      >>> activity(lambda m, x: jax.vmap(m)(x), model, jnp.array([[1.0, 0.0], [-3.0, 0.0]])).weight.size.tolist()
      [2.0, 0.0]
    """

    def loss(model, *arguments):
        return sum_of_outputs(forward(model, *arguments))

    return value_and_gradient(loss, model, *arguments, hear=hear)[2]
