"""Boltzmann machines of binary units in layers: two layers make a restricted machine, three a deep one."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_array, check_key, is_concrete
from jaxprune._types import Mask, PRNGKey, Real
from jaxprune.boltzmann._binary import Data, check_data

Bias = Float[Array, " _"]
Weights = Float[Array, "_ _"]
"""Of one layer of many, [post, pre]."""
States = tuple[Float[Array, "chain _"], ...]
"""The units of every layer, visible first, of many chains."""


class BoltzmannMachine(eqx.Module):
    """Binary units `x ∈ {0, 1}` in layers, each joined to the next, with the energy

        E(x) = −Σₗ bₗ · xₗ − Σₗ xₗ₊₁ᵀ Wₗ xₗ,   P(x) = e^(−E(x)) / Z

    Layer 0 is visible. With one layer of weights it is a restricted Boltzmann machine, with more a deep one.

    Args:
      biases: of every layer, visible first.
      weights: from each layer to the next, Wₗ [post, pre] = [unit of layer l+1, unit of layer l].
      masks: ones where a synapse is; weights are zero elsewhere.

    Raises:
      InputError: no layer of weights; shapes that do not fit (which is said); a mask of anything but zeros and ones, or a weight
        where it is zero.

    Example:
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> machine.sizes
      (4, 3)

    Reference: Smolensky1986, Salakhutdinov2009.
    """

    biases: tuple[Bias, ...]
    weights: tuple[Weights, ...]
    masks: tuple[Weights, ...]

    def __check_init__(self):
        arrays = (*self.biases, *self.weights, *self.masks)
        if not all(isinstance(array, jax.Array | np.ndarray) for array in arrays):
            return  # a template, as in eqx.filter_eval_shape or tree_at
        if not self.weights or not len(self.biases) - 1 == len(self.weights) == len(self.masks):
            raise InputError(
                f"there are {len(self.biases)} biases, {len(self.weights)} weights and {len(self.masks)} masks, but layers of "
                "weights and masks must be one fewer than layers of units, and at least one."
            )
        if self.biases[0].ndim != 1:
            return  # stacked by vmap
        for layer, (W, mask) in enumerate(zip(self.weights, self.masks, strict=True)):
            wanted = (len(self.biases[layer + 1]), len(self.biases[layer]))
            for name, array in (("weights", W), ("masks", mask)):
                if array.shape != wanted:
                    raise InputError(
                        f"{name}[{layer}] has shape {array.shape}, but between these layers it must be {wanted}."
                    )
            if is_concrete(W, mask):
                there = np.asarray(mask)
                if not np.isin(there, (0, 1)).all():
                    raise InputError(f"masks[{layer}] must hold zeros and ones: ones where a synapse is.")
                if np.any(np.asarray(W)[there == 0]):
                    raise InputError(f"weights[{layer}] is not zero where masks[{layer}] is: pass weights * mask.")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of units of every layer, visible first."""
        return tuple(len(bias) for bias in self.biases)

    def field(self, states: States, layer: int) -> Float[Array, "chain unit"]:
        """What drives a layer's units: their biases, and the weighted states of the layers beside them."""
        return self.biases[layer][None, :] + self.drive(states, layer)

    def drive(self, states: States, layer: int) -> Float[Array, "chain unit"]:
        """The weighted states of the layers beside a layer, without its biases."""
        below = [states[layer - 1] @ self.weights[layer - 1].T] if layer > 0 else []
        above = [states[layer + 1] @ self.weights[layer]] if layer < len(self.weights) else []
        first, *rest = below + above
        return sum(rest, start=first)

    def energy(self, states: States) -> Float[Array, " chain"]:
        """Energy of every chain's state."""
        linear: Any = sum(x @ b for x, b in zip(states, self.biases, strict=True))
        pairs: Any = sum(
            jnp.sum((states[layer] @ W.T) * states[layer + 1], axis=1) for layer, W in enumerate(self.weights)
        )
        return -linear - pairs

    def astype(self, dtype: Any) -> "BoltzmannMachine":
        """The same machine in another precision."""
        return jax.tree.map(lambda array: array.astype(dtype), self)


def rbm(
    key: PRNGKey,
    *,
    visible: int,
    hidden: int,
    sd: Real = 0.1,
    visible_bias: Real | Bias = 0.0,
    hidden_bias: Real = -2.0,
    mask: Mask | None = None,
    dtype: Any = jnp.float32,
) -> BoltzmannMachine:
    """Draw a restricted Boltzmann machine before training: normal weights, equal biases.

    Args:
      key: random key of the weights.
      visible, hidden: numbers of units.
      sd: standard deviation of the weights.
      visible_bias: one number, or one for each visible unit (see `visible_bias`).
      hidden_bias: of every hidden unit; negative ones make for sparse activity.
      mask: ones where a synapse is, [hidden, visible]; by default everywhere.
      dtype: of the arrays; training hardly gains from double precision.

    Raises:
      InputError: a size below 1; a mask or biases of another shape.

    Example:
      >>> rbm(jax.random.key(0), visible=6, hidden=2).weights[0].shape
      (2, 6)

    Reference: Smolensky1986.
    """
    return dbm(
        key, visible=visible, hidden=(hidden,), sd=sd, visible_bias=visible_bias, hidden_bias=hidden_bias, masks=(mask,),
        dtype=dtype,
    )  # fmt: skip


def dbm(
    key: PRNGKey,
    *,
    visible: int,
    hidden: Sequence[int],
    sd: Real = 0.1,
    visible_bias: Real | Bias = -1.0,
    hidden_bias: Real = -2.0,
    masks: Sequence[Weights | None] | None = None,
    dtype: Any = jnp.float32,
) -> BoltzmannMachine:
    """Draw a deep Boltzmann machine before training: normal weights, equal biases.

    Args:
      key: random key of the weights.
      visible: number of visible units.
      hidden: numbers of units of the hidden layers, lowest first.
      sd, visible_bias, hidden_bias, dtype: as in `rbm`.
      masks: ones where a synapse is, for every layer of weights; None where all are.

    Raises:
      InputError: a size below 1; masks or biases of another shape or number.

    Example:
      >>> dbm(jax.random.key(0), visible=9, hidden=(9, 4), masks=(receptive_fields((3, 3), 3), None)).sizes
      (9, 9, 4)

    Reference: Salakhutdinov2009.
    """
    check_key("key", key)
    sizes = (visible, *hidden)
    for size in sizes:
        if size < 1:
            raise InputError(f"the layers have {', '.join(map(str, sizes))} units, but each needs at least one.")
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    given = [None] * len(shapes) if masks is None else list(masks)
    if len(given) != len(shapes):
        raise InputError(f"there are {len(given)} masks for {len(shapes)} layers of weights.")
    there = [jnp.ones(shape, dtype) if mask is None else mask for mask, shape in zip(given, shapes, strict=True)]
    for layer, (mask, shape) in enumerate(zip(there, shapes, strict=True)):
        check_array(f"masks[{layer}]", mask)
        if mask.shape != shape:
            raise InputError(f"masks[{layer}] has shape {mask.shape}, but between these layers it must be {shape}.")
    keys = jax.random.split(key, len(shapes))
    weights = [
        (sd * jax.random.normal(k, shape) * mask).astype(dtype)
        for k, shape, mask in zip(keys, shapes, there, strict=True)
    ]
    if jnp.ndim(visible_bias) and jnp.shape(visible_bias) != (visible,):
        raise InputError(f"visible_bias has shape {jnp.shape(visible_bias)}, but there are {visible} visible units.")
    below = jnp.broadcast_to(jnp.asarray(visible_bias, dtype), (visible,))
    biases = (below, *(jnp.full(size, hidden_bias, dtype) for size in hidden))
    return BoltzmannMachine(biases, tuple(weights), tuple(mask.astype(dtype) for mask in there))


def receptive_fields(shape: tuple[int, int], size: int) -> Mask:
    """Mask of a hidden layer in which each unit sees a square of pixels around its own, cut at the border.

    Args:
      shape: rows and columns of the image; as many hidden units.
      size: side of the square, odd.

    Returns:
      Ones where unit (row) sees pixel (column).

    Raises:
      InputError: a size that is not odd and positive.

    Example:
      >>> int(receptive_fields((20, 20), 5).sum())
      8836

    Reference: Scholl2021.
    """
    if size < 1 or size % 2 == 0:
        raise InputError(f"size is {size}, but must be odd: each unit's own pixel is the middle of its field.")
    row, column = (axis.reshape(-1) for axis in np.indices(shape))
    near = [np.abs(axis[:, None] - axis[None, :]) <= size // 2 for axis in (row, column)]
    return jnp.asarray(near[0] & near[1], float)


def visible_bias(data: Data) -> Bias:
    """Biases of visible units without inputs that have the means of the data, `logit ⟨vᵢ⟩`.

    Pixels that are always on or always off are taken as off once, and on once, in the data.

    Args:
      data: binary data.

    Raises:
      InputError: data that are not binary.

    Example:
      >>> visible_bias(jnp.array([[0.0], [1.0], [1.0]])).round(3)
      Array([0.405], dtype=float64)
    """
    check_data(data, np.shape(data)[-1])
    mean = (jnp.sum(jnp.asarray(data), axis=0) + 1.0) / (len(data) + 2)
    return jnp.log(mean / (1 - mean))
