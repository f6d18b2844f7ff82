"""Boltzmann machines in files: a line of JSON, then the leaves as Equinox writes them. No pickles."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

from jaxprune._checks import InputError
from jaxprune.boltzmann._machine import BoltzmannMachine, States
from jaxprune.files import read_head, read_tree, write_tree

KIND = "jaxprune Boltzmann machine"


def save_machine(
    path: str | Path, model: BoltzmannMachine, *, chains: States | None = None, facts: dict[str, Any] | None = None
) -> None:
    """Write a machine to a file that appears whole or not at all.

    Args:
      path: the file; replaced if it exists.
      model: the machine.
      chains: states of its units, too.
      facts: anything that JSON can hold, kept beside it.

    Example:
      >>> import tempfile
      >>> from jaxprune.boltzmann import rbm
      >>> with tempfile.TemporaryDirectory() as place:
      ...     save_machine(f"{place}/machine.eqx", rbm(jax.random.key(0), visible=4, hidden=3), facts={"epoch": 3})
      ...     model, chains, facts = load_machine(f"{place}/machine.eqx")
      >>> model.sizes, chains, facts
      ((4, 3), None, {'epoch': 3})
    """
    dtype = model.biases[0].dtype
    head = {
        "kind": KIND,
        "sizes": model.sizes,
        "dtype": str(dtype),
        "chains": None if chains is None else len(chains[0]),
        "facts": facts or {},
    }
    chains = None if chains is None else tuple(x.astype(dtype) for x in chains)  # zeros and ones in any precision
    write_tree(Path(path), (model, chains), head)


def load_machine(path: str | Path) -> tuple[BoltzmannMachine, States | None, dict[str, Any]]:
    """Read what `save_machine` wrote.

    Args:
      path: the file.

    Returns:
      The machine, its chains (None if they were not stored), and the facts beside it.

    Raises:
      InputError: a file that is not there, is none of these, is damaged, or is in double precision while that is off.

    Example:
      >>> import tempfile
      >>> from jaxprune.boltzmann import rbm
      >>> with tempfile.TemporaryDirectory() as place:
      ...     save_machine(f"{place}/machine.eqx", rbm(jax.random.key(0), visible=4, hidden=3))
      ...     load_machine(f"{place}/machine.eqx")[0].sizes
      (4, 3)
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    head = read_head(path)
    if head.get("kind") != KIND:
        raise InputError(f"{path} is no stored Boltzmann machine: pass a file that save_machine wrote.")
    sizes, dtype = tuple(head["sizes"]), jnp.dtype(head["dtype"])
    if dtype == jnp.float64 and jnp.zeros((), float).dtype != dtype:
        raise InputError(f"{path} is in double precision, which is off: jax.config.update('jax_enable_x64', True).")
    matrices = tuple(jnp.zeros(shape, dtype) for shape in zip(sizes[1:], sizes[:-1], strict=True))
    like = BoltzmannMachine(tuple(jnp.zeros(size, dtype) for size in sizes), matrices, matrices)
    number = head["chains"]
    states = None if number is None else tuple(jnp.zeros((number, size), dtype) for size in sizes)
    model, chains = read_tree(path, (like, states))
    return model, chains, head["facts"]
