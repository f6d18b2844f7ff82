r"""The density of a large symmetric network's eigenvalues, without any of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_key, check_positive, check_whole
from jaxprune._memory import check_memory
from jaxprune._types import Matrix, PRNGKey
from jaxprune.linalg.sparse._krylov import krylov
from jaxprune.linalg.sparse._matrix import AnySparse, as_sparse, asymmetry

GROUP = 4
"""Patterns that are followed together."""
SHARE = 0.02
"""Width of a bump, as a share of the range of the spectrum, where none is given."""


class SpectralDensity(NamedTuple):
    """Share of modes per unit of decay rate, smoothed; made by `spectral_density`.

    Attributes:
      points: where it was evaluated, as eigenvalues in 1/time, in rising order unless they were given.
      density: at the points; its integral over all eigenvalues is one.
      error: its standard error, by the scatter over patterns.
      width: standard deviation of the normal bump by which each eigenvalue is replaced, in 1/time.
      nodes, weights: the same before smoothing, as values with shares that add up to one, in rising order: means of smooth
        functions over the spectrum are sums over these.
    """

    points: Float[Array, " point"]
    density: Float[Array, " point"]
    error: Float[Array, " point"]
    width: float
    nodes: Float[Array, " node"]
    weights: Float[Array, " node"]


def spectral_density(
    key: PRNGKey,
    A: Matrix | AnySparse,
    *,
    points: int | Float[Array, " point"] = 200,
    width: float | None = None,
    probes: int = 8,
    steps: int = 30,
) -> SpectralDensity:
    r"""Estimate the density of the eigenvalues of a large symmetric network by block Lanczos quadrature.

    $$\rho(\lambda) = \frac1N \sum_i g(\lambda - \lambda_i)
      \approx \frac{1}{N n} \sum_{z} \sum_k (w_k^T V^T z)^2 \, g(\lambda - \theta_k)$$

    with normal bumps g, n random patterns z of ±1, an orthonormal basis V of what products of A make of four of them, and the
    eigenvalues θ and eigenvectors w of `Vᵀ A V`. Means of smooth functions come out to many digits for each pattern;
    what is left is the scatter over patterns, which for N neurons is of the order of `1 / √(N n)`.

    Args:
      key: random key of the patterns.
      A: dynamics matrix, symmetric, in 1/time; BCSR, SciPy sparse or an array.
      points: number of points over the range of the spectrum, or the points themselves.
      width: standard deviation of g, in 1/time; by default a fiftieth of the range. Details below the range over four times the
        number of steps are not resolved.
      probes: number of patterns, at least 2.
      steps: products; memory grows with them.

    Raises:
      InputError: A not square, empty, not finite or not symmetric; a width that is not positive; fewer than two patterns or
        steps, or no point; a basis that does not fit into memory.

    Example:
      >>> A = -jnp.diag(jnp.array([1.0, 2.0, 2.0, 2.0]))
      >>> found = spectral_density(jax.random.key(0), A, points=jnp.array([-1.0, -2.0]), width=0.1)
      >>> (found.density[1] / found.density[0]).round(3)  # three modes of one kind, one of the other
      Array(3., dtype=float64)

    Reference: Ubaru2017 (stochastic Lanczos quadrature); Lin2016 (densities); Golub2013 (block Lanczos).
    """
    check_key("key", key)
    A = as_sparse("A", A)
    check_whole("probes", probes, least=2)
    check_whole("steps", steps, least=2)
    found = asymmetry(A)
    if found is not None:
        raise InputError(
            f"A is not symmetric (A[{found.post}, {found.pre}] and its mirror image differ by {found.difference:.3g}): its "
            "eigenvalues are complex and have no density on a line. Make it dense for linalg.eigenvalues, if it is small enough."
        )
    n = A.shape[0]
    check_memory(f"the basis of {steps} steps for {n} neurons", 2 * A.dtype.itemsize * n * GROUP * steps, "take fewer.")
    nodes, weights = [], []
    for begin in range(0, probes, GROUP):
        z = jax.random.rademacher(jax.random.fold_in(key, begin), (n, min(GROUP, probes - begin)), A.dtype)
        space = krylov(A, z, steps)
        values, vectors = np.linalg.eigh(np.asarray(space.small))
        share = (vectors.T @ np.asarray(space.basis @ z)) ** 2 / n
        nodes += [-values] * z.shape[1]
        weights += list(share.T)
    return _smoothed(np.stack(nodes), np.stack(weights), points, width)


def _smoothed(nodes, weights, points, width):
    """The density from nodes and weights, one row for each pattern."""
    there = weights > 0
    low, high = np.min(nodes, where=there, initial=np.inf), np.max(nodes, where=there, initial=-np.inf)
    if width is None:
        width = SHARE * (high - low) or SHARE * abs(high) or 1.0
    check_positive("width", width)
    if isinstance(points, int):
        check_whole("points", points, least=1)
        at = np.linspace(low - 3 * width, high + 3 * width, points)
    else:
        at = np.asarray(points)
    bumps = np.exp(-(((at[:, None, None] - nodes) / width) ** 2) / 2) / (np.sqrt(2 * np.pi) * width)
    each = np.sum(bumps * weights, axis=2)
    error = np.std(each, axis=1, ddof=1) / np.sqrt(len(nodes))
    order = np.argsort(nodes.ravel(), kind="stable")
    shown, density, error = (jnp.asarray(part) for part in (at, each.mean(axis=1), error))
    return SpectralDensity(
        shown, density, error, float(width), jnp.asarray(nodes.ravel()[order]),
        jnp.asarray(weights.ravel()[order] / len(nodes)),
    )  # fmt: skip
