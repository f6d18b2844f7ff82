"""Bounds for noise-pruning of symmetric, diagonally dominant networks, and the coin that is best for each measure of damage.

Let M = −A be symmetric with `Mᵢᵢ = Σⱼ≠ᵢ |wᵢⱼ| + δᵢ`, δᵢ ≥ 0, and positive definite. Then

    M = Σᵢ<ⱼ |wᵢⱼ| bᵢⱼ bᵢⱼᵀ + diag(δ),   bᵢⱼ = eᵢ − sign(wᵢⱼ) eⱼ

each pair has a leverage `ℓᵢⱼ = |wᵢⱼ| bᵢⱼᵀ M⁻¹ bᵢⱼ ∈ (0, 1]`, and
`Σᵢ<ⱼ ℓᵢⱼ = N − tr(M⁻¹ diag δ) ≤ N`. Keep each pair with `p = min(1, c ln N ℓ / ε²)`,
strengthen by 1/p, match the diagonal. The pruned M_S is a sum of independent positive semidefinite terms, each at most
`ε² / (c ln N)` in whitened norm, with mean M, so the matrix Chernoff bound gives, for ε ≤ 1,

    P[(1 − ε) M ≤ M_S ≤ (1 + ε) M] ≥ 1 − N^(1 − c/3) − N^(1 − c/2)

Derived here from Tropp2012 (matrix Chernoff) along the lines of Spielman2011 (sampling by effective resistance).
"""

import jax.numpy as jnp

from jaxprune._checks import InputError, check_positive, check_square, is_concrete
from jaxprune._types import Matrix, Real, Scalar
from jaxprune.pruning._assumptions import check_assumptions
from jaxprune.pruning._barrier import Sparsified, barrier_sparsify
from jaxprune.pruning._cost import cost_importance, synapse_cost
from jaxprune.pruning._importance import noise_importance

__all__ = [
    "Sparsified",
    "barrier_sparsify",
    "check_assumptions",
    "cost_importance",
    "diagonal_failure_probability",
    "expected_synapses",
    "failure_probability",
    "first_order_damage",
    "implied_epsilon",
    "keep_scale",
    "leverage",
    "synapse_cost",
    "theorem_probabilities",
]


def leverage(A: Matrix, C: Matrix, *, sigma: Real = 1.0) -> Matrix:
    """Leverage of every pair, weight times effective resistance: `ℓᵢⱼ = (2 / σ²) rᵢⱼ` with the noise
    importance r.

    Args:
      A: symmetric, diagonally dominant, stable.
      C: stationary covariance under noise of intensity sigma.
      sigma: that intensity.

    Returns:
      Leverages in [0, 1], dimensionless, full N x N and symmetric (sum over pairs is half the sum of entries).

    Raises:
      InputError: A or C not square, empty or not finite; sigma not positive.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> leverage(A, -jnp.linalg.inv(A) / 2)[0, 1]
      Array(0.66666667, dtype=float64)
    """
    check_positive("sigma", sigma)
    return 2 / sigma**2 * noise_importance(A, C)


def keep_scale(epsilon: Real, n: int, *, sigma: Real = 1.0, c: Real = 4.0) -> Scalar:
    """The scale K of `p = min(1, K r)` that the theorem asks for, `K = 2 c ln N / (ε² σ²)`.

    Args:
      epsilon: wanted spectral error, in (0, 1].
      n: number of neurons.
      sigma: noise intensity.
      c: constant of the theorem; 4 gives `8 ln N / (ε² σ²)`.

    Returns:
      K, in time per activity squared.

    Raises:
      InputError: epsilon outside (0, 1]; sigma or c not positive.

    Example:
      >>> keep_scale(0.5, 100)
      Array(147.36544595, dtype=float64, weak_type=True)
    """
    _check_epsilon(epsilon)
    check_positive("sigma", sigma)
    check_positive("c", c)
    return 2 * c * jnp.log(n) / (epsilon**2 * sigma**2)


def theorem_probabilities(A: Matrix, C: Matrix, epsilon: Real, *, sigma: Real = 1.0, c: Real = 4.0) -> Matrix:
    """Probabilities of the theorem, `pᵢⱼ = min(1, K(ε, N, σ) rᵢⱼ)`.

    Args:
      A: symmetric, diagonally dominant, stable.
      C: stationary covariance under noise of intensity sigma.
      epsilon: wanted spectral error, in (0, 1].
      sigma: that intensity.
      c: constant of the theorem.

    Raises:
      InputError: A not symmetric or not diagonally dominant (the theorem's assumptions), epsilon outside (0, 1].

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> theorem_probabilities(A, -jnp.linalg.inv(A) / 2, 1.0)  # few neurons: the theorem asks for all synapses
      Array([[0., 1.],
             [1., 0.]], dtype=float64)
    """
    check_assumptions(A)
    return jnp.minimum(1, keep_scale(epsilon, len(A), sigma=sigma, c=c) * noise_importance(A, C))


def implied_epsilon(importance: Matrix, probabilities: Matrix, *, sigma: Real = 1.0, c: Real = 4.0) -> Scalar:
    """The epsilon that the theorem gives for some probabilities: `ε = √(2 c ln N / (K σ²))` with the scale K
    that they were made with, read off the synapses that are not capped at one.

    Above 1 the theorem says nothing; 0 when every synapse is kept. Holds for `noise_importance` of a network that meets
    `check_assumptions`, independent coins, and the matched diagonal.

    Args:
      importance: noise importance r.
      probabilities: `p = min(1, K r)`.
      sigma: noise intensity behind `importance`.
      c: constant of the theorem.

    Example:
      >>> r = jnp.array([[0.0, 0.02], [0.02, 0.0]])
      >>> p = jnp.minimum(1, keep_scale(0.9, 2) * r)
      >>> implied_epsilon(r, p)
      Array(0.9, dtype=float64)
    """
    n = len(importance)
    open_ended = (importance > 0) & (probabilities < 1)
    scale = jnp.min(jnp.where(open_ended, probabilities / jnp.where(open_ended, importance, 1), jnp.inf))
    return jnp.sqrt(2 * c * jnp.log(jnp.asarray(n, importance.dtype)) / (scale * sigma**2))


def failure_probability(n: int, *, c: Real = 4.0) -> Scalar:
    """Bound on the probability that a draw with the matched diagonal misses epsilon: `N^(1−c/3) + N^(1−c/2)`, at most 1.

    Args:
      n: number of neurons.
      c: constant of the theorem.

    Example:
      >>> failure_probability(1000, c=6)
      Array(0.001001, dtype=float64, weak_type=True)
    """
    return jnp.minimum(1.0, jnp.power(float(n), 1 - c / 3) + jnp.power(float(n), 1 - c / 2))


def diagonal_failure_probability(n: int, *, c: Real = 4.0) -> Scalar:
    """Bound on the probability that some neuron's total weight moves by more than epsilon: `2 N^(1−c/3)`, at most 1.

    It is what the *original* diagonal leaves uncorrected: `maxᵢ |dᵢ| / Mᵢᵢ ≤ ε` with
    `dᵢ = Σⱼ |wᵢⱼ| − Σⱼ |sᵢⱼ|`.

    Args:
      n: number of neurons.
      c: constant of the theorem.

    Example:
      >>> diagonal_failure_probability(1000, c=6)
      Array(0.002, dtype=float64, weak_type=True)
    """
    return jnp.minimum(1.0, 2 * jnp.power(float(n), 1 - c / 3))


def expected_synapses(epsilon: Real, n: int, *, c: Real = 4.0) -> Scalar:
    """Bound on the expected number of entries kept (twice the pairs), `2 c N ln N / ε²`.

    It grows more slowly than the number of synapses of a dense network, so there the fraction pruned tends to 1.

    Args:
      epsilon: wanted spectral error, in (0, 1].
      n: number of neurons.
      c: constant of the theorem.

    Raises:
      InputError: epsilon outside (0, 1]; c not positive.

    Example:
      >>> expected_synapses(1.0, 1000)
      Array(55262.04223186, dtype=float64, weak_type=True)
    """
    _check_epsilon(epsilon)
    check_positive("c", c)
    return 2 * c * n * jnp.log(n) / epsilon**2


def first_order_damage(A: Matrix, cost: Matrix, probabilities: Matrix) -> Scalar:
    """Expected damage of independent coins with survivors divided by p, in a symmetric network whose leaks follow its weights.

        Σᵢ<ⱼ wᵢⱼ² kᵢⱼ (1 / pᵢⱼ − 1)

    A coin multiplies its pair by `1 + ξ` with `E ξ = 0` and `Var ξ = 1/p − 1`, and leaves
    the rest of the network alone, so that to first order damages add up. At a fixed expected number Σ p it is least for
    `p ∝ |w| √k` where that is below 1 (Lagrange): each measure of damage has a best coin of its own.

    Args:
      A: symmetric dynamics matrix.
      cost: k, from `synapse_cost`.
      probabilities: p; a synapse of probability zero does infinite damage by this measure.

    Returns:
      The damage, in the units of the measure that k belongs to.

    Raises:
      InputError: a matrix not square, empty or not finite, or not of the size of A.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> first_order_damage(A, jnp.ones((2, 2)), jnp.full((2, 2), 0.5))
      Array(1., dtype=float64)

    Reference: ours.
    """
    for name, matrix in (("A", A), ("cost", cost), ("probabilities", probabilities)):
        check_square(name, matrix, like=("A", A))
    there = (A != 0) & ~jnp.eye(len(A), dtype=bool)
    p = jnp.where(there, probabilities, 1)
    each = jnp.where(p > 0, A**2 * cost * (1 / jnp.where(p > 0, p, 1) - 1), jnp.inf)
    return jnp.sum(jnp.where(there, each, 0)) / 2


def _check_epsilon(epsilon):
    if is_concrete(epsilon) and not 0 < float(epsilon) <= 1:
        raise InputError(f"epsilon is {float(epsilon):g}, but must be in (0, 1]: the wanted relative spectral error.")
