"""Connectomes as edge lists: one synapse, or one bundle of synapses, to a line."""

import csv
import io
import itertools
import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxprune._checks import InputError, plain_number, quoted
from jaxprune._types import Matrix
from jaxprune.networks._csv import Source, open_csv
from jaxprune.networks._entries import Entries, check_room, settled

INHIBITORY = ("gaba",)
"""Transmitters whose neurons inhibit, where the neuron table names them; also as the beginning of a word."""
ELECTRICAL = {"": False, "chemical": False, "electrical": True, "gap junction": True}
"""Whether a line of this type is a gap junction."""
SIDE_COLUMNS = ("type", "neurotransmitters")
WRITTEN = 2**16
"""Entries that are about written at once."""


class NamedNetwork(NamedTuple):
    """The matrix of a network and the names of its neurons.

    Attributes:
      matrix: weights or dynamics, `[post, pre]`; a `linalg.sparse.SparseMatrix` where the network is large.
      names: of the neurons, in the order of rows and columns.
      left_out: lines of an edge list that were left out: synapses of a neuron onto itself, where synapses are counted.
    """

    matrix: Matrix | Any
    names: tuple[str, ...]
    left_out: int = 0


def read_edges(
    path: str | os.PathLike, *, neurons: str | os.PathLike | None = None, sparse: bool | None = None
) -> NamedNetwork:
    """Read a connectome from a CSV edge list with header `pre,post[,type],count` or `pre,post[,type],weight`.

    - `count` (synapses, not negative) makes `W[post, pre]`; synapses of a neuron onto itself are left out, and their lines
      counted in the result.
    - `weight` (any sign) is taken as it is, lines with `pre == post` included: they are the diagonal of a dynamics matrix,
      as `write_matrix` writes it.
    - Lines of type `electrical` or `gap junction` are gap junctions, listed once and entered in both directions; those of type
      `chemical`, or of none, go one way. Lines that name the same pair again are added up.

    Letter case does not matter in the header, in types or in transmitters.

    A list of any length is read some thousand lines at a time: beside the network, memory is needed for those only.

    Args:
      path: the file.
      neurons: a CSV table with a column `name` and, optionally, `neurotransmitters`; it fixes the order of the neurons, and
        the chemical synapses *of* GABA neurons become negative. A neuron that releases several transmitters, as in
        `GABA, Acetylcholine`, counts as inhibitory if GABA is among them. Without a table neurons are sorted by name (by
        number if all names are numbers) and no sign is changed.
      sparse: whether the matrix is sparse; by default that of a large network is, one of more than 4,000 neurons.

    Returns:
      The matrix, the neurons' names, and how many lines were left out.

    Raises:
      InputError: a missing column, a type or a number that cannot be read, a negative count, an empty name, a neuron that is
        not in the table, or no line at all, with the file and line; entries that add up to more than a number can be; more
        neurons than fit into memory.
      OSError: a file that cannot be opened.

    Example:
      >>> path = tmp_path / "edges.csv"
      >>> _ = path.write_text("pre,post,type,count\\nA,B,chemical,3\\nB,C,electrical,2\\n")
      >>> read_edges(path).matrix
      Array([[0., 0., 0.],
             [3., 0., 2.],
             [0., 2., 0.]], dtype=float64)

    Reference: Varshney2011 and Winding2023 are distributed in this form.
    """
    table = _read_neurons(neurons) if neurons is not None else None
    path = Path(path)
    with open_csv(path) as file:
        source = Source(path, file, ("pre", "post"), ("count", "weight"), SIDE_COLUMNS)
        numbers = _Numbers(table)
        entries, lines, left_out = Entries(), 0, 0
        for piece in source.pieces():
            edges = _quick(source, piece, numbers)
            if edges is None:  # a line is at fault, or blank
                edges = _careful(source, piece, numbers, neurons)
            lines += len(edges.values)
            left_out += _gather(entries, edges, table, counted="count" in source.header)
    if not lines:
        raise InputError(f"{path} holds no edge: it needs lines 'pre,post,count' below its header.")
    names = tuple(numbers) if table is not None else _sorted_names(numbers)
    place = {name: position for position, name in enumerate(names)}
    order = np.fromiter(map(place.__getitem__, numbers), np.int32, len(names))
    check_room(str(path), len(names), len(entries))
    found = settled(path, entries.rows((len(names), len(names)), order), sparse)
    return NamedNetwork(found, names, left_out)


def write_edges(rows: Any, names: Sequence[str], file: io.BufferedIOBase) -> None:
    """Write a SciPy `csr_array` as an edge list of weights, some entries at a time."""
    counts = np.diff(rows.indptr)
    sends = np.zeros(len(counts), bool)
    sends[rows.indices] = True
    silent = ~sends & (counts == 0)  # without a line of its own, such a neuron would be lost
    file.write(b"pre,post,weight\n")
    step = max(1, WRITTEN * len(counts) // max(rows.nnz, 1))
    for begin in range(0, len(counts), step):
        end = min(begin + step, len(counts))
        alone = begin + np.flatnonzero(silent[begin:end])
        post = np.concatenate([np.repeat(np.arange(begin, end), counts[begin:end]), alone])
        entries = slice(rows.indptr[begin], rows.indptr[end])
        pre = np.concatenate([rows.indices[entries], alone])
        values = np.concatenate([rows.data[entries].astype(float), np.zeros(len(alone))])
        order = np.argsort(post, kind="stable")
        columns = (
            map(names.__getitem__, pre[order].tolist()),
            map(names.__getitem__, post[order].tolist()),
            values[order].tolist(),
        )
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
        file.write(text.getvalue().encode())


class _Edges(NamedTuple):
    """Lines of an edge list: the numbers of their neurons, their values, and whether they are gap junctions."""

    pre: np.ndarray
    post: np.ndarray
    values: np.ndarray
    electrical: np.ndarray


class _Numbers(dict):
    """Neurons' numbers by name: those of a table, or, without one, in the order in which they are first asked for."""

    def __init__(self, table: Collection[str] | None):
        super().__init__({name: number for number, name in enumerate(table or ())})
        self.fixed = table is not None

    def __missing__(self, name: str) -> int:
        if self.fixed or not name.strip():
            raise KeyError(name)
        number = self[name] = len(self)
        return number


class _Kinds(dict):
    """Whether lines of a type are gap junctions, by the type as it is written."""

    def __missing__(self, written: str) -> bool:
        electrical = self[written] = ELECTRICAL[" ".join(re.sub("[_-]", " ", written.lower()).split())]
        return electrical


KINDS = _Kinds()


def _quick(source, piece, numbers):
    """The lines of a piece column by column; None if one of them is not as it should be."""
    if piece.columns is None:
        return None
    columns = dict(zip(source.header, piece.columns, strict=True))
    written = columns["count" if "count" in columns else "weight"]
    together = "".join(written)
    if "_" in together or not together.isascii():
        return None
    lines = len(written)
    try:
        values = np.fromiter(map(float, written), float, lines)
        pre, post = (np.fromiter(map(numbers.__getitem__, columns[end]), np.int32, lines) for end in ("pre", "post"))
        types = map(KINDS.__getitem__, columns["type"]) if "type" in columns else itertools.repeat(False)
        electrical = np.fromiter(types, bool, lines)
    except (ValueError, KeyError):
        return None
    if not np.isfinite(values).all() or ("count" in columns and values.min() < 0):
        return None
    return _Edges(pre, post, values, electrical)


def _careful(source, piece, numbers, neurons):
    """The same line by line, which says what is wrong, and where."""
    found = [_edge(source.path, line, row, numbers, neurons) for line, row in source.numbered(piece)]
    pre, post, values, electrical = zip(*found, strict=True) if found else ((), (), (), ())
    return _Edges(
        np.array(pre, np.int32), np.array(post, np.int32), np.array(values, float), np.array(electrical, bool)
    )


def _edge(path, line, row, numbers, neurons):
    for end in ("pre", "post"):
        _check_name(path, line, row[end])
    value, electrical = _number(path, line, row), _electrical(path, line, row)
    for end in ("pre", "post"):
        if numbers.fixed and row[end] not in numbers:
            raise InputError(
                f"{path}, line {line}: neuron {quoted(row[end])} is not in {neurons}: add it there, or drop the edge."
            )
    return numbers[row["pre"]], numbers[row["post"]], value, electrical


def _gather(entries, edges, table, *, counted):
    """Enter lines; how many of them were left out."""
    itself = edges.pre == edges.post
    values = edges.values
    if table is not None:
        inhibits = np.fromiter(table.values(), bool, len(table))[edges.pre] & ~edges.electrical
        values = np.where(inhibits, -np.abs(values), values)
    kept = ~itself if counted else np.ones(len(values), bool)
    back = edges.electrical & ~itself
    for post, pre, chosen in ((edges.post, edges.pre, kept), (edges.pre, edges.post, back)):
        entries.add(post[chosen], pre[chosen], values[chosen])
    return len(values) - int(kept.sum())


def _check_name(path, line, name):
    if not name.strip():
        raise InputError(f"{path}, line {line}: the name of a neuron is empty: each needs one.")


def _electrical(path, line, row):
    written = row.get("type", "")
    try:
        return KINDS[written]
    except KeyError:
        raise InputError(
            f"{path}, line {line}: type is {quoted(written)}, but must be chemical, electrical or gap junction."
        ) from None


def _number(path, line, row):
    column = "count" if "count" in row else "weight"
    try:
        value = plain_number(row[column])
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or (column == "count" and value < 0):
        rule = "a number that is not negative" if column == "count" else "a finite number"
        raise InputError(f"{path}, line {line}: {column} is {quoted(row[column])}, but must be {rule}.")
    return value


def _read_neurons(path):
    """The neurons by name, in order, and whether each inhibits."""
    table: dict[str, bool] = {}
    path = Path(path)
    with open_csv(path) as file:
        source = Source(path, file, ("name",), (), SIDE_COLUMNS)
        for piece in source.pieces():
            for line, row in source.numbered(piece):
                name = row["name"]
                _check_name(path, line, name)
                if name in table:
                    raise InputError(
                        f"{path}, line {line}: neuron {quoted(name)} is listed a second time: each has one line."
                    )
                words = re.split(r"[^a-z0-9]+", row.get("neurotransmitters", "").lower())
                table[name] = any(word.startswith(INHIBITORY) for word in words)
    if not table:
        raise InputError(f"{path} lists no neuron: it needs a line for each below its header.")
    return table


def _sorted_names(names: Iterable[str]):
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name)))
    return tuple(sorted(names))
