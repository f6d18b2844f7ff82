"""Block Gibbs sampling: every other layer at once."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError, check_key
from jaxprune._types import PRNGKey
from jaxprune.boltzmann._machine import BoltzmannMachine, States


def gibbs_sweep(
    key: PRNGKey, model: BoltzmannMachine, states: States, factors: Sequence[float] | None = None
) -> tuple[States, States]:
    """Update all units of many chains once: the odd layers from the even ones, then the even layers from the odd ones.

        P(xₗ = 1 | xₗ₋₁, xₗ₊₁) = s(αₗ (bₗ + Wₗ₋₁ xₗ₋₁ + Wₗᵀ xₗ₊₁)),   s(a) = 1 / (1 + e⁻ᵃ)

    Args:
      key: random key.
      model: the machine.
      states: units of every layer, (chain, unit).
      factors: α of every layer; 1 by default. Greedy pretraining doubles those that will have a layer more.

    Returns:
      The new states; and the probabilities with which each unit came on.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> states, probabilities = gibbs_sweep(jax.random.key(1), machine, start_chains(jax.random.key(2), machine, 5))
      >>> [x.shape for x in states]
      [(5, 4), (5, 3)]

    Reference: Salakhutdinov2009.
    """
    factors = (1.0,) * len(states) if factors is None else factors
    now, on = list(states), list(states)
    order = [*range(1, len(states), 2), *range(0, len(states), 2)]
    for layer, layer_key in zip(order, jax.random.split(key, len(order)), strict=True):
        on[layer] = jax.nn.sigmoid(factors[layer] * model.field(tuple(now), layer))
        now[layer] = draw(layer_key, on[layer])
    return tuple(now), tuple(on)


def draw(key, probabilities):
    """Ones with the given probabilities, else zeros."""
    return (jax.random.uniform(key, probabilities.shape, probabilities.dtype) < probabilities).astype(
        probabilities.dtype
    )


def start_chains(key: PRNGKey, model: BoltzmannMachine, chains: int) -> States:
    """Chains whose units know of their own biases only.

    Args:
      key: random key.
      model: the machine.
      chains: their number; static.

    Raises:
      InputError: chains below 1.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> [x.shape for x in start_chains(jax.random.key(0), rbm(jax.random.key(1), visible=4, hidden=3), 8)]
      [(8, 4), (8, 3)]
    """
    check_key("key", key)
    if chains < 1:
        raise InputError(f"chains is {chains}, but must be at least 1.")
    keys = jax.random.split(key, len(model.biases))
    return tuple(
        draw(k, jnp.broadcast_to(jax.nn.sigmoid(bias), (chains, len(bias))))
        for k, bias in zip(keys, model.biases, strict=True)
    )


def check_chains(chains, model):
    """Refuse chains of another machine."""
    if tuple(x.shape[-1] for x in chains) != model.sizes:
        raise InputError(
            f"chains have {', '.join(str(x.shape[-1]) for x in chains)} units, but the machine has "
            f"{', '.join(map(str, model.sizes))}."
        )


@eqx.filter_jit
def run_gibbs(key: PRNGKey, model: BoltzmannMachine, states: States, sweeps: int) -> States:
    """States after a number of sweeps, in one compiled loop.

    Args:
      key: random key.
      model: the machine.
      states: where the chains are.
      sweeps: number of sweeps; static.

    Raises:
      InputError: no random key; chains of another machine.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> run_gibbs(jax.random.key(1), machine, start_chains(jax.random.key(2), machine, 5), 100)[0].shape
      (5, 4)

    Reference: Salakhutdinov2009.
    """

    check_key("key", key)
    check_chains(states, model)

    def sweep(states, sweep_key):
        return gibbs_sweep(sweep_key, model, states)[0], None

    return lax.scan(sweep, states, jax.random.split(key, sweeps))[0]
