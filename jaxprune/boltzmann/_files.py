"""Boltzmann machines in files: a line of JSON, then the leaves as Equinox writes them. No pickles."""

import itertools
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from jaxprune._checks import FLOATS, InputError, quoted
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
    sizes, dtype, number = _checked(path, head)
    if dtype == jnp.float64 and jnp.zeros((), float).dtype != dtype:
        raise InputError(f"{path} is in double precision, which is off: jax.config.update('jax_enable_x64', True).")
    matrices = tuple(jnp.zeros(shape, dtype) for shape in zip(sizes[1:], sizes[:-1], strict=True))
    like = BoltzmannMachine(tuple(jnp.zeros(size, dtype) for size in sizes), matrices, matrices)
    states = None if number is None else tuple(jnp.zeros((number, size), dtype) for size in sizes)
    model, chains = read_tree(path, (like, states))
    return model, chains, head.get("facts", {})


def _checked(path, head):
    """Sizes of layers, precision and number of chains, as they stand in the file, which must be as long as they say."""
    sizes, dtype, number = head.get("sizes"), head.get("dtype"), head.get("chains")
    counts = [*sizes, 1 if number is None else number] if isinstance(sizes, list) and len(sizes) > 1 else [0]
    if dtype not in FLOATS or not all(type(count) is int and count > 0 for count in counts):
        raise InputError(f"{path} is damaged: its first line does not say the sizes of a machine and its precision.")
    matrices = sum(post * pre for pre, post in itertools.pairwise(sizes))
    need = jnp.dtype(dtype).itemsize * (sum(sizes) * (1 + (number or 0)) + 2 * matrices)
    if need > path.stat().st_size:
        raise InputError(f"{path} is damaged: it is shorter than a machine with layers of {quoted(sizes)} units.")
    return tuple(sizes), jnp.dtype(dtype), number
