"""CSV text with a header, read piece by piece: column by column where it is plain, row by row where it is not."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxprune._checks import InputError, quoted
from jaxprune.files import reason

BLOCK = 2**17
"""Characters of plain text that are read at once. No more than a field may have: only the last line of a block can hold one that
is too long."""
ROWS = 2000
"""Rows that are read at once where a text has quotes: a few, as Python's collector looks at all that are held."""


def open_csv(path: Path) -> io.TextIOWrapper:
    """Open a file for `Source`: UTF-8, whose lines end where csv's do."""
    return open(path, encoding="utf-8-sig", newline="\n")


class Piece(NamedTuple):
    """Some lines.

    Attributes:
      columns: the fields by column, or None where lines are not plain, or do not have as many fields as the header.
      text: the lines, as csv's reader takes them; or rows that it made of them.
      before: how many lines come before.
    """

    columns: Sequence[Sequence[str]] | None
    text: str | list[list[str]]
    before: int


class Source:
    """The lines of a CSV file below its header, whose names are in lower case.

    Args:
      path: what messages call the file.
      file: from `open_csv`.
      required: columns that must be there.
      one_of: columns of which one must be there.
      once: columns that may not be there twice, beside those.

    Raises:
      InputError: another header, or text that is not UTF-8 or not CSV, with the line; also later, from its methods.
    """

    def __init__(
        self,
        path: Path,
        file: io.TextIOWrapper,
        required: tuple[str, ...],
        one_of: tuple[str, ...],
        once: tuple[str, ...],
    ):
        self.path, self._file = path, file
        reader = csv.reader(file)
        first = self._rows(reader, itertools.islice(reader, 1))
        self._lines = reader.line_num
        self.header = tuple(name.strip().lower() for name in (first[0] if first else ()))
        self._check_header(required, one_of, (*required, *one_of, *once))

    def pieces(self) -> Iterator[Piece]:
        """The lines, some at a time; from the first quotation mark on, fields may hold commas and lines of their own."""
        while text := self._block():
            if '"' in text:
                yield from self._quoted(itertools.chain(io.StringIO(text, newline="\n"), self._file))
                return
            yield Piece(self._columns(text), text, self._lines)
            self._lines += text.count("\n")

    def numbered(self, piece: Piece) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows of a piece by column, with the line that each ends on; blank ones are left out."""
        line, rows = piece.before, piece.text
        if isinstance(rows, str):
            reader = csv.reader(io.StringIO(rows, newline="\n"))
            rows = self._rows(reader, reader, piece.before)
        for row in rows:
            line += 1 + sum(field.count("\n") for field in row)
            if not row:
                continue
            if len(row) != len(self.header):
                raise InputError(f"{self.path}, line {line}: {len(row)} fields, but the header has {len(self.header)}.")
            yield line, dict(zip(self.header, row, strict=True))

    def _block(self):
        try:
            return self._file.read(BLOCK) + self._file.readline()
        except UnicodeDecodeError as error:
            raise self._undecodable(error) from error

    def _columns(self, text):
        text = text.replace("\r\n", "\n")
        text = text if text.endswith("\n") else text + "\n"
        longest = len(text) - text.rfind("\n", 0, -1)
        if "\r" in text or longest > BLOCK:
            return None
        width, lines = len(self.header), text.count("\n")
        # A field that is a line's end alone stands between lines, where it must be if all have as many fields as the header.
        fields = text.replace("\n", ",\n,").split(",")
        fields.pop()
        ends = fields[width :: width + 1]
        if len(fields) != (width + 1) * lines or len(ends) != lines or ends.count("\n") != lines:
            return None
        return [fields[place :: width + 1] for place in range(width)]

    def _quoted(self, lines):
        reader, before = csv.reader(lines), self._lines
        while rows := self._rows(reader, itertools.islice(reader, ROWS), before):
            plain = set(map(len, rows)) == {len(self.header)}
            yield Piece(list(zip(*rows, strict=True)) if plain else None, rows, self._lines)
            self._lines = before + reader.line_num

    def _rows(self, reader, rows: Iterable[list[str]], before: int = 0):
        try:
            return list(rows)
        except UnicodeDecodeError as error:
            raise self._undecodable(error) from error
        except csv.Error as error:
            raise self._unreadable(before + reader.line_num, error) from error

    def _undecodable(self, error):
        """The refusal of what is not UTF-8. The decoder knows places in a piece of the file only, not the line."""
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as found:
                    return self._unreadable(number, found)
        return self._unreadable(1, error)

    def _unreadable(self, line, error):
        return InputError(f"{self.path}, line {line}: not readable as UTF-8 CSV ({reason(error)}).")

    def _check_header(self, required, one_of, once):
        path, header = self.path, self.header
        missing = [name for name in required if name not in header]
        if missing or (one_of and not set(one_of) & set(header)):
            need = ", ".join((*required, " or ".join(one_of))) if one_of else ", ".join(required)
            given = quoted(",".join(header) or "empty")
            raise InputError(f"{path}, line 1: the header is {given}, but must name the columns {need}.")
        twice = [name for name in once if header.count(name) > 1]
        if twice:
            raise InputError(f"{path}, line 1: the header names the column {twice[0]} twice: leave one.")
