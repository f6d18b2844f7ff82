"""The reference ensemble: densely connected clusters joined by sparse long-range synapses."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_fraction, check_positive
from jaxprune._types import Matrix, PRNGKey, Real
from jaxprune.linalg import spectral_abscissa


def clustered(
    key: PRNGKey,
    sizes: Sequence[int],
    *,
    density: Real = 0.6,
    bridges: int,
    mean: Real = 1.0,
    std: Real = 1.0,
    directed: bool = False,
) -> Matrix:
    """Random weights of densely connected clusters that are joined by sparse long-range synapses.

    Within a cluster, each pair is joined with probability `density` by a weight from `N(mean, std²)`. On top,
    `bridges / 2` pairs drawn uniformly (with replacement) from the whole network each gain a weight from `U(0, 1)`. Finally
    `W ← W / (1.1 maxᵢ Re λᵢ(W))`, so that weights are in units of the leak that would just
    hold the network (one without synapses stays as it is). The symmetric form mirrors each pair; the directed form draws the
    two triangles independently, which makes a nearly normal matrix (a weak test of non-normal effects).

    Args:
      key: random key.
      sizes: neurons in each cluster; N is their sum.
      density: probability of a synapse within a cluster, in (0, 1].
      bridges: number of long-range *entries* of W, twice the number of pairs.
      mean: mean weight within clusters, before scaling.
      std: standard deviation of the weight within clusters, before scaling.
      directed: draw the two directions of a pair independently.

    Returns:
      Weights `W[post, pre]` with zero diagonal, symmetric unless `directed`.

    Raises:
      InputError: no or empty clusters, density outside (0, 1], negative bridges or std.

    Example:
      >>> W = clustered(jax.random.key(0), (20, 10), bridges=8)
      >>> W.shape, bool((W == W.T).all())
      ((30, 30), True)

    Reference: Moore2020, the clustered network ensemble.
    """
    if not sizes or min(sizes) < 1:
        raise InputError(f"sizes is {tuple(sizes)}, but must list at least one cluster, each with at least one neuron.")
    if bridges < 0:
        raise InputError(f"bridges is {bridges}, but must not be negative: the number of long-range entries of W.")
    if bridges and sum(sizes) < 2:
        raise InputError(f"bridges is {bridges} for a single neuron, which has nobody to be joined to: pass bridges=0.")
    check_fraction("density", density)
    check_positive("std", std, zero=True)
    n = sum(sizes)
    cluster = jnp.repeat(jnp.arange(len(sizes)), jnp.array(sizes), total_repeat_length=n)
    together = cluster[:, None] == cluster[None, :]
    joined_key, weight_key, bridge_key = jax.random.split(key, 3)
    joined = jax.random.uniform(joined_key, (n, n)) < density
    weights = mean + std * jax.random.normal(weight_key, (n, n))
    within = jnp.where(joined & together, weights, 0)
    if directed:
        forward_key, backward_key = jax.random.split(bridge_key)
        W = within + _bridges(forward_key, n, bridges // 2).T + _bridges(backward_key, n, bridges // 2)
    else:
        upper = jnp.triu(within, 1) + _bridges(bridge_key, n, bridges // 2)
        W = upper + upper.T
    W = W * (1 - jnp.eye(n))
    largest = spectral_abscissa(W, symmetric=not directed)
    return W / jnp.where(largest > 0, 1.1 * largest, 1)


def _bridges(key, n, pairs):
    """Strictly upper triangular matrix with `pairs` uniform weights at random places."""
    first_key, second_key, weight_key = jax.random.split(key, 3)
    first = jax.random.randint(first_key, (pairs,), 0, n)
    # A shift of 1 to n - 1 reaches every other neuron, and never the neuron itself.
    second = (first + jax.random.randint(second_key, (pairs,), 1, max(n, 2))) % n
    weights = jax.random.uniform(weight_key, (pairs,))
    return jnp.zeros((n, n)).at[jnp.minimum(first, second), jnp.maximum(first, second)].add(weights)
