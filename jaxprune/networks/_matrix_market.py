"""Reading Matrix Market text.

SciPy's compiled reader (1.17) ends the process on some damaged files; this one refuses them with the line.
"""

import math
from pathlib import Path

import numpy as np

from jaxprune._checks import InputError, plain_number, quoted
from jaxprune._memory import check_memory

FORMATS = ("coordinate", "array")
FIELDS = ("real", "integer", "pattern")
MIRRORS = {"general": 0, "symmetric": 1, "skew-symmetric": -1}
LARGEST = 2**63
"""Sizes are below this: places of a matrix are signed 64-bit numbers."""


def read_matrix_market(path: Path) -> np.ndarray:
    """A dense matrix from a Matrix Market file of real, integer or pattern entries.

    Raises:
      InputError: anything that is not such a file, with the line; a matrix that does not fit into memory.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = ((number, line.split()) for number, line in enumerate(file, 1) if number == 1 or line[0] != "%")
        form, field, symmetry = _header(path, next(lines, (1, []))[1])
        body = ((number, words) for number, words in lines if words)
        size = _sizes(path, *next(body, (1, [])), form, symmetry)
        matrix = np.zeros(size[:2])
        read = _whole_value if field == "integer" else _finite
        entries = (
            _coordinate(path, body, field, symmetry, size, read)
            if form == "coordinate"
            else _array(path, body, symmetry, size, read)
        )
        with np.errstate(over="ignore", invalid="ignore"):  # what adds up to more than fits is refused as not finite
            for row, column, value in entries:
                matrix[row, column] += value
                if row != column and MIRRORS[symmetry]:
                    matrix[column, row] += MIRRORS[symmetry] * value
    return matrix


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
    check_memory(
        f"{path}, line {number}: a dense matrix of {rows} x {columns}", 8 * rows * columns, "take a part of it."
    )
    return size


def _coordinate(path, body, field, symmetry, size, read):
    rows, columns, count = size
    width = 2 if field == "pattern" else 3
    last, found = 2, 0
    for last, words in body:
        found += 1
        if len(words) != width:
            raise _malformed(path, last, f"{len(words)} fields, but an entry has {width}")
        row, column = _numbers(path, last, words[:2], _whole)
        if not (1 <= row <= rows and 1 <= column <= columns):
            raise _malformed(path, last, f"entry ({quoted(row)}, {quoted(column)}) lies outside {rows} x {columns}")
        if symmetry != "general" and column > row:
            raise _malformed(
                path,
                last,
                f"entry ({row}, {column}) lies above the diagonal, but a {symmetry} file lists what is below",
            )
        if symmetry == "skew-symmetric" and column == row:
            raise _malformed(
                path, last, f"entry ({row}, {column}) is on the diagonal, which is zero in {symmetry} files"
            )
        yield row - 1, column - 1, 1.0 if field == "pattern" else _numbers(path, last, words[2:], read)[0]
    if found != count:
        raise _malformed(path, last, f"it holds {found} entries, but announces {count}")


def _array(path, body, symmetry, size, read):
    rows, columns = size
    skew = symmetry == "skew-symmetric"
    places = (
        (row, column) for column in range(columns) for row in range(0 if symmetry == "general" else column + skew, rows)
    )
    last, found = 2, 0
    for last, word in ((number, word) for number, words in body for word in words):
        found += 1
        place = next(places, None)
        if place is not None:
            yield *place, _numbers(path, last, [word], read)[0]
    needed = rows * columns if symmetry == "general" else rows * (rows + 1) // 2 - skew * rows
    if found != needed:
        raise _malformed(path, last, f"{found} values do not fill {rows} x {columns}")


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
