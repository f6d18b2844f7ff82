"""Sizes of clusters that follow a power law."""

import numpy as np

from jaxprune._checks import InputError, check_key
from jaxprune._types import PRNGKey, Real
from jaxprune.networks._draws import quantiles, uniform


def power_law_sizes(key: PRNGKey, neurons: int, smallest: int, largest: int, exponent: Real = 2.0) -> tuple[int, ...]:
    """Random sizes of clusters, of which size s has a chance `∝ s^(−exponent)`, that add up to a number of neurons.

    What the last draw leaves over is dealt to the clusters that have room, in order, or made a cluster of its own, to which the
    others give up some.

    Args:
      key: random key.
      neurons: what the sizes add up to.
      smallest: least size.
      largest: greatest size.
      exponent: of the power law.

    Returns:
      Sizes, for `sparse_clustered` or `clustered`.

    Raises:
      InputError: bounds in the wrong order, or between which no sizes add up to the neurons.

    Example:
      >>> sizes = power_law_sizes(jax.random.key(0), 10_000, 100, 3000)
      >>> sum(sizes), min(sizes) >= 100, max(sizes) <= 3000
      (10000, True, True)
    """
    check_key("key", key)
    if not 1 <= smallest <= largest:
        raise InputError(f"smallest is {smallest} and largest {largest}, but must be 1 or more, and in this order.")
    if neurons < 1 or -(-neurons // largest) * smallest > neurons:
        raise InputError(
            f"neurons is {neurons}, but no clusters of {smallest} to {largest} neurons add up to that: move a bound."
        )
    share = uniform(key, neurons // smallest)
    sizes = np.minimum(quantiles(share, smallest, largest + 1, float(exponent)).astype(np.int64), largest)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), neurons, side="right")]
    left = neurons - int(sizes.sum())
    if left >= smallest:
        return (*sizes.tolist(), left)
    if left > len(sizes) * largest - sizes.sum():
        sizes = np.append(sizes, smallest)
        return tuple((sizes - _dealt(smallest - left, sizes - smallest)).tolist())
    return tuple((sizes + _dealt(left, largest - sizes)).tolist())


def _dealt(amount, room):
    """How much each takes of an amount, in order, as far as it has room."""
    return np.clip(amount - (np.cumsum(room) - room), 0, room)
