"""How likely data are under a machine."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import entr
from jaxtyping import Float

from jaxprune._types import Real
from jaxprune.boltzmann._binary import Data, check_data, in_chunks
from jaxprune.boltzmann._machine import BoltzmannMachine, visible_bias
from jaxprune.boltzmann._mean_field import mean_field


def log_likelihood(
    model: BoltzmannMachine, data: Data, log_partition: Real, *, sweeps: int = 50, tolerance: float = 1e-4
) -> Float[Array, " sample"]:
    """Log probability of each sample: exact in a restricted machine, a lower bound in a deep one.

        ln P(v) ≥ E_q[−E(v, h)] + H(q) − ln Z

    with q the mean field of the hidden units given v, for which a restricted machine has equality.

    Args:
      model: the machine.
      data: zeros and ones, (sample, visible).
      log_partition: ln Z, from `enumerate_machine` or `log_partition`.
      sweeps, tolerance: of the mean field.

    Raises:
      InputError: data that are not binary, or of another number of units.

    Example:
      >>> from jaxprune.boltzmann import all_states, enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=3, hidden=2, dtype=float)
      >>> exact = enumerate_machine(machine, visible=True)
      >>> found = log_likelihood(machine, all_states(3), exact.log_partition)
      >>> bool(jnp.allclose(found, exact.log_visible))
      True

    Reference: Salakhutdinov2009.
    """
    check_data(data, model.sizes[0])
    return jnp.concatenate(
        [_bound(model, chunk, jnp.asarray(log_partition), sweeps, tolerance) for chunk in in_chunks(data)]
    )


def independent_log_likelihood(data: Data, others: Data) -> Float[Array, " sample"]:
    """Log probability of samples under independent visible units: what a machine without synapses reaches.

        ln P(v) = Σᵢ vᵢ ln pᵢ + (1 − vᵢ) ln(1 − pᵢ),   pᵢ = s(bᵢ)

    with b the `visible_bias` of the data, so that a unit that never changes keeps a small chance to do so. It is the formula of
    independent coins.

    Args:
      data: zeros and ones, (sample, visible), that the means are taken from.
      others: zeros and ones, (other sample, visible).

    Returns:
      In nats, one for each of the others.

    Raises:
      InputError: data that are not binary; others of another number of units.

    Example:
      >>> data = jnp.array([[0.0, 1.0], [1.0, 1.0]] * 1000)
      >>> round(float(independent_log_likelihood(data, data[:1])[0]), 2)
      -0.69
    """
    bias = visible_bias(data)
    check_data(others, len(bias))
    v = jnp.asarray(others, bias.dtype)
    return v @ bias - jnp.sum(jax.nn.softplus(bias))


@eqx.filter_jit
def _bound(model, data, log_partition, sweeps, tolerance):
    states = mean_field(model, data, sweeps=sweeps, tolerance=tolerance).states
    return log_unnormalised(model, states) - log_partition


def log_unnormalised(model, states):
    """The bound for given mean-field probabilities, without the partition function."""
    entropy = sum(jnp.sum(entr(x) + entr(1 - x), axis=1) for x in states[1:])
    return entropy - model.energy(states)
