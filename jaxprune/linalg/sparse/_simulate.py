r"""Noise-driven simulation of a large network of any kind, whose stationary covariance is exact for any time step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import Count, PRNGKey, Scalar
from jaxprune.linalg.sparse._matrix import SparseMatrix, input_of, to_scipy

FORGOTTEN = 0.01
"""Share of the start that may be left in the covariance."""
APART = 2.0
"""Least time between samples, in units of the mean time constant of a neuron alone."""
LOST = 0.01
"""Of the rate of the slowest mode: what may be added to it because the equation of a step is solved to a tolerance."""
LONGEST = 200_000
"""Most steps."""


class Activity(NamedTuple):
    """Replicas of a network in the middle of a simulation, and how to go on.

    Attributes:
      state: activity, one column for each replica.
      alone: the same neurons without synapses, under the same noise.
      products: number of products of the matrix with the block of replicas, up to now.
      change: largest last change of the equation of a step, beside the size of a replica's state.
      key: random key of all noise.
      blocks: snapshots up to now.
      step: time step.
      rate: of the slowest mode.
      burn: steps after which the start is forgotten.
    """

    state: Float[Array, "neuron replica"]
    alone: Float[Array, "neuron replica"]
    products: Count
    change: Scalar
    key: PRNGKey
    blocks: int
    step: float
    rate: float
    burn: int

    @property
    def error(self) -> float:
        """Share of the slowest mode's rate, and so of its variance, that is lost by the tolerance of the steps."""
        return float(self.change) / (self.rate * self.step)


class Run(NamedTuple):
    """Samples of a simulation.

    Attributes:
      states: samples, as columns, snapshot by snapshot.
      alone: the same neurons without synapses, under the same noise.
    """

    states: Float[Array, "neuron probe"]
    alone: Float[Array, "neuron probe"]


def begin_pairs(key: PRNGKey, A: SparseMatrix, leak: Float[Array, " neuron"], *, width: int) -> Activity:
    """Replicas of a network and of its neurons alone, at their start, which is to be forgotten.

    Args:
      key: random key.
      A: dynamics matrix, stable.
      leak: minus its diagonal, positive.
      width: replicas that are simulated together.

    Raises:
      InputError: the network is singular or unstable.
    """
    rate = _slowest_rate(A, leak)
    h = float(1 / jnp.max(jnp.maximum(input_of(A), leak)))
    burn = int(np.ceil(-np.log(FORGOTTEN) / (2 * rate * h)))
    start_key, run_key = jax.random.split(key)
    # Neurons alone begin in their own stationary state, which is not far from that of the network.
    start = jax.random.normal(start_key, (len(leak), width), A.dtype) / jnp.sqrt(2 * leak)[:, None]
    return Activity(
        start, start + 0, jnp.zeros((), int), jnp.zeros((), A.dtype), run_key, 0, h, rate, burn
    )  # a copy: the two go different ways


def simulate_pairs(
    A: SparseMatrix, leak: Float[Array, " neuron"], activity: Activity, *, blocks: int, lost: float = LOST
) -> tuple[Run, Activity]:
    """Simulate `ẋ = A x + ξ` and, under the same noise, its neurons alone; the next `blocks` snapshots of all replicas.

    A step of the implicit midpoint rule,

        x' = x + h A (x + x') / 2 + √h ξ

    leaves the stationary covariance exactly as it is, `A C + C Aᵀ = −I`, whatever h: the terms of order h² of both sides are
    the same. The equation of a step is solved by relaxation, a contraction by one half or less for this h, which is the shortest
    time constant that a neuron has with its inputs. It starts from the explicit step, which is right to second order along slow
    modes, and ends when the change of every replica is below the share `lost` of what the slowest mode loses in a step: a change
    that is always to the same side would be one more leak.

    Snapshots are two time constants of a neuron apart, or, where there is a slower mode, as far as spreads them over as long a
    time as the start takes to be forgotten; those of one replica are still not independent.

    Args:
      A: dynamics matrix, stable.
      leak: minus its diagonal, positive.
      activity: from `begin_pairs`, or where an earlier call ended.
      blocks: number of snapshots.
      lost: share of the slowest rate that may be lost by the tolerance.

    Returns:
      The snapshots, and the activity to go on from.

    Raises:
      InputError: the network is unstable, or so slow that it does not come to rest within 200,000 steps.

    Reference: Maruyama1955 (time steps of noise-driven equations); that the midpoint rule keeps the covariance follows in two
    lines from inserting it.
    """
    h, rate, burn = activity.step, activity.rate, activity.burn
    first = 0 if activity.blocks else burn
    slow = min(int(1 / (rate * h)), burn // blocks, (LONGEST - first) // blocks)
    apart = max(int(np.ceil(APART / (h * float(jnp.mean(leak))))), slow)
    if first + apart * (blocks - bool(first)) > LONGEST:
        raise InputError(
            f"A is too slow to be simulated: its slowest mode decays at {rate:.3g}, the fastest neuron at {1 / h:.3g}, which "
            f"takes {burn:,} steps: increase the leak, or ask for fewer samples."
        )
    allowed = jnp.asarray(max(lost * rate * h, 4 * float(jnp.finfo(A.dtype).eps)), A.dtype)
    state, seen = (activity.state, activity.alone, activity.products, activity.change), []
    for block in range(activity.blocks, activity.blocks + blocks):
        steps = jnp.asarray(apart if block else burn)
        key = jax.random.fold_in(activity.key, block)
        state = _advance(key, A, leak, jnp.asarray(h, A.dtype), state, steps, allowed)
        seen.append(state[:2])
    if not bool(jnp.all(jnp.isfinite(state[0]))):
        raise InputError("A is unstable: its simulated activity grows without limit. Increase the leak.")
    run = Run(*(jnp.concatenate(part, axis=1) for part in zip(*seen, strict=True)))
    x, alone, products, change = state
    return run, activity._replace(
        state=x, alone=alone, products=products, change=change, blocks=activity.blocks + blocks
    )


def _slowest_rate(A, leak):
    """Rate of the slowest mode: the slack of the rows, if they are dominant, or what iteration finds."""
    import scipy.sparse.linalg as iterative

    slack = float(jnp.min(leak - input_of(A)))
    rows = to_scipy(A)
    if len(leak) <= 500:
        found = np.linalg.eigvals(rows.toarray())
    else:
        try:
            options: Any = {"v0": np.ones(len(leak), rows.dtype), "tol": 1e-2, "ncv": 40, "maxiter": 60}
            found = iterative.eigs(rows, 4, which="LR", **options)[0]
        except iterative.ArpackNoConvergence as error:
            found = error.eigenvalues
    rate = max(slack, -float(np.real(found).max())) if len(found) else slack
    if not rate > 0:
        raise InputError(
            f"A is singular or unstable (spectral abscissa about {-rate:.4g}): its noise-driven activity never comes to rest. "
            "Increase the leak."
        )
    return rate


@jax.jit
def _advance(key, A, leak, h, state, steps, allowed):
    half, decay = h / 2, (1 + h * leak / 2)[:, None]
    kept = (1 - h * leak / 2)[:, None]

    def inputs(x):
        return A @ x + leak[:, None] * x

    def sizes(x):
        return jnp.sqrt(jnp.sum(x**2, axis=0))

    def step(index, state):
        x, alone, products, worst = state
        noise = jnp.sqrt(h) * jax.random.normal(jax.random.fold_in(key, index), x.shape, x.dtype)
        received = inputs(x)
        known = kept * x + half * received + noise
        size = sizes(x)

        def relax(inner):
            y, _, count = inner
            better = (known + half * inputs(y)) / decay
            return better, jnp.max(sizes(better - y) / size), count + 1

        def unfinished(inner):
            return (inner[1] > allowed) & (inner[2] < 60)

        explicit = x + h * (received - leak[:, None] * x) + noise
        y, change, count = lax.while_loop(unfinished, relax, (explicit, jnp.asarray(jnp.inf, x.dtype), 0))
        alone = (kept * alone + noise) / decay
        return y, alone, products + count + 1, jnp.maximum(worst, change)

    return lax.fori_loop(0, steps, step, state)
