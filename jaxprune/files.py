"""Files that appear whole or not at all."""

import contextlib
import io
import json
import math
import os
import secrets
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, quoted
from jaxprune._memory import check_memory

ARRAYS = (".npz", ".safetensors")
"""Formats of named arrays; neither can hold code."""
OBJECTS = "it holds Python objects, which are never loaded"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""Readers of what stands before an array; version 3 is for tables whose columns have names, which nothing here takes."""


def write_whole(path: Path, content: bytes | Callable[[io.BufferedIOBase], object]) -> None:
    """Write a file that appears whole or not at all: beside its place first, then moved there.

    A new file has the mode that the umask leaves; one that replaces another keeps the other's.

    Args:
      path: the file.
      content: what it holds, or a function that writes this into an open file, for what is too much to be held at once.
    """
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    temporary = path.parent / f".{path.name}-{secrets.token_hex(4)}"

    def private(name, flags):
        return os.open(name, flags, 0o666 if mode is None else 0o600)

    try:
        with open(temporary, "x+b", opener=private) as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _settle(path.parent)


def reason(error: BaseException) -> str:
    """Why a file could not be read, on one short line, without NumPy's advice to unpickle it.

    Example:
      >>> reason(ValueError("Object arrays cannot be loaded when allow_pickle=False"))
      'it holds Python objects, which are never loaded'
    """
    text = str(error)
    if text.startswith("Object arrays"):
        return OBJECTS
    if "pickle" in text:
        return "it does not begin as NumPy's files do"
    return quoted(error, longest=120) or type(error).__name__


def check_archive(path: Path, members: Iterable[zipfile.ZipInfo] | None = None) -> None:
    """Refuse an archive (.npz, .zip) that unpacks to more than the memory there is, before it is unpacked.

    Args:
      path: the archive.
      members: those that are to be unpacked; all by default.

    Raises:
      InputError: too large.
      zipfile.BadZipFile: no archive.
    """
    if members is None:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    check_memory(f"{path}, unpacked,", sum(info.file_size for info in members), "take a smaller file.")


def load_npy(path: Path) -> np.ndarray:
    """Read an .npy file; never allocate more than the file holds.

    Raises:
      InputError: larger than the memory there is.
      OSError: a file that cannot be opened.
      Exception: a damaged file; `reason` says why.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        check_memory(str(path), size, "take a smaller file.")
        return _load_array(file, size)


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file by name; never allocate more than the file holds.

    Raises:
      InputError: unpacks to more than the memory there is.
      OSError: a file that cannot be opened.
      Exception: a damaged file; `reason` says why.
    """
    check_archive(path)
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as file:
                arrays[info.filename.removesuffix(".npy")] = _load_array(file, info.file_size)
    return arrays


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
            check_memory(str(path), path.stat().st_size, "take a smaller file.")
            return dict(_safetensors().load(path.read_bytes()))
        return load_npz(path)
    except InputError:
        raise
    except Exception as error:  # readers raise what they like on damaged files
        raise InputError(f"{path} cannot be read as {path.suffix}: {reason(error)}.") from error


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
        except (ValueError, RecursionError):  # brackets in brackets without end
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
            _check_leaves(file)
            return jax.tree.map(_weak, eqx.tree_deserialise_leaves(file, like), like)
        except Exception as error:  # what NumPy raises on damaged files is up to it
            raise InputError(f"{path} is damaged, or of something else: {reason(error)}.") from error


def _weak(leaf, like):
    """A scalar that takes the precision of what it meets, as before: Equinox counts the updates of a normalisation with one."""
    if not getattr(like, "weak_type", False) or leaf.ndim:
        return leaf
    weak = jnp.asarray(leaf.item())
    return weak if weak.dtype == leaf.dtype else leaf


def _settle(folder):
    """Have the disk keep the new name, too, where folders can be told so."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _load_array(file, size):
    start = file.tell()
    _check_header(file, size)
    file.seek(start)
    return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(file, size):
    """Where the array ends that begins here, by its header; `size` is where the file does."""
    try:
        version = np.lib.format.read_magic(file)
    except ValueError:
        raise ValueError("it does not begin as NumPy's files do") from None
    if version not in HEADERS:
        raise ValueError(f"version {version[0]}.{version[1]} of NumPy's format is not for plain arrays")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError(OBJECTS)
    end = file.tell() + math.prod(shape) * max(dtype.itemsize, 1)
    if min(shape, default=0) < 0 or end > size:
        raise ValueError(f"its header announces an array of shape {quoted(shape)}, but the file is not as long")
    return end


def _check_leaves(file):
    """Refuse arrays, one after the other, whose headers announce more than the file holds."""
    start, size = file.tell(), os.fstat(file.fileno()).st_size
    while file.tell() < size:
        file.seek(_check_header(file, size))
    file.seek(start)
