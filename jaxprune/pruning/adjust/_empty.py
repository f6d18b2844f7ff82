"""Remove all synapses: the control that every measure must tell from a pruned network."""

import dataclasses

from jaxprune._types import Mask, Matrix
from jaxprune.pruning.adjust._adjust import Adjust, Survivors


@dataclasses.dataclass(frozen=True)
class Empty(Adjust):
    """Remove every synapse, whatever the budget; leaks and self-synapses stay.

    Of a measure on which this network does well, a pruned network's score says little.

    Example:
      >>> from jaxprune.pruning import prune
      >>> float(jnp.abs(prune(jax.random.key(0), jnp.ones((2, 3)), "empty", keep=0.5).matrix).max())
      0.0
    """

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """What is not a synapse, and an empty mask."""
        return survivors.weights * survivors.fixed, survivors.mask * 0
