"""Leave the remaining weights as they are."""

import dataclasses

from jaxprune._types import Mask, Matrix
from jaxprune.pruning.adjust._adjust import Adjust, Survivors


@dataclasses.dataclass(frozen=True)
class Keep(Adjust):
    """Leave the surviving weights, and the leak, as they are: the mask only."""

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The original weights on the support."""
        return survivors.weights * survivors.support, survivors.mask
