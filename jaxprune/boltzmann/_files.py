"""Boltzmann machines in files: a line of JSON, then the leaves as Equinox writes them. No pickles."""

import io
import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxprune._checks import InputError
from jaxprune.boltzmann._machine import BoltzmannMachine, States
from jaxprune.files import write_whole

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
    buffer = io.BytesIO()
    buffer.write((json.dumps(head) + "\n").encode())
    eqx.tree_serialise_leaves(buffer, (model, chains))
    write_whole(Path(path), buffer.getvalue())


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
    with open(path, "rb") as file:
        try:
            head = json.loads(file.readline())
            known = head["kind"] == KIND
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise InputError(f"{path} is no stored Boltzmann machine: pass a file that save_machine wrote.")
        sizes, dtype = tuple(head["sizes"]), jnp.dtype(head["dtype"])
        if dtype == jnp.float64 and jnp.zeros((), float).dtype != dtype:
            raise InputError(f"{path} is in double precision, which is off: jax.config.update('jax_enable_x64', True).")
        shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
        matrices = tuple(jnp.zeros(shape, dtype) for shape in shapes)
        like = BoltzmannMachine(tuple(jnp.zeros(size, dtype) for size in sizes), matrices, matrices)
        number = head["chains"]
        chains = None if number is None else tuple(jnp.zeros((number, size), dtype) for size in sizes)
        try:
            model, chains = eqx.tree_deserialise_leaves(file, (like, chains))
        except Exception as error:  # what NumPy raises on damaged files is up to it
            raise InputError(f"{path} is damaged: {error}") from error
    return model, chains, head["facts"]
