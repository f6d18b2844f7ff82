"""What synapses of a Boltzmann machine can see: mean activity of units, and of pairs that a synapse joins."""

import itertools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_key
from jaxprune._types import PRNGKey, Real
from jaxprune.boltzmann._gibbs import check_chains, run_gibbs, start_chains
from jaxprune.boltzmann._machine import Bias, BoltzmannMachine, States, Weights

MOST_PARAMETERS = 20_000


class Moments(NamedTuple):
    """Mean activity of every unit, and of every pair of units in neighbouring layers.

    Attributes:
      means: ⟨xₗ⟩ of every layer, visible first.
      pairs: `⟨xₗ₊₁ xₗᵀ⟩` [post, pre] of every layer of weights.
      count: number of states behind them; infinite where they are exact.
    """

    means: tuple[Bias, ...]
    pairs: tuple[Weights, ...]
    count: Real = float("inf")


def moments_of(states: States) -> Moments:
    """Moments of states that are at hand.

    Args:
      states: units of every layer, (state, unit).

    Example:
      >>> moments_of((jnp.array([[1.0, 0.0], [1.0, 1.0]]), jnp.array([[1.0], [0.0]]))).pairs[0]
      Array([[0.5, 0. ]], dtype=float64)
    """
    means, pairs = sums(states)
    count = len(states[0])
    return Moments(tuple(x / count for x in means), tuple(x / count for x in pairs), count)


class Sampled(NamedTuple):
    """Moments of a machine's own activity, and where its chains are now."""

    moments: Moments
    chains: States


def sample_moments(
    key: PRNGKey,
    model: BoltzmannMachine,
    *,
    samples: int = 60_000,
    chains: States | int = 1000,
    burn_in: int = 200,
    gap: int = 10,
) -> Sampled:
    """Moments of a machine that runs freely, never driven by data.

    Many chains run side by side, and their states are added up every so many sweeps: memory does not grow with the number of
    samples.

    Args:
      key: random key.
      model: the machine.
      samples: number of states, at least (whole rounds of all chains are taken); static.
      chains: the number of chains, or chains to go on with.
      burn_in: sweeps before the first state counts; static.
      gap: sweeps between states of one chain; static.

    Returns:
      Moments, and the chains.

    Raises:
      InputError: samples, chains or gap below 1; burn_in negative.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> sample_moments(jax.random.key(1), machine, samples=2000, chains=100).moments.pairs[0].shape
      (3, 4)

    Reference: Scholl2021 for measuring free activity.
    """
    run_key, states, rounds = _start(key, model, samples, chains, burn_in, gap)
    moments, states = _gather(run_key, model, states, rounds, burn_in, gap)
    return Sampled(moments, states)


def _start(key, model, samples, chains, burn_in, gap):
    """Key to run with, chains to start from, and how often all of them are looked at."""
    check_key("key", key)
    for name, value, least in (("samples", samples, 1), ("burn_in", burn_in, 0), ("gap", gap, 1)):
        if value < least:
            raise InputError(f"{name} is {value}, but must be at least {least}.")
    start_key, run_key = jax.random.split(key)
    states = chains if isinstance(chains, tuple) else start_chains(start_key, model, int(chains))
    check_chains(states, model)
    return run_key, states, -(-samples // len(states[0]))


@eqx.filter_jit
def _gather(key, model, states, rounds, burn_in, gap):
    burn_key, round_key = jax.random.split(key)
    states = run_gibbs(burn_key, model, states, burn_in)

    def one(carry, key):
        states, total = carry
        states = run_gibbs(key, model, states, gap)
        return (states, jax.tree.map(jnp.add, total, sums(states))), None

    zero = jax.tree.map(jnp.zeros_like, sums(states))
    (states, (means, pairs)), _ = lax.scan(one, (states, zero), jax.random.split(round_key, rounds))
    count = rounds * len(states[0])
    return Moments(tuple(x / count for x in means), tuple(x / count for x in pairs), count), states


def sums(states):
    """Summed states of every unit, and of every pair in neighbouring layers."""
    pairs = tuple(above.T @ below for below, above in itertools.pairwise(states))
    return tuple(jnp.sum(x, axis=0) for x in states), pairs


def fisher_matrix(
    key: PRNGKey,
    model: BoltzmannMachine,
    *,
    samples: int = 60_000,
    chains: States | int = 1000,
    burn_in: int = 200,
    gap: int = 10,
) -> Float[Array, "parameter parameter"]:
    """Fisher information of all parameters about the joint states of all units, from the machine's own activity.

        F = Cov(φ),   φ = (x₀, x₁, …, vec x₁ x₀ᵀ, …)

    as a Boltzmann machine is an exponential family with the statistics φ. As many rows and columns as the machine has
    parameters, at most 20,000. Statistics of synapses that are masked out are zero.

    Args:
      key, model, samples, chains, burn_in, gap: as in `sample_moments`.

    Returns:
      F; parameters are the biases of every layer, then the weights of every layer, row by row.

    Raises:
      InputError: as `sample_moments`; too many parameters.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> fisher_matrix(jax.random.key(1), machine, samples=2000, chains=100).shape
      (19, 19)

    Reference: Amari1998 (information geometry of exponential families).
    """
    count = sum(x.size for x in (*model.biases, *model.weights))
    if count > MOST_PARAMETERS:
        raise InputError(
            f"the machine has {count} parameters, but their Fisher information is computed for {MOST_PARAMETERS} at most: use "
            "variance_information, its diagonal."
        )
    run_key, states, rounds = _start(key, model, samples, chains, burn_in, gap)
    return _covariance(run_key, model, states, rounds, burn_in, gap)


@eqx.filter_jit
def _covariance(key, model, states, rounds, burn_in, gap):
    burn_key, round_key = jax.random.split(key)
    states = run_gibbs(burn_key, model, states, burn_in)
    # Around the first states' mean, so that single precision does not lose a small covariance in a large second moment.
    centre = jnp.mean(statistics(model, states), axis=0)

    def one(carry, key):
        states, mean, second = carry
        states = run_gibbs(key, model, states, gap)
        phi = statistics(model, states) - centre[None, :]
        return (states, mean + jnp.mean(phi, axis=0), second + phi.T @ phi / len(phi)), None

    zero = (states, jnp.zeros_like(centre), jnp.zeros((len(centre), len(centre)), centre.dtype))
    (_, mean, second), _ = lax.scan(one, zero, jax.random.split(round_key, rounds))
    mean, second = mean / rounds, second / rounds
    return second - jnp.outer(mean, mean)


def statistics(model: BoltzmannMachine, states: States) -> Float[Array, "chain parameter"]:
    """Sufficient statistics of states: units of every layer, then products of units that synapses join, row by row.

    Args:
      model: the machine; its masks say which synapses there are.
      states: units of every layer, (chain, unit).

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = rbm(jax.random.key(0), visible=2, hidden=1)
      >>> statistics(machine, (jnp.array([[1.0, 0.0]]), jnp.array([[1.0]])))
      Array([[1., 0., 1., 1., 0.]], dtype=float64)
    """
    products = [
        (above[:, :, None] * below[:, None, :] * mask[None, :, :]).reshape(len(below), -1)
        for below, above, mask in zip(states[:-1], states[1:], model.masks, strict=True)
    ]
    return jnp.concatenate([*states, *products], axis=1)
