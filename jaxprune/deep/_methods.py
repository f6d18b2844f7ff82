"""Known methods of sparse training by name."""

from typing import Any

from jaxprune._checks import check_choice
from jaxprune._types import Real
from jaxprune.deep._schedule import Schedule
from jaxprune.deep._sparse import Sparse

METHODS: dict[str, dict[str, Any]] = {
    "magnitude": {},
    "information": {"score": "information"},
    "use": {"score": "use"},
    "bcm": {"score": "bcm"},
    "fisher": {"score": "fisher"},
    "exchange": {"growth": "gradient"},
    "information-exchange": {"score": "information", "growth": "gain"},
    "use-exchange": {"score": "use", "growth": "gain"},
    "random-exchange": {"growth": "random"},
    "set": {"growth": "random", "start": "erdos-renyi", "groups": "layer"},
    "rigl": {"growth": "gradient", "start": "erdos-renyi", "groups": "layer"},
    "static-uniform": {"start": "uniform"},
    "static-erdos-renyi": {"start": "erdos-renyi"},
}
"""Settings of `Sparse` by the name of the method."""


def named_method(name: str, keep: Real) -> Sparse:
    """A method of sparse training that ends with a fraction of all synapses.

    | name | what goes | what comes | at the start |
    |---|---|---|---|
    | `magnitude` (gradual magnitude pruning), `information`, `use`, `bcm`, `fisher` | least by that score | | all |
    | `exchange` | smallest weights | largest gradients | all |
    | `information-exchange`, `use-exchange` | least by that score | largest gain | all |
    | `random-exchange` | smallest weights | anything | all |
    | `set` (SET) | smallest weights of each layer | anything | as many as at the end |
    | `rigl` (RigL) | smallest weights of each layer | largest gradients | as many as at the end |
    | `static-uniform`, `static-erdos-renyi` | nothing | nothing | as many as at the end |

    Args:
      name: as above.
      keep: fraction of all synapses at the end.

    Raises:
      InputError: an unknown name, or a fraction outside (0, 1].

    Example:
      >>> named_method("rigl", 0.1).start
      'erdos-renyi'

    Reference: Zhu2017 (gradual magnitude pruning), Mocanu2018 (SET), Evci2020 (RigL).
    """
    check_choice("method", name, tuple(METHODS))
    return Sparse(Schedule(keep), **METHODS[name])
