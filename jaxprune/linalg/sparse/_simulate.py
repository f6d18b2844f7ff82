r"""Noise-driven simulation of a large network of any kind, whose stationary covariance is exact for any time step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey
from jaxprune.linalg.sparse._matrix import SparseMatrix, input_of, to_scipy

FORGOTTEN = 0.01
"""Share of the start that may be left in the covariance."""
APART = 2.0
"""Time between samples, in units of the mean time constant of a neuron alone."""
ACCURACY = 1e-4
"""Of the equation of a step, beside the size of the state."""
LONGEST = 200_000
"""Most steps."""


class Run(NamedTuple):
    """Samples of a simulation.

    Attributes:
      states: samples, as columns.
      alone: the same neurons without synapses, under the same noise.
      products: number of products of the matrix with a block of replicas.
      error: largest relative error of the equation of a step.
    """

    states: Float[Array, "neuron probe"]
    alone: Float[Array, "neuron probe"]
    products: int
    error: float


def simulate_pairs(key: PRNGKey, A: SparseMatrix, leak: Float[Array, " neuron"], *, blocks: int, width: int) -> Run:
    r"""Simulate $\dot x = A x + \xi$ and, under the same noise, its neurons alone; `blocks` snapshots of `width` replicas.

    A step of the implicit midpoint rule,

    $$x' = x + h A \frac{x + x'}{2} + \sqrt h \, \xi,$$

    leaves the stationary covariance exactly as it is, $A C + C A^T = -I$, whatever h: the terms of order $h^2$ of both sides are
    the same. The equation of a step is solved by relaxation, a contraction for this h, which is the shortest time constant
    that a neuron has with its inputs.

    Args:
      key: random key.
      A: dynamics matrix, stable.
      leak: minus its diagonal, positive.
      blocks: number of snapshots, after what is left of the start has been forgotten.
      width: replicas that are simulated together.

    Raises:
      InputError: the network is unstable, or so slow that it does not come to rest within 200,000 steps.

    Reference: Maruyama1955 (time steps of noise-driven equations); that the midpoint rule keeps the covariance follows in two
    lines from inserting it.
    """
    rate = _slowest_rate(A, leak)
    h = float(1 / jnp.max(jnp.maximum(input_of(A), leak)))
    burn, apart = int(np.ceil(-np.log(FORGOTTEN) / (2 * rate * h))), int(np.ceil(APART / (h * float(jnp.mean(leak)))))
    if burn + apart * (blocks - 1) > LONGEST:
        raise InputError(
            f"A is too slow to be simulated: its slowest mode decays at {rate:.3g}, the fastest neuron at {1 / h:.3g}, which "
            f"takes {burn:,} steps: increase the leak, or ask for fewer samples."
        )
    start_key, run_key = jax.random.split(key)
    # Neurons alone begin in their own stationary state, which is not far from that of the network.
    start = jax.random.normal(start_key, (len(leak), width), A.dtype) / jnp.sqrt(2 * leak)[:, None]
    state = (start, start + 0, jnp.zeros((), int), jnp.zeros((), A.dtype))
    seen = []
    for block in range(blocks):
        steps = jnp.asarray(apart if block else burn)
        state = _advance(jax.random.fold_in(run_key, block), A, leak, jnp.asarray(h, A.dtype), state, steps)
        seen.append(state[:2])
    if not bool(jnp.all(jnp.isfinite(state[0]))):
        raise InputError("A is unstable: its simulated activity grows without limit. Increase the leak.")
    states, alone = (jnp.concatenate(part, axis=1) for part in zip(*seen, strict=True))
    return Run(states, alone, int(state[2]), float(state[3]))


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
def _advance(key, A, leak, h, state, steps):
    half, decay = h / 2, (1 + h * leak / 2)[:, None]
    kept = (1 - h * leak / 2)[:, None]

    def inputs(x):
        return A @ x + leak[:, None] * x

    def step(index, state):
        x, alone, products, worst = state
        noise = jnp.sqrt(h) * jax.random.normal(jax.random.fold_in(key, index), x.shape, x.dtype)
        known = kept * x + half * inputs(x) + noise
        size = jnp.sqrt(jnp.sum(x**2) + jnp.sum(noise**2))

        def relax(inner):
            y, _, count = inner
            better = (known + half * inputs(y)) / decay
            return better, jnp.sqrt(jnp.sum((better - y) ** 2)) / size, count + 1

        def unfinished(inner):
            return (inner[1] > ACCURACY) & (inner[2] < 60)

        y, change, count = lax.while_loop(
            unfinished, relax, ((kept * x + noise) / decay, jnp.asarray(jnp.inf, x.dtype), 0)
        )
        alone = (kept * alone + noise) / decay
        return y, alone, products + count + 1, jnp.maximum(worst, change)

    return lax.fori_loop(0, steps, step, state)
