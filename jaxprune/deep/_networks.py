"""Networks that pruning is measured on."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._types import PRNGKey


def _he(key, layer):
    """Weights with variance 2 / fan-in, biases zero."""
    W = layer.weight
    fan_in = W.size // W.shape[0]
    new = jax.random.normal(key, W.shape, W.dtype) * jnp.sqrt(2 / fan_in)
    layer = eqx.tree_at(lambda part: part.weight, layer, new)
    return layer if layer.bias is None else eqx.tree_at(lambda part: part.bias, layer, jnp.zeros_like(layer.bias))


def _linear(key, inputs, outputs):
    return _he(key, eqx.nn.Linear(inputs, outputs, key=key))


def _conv(key, inputs, outputs, size, *, stride=1, padding=0, bias=True):
    layer = eqx.nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, use_bias=bias, key=key)
    return _he(key, layer)


class Dense(eqx.Module):
    """Rectified-linear layers on an image, or anything else, as one row of numbers.

    Args:
      key: random key.
      sizes: numbers of inputs, of every hidden layer's units, and of classes; LeNet-300-100 by default.

    Example:
      >>> Dense(jax.random.key(0))(jnp.ones((28, 28))).shape
      (10,)

    Reference: LeCun1998 (LeNet-300-100).
    """

    layers: tuple[eqx.nn.Linear, ...]

    def __init__(self, key: PRNGKey, sizes: Sequence[int] = (784, 300, 100, 10)):
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(_linear(k, a, b) for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, " cls"]:
        """Logits of one image."""
        x = x.reshape(-1)
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


class LeNet5(eqx.Module):
    """Two convolutions and two dense layers, as in the "Caffe" form of LeNet-5 that pruning papers use.

    Args:
      key: random key.
      channels: of the images.
      side: of the images, in pixels.
      classes: their number.

    Example:
      >>> LeNet5(jax.random.key(0))(jnp.ones((1, 28, 28))).shape
      (10,)

    Reference: LeCun1998.
    """

    convolutions: tuple[eqx.nn.Conv2d, ...]
    layers: tuple[eqx.nn.Linear, ...]

    def __init__(self, key: PRNGKey, *, channels: int = 1, side: int = 28, classes: int = 10):
        keys = jax.random.split(key, 4)
        self.convolutions = (_conv(keys[0], channels, 20, 5), _conv(keys[1], 20, 50, 5))
        left = ((side - 4) // 2 - 4) // 2
        self.layers = (_linear(keys[2], 50 * left**2, 500), _linear(keys[3], 500, classes))

    def __call__(self, x: Float[Array, "channel row column"]) -> Float[Array, " cls"]:
        """Logits of one image."""
        for layer in self.convolutions:
            x = _pool(layer(x))
        return self.layers[1](jax.nn.relu(self.layers[0](x.reshape(-1))))


def _pool(x):
    """Largest of every two by two.

    By pairs, not by a reduction over both axes: the gradient of that compares every number with the largest, and where the
    compiler computes the two apart, they differ by rounding, and the gradient is lost or divided by zero. With VGG and 20 images
    of 8 by 8 it was wrong by half in double precision.
    """
    channels, rows, columns = x.shape
    x = x[:, : rows // 2 * 2, : columns // 2 * 2].reshape(channels, rows // 2, 2, columns // 2, 2)
    x = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(x[..., 0], x[..., 1])


class _Normed(eqx.Module):
    """Convolution without bias, then batch normalisation."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm

    def __init__(self, key, inputs, outputs, size=3, stride=1):
        self.conv = _conv(key, inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
        self.norm = eqx.nn.BatchNorm(outputs, axis_name="batch", mode="batch")

    def __call__(self, x, state):
        return self.norm(self.conv(x), state)


class VGG(eqx.Module):
    """Convolutions of three by three with batch normalisation, halved where the channels double, and one dense layer.

    Args:
      key: random key.
      widths: channels of every convolution; the image is halved before each change of width.
      channels: of the images.
      classes: their number.

    Example:
      >>> model, state = eqx.nn.make_with_state(VGG)(jax.random.key(0), widths=(8, 16))
      >>> logits, _ = jax.vmap(model, in_axes=(0, None), out_axes=(0, None), axis_name="batch")(jnp.ones((2, 3, 8, 8)), state)
      >>> logits.shape
      (2, 10)

    Reference: Simonyan2015.
    """

    blocks: tuple[_Normed, ...]
    last: eqx.nn.Linear

    def __init__(
        self,
        key: PRNGKey,
        *,
        widths: Sequence[int] = (32, 32, 64, 64, 128, 128),
        channels: int = 3,
        classes: int = 10,
    ):
        keys = jax.random.split(key, len(widths) + 1)
        sizes = (channels, *widths)
        self.blocks = tuple(_Normed(k, a, b) for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=False))
        self.last = _linear(keys[-1], widths[-1], classes)

    def __call__(self, x: Float[Array, "channel row column"], state: eqx.nn.State) -> tuple[Array, eqx.nn.State]:
        """Logits of one image, and the running means."""
        for number, block in enumerate(self.blocks):
            if number > 0 and block.conv.out_channels != block.conv.in_channels:
                x = _pool(x)
            x, state = block(x, state)
            x = jax.nn.relu(x)
        return self.last(x.mean(axis=(1, 2))), state


class _Residual(eqx.Module):
    first: _Normed
    second: _Normed
    shortcut: _Normed | None

    def __init__(self, key, inputs, outputs, stride):
        keys = jax.random.split(key, 3)
        self.first = _Normed(keys[0], inputs, outputs, stride=stride)
        self.second = _Normed(keys[1], outputs, outputs)
        self.shortcut = None if stride == 1 and inputs == outputs else _Normed(keys[2], inputs, outputs, 1, stride)

    def __call__(self, x, state):
        passed, state = (x, state) if self.shortcut is None else self.shortcut(x, state)
        x, state = self.first(x, state)
        x, state = self.second(jax.nn.relu(x), state)
        return jax.nn.relu(x + passed), state


class ResNet(eqx.Module):
    """Residual network for small images: ResNet-20 by default, ResNet-18 with `widths=(64, 128, 256, 512)` and `depth=2`.

    Args:
      key: random key.
      widths: channels of every stage.
      depth: blocks of two convolutions in every stage.
      channels: of the images.
      classes: their number.

    Example:
      >>> model, state = eqx.nn.make_with_state(ResNet)(jax.random.key(0), widths=(4, 8), depth=1)
      >>> logits, _ = jax.vmap(model, in_axes=(0, None), out_axes=(0, None), axis_name="batch")(jnp.ones((2, 3, 8, 8)), state)
      >>> logits.shape
      (2, 10)

    Reference: He2016.
    """

    start: _Normed
    blocks: tuple[_Residual, ...]
    last: eqx.nn.Linear

    def __init__(
        self,
        key: PRNGKey,
        *,
        widths: Sequence[int] = (16, 32, 64),
        depth: int = 3,
        channels: int = 3,
        classes: int = 10,
    ):
        start_key, last_key, *keys = jax.random.split(key, 2 + depth * len(widths))
        self.start = _Normed(start_key, channels, widths[0])
        made, inputs = [], widths[0]
        for stage, width in enumerate(widths):
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                made.append(_Residual(keys[len(made)], inputs, width, stride))
                inputs = width
        self.blocks = tuple(made)
        self.last = _linear(last_key, widths[-1], classes)

    def __call__(self, x: Float[Array, "channel row column"], state: eqx.nn.State) -> tuple[Array, eqx.nn.State]:
        """Logits of one image, and the running means."""
        x, state = self.start(x, state)
        x = jax.nn.relu(x)
        for block in self.blocks:
            x, state = block(x, state)
        return self.last(x.mean(axis=(1, 2))), state
