"""What a synapse that is not there promises."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey
from jaxprune.deep._importance import by_inputs, listened
from jaxprune.deep._layers import Tree

GROWTH = ("none", "gradient", "gain", "random")
GRADED = ("gradient", "gain")
"""Those that look at a gradient."""


def promise(key: PRNGKey | None, growth: str, masks: Tree, heard: Tree | None, gradient: Tree | None) -> Tree:
    """What every synapse would bring: a random number, or how steep the loss is along it.

    | growth | is | needs |
    |---|---|---|
    | `"random"` | a number between 0 and 1 | key |
    | `"gradient"` | `abs(gᵢⱼ)` | gradient |
    | `"gain"` | `abs(gᵢⱼ) / √⟨xⱼ²⟩`: what a synapse fitted to its input gains | gradient, power |

    Args:
      key: random key.
      growth: as above.
      masks: of the structure that is wanted.
      heard: activity, as in `importance`.
      gradient: of the loss of the masked network, everywhere.

    Raises:
      InputError: without what it needs.
    """
    leaves, structure = jax.tree.flatten(masks)
    if growth == "random":
        if key is None:
            raise InputError("growth is 'random', which needs a random key: pass key.")
        keys = jax.random.split(key, len(leaves))
        return jax.tree.unflatten(
            structure, [jax.random.uniform(k, mask.shape) for k, mask in zip(keys, leaves, strict=True)]
        )
    if gradient is None:
        raise InputError(f"growth is {growth!r}, which needs the gradient of the masked network: pass gradient.")
    size = jax.tree.map(jnp.abs, gradient)
    if growth == "gradient":
        return size
    if heard is None or any(part.power is None for part in listened(heard)):
        raise InputError("growth is 'gain', which needs 'power' of what layers hear: watch them with hear=('power',).")
    return by_inputs(lambda g, power: g / jnp.sqrt(power + 1e-12), size, heard)
