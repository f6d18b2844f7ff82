"""Matrices in files: NumPy, Matrix Market and edge lists."""

import csv
import io
import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_square, quoted
from jaxprune._memory import check_memory
from jaxprune._types import Matrix
from jaxprune.files import load_npy, load_npz, reason, write_whole
from jaxprune.networks._edges import NamedNetwork, read_edges
from jaxprune.networks._matrix_market import read_matrix_market

MATRIX_SUFFIXES = (".npy", ".npz", ".mtx", ".csv")


def read_matrix(path: str | os.PathLike, *, neurons: str | os.PathLike | None = None) -> NamedNetwork:
    """Read a square matrix `[post, pre]` from .npy, .npz (one array, or a SciPy sparse matrix), .mtx or a .csv edge list.

    An .npz may hold the neurons' names beside the matrix, as an array `names` of strings; .npy and .mtx hold none.

    Args:
      path: the file; its suffix says its format.
      neurons: a neuron table, as in `read_edges`, for edge lists only.

    Returns:
      The matrix, and the neurons' names (their numbers where the file has none).

    Raises:
      InputError: an unknown suffix or a malformed file (with the line where the format has lines), a matrix that is not square,
        empty, not finite or does not fit into memory, names that do not fit it, or a neuron table without an edge list.
      OSError: a file that cannot be opened.

    Example:
      >>> path = tmp_path / "A.npz"
      >>> write_matrix(path, -jnp.eye(2), names=("a", "b"))
      >>> read_matrix(path).names
      ('a', 'b')
    """
    path = Path(path)
    _check_suffix(path)
    if path.suffix == ".csv":
        return read_edges(path, neurons=neurons)
    if neurons is not None:
        raise InputError(f"{path} is no edge list (.csv), so the neuron table {neurons} has no effect: leave it out.")
    readers = {".mtx": _read_mtx, ".npy": _read_npy, ".npz": _read_npz}
    try:
        matrix, names = readers[path.suffix](path)
    except (InputError, OSError, ImportError):
        raise
    except Exception as error:  # parsers of damaged files fail in many ways
        raise InputError(f"{path}: malformed {path.suffix} file: {reason(error)}.") from error
    if matrix.dtype.kind not in "iuf":
        raise InputError(
            f"{path} holds values of type {quoted(matrix.dtype)}, but a network's weights are real numbers."
        )
    with np.errstate(over="ignore"):  # what is too large for the precision is refused as not finite
        matrix = jnp.asarray(matrix, dtype=float)
    check_square(str(path), matrix)
    return NamedNetwork(matrix, _checked_names(f"{path}: names", names, len(matrix)))


def write_matrix(path: str | os.PathLike, matrix: Matrix, *, names: Sequence[str] | None = None) -> None:
    """Write a matrix in the format that the suffix names; the file appears whole or not at all.

    .npz and .mtx are written sparse; .csv as an edge list `pre,post,weight` of the nonzero entries, the diagonal included,
    and of a zero for a neuron that has none.
    .csv and .npz (beside what `scipy.sparse.load_npz` reads) hold the neurons' names; .npy and .mtx cannot.

    Args:
      path: the file to write; an existing one is replaced.
      matrix: `[post, pre]`.
      names: neurons' names; in an edge list their numbers by default.

    Raises:
      InputError: as `matrix_bytes`.
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
    write_whole(Path(path), matrix_bytes(path, matrix, names=names))


def matrix_bytes(path: str | os.PathLike, matrix: Matrix, *, names: Sequence[str] | None = None) -> bytes:
    r"""What `write_matrix` writes, so that all that can fail has been done before anything is written.

    Args:
      path: the file it is for; only its suffix matters.
      matrix: `[post, pre]`.
      names: as for `write_matrix`.

    Returns:
      The content of the file.

    Raises:
      InputError: an unknown suffix; a matrix that is not square, empty or not finite; names that do not fit it.

    Example:
      >>> matrix_bytes("A.csv", -jnp.eye(1), names=("a",))
      b'pre,post,weight\na,a,-1.0\n'
    """
    path = Path(path)
    _check_suffix(path)
    check_square("matrix", matrix)
    array = np.asarray(matrix)
    labels = _checked_names("names", names, len(array))
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, array, allow_pickle=False)
    elif path.suffix == ".csv":
        content.write(_edge_list(array, labels).encode())
    else:
        import scipy.io
        import scipy.sparse

        if path.suffix == ".mtx":
            scipy.io.mmwrite(content, scipy.sparse.coo_array(array.astype(np.float64)), precision=17)
        else:
            scipy.sparse.save_npz(content, scipy.sparse.csr_array(array))
            if names is not None:
                _add_names(content, labels)
    return content.getvalue()


def _edge_list(array, names):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("pre", "post", "weight"))
    silent = ~(array.any(axis=0) | array.any(axis=1))  # without a line of its own, such a neuron would be lost
    for post, pre in np.argwhere((array != 0) | np.diag(silent)):
        writer.writerow((names[pre], names[post], repr(float(array[post, pre]))))
    return text.getvalue()


def _add_names(content, names):
    stored = io.BytesIO()
    np.save(stored, np.array(names, dtype=str), allow_pickle=False)
    member = zipfile.ZipInfo("names.npy")  # of a fixed date: the same network gives the same bytes
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(member, stored.getvalue(), compress_type=zipfile.ZIP_DEFLATED)


def _checked_names(what, names, size):
    """The names as a tuple, one for each neuron; numbers where there are none."""
    if names is None:
        return tuple(str(number) for number in range(size))
    names = tuple(names)
    if len(set(names)) != size or len(names) != size:
        raise InputError(
            f"{what} lists {len(names)} neurons, {len(set(names))} of them different, but the matrix has {size}."
        )
    if not all(name.strip() for name in names):
        raise InputError(f"{what} holds an empty name: each neuron needs one.")
    return names


def _read_mtx(path):
    return read_matrix_market(path), None


def _read_npy(path):
    _check_begin(path, b"PK", "holds an archive: name it .npz")
    return load_npy(path), None


def _read_npz(path):
    _check_begin(path, b"\x93NUMPY", "holds a single array: name it .npy")
    arrays = load_npz(path)
    names = arrays.pop("names", None) if len(arrays) > 1 else None
    if names is not None:
        if names.dtype.kind != "U" or names.ndim != 1:
            raise InputError(
                f"{path}: names is {quoted(names.dtype)} of shape {names.shape}, but must be a list of strings."
            )
        names = names.tolist()
    if "format" in arrays:
        return _read_sparse(path), names
    if len(arrays) != 1:
        listed = quoted(", ".join(arrays) or "(none)")
        raise InputError(
            f"{path} holds the arrays {listed}, but must hold one (beside names), or a SciPy sparse matrix."
        )
    return next(iter(arrays.values())), names


def _read_sparse(path):
    import scipy.sparse

    sparse = scipy.sparse.load_npz(path)
    shape = " x ".join(map(str, sparse.shape))
    check_memory(f"{path}: a dense matrix of {shape}", 8 * math.prod(map(int, sparse.shape)), "take a part of it.")
    if hasattr(sparse, "check_format"):
        sparse.check_format(full_check=True)  # indices that point outside would end the process below
    return scipy.sparse.coo_array(sparse).toarray()


def _check_begin(path, other, remedy):
    with open(path, "rb") as file:
        if file.read(len(other)) == other:
            raise InputError(f"{path} {remedy}.")


def _check_suffix(path):
    if path.suffix not in MATRIX_SUFFIXES:
        raise InputError(f"{path} has the suffix {path.suffix!r}, but must be one of {', '.join(MATRIX_SUFFIXES)}.")
