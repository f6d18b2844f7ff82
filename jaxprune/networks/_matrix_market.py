"""Reading Matrix Market text.

SciPy's compiled reader (1.17) ends the process on some damaged files; this one refuses them with the line.
"""

import itertools
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxprune._checks import InputError, plain_number, quoted
from jaxprune._memory import check_memory
from jaxprune.networks._entries import Entries, check_room

FORMATS = ("coordinate", "array")
FIELDS = ("real", "integer", "pattern")
MIRRORS = {"general": 0, "symmetric": 1, "skew-symmetric": -1}
LARGEST = 2**63
"""Sizes are below this: places of a matrix are signed 64-bit numbers."""
LINES = 2**14
"""Lines that are read at once."""


def read_matrix_market(path: Path) -> Any:
    """A matrix from a Matrix Market file of real, integer or pattern entries; those that list places are read piece by piece.

    Returns:
      A SciPy `csr_array`, or, from a file of format array, a dense one.

    Raises:
      InputError: anything that is not such a file, with the line; a matrix that does not fit into memory.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = ((number, line.split()) for number, line in enumerate(file, 1) if number == 1 or line[0] != "%")
        form, field, symmetry = _header(path, next(lines, (1, []))[1])
        body = ((number, words) for number, words in lines if words)
        first, words = next(body, (1, []))
        size = _sizes(path, first, words, form, symmetry)
        if form == "array":
            return _array(path, body, symmetry, size, _whole_value if field == "integer" else _finite)
        return _coordinate(path, file, first, _Layout(field, symmetry, *size))


class _Layout(NamedTuple):
    """What the head of a file of places announces."""

    field: str
    symmetry: str
    rows: int
    columns: int
    count: int

    @property
    def width(self):
        return 2 if self.field == "pattern" else 3

    @property
    def place(self):
        return np.int32 if max(self.rows, self.columns) <= 2**31 else np.int64


def _header(path, words):
    head = [word.lower() for word in words]
    if len(head) != 5 or head[:2] != ["%%matrixmarket", "matrix"]:
        raise _malformed(path, 1, "it must begin '%%MatrixMarket matrix FORMAT FIELD SYMMETRY'")
    for word, known in zip(head[2:], (FORMATS, FIELDS, tuple(MIRRORS)), strict=True):
        if word not in known:
            raise _malformed(path, 1, f"{quoted(word)} must be one of {', '.join(known)}")
    return head[2:]


def _sizes(path, number, words, form, symmetry):
    size = _numbers(path, number, words, _whole)
    if len(size) != (3 if form == "coordinate" else 2) or min(size) < 0 or max(size) >= LARGEST:
        raise _malformed(path, number, "the sizes of the matrix must come first")
    rows, columns = size[:2]
    if symmetry != "general" and rows != columns:
        raise _malformed(path, number, f"a {symmetry} matrix must be square, but this one is {rows} x {columns}")
    what = f"{path}, line {number}"
    if form == "array":
        check_memory(f"{what}: a dense matrix of {rows} x {columns}", 8 * rows * columns, "take a part of it.")
    else:
        check_room(what, max(rows, columns), size[2] * (1 if symmetry == "general" else 2))
    return size


def _coordinate(path, file, number, layout):
    entries, found, last = Entries(), 0, number
    while lines := list(itertools.islice(file, LINES)):
        piece = _quick(lines, layout)
        if piece is None:  # a line is at fault, blank or a comment
            last, piece = _careful(path, lines, number, last, layout)
        else:
            last = number + len(lines)
        number += len(lines)
        row, column, value = piece
        found += len(value)
        row, column = row.astype(layout.place), column.astype(layout.place)
        entries.add(row, column, value)
        if MIRRORS[layout.symmetry]:
            back = row != column
            entries.add(column[back], row[back], MIRRORS[layout.symmetry] * value[back])
    if found != layout.count:
        raise _malformed(path, last, f"it holds {found} entries, but announces {layout.count}")
    return entries.rows((layout.rows, layout.columns))


def _quick(lines, layout):
    """Places and values of lines, all at once; None if one of them is not as it should be."""
    # A mark between lines must stand after as many fields as an entry has.
    text, step = " ; ".join(lines), layout.width + 1
    words = text.split()
    if len(words) != step * len(lines) - 1 or words[layout.width :: step].count(";") != len(lines) - 1:
        return None
    if "_" in text or not text.isascii():
        return None
    try:
        row, column = (np.fromiter(map(int, words[end::step]), np.int64, len(lines)) - 1 for end in (0, 1))
        read = {"pattern": None, "integer": int, "real": float}[layout.field]
        value = np.fromiter(map(read, words[2::step]), float, len(lines)) if read else np.ones(len(lines))
    except (ValueError, OverflowError):
        return None
    inside = min(row.min(), column.min()) >= 0 and row.max() < layout.rows and column.max() < layout.columns
    below = layout.symmetry == "general" or np.all(row - column >= (layout.symmetry == "skew-symmetric"))
    return (row, column, value) if inside and below and np.isfinite(value).all() else None


def _careful(path, lines, number, last, layout):
    """The same line by line, which says what is wrong, and where; also where the last entry is."""
    found = []
    for last_read, line in enumerate(lines, number + 1):
        words = line.split()
        if words and line[0] != "%":
            last = last_read
            found.append(_entry(path, last, words, layout))
    row, column, value = zip(*found, strict=True) if found else ((), (), ())
    return last, (np.array(row, np.int64), np.array(column, np.int64), np.array(value, float))


def _entry(path, line, words, layout):
    if len(words) != layout.width:
        raise _malformed(path, line, f"{len(words)} fields, but an entry has {layout.width}")
    row, column = _numbers(path, line, words[:2], _whole)
    if not (1 <= row <= layout.rows and 1 <= column <= layout.columns):
        raise _malformed(
            path, line, f"entry ({quoted(row)}, {quoted(column)}) lies outside {layout.rows} x {layout.columns}"
        )
    symmetry = layout.symmetry
    if symmetry != "general" and column > row:
        raise _malformed(
            path, line, f"entry ({row}, {column}) lies above the diagonal, but a {symmetry} file lists what is below"
        )
    if symmetry == "skew-symmetric" and column == row:
        raise _malformed(path, line, f"entry ({row}, {column}) is on the diagonal, which is zero in {symmetry} files")
    if layout.field == "pattern":
        return row - 1, column - 1, 1.0
    return (
        row - 1,
        column - 1,
        _numbers(path, line, words[2:], _whole_value if layout.field == "integer" else _finite)[0],
    )


def _array(path, body, symmetry, size, read):
    rows, columns = size
    matrix = np.zeros(size)
    skew = symmetry == "skew-symmetric"
    places = (
        (row, column) for column in range(columns) for row in range(0 if symmetry == "general" else column + skew, rows)
    )
    last, found = 2, 0
    for last, word in ((number, word) for number, words in body for word in words):
        found += 1
        place = next(places, None)
        if place is not None:
            matrix[place] = _numbers(path, last, [word], read)[0]
    needed = rows * columns if symmetry == "general" else rows * (rows + 1) // 2 - skew * rows
    if found != needed:
        raise _malformed(path, last, f"{found} values do not fill {rows} x {columns}")
    if MIRRORS[symmetry]:
        matrix += MIRRORS[symmetry] * np.tril(matrix, -1).T
    return matrix


def _whole(word):
    if "_" in word or not word.isascii():
        raise ValueError(word)
    return int(word)


def _whole_value(word):
    return float(_whole(word))


def _finite(word):
    value = plain_number(word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def _numbers(path, line, words, read):
    try:
        return [read(word) for word in words]
    except (ValueError, OverflowError):
        kind = "a finite number" if read is _finite else "a whole number"
        raise _malformed(path, line, f"{quoted(' '.join(words))} is not {kind}") from None


def _malformed(path, line, why):
    return InputError(f"{path}, line {line}: malformed .mtx file: {why}.")
