"""Matrices in files: NumPy, Matrix Market and edge lists."""

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from jaxprune._checks import InputError, check_square, quoted
from jaxprune._memory import check_memory
from jaxprune._types import Matrix
from jaxprune.files import load_npy, load_npz, reason, write_whole
from jaxprune.linalg.sparse import AnySparse, as_sparse, to_scipy
from jaxprune.networks._edges import NamedNetwork, read_edges, write_edges
from jaxprune.networks._entries import settled
from jaxprune.networks._matrix_market import read_matrix_market

MATRIX_SUFFIXES = (".npy", ".npz", ".mtx", ".csv")


def read_matrix(
    path: str | os.PathLike, *, neurons: str | os.PathLike | None = None, sparse: bool | None = None
) -> NamedNetwork:
    """Read a square matrix `[post, pre]` from .npy, .npz (one array, or a SciPy sparse matrix), .mtx or a .csv edge list.

    An .npz may hold the neurons' names beside the matrix, as an array `names` of strings; .npy and .mtx hold none.

    Args:
      path: the file; its suffix says its format.
      neurons: a neuron table, as in `read_edges`, for edge lists only.
      sparse: whether the matrix is sparse (`linalg.sparse`). By default it is if the network has more than 4,000 neurons and its
        file lists entries, as edge lists, sparse .npz and .mtx in coordinates do.

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
        return read_edges(path, neurons=neurons, sparse=sparse)
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
    matrix = settled(path, matrix, sparse)
    return NamedNetwork(matrix, _checked_names(f"{path}: names", names, matrix.shape[0]))


def write_matrix(path: str | os.PathLike, matrix: Matrix | AnySparse, *, names: Sequence[str] | None = None) -> None:
    """Write a matrix in the format that the suffix names; the file appears whole or not at all.

    .npz and .mtx are written sparse; .csv as an edge list `pre,post,weight` of the nonzero entries, the diagonal included,
    and of a zero for a neuron that has none.
    .csv and .npz (beside what `scipy.sparse.load_npz` reads) hold the neurons' names; .npy and .mtx cannot.
    A sparse matrix goes to the file piece by piece, and into an .npz as it is, not compressed.

    Args:
      path: the file to write; an existing one is replaced.
      matrix: `[post, pre]`, dense or sparse.
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
    path = Path(path)
    if isinstance(matrix, AnySparse):
        write_whole(path, _writer(path, matrix, names))
    else:
        write_whole(path, matrix_bytes(path, matrix, names=names))


def matrix_bytes(path: str | os.PathLike, matrix: Matrix | AnySparse, *, names: Sequence[str] | None = None) -> bytes:
    r"""What `write_matrix` writes, so that all that can fail has been done before anything is written.

    Args:
      path: the file it is for; only its suffix matters.
      matrix: `[post, pre]`, dense or sparse.
      names: as for `write_matrix`.

    Returns:
      The content of the file.

    Raises:
      InputError: an unknown suffix; a matrix that is not square, empty or not finite; one that is sparse, and too large for .npy,
        which is dense; names that do not fit it.

    Example:
      >>> matrix_bytes("A.csv", -jnp.eye(1), names=("a",))
      b'pre,post,weight\na,a,-1.0\n'
    """
    content = io.BytesIO()
    _writer(Path(path), matrix, names)(content)
    return content.getvalue()


def _writer(path, matrix, names) -> Callable[[io.BufferedIOBase], object]:
    """What writes the matrix into an open file; all that can be refused has been."""
    _check_suffix(path)
    listed = isinstance(matrix, AnySparse)
    rows: Any
    if listed:
        rows = to_scipy(as_sparse("matrix", matrix))
    else:
        check_square("matrix", matrix)
        rows = scipy.sparse.csr_array(np.asarray(matrix))
    labels = _checked_names("names", names, rows.shape[0])
    if path.suffix == ".csv":
        return partial(write_edges, rows, labels)
    if path.suffix == ".mtx":
        return partial(_write_mtx, rows)
    if path.suffix == ".npz":
        return partial(_write_npz, rows, None if names is None else labels, not listed)
    if listed:
        neurons = rows.shape[0]
        check_memory(
            f"{path}: .npy is dense, and a matrix of {neurons:,} neurons",
            rows.dtype.itemsize * neurons**2,
            "take .npz.",
        )
    return partial(_write_npy, rows if listed else np.asarray(matrix))


def _write_npy(matrix, file):
    np.save(file, matrix.toarray() if scipy.sparse.issparse(matrix) else matrix, allow_pickle=False)


def _write_mtx(rows, file):
    import scipy.io

    scipy.io.mmwrite(file, rows.astype(np.float64).tocoo(), precision=17)


def _write_npz(rows, names, compressed, file):
    scipy.sparse.save_npz(file, rows, compressed=compressed)
    if names is not None:
        _add_names(file, names)


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
    arrays: dict[str, Any] = load_npz(path)
    names = arrays.pop("names", None) if len(arrays) > 1 else None
    if names is not None:
        if names.dtype.kind != "U" or names.ndim != 1:
            raise InputError(
                f"{path}: names is {quoted(names.dtype)} of shape {names.shape}, but must be a list of strings."
            )
        names = names.tolist()
    if "format" in arrays:
        return _sparse_of(arrays), names
    if len(arrays) != 1:
        listed = quoted(", ".join(arrays) or "(none)")
        raise InputError(
            f"{path} holds the arrays {listed}, but must hold one (beside names), or a SciPy sparse matrix."
        )
    return next(iter(arrays.values())), names


def _sparse_of(arrays) -> Any:
    """The matrix that `scipy.sparse.save_npz` took apart."""
    kind = arrays["format"].item()
    kind = kind.decode() if isinstance(kind, bytes) else kind
    parts = {
        "coo": lambda: (arrays["data"], arrays["coords"] if "coords" in arrays else (arrays["row"], arrays["col"])),
        "dia": lambda: (arrays["data"], arrays["offsets"]),
    } | dict.fromkeys(("csr", "csc", "bsr"), lambda: (arrays["data"], arrays["indices"], arrays["indptr"]))
    if kind not in parts:
        raise ValueError(f"{quoted(kind)} is no format of a sparse matrix")
    found = getattr(scipy.sparse, f"{kind}_array")(parts[kind](), shape=tuple(map(int, arrays["shape"])))
    if hasattr(found, "check_format"):
        found.check_format(full_check=True)  # indices that point outside would end the process below
    return found


def _check_begin(path, other, remedy):
    with open(path, "rb") as file:
        if file.read(len(other)) == other:
            raise InputError(f"{path} {remedy}.")


def _check_suffix(path):
    if path.suffix not in MATRIX_SUFFIXES:
        raise InputError(f"{path} has the suffix {path.suffix!r}, but must be one of {', '.join(MATRIX_SUFFIXES)}.")
