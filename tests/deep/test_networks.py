"""Networks of images."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxprune import deep


@pytest.mark.parametrize("kind", [deep.LeNet5, deep.VGG, deep.ResNet])
def test_gradient_against_differences_along_it(kind):
    """Of small images, whose layers the compiler joins: a gradient by comparison with a maximum was wrong there."""
    side, channels = (16, 1) if kind is deep.LeNet5 else (8, 3)
    made = eqx.nn.make_with_state(kind)(jax.random.key(0), classes=3, **({"side": side} if kind is deep.LeNet5 else {}))
    double = lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf  # noqa: E731
    model, extra = jax.tree.map(double, made)
    extra = None if kind is deep.LeNet5 else extra
    x, y = jax.random.normal(jax.random.key(1), (20, channels, side, side)), jnp.arange(20) % 3
    loss = eqx.filter_jit(lambda model: deep.cross_entropy(model, extra, x, y, jax.random.key(2))[0])
    gradient = eqx.filter_jit(eqx.filter_grad(loss))(model)
    squared = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))
    moved = lambda step: eqx.apply_updates(model, jax.tree.map(lambda leaf: step * leaf, gradient))  # noqa: E731
    step = 1e-6 / jnp.sqrt(squared)
    assert float((loss(moved(step)) - loss(moved(-step))) / (2 * step)) == pytest.approx(float(squared), rel=1e-3)
