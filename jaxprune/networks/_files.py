"""Matrices in files: NumPy, Matrix Market and edge lists."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_square
from jaxprune._types import Matrix
from jaxprune.files import write_whole
from jaxprune.networks._edges import NamedNetwork, read_edges
from jaxprune.networks._matrix_market import read_matrix_market

MATRIX_SUFFIXES = (".npy", ".npz", ".mtx", ".csv")


def read_matrix(path: str | os.PathLike, *, neurons: str | os.PathLike | None = None) -> NamedNetwork:
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
    try:
        matrix = read_matrix_market(path) if path.suffix == ".mtx" else _read_numpy(path)
    except (InputError, OSError):
        raise
    except Exception as error:  # parsers of damaged files fail in many ways
        raise InputError(f"{path}: malformed {path.suffix} file: {' '.join(str(error).split())}") from error
    if not np.issubdtype(matrix.dtype, np.integer) and not np.issubdtype(matrix.dtype, np.floating):
        raise InputError(f"{path} holds values of type {matrix.dtype}, but a network's weights are real numbers.")
    matrix = jnp.asarray(matrix, dtype=float)
    check_square(str(path), matrix)
    return NamedNetwork(matrix, tuple(str(i) for i in range(len(matrix))))


def _read_numpy(path):
    with open(path, "rb") as file:
        content = np.load(file, allow_pickle=False)
        archive = isinstance(content, np.lib.npyio.NpzFile)
        if archive != (path.suffix == ".npz"):
            raise InputError(
                f"{path} holds {'an archive' if archive else 'a single array'}: name it {'.npz' if archive else '.npy'}."
            )
        if not archive:
            return content
        names = content.files
        if "format" in names:
            import scipy.sparse

            sparse = scipy.sparse.load_npz(path)
            if hasattr(sparse, "check_format"):
                sparse.check_format(full_check=True)  # indices that point outside would end the process below
            return scipy.sparse.coo_array(sparse).toarray()
        if len(names) != 1:
            listed = ", ".join(names) or "(none)"
            raise InputError(f"{path} holds the arrays {listed}, but must hold exactly one, or a SciPy sparse matrix.")
        return content[names[0]]


def write_matrix(path: str | os.PathLike, matrix: Matrix, *, names: Sequence[str] | None = None) -> None:
    """Write a matrix in the format that the suffix names; the file appears whole or not at all.

    .npz and .mtx are written sparse; .csv as an edge list `pre,post,weight` of the nonzero entries, the diagonal included.

    Args:
      path: the file to write; an existing one is replaced.
      matrix: `[post, pre]`.
      names: neurons' names for an edge list; their numbers by default.

    Raises:
      InputError: an unknown suffix; a matrix that is not square, empty or not finite; names that do not fit it.
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
    names = tuple(str(i) for i in range(len(array))) if names is None else tuple(names)
    if len(set(names)) != len(array) or len(names) != len(array):
        raise InputError(
            f"names lists {len(names)} neurons, {len(set(names))} of them different, but the matrix has {len(array)}."
        )
    import scipy.io
    import scipy.sparse

    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, array, allow_pickle=False)
    elif path.suffix == ".npz":
        scipy.sparse.save_npz(content, scipy.sparse.csr_array(array))
    elif path.suffix == ".mtx":
        scipy.io.mmwrite(content, scipy.sparse.coo_array(array.astype(np.float64)), precision=17)
    else:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("pre", "post", "weight"))
        for post, pre in np.argwhere(array):
            writer.writerow((names[pre], names[post], repr(float(array[post, pre]))))
        content.write(text.getvalue().encode())
    write_whole(path, content.getvalue())


def _check_suffix(path):
    if path.suffix not in MATRIX_SUFFIXES:
        raise InputError(f"{path} has the suffix {path.suffix!r}, but must be one of {', '.join(MATRIX_SUFFIXES)}.")
