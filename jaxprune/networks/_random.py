"""Unstructured random weights: Gaussian, Dale, and low rank plus random."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_fraction, check_positive
from jaxprune._types import Matrix, PRNGKey, Real


def gaussian(key: PRNGKey, n: int, *, gain: Real = 0.8, density: Real = 1.0, symmetric: bool = False) -> Matrix:
    """Random weights whose spectrum fills a disc of radius `gain` (an interval when symmetric).

        wᵢⱼ ~ N(0, g² / (N ρ)) with probability ρ, else 0   (i ≠ j)

    Symmetric weights are halved in scale, so that the semicircle, too, has radius `gain`.

    Args:
      key: random key.
      n: number of neurons.
      gain: g, radius of the spectrum for large N.
      density: ρ, probability of a synapse, in (0, 1].
      symmetric: mirror the upper triangle.

    Raises:
      InputError: n < 1, gain negative, density outside (0, 1].

    Example:
      >>> gaussian(jax.random.key(0), 50).shape
      (50, 50)

    Reference: Ginibre1965, Sompolinsky1988 (the circular law and the gain of a random network).
    """
    _check_size(n)
    check_positive("gain", gain, zero=True)
    check_fraction("density", density)
    weight_key, mask_key = jax.random.split(key)
    W = gain * jax.random.normal(weight_key, (n, n)) / jnp.sqrt(n * density)
    W = jnp.where(jax.random.uniform(mask_key, (n, n)) < density, W, 0)
    if symmetric:
        upper = jnp.triu(W, 1) / 2
        W = upper + upper.T
    return W * (1 - jnp.eye(n))


def dale(
    key: PRNGKey,
    n: int,
    *,
    excitatory: Real = 0.8,
    gain: Real = 0.8,
    density: Real = 0.1,
) -> Matrix:
    """Random weights of excitatory and inhibitory neurons: every column (sender) has one sign, rows balance on average.

    A synapse exists with probability ρ and has size `|N(0, 1)|`; inhibitory columns are `f / (1 − f)` times stronger,
    where f is the excitatory fraction, so that the expected input of a neuron is zero. The whole is scaled so that the
    random part of the spectrum has radius `gain`. Strongly non-normal.

    Args:
      key: random key.
      n: number of neurons; the first `round(excitatory * n)` are excitatory.
      excitatory: f, fraction of excitatory neurons, in (0, 1).
      gain: radius of the bulk of the spectrum for large N.
      density: ρ, probability of a synapse, in (0, 1].

    Raises:
      InputError: n < 2, a fraction that leaves no neuron of one kind, gain negative, density outside (0, 1].

    Example:
      >>> W = dale(jax.random.key(0), 50)
      >>> bool((W[:, :40] >= 0).all()), bool((W[:, 40:] <= 0).all())
      (True, True)

    Reference: Rajan2006, spectra of networks with excitatory and inhibitory columns.
    """
    _check_size(n)
    check_positive("gain", gain, zero=True)
    check_fraction("density", density)
    count = round(float(excitatory) * n)
    if not 0 < count < n:
        raise InputError(
            f"excitatory is {float(excitatory):g}, which leaves {count} of {n} neurons excitatory: both kinds must exist."
        )
    weight_key, mask_key = jax.random.split(key)
    size = jnp.abs(jax.random.normal(weight_key, (n, n)))
    size = jnp.where(jax.random.uniform(mask_key, (n, n)) < density, size, 0)
    column = jnp.where(jnp.arange(n) < count, 1.0, -count / (n - count))
    # E[size^2] = 1 and E[size] = sqrt(2 / pi): the variance of an entry of column strength c is c^2 (rho - 2 rho^2 / pi).
    variance = jnp.mean(column**2) * (density - 2 * density**2 / jnp.pi)
    return gain * size * column[None, :] / jnp.sqrt(n * variance) * (1 - jnp.eye(n))


def low_rank(key: PRNGKey, n: int, *, rank: int = 1, strength: Real = 0.5, gain: Real = 0.4) -> Matrix:
    """Random weights, low rank plus a random part.

        wᵢⱼ = (1/N) Σₖ mᵢₖ nⱼₖ + g χᵢⱼ   (i ≠ j)

    Left vectors mₖ are standard normal; right vectors are `nₖ = s mₖ + ηₖ` with ηₖ standard normal, so that
    the structured part has `rank` eigenvalues near `strength` and is non-normal; `χᵢⱼ ~ N(0, 1/N)`.

    Args:
      key: random key.
      n: number of neurons.
      rank: number of structured modes.
      strength: s, the expected structured eigenvalue.
      gain: g, radius of the random bulk.

    Raises:
      InputError: n < 1, rank outside 1..n, gain negative.

    Example:
      >>> low_rank(jax.random.key(0), 50, rank=2).shape
      (50, 50)

    Reference: Mastrogiuseppe2018, low-rank recurrent networks.
    """
    _check_size(n)
    check_positive("gain", gain, zero=True)
    if not 1 <= rank <= n:
        raise InputError(f"rank is {rank}, but must be between 1 and the number of neurons, {n}.")
    left_key, right_key, bulk_key = jax.random.split(key, 3)
    left = jax.random.normal(left_key, (n, rank))
    right = strength * left + jax.random.normal(right_key, (n, rank))
    bulk = gaussian(bulk_key, n, gain=gain)
    return (left @ right.T / n + bulk) * (1 - jnp.eye(n))


def _check_size(n):
    if n < 1:
        raise InputError(f"n is {n}, but a network needs at least one neuron.")
