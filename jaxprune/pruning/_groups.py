"""Budgets: which synapses share one number of survivors."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_choice
from jaxprune._types import PRNGKey

GROUPS = ("global", "layer", "row")
PATTERN = re.compile(r"(\d+):(\d+)")


def pattern(groups: str) -> tuple[int, int] | None:
    """The numbers of an n of m pattern such as "2:4", two of every four neighbouring inputs; None for another kind of budget.

    Raises:
      InputError: an unknown kind; n not between 1 and m.
    """
    found = PATTERN.fullmatch(groups)
    if found is None:
        check_choice("groups", groups, (*GROUPS, "2:4"))
        return None
    n, m = (int(number) for number in found.groups())
    if not 1 <= n <= m:
        raise InputError(f"groups is {groups!r}, but of every m synapses n stay, with 1 <= n <= m: for example 2:4.")
    return n, m


def check_pairs(groups: str) -> None:
    """Refuse budgets within a matrix for pairs of a symmetric network, whose two ends belong to two rows."""
    if groups not in ("global", "layer"):
        raise InputError(
            f"groups is {groups!r}, but pairs of a symmetric network belong to two rows: use 'global', or pass symmetric=False."
        )


def whole(leaves: Sequence[Array], groups: str) -> bool:
    """Whether the budget is that of one array as it stands."""
    return len(leaves) == 1 and groups in ("global", "layer")


def split(leaves: Sequence[Array], groups: str) -> list[Array]:
    """Arrays (group, synapse), one for each array of groups of equal size.

    Raises:
      InputError: rows whose length a pattern does not divide; a row budget for an array without rows.
    """
    numbers = pattern(groups)
    if groups == "global":
        return [jnp.concatenate([leaf.reshape(-1) for leaf in leaves])[None]]
    if groups == "layer":
        return [leaf.reshape(1, -1) for leaf in leaves]
    rows = [leaf.reshape(len(leaf), -1) if leaf.ndim > 1 else leaf[None] for leaf in leaves]
    if numbers is None:
        return rows
    for row in rows:
        if row.shape[1] % numbers[1]:
            raise InputError(
                f"groups is {groups!r}, but a neuron has {row.shape[1]} inputs, which {numbers[1]} does not divide: choose "
                "another pattern, or groups='row'."
            )
    return [row.reshape(-1, numbers[1]) for row in rows]


def join(parts: Sequence[Array], like: Sequence[Array], groups: str) -> list[Array]:
    """The arrays that `split` took apart."""
    if groups != "global":
        return [part.reshape(leaf.shape) for part, leaf in zip(parts, like, strict=True)]
    flat, start, leaves = parts[0][0], 0, []
    for leaf in like:
        leaves.append(flat[start : start + leaf.size].reshape(leaf.shape))
        start += leaf.size
    return leaves


def by_groups(function: Callable[..., Array], groups: str, *trees: Any, key: PRNGKey | None = None) -> Any:
    """Apply a function of arrays to every group of pytrees of one structure, and return a pytree of that structure.

    With a key, the function's first argument is a key for each group; that of one array as it stands is the key itself.
    """
    structures = [jax.tree.structure(tree) for tree in trees]
    if any(structure != structures[0] for structure in structures):
        raise InputError(f"the pytrees have different structures: {', '.join(map(str, dict.fromkeys(structures)))}.")
    leaves = [jax.tree.leaves(tree) for tree in trees]
    for arrays in zip(*leaves, strict=True):
        if len({jnp.shape(array) for array in arrays}) > 1:
            raise InputError(
                f"arrays of one layer have shapes {' and '.join(str(jnp.shape(array)) for array in arrays)}, but must agree."
            )
    pattern(groups)
    if whole(leaves[0], groups):
        arguments = [tree[0] for tree in leaves]
        done = [function(*arguments) if key is None else function(key, *arguments)]
        return jax.tree.unflatten(structures[0], done)
    parts = list(zip(*(split(tree, groups) for tree in leaves), strict=True))
    if key is None:
        done = [jax.vmap(function)(*arrays) for arrays in parts]
    else:
        keys = jax.random.split(key, len(parts))
        done = [
            jax.vmap(function)(jax.random.split(part_key, len(arrays[0])), *arrays)
            for part_key, arrays in zip(keys, parts, strict=True)
        ]
    return jax.tree.unflatten(structures[0], join(done, leaves[0], groups))
