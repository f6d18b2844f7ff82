"""Connectomes as edge lists: one synapse, or one bundle of synapses, to a line."""

import csv
import os
from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError
from jaxprune._types import Matrix

INHIBITORY = ("GABA",)
"""Transmitters whose neurons inhibit, where the neuron table names them."""


class NamedNetwork(NamedTuple):
    """The matrix of a network and the names of its neurons.

    Attributes:
      matrix: weights or dynamics, `[post, pre]`.
      names: of the neurons, in the order of rows and columns.
    """

    matrix: Matrix
    names: tuple[str, ...]


def read_edges(path: str | os.PathLike, *, neurons: str | os.PathLike | None = None) -> NamedNetwork:
    """Read a connectome from a CSV edge list with header `pre,post[,type],count` or `pre,post[,type],weight`.

    - `count` (synapses, not negative) makes `W[post, pre]`; synapses of a neuron onto itself are left out.
    - `weight` (any sign) is taken as it is, lines with `pre == post` included: they are the diagonal of a dynamics matrix,
      as `write_matrix` writes it.
    - Lines of type `electrical` are gap junctions, listed once and entered in both directions. Lines that name the same
      pair again are added up.

    Args:
      path: the file.
      neurons: a CSV table with a column `name` and, optionally, `neurotransmitters`; it fixes the order of the neurons, and
        the chemical synapses *of* GABA neurons become negative. Without it neurons are sorted by name (by number if all
        names are numbers) and no sign is changed.

    Returns:
      The matrix and the neurons' names.

    Raises:
      InputError: a missing column, a number that cannot be read, a negative count, a neuron that is not in the table, or no
        line at all; with the file and line.
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
    rows = list(_rows(path, ("pre", "post"), ("count", "weight")))
    if not rows:
        raise InputError(f"{path} holds no edge: it needs lines 'pre,post,count' below its header.")
    table = _read_neurons(neurons) if neurons is not None else {}
    names = tuple(table) or _sorted_names({row[end] for _, row in rows for end in ("pre", "post")})
    index = {name: position for position, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)))
    for line, row in rows:
        for end in ("pre", "post"):
            if row[end] not in index:
                raise InputError(
                    f"{path}, line {line}: neuron {row[end]!r} is not in {neurons}: add it there, or drop the edge."
                )
        pre, post = index[row["pre"]], index[row["post"]]
        value = _number(path, line, row)
        electrical = row.get("type") == "electrical"
        if "count" in row and pre == post:
            continue
        if not electrical and table.get(row["pre"]) in INHIBITORY:
            value = -abs(value)
        matrix[post, pre] += value
        if electrical and pre != post:
            matrix[pre, post] += value
    return NamedNetwork(jnp.asarray(matrix), names)


def _number(path, line, row):
    column = "count" if "count" in row else "weight"
    try:
        value = float(row[column])
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or (column == "count" and value < 0):
        rule = "a number that is not negative" if column == "count" else "a finite number"
        raise InputError(f"{path}, line {line}: {column} is {row[column]!r}, but must be {rule}.")
    return value


def _read_neurons(path):
    table: dict[str, str] = {}
    for line, row in _rows(path, ("name",), ()):
        if row["name"] in table:
            raise InputError(f"{path}, line {line}: neuron {row['name']!r} is listed a second time: each has one line.")
        table[row["name"]] = row.get("neurotransmitters") or ""
    if not table:
        raise InputError(f"{path} lists no neuron: it needs a line for each below its header.")
    return table


def _rows(path: str | os.PathLike, required: tuple[str, ...], one_of: tuple[str, ...]) -> Iterator[tuple[int, dict]]:
    with open(path, "rb") as file:
        reader = csv.DictReader(
            line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(file)
        )
        try:
            header = tuple(reader.fieldnames or ())
            missing = [name for name in required if name not in header]
            if missing or (one_of and not set(one_of) & set(header)):
                need = ", ".join((*required, " or ".join(one_of))) if one_of else ", ".join(required)
                given = ",".join(header) or "empty"
                raise InputError(f"{path}, line 1: the header is {given!r}, but must name the columns {need}.")
            for row in reader:
                fields = sum(row[name] is not None for name in header) + len(row.get(None, ()))
                if fields != len(header):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {fields} fields, but the header has {len(header)}."
                    )
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}, line {reader.line_num + 1}: not readable as UTF-8 CSV ({error}).") from error


def _sorted_names(names):
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))
