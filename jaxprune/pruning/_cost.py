"""What a synapse costs a network when it goes, by each measure of damage, and the coin that is best for it."""

from typing import Literal

import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError, check_choice, check_square, is_concrete
from jaxprune._types import Matrix
from jaxprune.linalg import Reference, is_symmetric, reference, rounding, stationary_covariance
from jaxprune.pruning._importance import weight_importance

Measure = Literal["entries", "path", "stationary", "response"]
MEASURES = ("entries", "path", "stationary", "response")
NODES = 64
"""Times at which the autocovariance of every difference is taken, evenly in the logarithm: relative errors of 1e-7 and less."""


def synapse_cost(A: Matrix | Reference, measure: Measure) -> Matrix:
    """What a small change of each pair of synapses does to a symmetric network whose leaks follow its weights.

    Let `d = xᵢ − sign(aᵢⱼ) xⱼ` be what a pair sees of the activity under noise of unit intensity, c(t) its
    autocovariance and v = c(0). Changing the pair's weight w by a fraction ξ, and the two leaks with it, costs
    `ξ² w² k` to second order, with

    | measure | k | what is damaged |
    |---|---|---|
    | `"entries"` | 1 | the matrix: half the squared change of its two entries |
    | `"path"` | v | trajectories: information lost per time, in nats (`linalg.information_lost`, times N) |
    | `"stationary"` | v² | activity at one moment: information lost, in nats (the same) |
    | `"response"` | `∫ c(t)² dt` over all t | the response to noise: the squared H2 error (`linalg.h2_error`) |

    Independent coins with survivors divided by p change every pair by a fraction of mean zero and variance `1/p − 1`, so that the
    damage is `Σ w² k (1/p − 1)` to first order, and least, at a fixed expected number, for `p ∝ |w| √k`
    (`cost_importance`). With "stationary" that is the rule of noise pruning. All four are local: a synapse can measure how large
    the difference of its two neurons is, and, from the scatter of that measurement, how long it lasts
    (`dynamics.squared_autocovariance`).

    Args:
      A: symmetric dynamics matrix, in 1/time, stable; or its `linalg.reference`.
      measure: of the damage, as above.

    Returns:
      k for every pair, where there is a synapse or not (the sign of what is not there counts as none); symmetric; zero on the
      diagonal. NaN where A is not stable and its entries are not known (inside `jit`).

    Raises:
      InputError: A not square, empty or not finite, not symmetric, or (but for "entries") not stable; an unknown measure.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> [round(float(synapse_cost(A, measure)[0, 1]), 4) for measure in ("entries", "path", "stationary", "response")]
      [1.0, 0.3333, 0.1111, 0.037]

    Reference: ours; see `theory.first_order_damage`. Spielman2011 and Moore2020 for sampling by effective resistance.
    """
    check_choice("measure", measure, MEASURES)
    matrix = A.matrix if isinstance(A, Reference) else A
    check_square("A", matrix)
    if (isinstance(A, Reference) and not A.symmetric) or (is_concrete(matrix) and not is_symmetric(matrix)):
        raise InputError("A is not symmetric, but the costs of synapses are known for symmetric networks only.")
    off = 1 - jnp.eye(len(matrix), dtype=matrix.dtype)
    if measure == "entries":
        return off
    known = A if isinstance(A, Reference) else reference(A, symmetric=True)
    C = stationary_covariance(known, structure="symmetric")  # refuses a network that is not stable
    if measure == "response":
        return _response(known) * off
    v = _seen(C, jnp.sign(matrix)) * off
    return v if measure == "path" else v**2


def cost_importance(A: Matrix | Reference, measure: Measure) -> Matrix:
    """The importance whose coins do least damage by a measure: `rᵢⱼ = |aᵢⱼ| √kᵢⱼ` with k the `synapse_cost`.

    `"entries"` is `weight_importance`, `"stationary"` is `noise_importance` under noise of unit intensity.

    Args:
      A, measure: as in `synapse_cost`.

    Returns:
      Importance of every entry; symmetric, zero where there is no synapse and on the diagonal.

    Raises:
      InputError: as `synapse_cost`.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> round(float(cost_importance(A, "stationary")[0, 1]), 4)
      0.3333

    Reference: ours; Moore2020 for "stationary".
    """
    matrix = A.matrix if isinstance(A, Reference) else A
    return weight_importance(matrix) * jnp.sqrt(synapse_cost(A, measure))


def _seen(G, sign):
    """(Auto)covariance of the difference that each pair sees, from that of the neurons; rounding leaves nothing below zero."""
    own = jnp.diagonal(G)
    return jnp.maximum(own[:, None] + own[None, :] - 2 * sign * G, 0)


def _response(known):
    # In u = ln t the integrand falls exponentially to the left and faster than that to the right, where the trapezoidal rule
    # converges geometrically. Left of the first time the autocovariance is constant to one part in ten thousand.
    rates, V = -known.modes.eigenvalues, known.modes.vectors
    sign = jnp.sign(known.matrix)
    first, last = jnp.log(1e-4 / jnp.max(rates)), jnp.log(20 / jnp.min(rates))
    step = (last - first) / (NODES - 1)
    times = jnp.exp(first + step * jnp.arange(NODES, dtype=rates.dtype))
    # The nodes that would follow to the left are a geometric series.
    rest = jnp.exp(-step) / (1 - jnp.exp(-step))
    weights = (2 * step * times).at[0].multiply(1 + rest)

    def add(total, node):
        time, weight = node
        lagged = (V * (jnp.exp(-rates * time) / (2 * rates))[None, :]) @ V.T
        return total + weight * _seen(lagged, sign) ** 2, None

    found = lax.scan(add, jnp.zeros_like(known.matrix), (times, weights))[0]
    return jnp.where(jnp.min(rates) > rounding(rates), (found + found.T) / 2, jnp.nan)
