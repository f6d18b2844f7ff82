"""The interface of an adjustment: a callable object that takes the survivors and returns the pruned weights."""

import abc
import dataclasses
from typing import ClassVar

from jaxprune._types import Mask, Matrix
from jaxprune.dynamics import Activity, need_activity
from jaxprune.pruning._kinds import Kind


@dataclasses.dataclass(frozen=True, eq=False)
class Survivors:
    """What an adjustment is given: the original weights, the mask, the activity, and the kind of network.

    Attributes:
      weights: of the original network, [post, pre]; its whole matrix, diagonal included.
      mask: ones where a synapse stays.
      fixed: ones at entries that always stay and are not counted: leaks of a linear network, self-synapses of a recurrent one.
      probabilities: p with which each synapse could stay.
      activity: of the presynaptic neurons; None where no adjustment and no importance asked for it.
      kind: "linear" (dynamics matrix, leak on its diagonal), "recurrent" (weights without a leak) or "layer" (pre and post are
        different neurons).
      symmetric: whether both ends of a pair share one weight.
      groups: the budget, as in `keep_probabilities`.
    """

    weights: Matrix
    mask: Mask
    fixed: Mask
    probabilities: Matrix
    activity: Activity | None
    kind: Kind
    symmetric: bool = False
    groups: str = "global"

    @property
    def support(self) -> Mask:
        """Ones wherever the pruned matrix may be nonzero."""
        return self.mask + self.fixed

    def moments(self) -> Activity:
        """The activity, which must be there.

        Raises:
          InputError: there is none.
        """
        return need_activity(self.activity)


class Adjust(abc.ABC):
    """An adjustment of the surviving synapses. Subclasses are frozen dataclasses, so that a rule can be static in `jit`."""

    needs_activity: ClassVar[bool] = False
    """Whether it looks at the activity of the presynaptic neurons."""

    @abc.abstractmethod
    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The pruned weights, and the mask, which it may change at a constant number of synapses (`Empty` alone keeps none)."""

    def again(self) -> "Adjust | None":
        """The adjustment that a closed loop repeats with the activity of the pruned network; None if none is."""
        return None
