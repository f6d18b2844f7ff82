"""Multiply all remaining weights by one factor that restores the spectral radius."""

import dataclasses

import jax.numpy as jnp

from jaxprune._checks import InputError
from jaxprune._types import Mask, Matrix
from jaxprune.linalg import eigenvalues
from jaxprune.pruning.adjust._adjust import Adjust, Survivors


@dataclasses.dataclass(frozen=True)
class MatchRadius(Adjust):
    """Multiply all surviving weights by one factor, so that their spectral radius is that of the original ones.

        S = g (M ∘ W),   g = ρ(W) / ρ(M ∘ W)

    with W without the leak of a linear network, which stays as it is. Not local: no synapse knows the radius. What is left of
    a network without cycles has no radius to restore, and stays as it is.
    """

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The scaled weights; the mask stays.

        Raises:
          InputError: a layer, which has no spectrum.
        """
        if survivors.kind == "layer":
            raise InputError(
                "a layer between different neurons has no spectral radius to restore: use another adjustment."
            )
        W = survivors.weights
        leak = jnp.diag(jnp.diagonal(W)) if survivors.kind == "linear" else jnp.zeros_like(W)
        weights = W - leak
        thinned = weights * survivors.support
        left = _radius(thinned, survivors.symmetric)
        alive = left > len(W) * jnp.finfo(W.dtype).eps * jnp.linalg.norm(weights)
        gain = jnp.where(alive, _radius(weights, survivors.symmetric) / jnp.where(alive, left, 1), 1)
        return gain * thinned + leak, survivors.mask


def _radius(W, symmetric):
    return jnp.max(jnp.abs(eigenvalues(W, symmetric=symmetric)))
