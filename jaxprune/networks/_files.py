"""Matrices in files: NumPy, Matrix Market and edge lists."""

import contextlib
import csv
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import scipy.io
import scipy.sparse

from jaxprune._checks import InputError, check_square
from jaxprune._types import Matrix
from jaxprune.networks._edges import Connectome, read_edges

SUFFIXES = (".npy", ".npz", ".mtx", ".csv")


def read_matrix(path: str | os.PathLike, *, neurons: str | os.PathLike | None = None) -> Connectome:
    """Read a square matrix `[post, pre]` from .npy, .npz (one array, or a SciPy sparse matrix), .mtx or a .csv edge list.

    Args:
      path: the file; its suffix says its format.
      neurons: a neuron table for edge lists, as in `read_edges`.

    Returns:
      The matrix, and the neurons' names (their numbers where the format has none).

    Raises:
      InputError: an unknown suffix or a malformed file (with the line where the format has lines), or a matrix that is not
        square, empty or not finite.
      OSError: a file that cannot be opened.

    Example:
      >>> path = tmp_path / "A.npy"
      >>> write_matrix(path, -jnp.eye(2))
      >>> read_matrix(path).names
      ('0', '1')
    """
    path = Path(path)
    _check_suffix(path)
    if path.suffix == ".csv":
        return read_edges(path, neurons=neurons)
    with open(path, "rb"):  # a file that cannot be opened says so itself, before any parser tries
        pass
    try:
        matrix = _read_array(path)
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: malformed {path.suffix} file: {' '.join(str(error).split())}") from error
    if not np.issubdtype(matrix.dtype, np.integer) and not np.issubdtype(matrix.dtype, np.floating):
        raise InputError(f"{path} holds values of type {matrix.dtype}, but a network's weights are real numbers.")
    matrix = jnp.asarray(matrix, dtype=float)
    check_square(str(path), matrix)
    return Connectome(matrix, tuple(str(i) for i in range(len(matrix))))


def _read_array(path):
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".mtx":
        return scipy.sparse.coo_array(scipy.io.mmread(path)).toarray()
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if "format" in names:
            return np.asarray(scipy.sparse.csr_array(scipy.sparse.load_npz(path)).todense())
        if len(names) != 1:
            raise InputError(
                f"{path} holds the arrays {', '.join(names) or '(none)'}, but must hold exactly one, or a SciPy sparse matrix."
            )
        return archive[names[0]]


def write_matrix(path: str | os.PathLike, matrix: Matrix, *, names: Sequence[str] | None = None) -> None:
    """Write a matrix in the format that the suffix names; the file appears whole or not at all.

    .npz and .mtx are written sparse; .csv as an edge list `pre,post,weight` of the nonzero entries, the diagonal included.

    Args:
      path: the file to write; an existing one is replaced.
      matrix: `[post, pre]`.
      names: neurons' names for an edge list; their numbers by default.

    Raises:
      InputError: an unknown suffix, or a matrix that is not square, empty or not finite.
      OSError: a place that cannot be written, or a full disk; nothing is left behind.

    Example:
      >>> path = tmp_path / "A.csv"
      >>> write_matrix(path, jnp.array([[-1.0, 0.5], [0.0, -1.0]]), names=("a", "b"))
      >>> print(path.read_text())
      pre,post,weight
      a,a,-1.0
      b,a,0.5
      b,b,-1.0
    """
    path = Path(path)
    _check_suffix(path)
    check_square("matrix", matrix)
    array = np.asarray(matrix)
    with replacing(path) as temporary:
        if path.suffix == ".npy":
            np.save(temporary, array, allow_pickle=False)
        elif path.suffix == ".npz":
            scipy.sparse.save_npz(temporary, scipy.sparse.csr_array(array))
        elif path.suffix == ".mtx":
            scipy.io.mmwrite(temporary, scipy.sparse.coo_array(array), precision=17)
        else:
            names = names or [str(i) for i in range(len(array))]
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("pre", "post", "weight"))
                for post, pre in np.argwhere(array):
                    writer.writerow((names[pre], names[post], repr(float(array[post, pre]))))


@contextlib.contextmanager
def replacing(path: Path):
    """A temporary file beside `path`, moved to it at the end; removed instead if the writing fails."""
    handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}-", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_suffix(path):
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} has the suffix {path.suffix!r}, but must be one of {', '.join(SUFFIXES)}.")
