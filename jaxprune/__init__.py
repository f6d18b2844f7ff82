"""Prune recurrent networks by rules that use only what each synapse can see, and certify that the spectrum survives."""

from importlib.metadata import version as _version

from jaxprune import dynamics as dynamics
from jaxprune import linalg as linalg
from jaxprune import networks as networks
from jaxprune import pruning as pruning
from jaxprune import rnn as rnn
from jaxprune._checks import InputError as InputError
from jaxprune.pruning import Pruned as Pruned
from jaxprune.pruning import prune as prune

__version__ = _version("jaxprune")
