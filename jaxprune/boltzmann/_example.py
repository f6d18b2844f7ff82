"""A small trained machine that comes with the package."""

from typing import cast

from jaxprune._examples import MACHINE
from jaxprune.boltzmann._files import load_machine
from jaxprune.boltzmann._machine import BoltzmannMachine, States


def example() -> tuple[BoltzmannMachine, States]:
    """A restricted machine of 100 hidden units that has learnt the digits of `data.digits`, 8 x 8 binary pixels.

    The study `examples` of the repository trained it.

    Returns:
      The machine, and the states of its 100 persistent chains.

    Example:
      >>> model, chains = example()
      >>> model.sizes, chains[0].shape
      ((64, 100), (100, 64))
    """
    model, chains, _ = load_machine(MACHINE)
    return model, cast(States, chains)
