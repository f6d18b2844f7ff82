"""The partition function of machines too large to enumerate, by annealed importance sampling."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import logsumexp
from jaxtyping import Float

from jaxprune._checks import InputError, check_key
from jaxprune._types import PRNGKey, Scalar
from jaxprune.boltzmann._gibbs import draw
from jaxprune.boltzmann._machine import Bias, BoltzmannMachine


class LogPartition(NamedTuple):
    """Estimate of ln Z.

    Attributes:
      value: ln Ẑ; Ẑ is unbiased, its logarithm low on average.
      error: standard error, by the delta method; too small where few chains carry the weight.
      effective: effective number of chains, `(Σ w)² / Σ w²`.
      log_weights: of every chain.
    """

    value: Scalar
    error: Scalar
    effective: Scalar
    log_weights: Float[Array, " chain"]


def log_partition(
    key: PRNGKey,
    model: BoltzmannMachine,
    *,
    means: tuple[Bias, ...] | None = None,
    temperatures: int = 3000,
    chains: int = 256,
) -> LogPartition:
    """Estimate ln Z of a machine by annealed importance sampling.

    From independent units with given means at β = 0 to the machine at β = 1, weights times β and biases in
    between, with one Gibbs sweep at each temperature:

        Ẑ = Z₀ ⟨∏ₜ f(xₜ; βₜ₊₁) / f(xₜ; βₜ)⟩

    with f the unnormalised probability of the odd layers, the even ones summed out.

    Args:
      key: random key.
      model: the machine.
      means: of the units at β = 0, for example those under the data; by default from their biases.
      temperatures: number of steps; static.
      chains: static.

    Raises:
      InputError: temperatures below 1, chains below 2; means of another machine.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3, sd=1.0, dtype=float)
      >>> found = log_partition(jax.random.key(1), machine, temperatures=200, chains=100)
      >>> bool(abs(found.value - enumerate_machine(machine).log_partition) < 5 * found.error)
      True

    Reference: Neal2001; Salakhutdinov2008 for Boltzmann machines.
    """
    check_key("key", key)
    for name, value, least in (("temperatures", temperatures, 1), ("chains", chains, 2)):
        if value < least:
            raise InputError(f"{name} is {value}, but must be at least {least}.")
    if means is None:
        base = model.biases
    else:
        if tuple(len(mean) for mean in means) != model.sizes:
            raise InputError(
                f"means have {[len(mean) for mean in means]} units, but the machine has {list(model.sizes)}."
            )
        least = 1e-3
        inside = [jnp.clip(mean.astype(b.dtype), least, 1 - least) for mean, b in zip(means, model.biases, strict=True)]
        base = tuple(jnp.log(mean / (1 - mean)) for mean in inside)
    return _anneal(key, model, base, temperatures, chains)


@eqx.filter_jit
def _anneal(key, model, base, temperatures, chains):
    layers = range(len(model.biases))
    odd, even = layers[1::2], layers[0::2]
    dtype = model.biases[0].dtype

    def biases(beta):
        return [((1 - beta) * b + beta * a)[None, :] for a, b in zip(model.biases, base, strict=True)]

    def step(carry, arguments):
        states, log_weight = carry
        step_key, beta, following = arguments
        # What the odd layers send to the even ones is the same at both temperatures, but for their factor.
        drives = {layer: model.drive(states, layer) for layer in even}

        def log_f(beta):
            bias = biases(beta)
            total = sum(states[layer] @ bias[layer][0] for layer in odd)
            return total + sum(
                jnp.sum(jax.nn.softplus(bias[layer] + beta * drive), axis=1) for layer, drive in drives.items()
            )

        log_weight = log_weight + log_f(following) - log_f(beta)
        bias, now = biases(following), list(states)
        for k, layer in zip(jax.random.split(step_key, len(now)), [*even, *odd], strict=True):
            drive = drives[layer] if layer in drives else model.drive(tuple(now), layer)
            now[layer] = draw(k, jax.nn.sigmoid(bias[layer] + following * drive))
        return (tuple(now), log_weight), None

    start_key, run_key = jax.random.split(key)
    keys = jax.random.split(start_key, len(base))
    states = tuple(
        draw(k, jnp.broadcast_to(jax.nn.sigmoid(b), (chains, len(b)))) for k, b in zip(keys, base, strict=True)
    )
    betas = jnp.linspace(0, 1, temperatures + 1, dtype=dtype)
    (_, log_weights), _ = lax.scan(
        step, (states, jnp.zeros(chains, dtype)), (jax.random.split(run_key, temperatures), betas[:-1], betas[1:])
    )
    start = sum(jnp.sum(jax.nn.softplus(b)) for b in base)
    scaled = jnp.exp(log_weights - jnp.max(log_weights))
    mean = jnp.mean(scaled)
    error = jnp.std(scaled, ddof=1) / jnp.sqrt(chains) / mean
    effective = jnp.sum(scaled) ** 2 / jnp.sum(scaled**2)
    return LogPartition(start + logsumexp(log_weights) - jnp.log(chains), error, effective, log_weights)
