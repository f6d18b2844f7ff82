"""Dale's law after a fit."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._types import Matrix
from jaxprune.dynamics import Activity
from jaxprune.pruning import Compensate, Pruned
from jaxprune.pruning.adjust import Survivors


def apply_dale(W: Matrix, pruned: Pruned, activity: Activity | None, sign: Float[Array, " neuron"] | None) -> Pruned:
    """Remove weights of the wrong sign, refit once, remove any new ones. A network without the law stays as it is."""
    if sign is None:
        return pruned
    lawful = _right(pruned, sign)
    if activity is None or bool(jnp.all((lawful.matrix != 0) == (pruned.matrix != 0))):
        return lawful
    # On its own support, where self-synapses of the wrong sign are missing too.
    none_fixed, seen = jnp.zeros_like(W), activity.astype(W.dtype)
    survivors = Survivors(W, lawful.mask, none_fixed, lawful.probabilities, seen, "recurrent")
    support = (lawful.matrix != 0).astype(W.dtype)
    return _right(lawful._replace(matrix=Compensate().fit(survivors, support)), sign)


def _right(pruned, sign):
    right = (pruned.matrix * sign[None, :] > 0).astype(pruned.matrix.dtype)
    return pruned._replace(matrix=pruned.matrix * right, mask=pruned.mask * right)
