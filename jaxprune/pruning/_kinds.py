"""Kinds of networks: what the diagonal of a weight matrix is, and which of its entries are synapses."""

from typing import Literal

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from jaxprune._checks import InputError, check_choice
from jaxprune._types import Count, Mask, Matrix, Real

Kind = Literal["linear", "recurrent", "layer"]
KINDS = ("linear", "recurrent", "layer")


def check_kind(W: Matrix, kind: Kind | None) -> Kind:
    """The kind of a matrix: as said, or a linear network if it is square and a layer if it is not.

    Raises:
      InputError: an unknown kind; a network of one population whose matrix is not square.
    """
    square = W.shape[0] == W.shape[1]
    if kind is None:
        return "linear" if square else "layer"
    check_choice("kind", kind, KINDS)
    if kind != "layer" and not square:
        raise InputError(
            f"kind is {kind!r}, but the weights have shape {W.shape}: a network of one population has a square matrix; "
            "pass kind='layer'."
        )
    return kind


def synapses(W: Matrix, kind: Kind) -> Bool[Array, "post pre"]:
    """Which entries may be pruned: the nonzero ones, without the diagonal where pre and post are one population."""
    there = W != 0
    return there if kind == "layer" else there & ~jnp.eye(len(W), dtype=bool)


def fixed_entries(W: Matrix, kind: Kind) -> Mask:
    """Ones at the entries that always stay and are not counted: leaks of a linear network, self-synapses of a recurrent one."""
    if kind == "layer":
        return jnp.zeros_like(W)
    identity = jnp.eye(len(W), dtype=W.dtype)
    return identity if kind == "linear" else identity * (W != 0)


def has_leak(W: Matrix, leak: bool | None) -> bool:
    """Whether the diagonal is the leak: as the caller says, or, with None, for square matrices.

    Raises:
      InputError: leak is True for a matrix that is not square.
    """
    square = W.shape[0] == W.shape[1]
    if leak and not square:
        raise InputError(
            f"leak is True, but the weights have shape {W.shape}, which has no diagonal of leaks: pass leak=False."
        )
    return square if leak is None else leak


def without_diagonal(W: Matrix, leak: bool | None) -> Mask:
    """Ones at the entries that can be synapses, which leaks (`has_leak`) are not."""
    return 1 - jnp.eye(len(W), dtype=W.dtype) if has_leak(W, leak) else jnp.ones_like(W)


def synapse_count(W: Matrix, keep: Real, *, symmetric: bool, kind: Kind | None = None) -> Count:
    """Number of entries to keep for a kept fraction, rounded to whole synapses (whole pairs if symmetric).

    Args:
      W: weights.
      keep: fraction of the synapses to keep.
      symmetric: whether synapses come in pairs.
      kind: "linear", "recurrent" or "layer", as in `prune`; by default that of the shape.

    Raises:
      InputError: an unknown kind; a network of one population whose matrix is not square.

    Example:
      >>> synapse_count(jnp.ones((4, 4)), 0.5, symmetric=True)
      Array(6, dtype=int32)
    """
    unit = 2 if symmetric else 1
    return unit * jnp.round(keep * jnp.sum(synapses(W, check_kind(W, kind))) / unit).astype(jnp.int32)
