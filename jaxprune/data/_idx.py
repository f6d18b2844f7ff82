"""Images in the IDX format of MNIST."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from jaxprune._checks import InputError, quoted
from jaxprune._memory import check_memory
from jaxprune.data._images import DataSet, LabelledImages, data_set
from jaxprune.files import reason

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DIMENSIONS = 8
"""More than any data set has."""
PARTS = {"train": "train", "test": "t10k"}


def read_idx(path: str | Path) -> np.ndarray:
    """Read an array from an IDX file, compressed (.gz) or not.

    Args:
      path: the file.

    Raises:
      InputError: a file that is not there, is none of these, ends too early, or does not fit into memory.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile(suffix="-idx1-ubyte") as file:
      ...     size = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
      ...     file.flush()
      ...     print(read_idx(file.name))
      [7 8 9]

    Reference: LeCun1998 for the format.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            return _read(path, file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked: {reason(error)}. Download it again.") from error


def load_idx(folder: str | Path) -> DataSet:
    """Read a data set in the layout of MNIST: four IDX files in one folder, compressed or not.

    Args:
      folder: with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte.

    Raises:
      InputError: a file that is missing (where to get it), damaged, or whose images and labels do not fit.

    Example:
      >>> load_idx("mnist").train.images.shape  # doctest: +SKIP
      (60000, 28, 28)

    Reference: LeCun1998.
    """
    folder = Path(folder)
    parts = []
    for part in PARTS.values():
        images, labels = (
            read_idx(_find(folder, f"{part}-{name}")) for name in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
        parts.append(LabelledImages(images, labels))
    train, test = parts
    return data_set(train, test, str(folder))


def _find(folder, name):
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(
        f"{folder} has no {name} or {name}.gz: download the four files of MNIST, for example from "
        "https://ossci-datasets.s3.amazonaws.com/mnist/, or of Fashion-MNIST, and put them there."
    )


def _read(path, file):
    """The array of an open file, of which no more is read than its head promises, and one byte."""
    begin = file.read(4)
    if len(begin) < 4 or begin[:2] != b"\0\0" or begin[2] not in TYPES or begin[3] > DIMENSIONS:
        raise InputError(
            f"{path} is no IDX file: it must begin with two zero bytes, a type and a number of dimensions."
        )
    sizes = file.read(4 * begin[3])
    if len(sizes) < 4 * begin[3]:
        raise InputError(f"{path} has {4 + len(sizes)} bytes, but its head promises more. Download it again.")
    shape = struct.unpack(f">{begin[3]}I", sizes)
    kind = np.dtype(TYPES[begin[2]])
    wanted = math.prod(shape) * kind.itemsize
    check_memory(str(path), wanted, "take a smaller file, or download it again.")
    content = file.read(wanted + 1)
    if len(content) != wanted:
        found = "more" if len(content) > wanted else len(content)
        raise InputError(
            f"{path} has {found} bytes of values, but its head promises {quoted(wanted)}. Download it again."
        )
    return np.frombuffer(content, kind).reshape(shape).astype(kind.newbyteorder("="))
