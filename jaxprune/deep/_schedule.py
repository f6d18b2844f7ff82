"""How many synapses are there at each time of training, and where they are at the start."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_choice, check_fraction, check_key
from jaxprune._types import PRNGKey, Real
from jaxprune.deep._layers import Tree


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Density over training, cubic from all to what is kept.

        d(t) = keep + (1 − keep) (1 − (t − begin) / (end − begin))³

    between begin and end, one before and `keep` after, with t from 0 to 1.

    Attributes:
      keep: fraction kept at the end, in (0, 1].
      begin, end: as fractions of training; equal ones for one step.

    Raises:
      InputError: numbers out of range.

    Example:
      >>> [round(float(Schedule(0.1).density(t)), 3) for t in (0.0, 0.25, 0.5, 1.0)]
      [1.0, 0.32, 0.114, 0.1]

    Reference: Zhu2017.
    """

    keep: Real
    begin: Real = 0.0
    end: Real = 2 / 3

    def __post_init__(self):
        check_fraction("keep", self.keep)
        if not 0 <= self.begin <= self.end <= 1:
            raise InputError(f"begin is {self.begin} and end {self.end}, but must be in order, within 0 and 1.")

    def progress(self, time: Real | Array) -> Array:
        """From 0 at the beginning to 1 at the end."""
        length = max(self.end - self.begin, 1e-9)
        return jnp.clip((jnp.asarray(time, float) - self.begin) / length, 0, 1)

    def density(self, time: Real | Array) -> Array:
        """Fraction of synapses that are there."""
        return self.keep + (1 - self.keep) * (1 - self.progress(time)) ** 3


def random_masks(key: PRNGKey, weights: Tree, keep: Real, *, layers: str = "erdos-renyi") -> Tree:
    r"""Random masks with a fraction of all synapses, shared out among the layers.

    Args:
      key: random key.
      weights: from `weights(model)`.
      keep: fraction of all synapses.
      layers: `"uniform"`, the same fraction in every layer, or `"erdos-renyi"`, in proportion to the sum of a layer's dimensions
        over their product, so that large layers are sparser; layers that would be more than full are full.

    Returns:
      Ones where synapses are.

    Raises:
      InputError: keep outside (0, 1], or an unknown distribution.

    Example:
      >>> import equinox as eqx
      >>> from jaxprune.deep import density, weights
      >>> model = eqx.nn.MLP(30, 10, 20, 1, key=jax.random.key(0))
      >>> masks = random_masks(jax.random.key(1), weights(model), 0.25)
      >>> float(density(masks)), int(masks.layers[0].weight.sum()), int(masks.layers[1].weight.sum())
      (0.25, 125, 75)

    Reference: Mocanu2018 (Erdos-Renyi), Evci2020 (with kernels).
    """
    check_key("key", key)
    check_fraction("keep", keep)
    check_choice("layers", layers, ("uniform", "erdos-renyi"))
    leaves, structure = jax.tree.flatten(weights)
    shares = [sum(W.shape) / math.prod(W.shape) if layers == "erdos-renyi" else 1.0 for W in leaves]
    full: set[int] = set()
    total = keep * sum(W.size for W in leaves)
    while True:
        rest = [place for place in range(len(leaves)) if place not in full]
        scale = (total - sum(leaves[place].size for place in full)) / sum(leaves[p].size * shares[p] for p in rest)
        over = [place for place in rest if scale * shares[place] > 1]
        if not over:
            break
        full.update(over)
        if len(full) == len(leaves):
            break
    made = []
    for place, W in enumerate(leaves):
        count = W.size if place in full else max(1, round(scale * shares[place] * W.size))
        order = jax.random.permutation(jax.random.fold_in(key, place), W.size)
        made.append((order < count).astype(W.dtype).reshape(W.shape))
    return jax.tree.unflatten(structure, made)
