"""Prune networks by rules that use only what each synapse can see, and certify what survives.

The packages, from the ground up: `data`, `networks`, `linalg`, `dynamics`, `pruning`, `rnn`, `boltzmann`, `deep`, `sweep`,
`plot`, the page in the browser `explore`, and the command line `cli`. They are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str

    from jaxprune import (
        boltzmann,
        cli,
        data,
        deep,
        dynamics,
        explore,
        files,
        linalg,
        networks,
        plot,
        pruning,
        rnn,
        sweep,
    )
    from jaxprune._checks import InputError
    from jaxprune._provenance import fingerprint, provenance
    from jaxprune.pruning import Pruned, prune

__all__ = [
    "InputError",
    "Pruned",
    "boltzmann",
    "cli",
    "data",
    "deep",
    "dynamics",
    "explore",
    "files",
    "fingerprint",
    "linalg",
    "networks",
    "plot",
    "provenance",
    "prune",
    "pruning",
    "rnn",
    "sweep",
]

_PLACES = {
    "InputError": "jaxprune._checks",
    "Pruned": "jaxprune.pruning",
    "fingerprint": "jaxprune._provenance",
    "provenance": "jaxprune._provenance",
    "prune": "jaxprune.pruning",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("jaxprune")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    if name in __all__:
        return importlib.import_module(f"jaxprune.{name}")
    raise AttributeError(f"module 'jaxprune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "__version__", *__all__])
