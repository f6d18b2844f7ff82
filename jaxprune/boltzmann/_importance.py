"""Importance of every synapse of a Boltzmann machine, from the moments that its two units can measure."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError
from jaxprune._types import Matrix, PRNGKey
from jaxprune.boltzmann._machine import BoltzmannMachine, Weights
from jaxprune.boltzmann._moments import Moments, fisher_matrix

Layers = tuple[Weights, ...]
"""One matrix [post, pre] for each layer of weights."""


def variance_information(model: BoltzmannMachine, moments: Moments) -> Layers:
    """Fisher information of each weight, the variance of the product of its units, `Fᵢⱼ = pᵢⱼ (1 − pᵢⱼ)`.

    `pᵢⱼ = ⟨xᵢ xⱼ⟩`: the diagonal of `fisher_matrix`. It tells how precisely the states determine the weight,
    not what removing the weight does: see `information`.

    Args:
      model: the machine.
      moments: of its free activity, from `sample_moments`.

    Returns:
      One matrix for each layer of weights; zero where there is no synapse.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> variance_information(machine, enumerate_machine(machine).moments)[0].shape
      (3, 4)

    Reference: Scholl2021.
    """
    return tuple(p * (1 - p) * mask for p, mask in zip(moments.pairs, model.masks, strict=True))


def heuristic_information(model: BoltzmannMachine, moments: Moments) -> Layers:
    """Estimate of the Fisher information of each weight from the weight and the mean activity of its two units.

        p̂ᵢⱼ = qⱼ s(logit rᵢ + wᵢⱼ (1 − qⱼ)),   F̂ᵢⱼ = p̂ᵢⱼ (1 − p̂ᵢⱼ)

    with rᵢ the mean of the presynaptic (lower) unit and qⱼ of the postsynaptic one; zero where a unit is never active.

    Args:
      model: the machine.
      moments: of its free activity.

    Returns:
      One matrix for each layer of weights; zero where there is no synapse.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> heuristic_information(machine, enumerate_machine(machine).moments)[0].shape
      (3, 4)

    Reference: Scholl2021.
    """

    def one(W, mask, below, above):
        r, q = below[None, :], above[:, None]
        active = (r > 0) & (q > 0)
        inside = jnp.clip(jnp.where(active, r, 0.5), jnp.finfo(W.dtype).tiny, 1 - jnp.finfo(W.dtype).epsneg)
        p = q * jax.nn.sigmoid(jnp.log(inside) - jnp.log1p(-inside) + W * (1 - q))
        return jnp.where(active, p * (1 - p), 0) * mask

    means = moments.means
    return tuple(map(one, model.weights, model.masks, means[:-1], means[1:]))


def weight_size(model: BoltzmannMachine, moments: Moments | None = None) -> Layers:
    """Absolute weights.

    Args:
      model: the machine.
      moments: not looked at.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> bool((weight_size(rbm(jax.random.key(0), visible=4, hidden=3))[0] >= 0).all())
      True
    """
    del moments
    return tuple(jnp.abs(W) * mask for W, mask in zip(model.weights, model.masks, strict=True))


def information(model: BoltzmannMachine, moments: Moments) -> Layers:
    """Information lost when one weight is removed, `½ wᵢⱼ² Fᵢⱼ` in nats, to second order in the weight.

    With F as in `variance_information`: the Kullback-Leibler divergence of the joint states of all units before and after.

    Args:
      model: the machine.
      moments: of its free activity.

    Returns:
      One matrix for each layer of weights, in nats; zero where there is no synapse.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> bool((information(machine, enumerate_machine(machine).moments)[0] < 0.01).all())
      True

    Reference: Amari1998 for the second-order expansion.
    """
    return tuple(W**2 * F / 2 for W, F in zip(model.weights, variance_information(model, moments), strict=True))


def heuristic_lost(model: BoltzmannMachine, moments: Moments) -> Layers:
    """As `information`, with the estimate of `heuristic_information`: `½ wᵢⱼ² F̂ᵢⱼ`.

    Args:
      model: the machine.
      moments: of its free activity.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> heuristic_lost(machine, enumerate_machine(machine).moments)[0].shape
      (3, 4)

    Reference: the estimate is of Scholl2021, the square of the weight of Amari1998.
    """
    return tuple(W**2 * F / 2 for W, F in zip(model.weights, heuristic_information(model, moments), strict=True))


def residual_information(model: BoltzmannMachine, moments: Moments) -> Layers:
    """Information lost when one weight is removed and the biases of its two units make up for it, in nats.

        ½ wᵢⱼ² F_res,   F_res = Var(xᵢ xⱼ) − cᵀ Σ⁻¹ c = 1 / (1/p₁₁ + 1/p₁₀ + 1/p₀₁ + 1/p₀₀)

    with Σ the covariance of `(xᵢ, xⱼ)`, c their covariances with `xᵢ xⱼ`, and p_ab the four joint probabilities:
    what is left of the product's variance after a regression on the two units. What a weight says beyond what two biases can say.
    It is zero where one of the four states never occurs.

    Args:
      model: the machine.
      moments: of its free activity.

    Returns:
      One matrix for each layer of weights, in nats; zero where there is no synapse, and for units that never change.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> moments = enumerate_machine(machine).moments
      >>> bool((residual_information(machine, moments)[0] <= information(machine, moments)[0]).all())
      True

    Reference: ours; a second-order expansion as in Amari1998.
    """

    def one(W, mask, p, below, above):
        r, q = below[None, :], above[:, None]
        states = jnp.stack([p, q - p, r - p, 1 - q - r + p])
        # Differences of probabilities: what is below their rounding is a state that never occurs.
        occur = jnp.min(states, axis=0) > 4 * jnp.finfo(W.dtype).eps
        rest = 1 / jnp.sum(1 / jnp.where(occur[None], states, 1), axis=0)
        return W**2 / 2 * jnp.where(occur, rest, 0) * mask

    means = moments.means
    return tuple(map(one, model.weights, model.masks, moments.pairs, means[:-1], means[1:]))


def leading_importance(model: BoltzmannMachine, fisher: Matrix) -> Layers:
    """Absolute entries of the Fisher information's leading eigenvector, at the weights.

    Args:
      model: the machine.
      fisher: of all its parameters, from `fisher_matrix`.

    Returns:
      One matrix for each layer of weights.

    Raises:
      InputError: a Fisher information of another number of parameters.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> leading_importance(machine, enumerate_machine(machine, fisher=True).fisher)[0].shape
      (3, 4)

    Reference: Scholl2021.
    """
    units, sizes = sum(model.sizes), [W.size for W in model.weights]
    if fisher.shape != (units + sum(sizes),) * 2:
        raise InputError(
            f"fisher has shape {fisher.shape}, but the machine has {units + sum(sizes)} parameters: pass `fisher_matrix` of it."
        )
    vector = jnp.abs(jnp.linalg.eigh(fisher)[1][:, -1])
    parts, place = [], units
    for W, mask in zip(model.weights, model.masks, strict=True):
        parts.append(vector[place : place + W.size].reshape(W.shape) * mask)
        place += W.size
    return tuple(parts)


def _uniform(key, model, moments):
    """The same for every synapse: a random choice."""
    del key, moments
    return model.masks


def _least_first(key, model, moments):
    """The most important ones by `variance_information` go first: a control."""
    del key
    found = variance_information(model, moments)
    return tuple((jnp.max(F) - F + 1) * mask for F, mask in zip(found, model.masks, strict=True))


def _units(key, model, moments):
    """Units of the upper layer in a random order: a control."""
    del moments
    keys = jax.random.split(key, len(model.masks))
    return tuple(
        (1 + jax.random.permutation(k, len(mask)).astype(mask.dtype))[:, None] * mask
        for k, mask in zip(keys, model.masks, strict=True)
    )


def _eigenvector(key, model, moments):
    """`leading_importance`, from 60,000 states of its own."""
    del moments
    return leading_importance(model, fisher_matrix(key, model))


def _plain(function):
    def importance(key: PRNGKey, model: BoltzmannMachine, moments: Moments) -> Layers:
        del key
        return function(model, moments)

    importance.__doc__ = f"`{function.__name__}`."
    return importance


CRITERIA = {
    "variance": _plain(variance_information),
    "heuristic": _plain(heuristic_information),
    "weight": _plain(weight_size),
    "information": _plain(information),
    "heuristic-information": _plain(heuristic_lost),
    "residual-information": _plain(residual_information),
    "eigenvector": _eigenvector,
    "uniform": _uniform,
    "units": _units,
    "anti-variance": _least_first,
}
"""Criteria by name: functions (key, model, moments) -> importance of every layer's synapses."""
