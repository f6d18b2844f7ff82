"""Random draws for networks that are lists of synapses: made by JAX, kept in this machine's memory."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxprune._memory import check_memory
from jaxprune._types import PRNGKey, Real
from jaxprune.linalg.sparse import SparseMatrix, from_scipy

PEAK = 60
"""Bytes that each entry of a network takes at most while it is made, measured; the network keeps 12 of them."""


def check_size(neurons: int, synapses: float) -> None:
    """Refuse a network that does not fit into memory while it is made, before it is.

    Raises:
      InputError: with the size of the network and the memory it needs.
    """
    check_memory(
        f"a network of {neurons:,} neurons and {synapses:.3g} synapses",
        PEAK * synapses + 100 * neurons,
        "take a lower degree, or fewer neurons.",
    )


def uniform(key: PRNGKey, count: int) -> Float[np.ndarray, " count"]:
    """Uniform numbers in [0, 1), in double precision whatever JAX computes in: places are drawn with them.

    Example:
      >>> float(uniform(jax.random.key(0), 1000).mean().round(1))
      0.5
    """
    words = np.asarray(jax.random.bits(key, (count, 2), "uint32")).view(np.uint64).ravel()
    return (words >> np.uint64(11)) * 2.0**-53


def normal(key: PRNGKey, count: int, mean: Real, std: Real) -> Float[np.ndarray, " count"]:
    """Normal weights."""
    values = np.array(jax.random.normal(key, (count,)))
    values *= float(std)
    values += float(mean)
    return values


def network(rows: Any, *, directed: bool) -> SparseMatrix:
    """A network from a SciPy `csr_array` of its weights, or, unless directed, of those above the diagonal."""
    if not directed:
        rows = rows + rows.T.tocsr()
    if not np.all(rows.data):
        rows.eliminate_zeros()
    return from_scipy(rows)


def quantiles(
    share: Float[np.ndarray, " draw"], least: float | int, largest: float | int, exponent: float
) -> Float[np.ndarray, " draw"]:
    """Values below which these shares of a density `∝ x^(−exponent)` between two bounds lie.

    Example:
      >>> quantiles(np.array([0.0, 0.5, 1.0]), 1.0, 4.0, 1.0)
      array([1., 2., 4.])
    """
    if exponent == 1:
        return least * (largest / least) ** share
    power = 1 - exponent
    # In units of the least value, so that no power is too large for a number.
    return least * (1 + share * ((largest / least) ** power - 1)) ** (1 / power)
