"""Files that appear whole or not at all."""

import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError

ARRAYS = (".npz", ".safetensors")
"""Formats of named arrays; neither can hold code."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all: beside its place first, then moved there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to an .npz or .safetensors file that appears whole or not at all.

    Raises:
      InputError: an unknown suffix, or safetensors without its package.
    """
    check_suffix(path)
    if path.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_whole(path, buffer.getvalue())
    else:
        write_whole(path, _safetensors().save({name: np.asarray(values, order="C") for name, values in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz or .safetensors file by name.

    Raises:
      InputError: an unknown suffix, a file that is not there or damaged, or safetensors without its package.
    """
    check_suffix(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            return dict(_safetensors().load(path.read_bytes()))
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except InputError:
        raise
    except Exception as error:  # readers raise what they like on damaged files
        raise InputError(f"{path} cannot be read as {path.suffix}: {error}") from error


def check_suffix(path: Path) -> None:
    """Refuse a file that is not named as one of arrays, or safetensors without its package."""
    if path.suffix not in ARRAYS:
        hint = (
            " (a PyTorch pickle can run code when it is read: save it as safetensors)"
            if path.suffix in (".pt", ".pth")
            else ""
        )
        raise InputError(f"{path} has suffix {path.suffix!r}, but must be one of {', '.join(ARRAYS)}{hint}.")
    if path.suffix == ".safetensors":
        _safetensors()


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError as error:
        raise InputError(".safetensors needs the package safetensors: pip install safetensors.") from error
    return safetensors.numpy


def write_tree(path: Path, tree: Any, head: dict[str, Any]) -> None:
    """Write the arrays of a pytree, after a line of JSON that says what they are; the file appears whole or not at all.

    Args:
      path: the file; replaced if it exists.
      tree: pytree of arrays; random keys are stored by their data.
      head: anything that JSON can hold.
    """
    buffer = io.BytesIO()
    buffer.write((json.dumps(head) + "\n").encode())
    eqx.tree_serialise_leaves(buffer, tree)
    write_whole(path, buffer.getvalue())


def read_head(path: Path) -> dict[str, Any]:
    """The line of JSON of a file by `write_tree`; an empty one where there is none."""
    with open(path, "rb") as file:
        try:
            head = json.loads(file.readline())
        except ValueError:
            return {}
    return head if isinstance(head, dict) else {}


def read_tree(path: Path, like: Any) -> Any:
    """The arrays of a file by `write_tree`, in a pytree of the same structure, shapes and types as `like`.

    Raises:
      InputError: arrays of other shapes or types, or a damaged file.
    """
    with open(path, "rb") as file:
        file.readline()
        try:
            return jax.tree.map(_weak, eqx.tree_deserialise_leaves(file, like), like)
        except Exception as error:  # what NumPy raises on damaged files is up to it
            raise InputError(f"{path} is damaged, or of something else: {error}") from error


def _weak(leaf, like):
    """A scalar that takes the precision of what it meets, as before: Equinox counts the updates of a normalisation with one."""
    if not getattr(like, "weak_type", False) or leaf.ndim:
        return leaf
    weak = jnp.asarray(leaf.item())
    return weak if weak.dtype == leaf.dtype else leaf
