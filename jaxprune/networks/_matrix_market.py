"""Reading Matrix Market text.

SciPy's compiled reader (1.17) ends the process on some damaged files; this one refuses them with the line.
"""

import itertools
from pathlib import Path

import numpy as np

from jaxprune._checks import InputError

FORMATS = ("coordinate", "array")
FIELDS = ("real", "integer", "pattern")
MIRRORS = {"general": 0, "symmetric": 1, "skew-symmetric": -1}


def read_matrix_market(path: Path) -> np.ndarray:
    """A dense matrix from a Matrix Market file of real, integer or pattern entries.

    Raises:
      InputError: anything that is not such a file, with the line.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [
            (number, line.split()) for number, line in enumerate(file, 1) if not line.startswith("%") or number == 1
        ]
    head = [word.lower() for word in lines[0][1]] if lines else []
    if len(head) != 5 or head[:2] != ["%%matrixmarket", "matrix"]:
        raise InputError(
            f"{path}, line 1: malformed .mtx file: it must begin '%%MatrixMarket matrix FORMAT FIELD SYMMETRY'."
        )
    form, field, symmetry = head[2:]
    for word, known in ((form, FORMATS), (field, FIELDS), (symmetry, tuple(MIRRORS))):
        if word not in known:
            raise InputError(f"{path}, line 1: malformed .mtx file: {word!r} must be one of {', '.join(known)}.")
    body = [(number, words) for number, words in lines[1:] if words]
    size = _numbers(path, *body[0], int) if body else []
    if len(size) != (3 if form == "coordinate" else 2) or min(size) < 0:
        number = body[0][0] if body else 1
        raise InputError(f"{path}, line {number}: malformed .mtx file: the sizes of the matrix must come first.")
    entries = (
        _coordinate(path, body[1:], field, size) if form == "coordinate" else _array(path, body[1:], symmetry, size)
    )
    try:
        matrix = np.zeros(size[:2])
    except (MemoryError, ValueError) as error:
        raise InputError(
            f"{path}, line {body[0][0]}: a matrix of {size[0]} x {size[1]} does not fit in memory."
        ) from error
    for row, column, value in entries:
        matrix[row, column] += value
        if row != column and MIRRORS[symmetry]:
            matrix[column, row] += MIRRORS[symmetry] * value
    return matrix


def _coordinate(path, body, field, size):
    rows, columns, count = size
    if len(body) != count:
        number = body[-1][0] if body else 2
        raise InputError(
            f"{path}, line {number}: malformed .mtx file: it holds {len(body)} entries, but announces {count}."
        )
    width = 2 if field == "pattern" else 3
    for number, words in body:
        if len(words) != width:
            raise InputError(
                f"{path}, line {number}: malformed .mtx file: {len(words)} fields, but an entry has {width}."
            )
        row, column = _numbers(path, number, words[:2], int)
        if not (1 <= row <= rows and 1 <= column <= columns):
            raise InputError(
                f"{path}, line {number}: malformed .mtx file: entry ({row}, {column}) lies outside {rows} x {columns}."
            )
        yield row - 1, column - 1, 1.0 if field == "pattern" else _numbers(path, number, words[2:], float)[0]


def _array(path, body, symmetry, size):
    rows, columns = size
    first = {"general": 0, "symmetric": 0, "skew-symmetric": 1}[symmetry]
    places = (
        (row, column)
        for column in range(columns)
        for row in range(0 if symmetry == "general" else column + first, rows)
    )
    values = [(number, word) for number, words in body for word in words]
    for place, entry in itertools.zip_longest(places, values):
        if place is None or entry is None:
            number = entry[0] if entry else (body[-1][0] if body else 2)
            raise InputError(
                f"{path}, line {number}: malformed .mtx file: {len(values)} values do not fill {rows} x {columns}."
            )
        yield *place, _numbers(path, entry[0], [entry[1]], float)[0]


def _numbers(path, line, words, kind):
    try:
        return [kind(word) for word in words]
    except ValueError:
        raise InputError(f"{path}, line {line}: malformed .mtx file: {' '.join(words)!r} is not a number.") from None
