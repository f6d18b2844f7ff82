"""Large networks with hubs: how many partners neurons have follows a power law."""

from typing import Any

import jax
import numpy as np
import scipy.sparse
from jaxtyping import Float

from jaxprune._checks import InputError, check_key, check_positive
from jaxprune._types import PRNGKey, Real
from jaxprune.linalg.sparse import SparseMatrix
from jaxprune.networks._draws import check_size, network, normal, quantiles, uniform


def sparse_scale_free(
    key: PRNGKey,
    neurons: int,
    *,
    degree: Real,
    exponent: Real = 2.5,
    mean: Real = 1.0,
    std: Real = 1.0,
    directed: bool = False,
) -> SparseMatrix:
    """Random weights between neurons whose expected degrees follow a power law: few hubs, many with hardly any partner.

        P(i and j are joined) = 1 − exp(−wᵢ wⱼ / S),   S = Σᵢ wᵢ = N · degree,   i ≠ j

    wᵢ, the expected degree of neuron i, is the quantile `(i + 1/2) / N`, counted from above, of the density
    `∝ w^(−exponent)` between some least degree and √S; neuron 0 is the largest hub. Weights are
    `N(mean, std²)`. Pairs are drawn S / 2 times (S if directed), and one that is drawn again stays joined once:
    hubs, between which that happens, have a little less than their wᵢ, and everyone else nearly as many.

    Args:
      key: random key.
      neurons: N.
      degree: mean of the expected degrees (of in-degrees and of out-degrees, if directed).
      exponent: of the power law, 2 or more; the smaller, the larger the hubs' share.
      mean: mean weight.
      std: standard deviation of the weight.
      directed: draw the two directions of a pair independently.

    Returns:
      Weights `W[post, pre]` with an empty diagonal, symmetric unless `directed`.

    Raises:
      InputError: a degree that is not positive or not below N - 1, an exponent below 2, negative std, or a network that does not
        fit into memory.

    Example:
      >>> W = sparse_scale_free(jax.random.key(0), 3000, degree=20)
      >>> partners = jnp.diff(W.indptr)
      >>> int(partners[0]) > 5 * int(partners[-1])
      True

    Reference: Chung2002, random graphs with given expected degrees.
    """
    check_key("key", key)
    check_positive("degree", degree)
    check_positive("std", std, zero=True)
    if not 2 <= float(exponent) < np.inf:
        raise InputError(
            f"exponent is {float(exponent):g}, but must be 2 or more: below it hubs would take all synapses."
        )
    check_size(neurons, neurons * float(degree))
    if degree >= neurons - 1:
        raise InputError(f"degree is {float(degree):g}, but must be below {neurons - 1}, the number of other neurons.")
    place_key, weight_key = jax.random.split(key)
    post, pre, drawn = _pairs(place_key, _expected(neurons, float(degree), float(exponent)), directed)
    weights = normal(weight_key, drawn, mean, std)[: len(post)]
    indptr = np.searchsorted(post, np.arange(neurons + 1)).astype(np.int32)
    return network(scipy.sparse.csr_array((weights, pre, indptr), shape=(neurons, neurons)), directed=directed)


def _expected(neurons, degree, exponent) -> Float[np.ndarray, " neuron"]:
    """Expected degrees, the largest first, of the wanted mean."""
    import scipy.optimize  # slow to import

    largest = np.sqrt(neurons * degree)
    few = (np.arange(2000) + 0.5) / 2000

    def excess(least):
        return np.mean(quantiles(few, least, largest, exponent)) - degree

    least: Any = scipy.optimize.brentq(excess, 1e-3 * degree, degree)
    found = quantiles(1 - (np.arange(neurons) + 0.5) / neurons, least, largest, exponent)
    return found * (degree / np.mean(found))


def _pairs(key, expected, directed):
    """Distinct pairs in order of the first, above the diagonal unless directed; and how many were drawn."""
    first_key, second_key = jax.random.split(key)
    neurons, edges = len(expected), np.cumsum(expected)
    drawn = round(edges[-1] / (1 if directed else 2))
    edges /= edges[-1]
    # Either end in order, as it is no matter in which order pairs are drawn, and in order is faster.
    first = np.searchsorted(edges, np.sort(uniform(first_key, drawn)), side="right")
    second = np.searchsorted(edges, uniform(second_key, drawn), side="right")
    if not directed:
        first, second = np.minimum(first, second), np.maximum(first, second)
    code = (first * neurons + second)[first != second]
    del first, second
    code.sort()
    code = code[np.diff(code, prepend=-1) > 0]
    return code // neurons, (code % neurons).astype(np.int32), drawn
