"""How likely data are under a machine."""

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import entr
from jaxtyping import Float

from jaxprune._types import Real
from jaxprune.boltzmann._binary import Data, check_data, in_chunks
from jaxprune.boltzmann._machine import BoltzmannMachine
from jaxprune.boltzmann._mean_field import mean_field


def log_likelihood(
    model: BoltzmannMachine, data: Data, log_partition: Real, *, sweeps: int = 50, tolerance: float = 1e-4
) -> Float[Array, " sample"]:
    r"""Log probability of each sample: exact in a restricted machine, a lower bound in a deep one.

    $$\ln P(v) \ge E_q[-E(v, h)] + H(q) - \ln Z$$

    with q the mean field of the hidden units given v, for which a restricted machine has equality.

    Args:
      model: the machine.
      data: zeros and ones, (sample, visible).
      log_partition: $\ln Z$, from `enumerate_machine` or `log_partition`.
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


@eqx.filter_jit
def _bound(model, data, log_partition, sweeps, tolerance):
    states = mean_field(model, data, sweeps=sweeps, tolerance=tolerance).states
    return log_unnormalised(model, states) - log_partition


def log_unnormalised(model, states):
    """The bound for given mean-field probabilities, without the partition function."""
    entropy = sum(jnp.sum(entr(x) + entr(1 - x), axis=1) for x in states[1:])
    return entropy - model.energy(states)
