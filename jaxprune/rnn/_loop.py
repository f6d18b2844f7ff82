"""Closed loops: the pruned network is watched while it runs, and its synapses adjust to what they see."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_whole
from jaxprune._types import Matrix, PRNGKey
from jaxprune.dynamics import Activity
from jaxprune.pruning import Pruned, Rule, readjust
from jaxprune.pruning.adjust import Adjust
from jaxprune.rnn._dale import apply_dale


def check_loops(rule: Rule, loops: int, source: object) -> None:
    """Refuse loops without a source, or of a rule whose adjustment does not look at activity, before anything is computed."""
    check_whole("loops", loops)
    if not loops:
        return
    if rule.adjust.again() is None:
        raise InputError(
            f"loops is {loops}, but the rule adjusts by {type(rule.adjust).__name__}, on which watching has no effect: take "
            "+compensation or +regrow, or loops=0."
        )
    if source is None:
        raise InputError(
            f"loops is {loops}, but there is nothing to watch the pruned network by: pass source=, for example "
            "rnn.TaskInputs(inputs) or rnn.InputNoise()."
        )


def close_loop(
    key: PRNGKey,
    blocks: Sequence[Matrix],
    pruned: Sequence[Pruned],
    adjust: Adjust,
    *,
    activity: Activity,
    watch: Callable[[PRNGKey, list[Matrix]], Activity],
    loops: int,
    sign: Float[Array, " neuron"] | None = None,
) -> list[Pruned]:
    """Adjust the synapses of a pruned network to the states that it visits itself.

    A pruned network strays from the states of the whole one, into directions that nobody asked it to keep. In each loop it is
    watched, and its synapses adjust under

        Hₖ = ½ H + (1 / 2k) Σₗ≤ₖ aₗ H⁽ˡ⁾,   aₗ = min(1, tr H / tr H⁽ˡ⁾),   k = 1, …, loops

    H from the whole network and H⁽ˡ⁾ from the pruned one after l - 1 loops. Moments of a diverging network are scaled down
    to the trace of H; moments that are not finite are replaced by H. The drive that is wanted is what all synapses, lost ones
    too, would give at the states that the pruned network visits: each synapse still sees all that it needs.

    Args:
      key: random key; every loop watches under fresh noise.
      blocks: the original recurrent weights, one matrix for each gate.
      pruned: their pruned versions.
      adjust: what is done in each loop.
      activity: of the whole network.
      watch: activity of the network with the weights that it is given.
      loops: number of loops.
      sign: with Dale's law, the sign of every neuron; each fit obeys it.

    Raises:
      InputError: `watch` sees a network of another size.

    Reference: Ross2011 (aggregation of the states that a learner itself visits).
    """
    H = activity.second_moment.astype(blocks[0].dtype)
    seen, pruned = jnp.zeros_like(H), list(pruned)
    for loop in range(loops):
        present = watch(jax.random.fold_in(key, loop), [part.matrix for part in pruned]).second_moment.astype(H.dtype)
        if present.shape != H.shape:
            raise InputError(
                f"the source sees {len(present)} neurons, but the activity of the whole network is of {len(H)}."
            )
        size = jnp.trace(present)
        seen = seen + jnp.where(jnp.isfinite(size), jnp.minimum(1, jnp.trace(H) / size) * present, H)
        mixed = Activity(jnp.zeros(len(H), H.dtype), (H + seen / (loop + 1)) / 2)
        pruned = [
            apply_dale(W, readjust(W, part, adjust, mixed, kind="recurrent"), mixed, sign)
            for W, part in zip(blocks, pruned, strict=True)
        ]
    return pruned
