"""Connectomes as edge lists: one synapse, or one bundle of synapses, to a line."""

import csv
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_square, plain_number, quoted
from jaxprune._memory import check_memory
from jaxprune._types import Matrix
from jaxprune.files import reason

INHIBITORY = ("gaba",)
"""Transmitters whose neurons inhibit, where the neuron table names them; also as the beginning of a word."""
ELECTRICAL = {"": False, "chemical": False, "electrical": True, "gap junction": True}
"""Whether a line of this type is a gap junction."""
SIDE_COLUMNS = ("type", "neurotransmitters")


class NamedNetwork(NamedTuple):
    """The matrix of a network and the names of its neurons.

    Attributes:
      matrix: weights or dynamics, `[post, pre]`.
      names: of the neurons, in the order of rows and columns.
      left_out: lines of an edge list that were left out: synapses of a neuron onto itself, where synapses are counted.
    """

    matrix: Matrix
    names: tuple[str, ...]
    left_out: int = 0


def read_edges(path: str | os.PathLike, *, neurons: str | os.PathLike | None = None) -> NamedNetwork:
    """Read a connectome from a CSV edge list with header `pre,post[,type],count` or `pre,post[,type],weight`.

    - `count` (synapses, not negative) makes `W[post, pre]`; synapses of a neuron onto itself are left out, and their lines
      counted in the result.
    - `weight` (any sign) is taken as it is, lines with `pre == post` included: they are the diagonal of a dynamics matrix,
      as `write_matrix` writes it.
    - Lines of type `electrical` or `gap junction` are gap junctions, listed once and entered in both directions; those of type
      `chemical`, or of none, go one way. Lines that name the same pair again are added up.

    Letter case does not matter in the header, in types or in transmitters.

    Args:
      path: the file.
      neurons: a CSV table with a column `name` and, optionally, `neurotransmitters`; it fixes the order of the neurons, and
        the chemical synapses *of* GABA neurons become negative. A neuron that releases several transmitters, as in
        `GABA, Acetylcholine`, counts as inhibitory if GABA is among them. Without a table neurons are sorted by name (by
        number if all names are numbers) and no sign is changed.

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
    edges = [_edge(path, line, row) for line, row in _rows(path, ("pre", "post"), ("count", "weight"))]
    if not edges:
        raise InputError(f"{path} holds no edge: it needs lines 'pre,post,count' below its header.")
    table = _read_neurons(neurons) if neurons is not None else {}
    names = tuple(table) or _sorted_names({name for edge in edges for name in (edge.pre, edge.post)})
    index = {name: position for position, name in enumerate(names)}
    check_memory(f"{path}: a dense matrix of {len(names)} neurons", 8 * len(names) ** 2, "take a part of them.")
    matrix = np.zeros((len(names), len(names)))
    with np.errstate(over="ignore", invalid="ignore"):  # what adds up to more than fits is refused below
        for edge in edges:
            for name in (edge.pre, edge.post):
                if name not in index:
                    raise InputError(
                        f"{path}, line {edge.line}: neuron {quoted(name)} is not in {neurons}: add it there, or drop the edge."
                    )
            if edge.left_out:
                continue
            pre, post = index[edge.pre], index[edge.post]
            inhibits = not edge.electrical and table.get(edge.pre, False)
            matrix[post, pre] += -abs(edge.value) if inhibits else edge.value
            if edge.electrical and pre != post:
                matrix[pre, post] += edge.value
        found = jnp.asarray(matrix, dtype=float)
    check_square(str(path), found)
    return NamedNetwork(found, names, sum(edge.left_out for edge in edges))


class _Edge(NamedTuple):
    line: int
    pre: str
    post: str
    value: float
    electrical: bool
    left_out: bool


def _edge(path, line, row):
    for end in ("pre", "post"):
        _check_name(path, line, row[end])
    itself = row["pre"] == row["post"]
    return _Edge(
        line, row["pre"], row["post"], _number(path, line, row), _electrical(path, line, row), itself and "count" in row
    )


def _check_name(path, line, name):
    if not name.strip():
        raise InputError(f"{path}, line {line}: the name of a neuron is empty: each needs one.")


def _electrical(path, line, row):
    written = row.get("type", "")
    kind = " ".join(re.sub("[_-]", " ", written.lower()).split())
    if kind not in ELECTRICAL:
        raise InputError(
            f"{path}, line {line}: type is {quoted(written)}, but must be chemical, electrical or gap junction."
        )
    return ELECTRICAL[kind]


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
    for line, row in _rows(path, ("name",), ()):
        name = row["name"]
        _check_name(path, line, name)
        if name in table:
            raise InputError(f"{path}, line {line}: neuron {quoted(name)} is listed a second time: each has one line.")
        words = re.split(r"[^a-z0-9]+", row.get("neurotransmitters", "").lower())
        table[name] = any(word.startswith(INHIBITORY) for word in words)
    if not table:
        raise InputError(f"{path} lists no neuron: it needs a line for each below its header.")
    return table


def _rows(path: str | os.PathLike, required: tuple[str, ...], one_of: tuple[str, ...]) -> Iterator[tuple[int, dict]]:
    with open(path, "rb") as file:
        reader = csv.DictReader(
            line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(file)
        )
        try:
            header = tuple(name.strip().lower() for name in reader.fieldnames or ())
            reader.fieldnames = header
            missing = [name for name in required if name not in header]
            if missing or (one_of and not set(one_of) & set(header)):
                need = ", ".join((*required, " or ".join(one_of))) if one_of else ", ".join(required)
                given = quoted(",".join(header) or "empty")
                raise InputError(f"{path}, line 1: the header is {given}, but must name the columns {need}.")
            twice = [name for name in (*required, *one_of, *SIDE_COLUMNS) if header.count(name) > 1]
            if twice:
                raise InputError(f"{path}, line 1: the header names the column {twice[0]} twice: leave one.")
            for row in reader:
                fields = sum(row[name] is not None for name in header) + len(row.get(None, ()))
                if fields != len(header):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {fields} fields, but the header has {len(header)}."
                    )
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}, line {reader.line_num + 1}: not readable as UTF-8 CSV ({reason(error)})."
            ) from error


def _sorted_names(names):
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name)))
    return tuple(sorted(names))
