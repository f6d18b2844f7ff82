"""Boltzmann machines that are small enough to list all states of, trained on digits."""

import jax
import numpy as np

from jaxprune import boltzmann
from jaxprune.data import digits

VISIBLE = 12


def pixels() -> np.ndarray:
    """Digits as 4 x 3 binary pixels: the middle six columns, pooled two by two, at the mean."""
    found = digits()
    images = np.concatenate([part.images for part in found])[:, :, 1:7].astype(float)
    pooled = images.reshape(len(images), 4, 2, 3, 2).mean(axis=(2, 4))
    return (pooled > pooled.mean()).reshape(len(images), VISIBLE).astype(np.uint8)


def trained(
    draw_key: jax.Array,
    learn_key: jax.Array,
    hidden: int,
    *,
    epochs: int = 300,
    rate: tuple[float, float] = (0.1, 0.005),
) -> boltzmann.BoltzmannMachine:
    """A restricted machine that has learnt these digits, in double precision.

    Args:
      draw_key, learn_key: random keys of the weights at the start, and of learning.
      hidden: hidden units.
      epochs: passes over the digits.
      rate: learning rate of the first and of the last epoch.
    """
    start = boltzmann.rbm(draw_key, visible=VISIBLE, hidden=hidden, sd=0.1, hidden_bias=0.0, dtype=float)
    return boltzmann.learn(learn_key, start, pixels(), boltzmann.Learning(epochs, rate, chains=200)).model
