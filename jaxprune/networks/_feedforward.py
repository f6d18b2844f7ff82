"""Non-normal feed-forward chain."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_fraction, check_positive
from jaxprune._types import Matrix, PRNGKey, Real


def feedforward(
    key: PRNGKey, layers: int, width: int, *, strength: Real = 1.0, density: Real = 1.0, gain: Real = 0.0
) -> Matrix:
    """Random weights of a feed-forward chain, in which each layer drives the next: strongly non-normal, all eigenvalues equal.

        wᵢⱼ = s |χᵢⱼ| / (ρ K √(2/π))   with probability ρ, for j in the layer before i

    with χ standard normal and K neurons in a layer, so that a layer's mean activity is handed on multiplied by s. With
    `gain` > 0 a random recurrent part `g N(0, 1/N)` is added, which splits the degenerate spectrum.

    Args:
      key: random key.
      layers: number of layers, at least 2.
      width: K, neurons in a layer.
      strength: s, mean amplification from layer to layer.
      density: ρ, probability of a synapse between neighbouring layers, in (0, 1].
      gain: g, radius of the added random part.

    Returns:
      Weights of `layers * width` neurons, layer after layer.

    Raises:
      InputError: fewer than two layers, an empty layer, strength or gain negative, density outside (0, 1].

    Example:
      >>> W = feedforward(jax.random.key(0), layers=3, width=4)
      >>> bool((jnp.triu(W) == 0).all())
      True

    Reference: Ganguli2008, Goldman2009 (memory in feed-forward chains hidden in recurrent networks).
    """
    if layers < 2 or width < 1:
        raise InputError(
            f"layers is {layers} and width {width}, but a chain needs at least two layers of at least one neuron."
        )
    check_positive("strength", strength, zero=True)
    check_positive("gain", gain, zero=True)
    check_fraction("density", density)
    n = layers * width
    layer = jnp.arange(n) // width
    size_key, mask_key, bulk_key = jax.random.split(key, 3)
    size = jnp.abs(jax.random.normal(size_key, (n, n))) * strength / (density * width * jnp.sqrt(2 / jnp.pi))
    follows = layer[:, None] == layer[None, :] + 1
    chain = jnp.where(follows & (jax.random.uniform(mask_key, (n, n)) < density), size, 0)
    return chain + gain * jax.random.normal(bulk_key, (n, n)) / jnp.sqrt(n) * (1 - jnp.eye(n))
