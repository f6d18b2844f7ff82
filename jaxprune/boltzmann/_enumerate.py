"""Small Boltzmann machines by enumeration: the exact counterpart of everything that is sampled."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import logsumexp
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import Scalar
from jaxprune.boltzmann._machine import BoltzmannMachine
from jaxprune.boltzmann._moments import Moments, statistics

MOST_LISTED = 20
MOST_VISIBLE = 20
MOST_UNITS = 24


class Exact(NamedTuple):
    """Exact properties of a small machine.

    Attributes:
      log_partition: ln Z.
      moments: means of units and of pairs.
      log_visible: ln P(v) of all visible states; bit i of the index is unit i. None if not asked for.
      fisher: as `fisher_matrix`; None if not asked for.
    """

    log_partition: Scalar
    moments: Moments
    log_visible: Float[Array, " state"] | None
    fisher: Float[Array, "parameter parameter"] | None


def all_states(units: int) -> Float[Array, "state unit"]:
    """All binary states of a number of units; bit i of the row is unit i.

    Args:
      units: number of units; the table has 2 to that power rows.

    Example:
      >>> all_states(2)
      Array([[0., 0.],
             [1., 0.],
             [0., 1.],
             [1., 1.]], dtype=float64)
    """
    return jnp.asarray((np.arange(2**units)[:, None] >> np.arange(units)[None, :]) & 1, float)


def enumerate_machine(model: BoltzmannMachine, *, visible: bool = False, fisher: bool = False) -> Exact:
    """Exact partition function and moments of a small machine, and what else is asked for, in double precision where it is on.

    The states of the odd layers, or of the even ones, whichever have fewer units, are listed; given these the others' units are
    independent.

    Args:
      model: the machine.
      visible: the distribution of the visible units, too; at most 20 of them.
      fisher: the Fisher information of all parameters, too; at most 24 units in all.

    Raises:
      InputError: too many units: more than 20 in every other layer, counted from either end, or as above.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> exact = enumerate_machine(rbm(jax.random.key(0), visible=4, hidden=3), visible=True)
      >>> jnp.exp(exact.log_visible).sum().round(6)
      Array(1., dtype=float64)
    """
    listed = min(sum(model.sizes[0::2]), sum(model.sizes[1::2]))
    for what, number, most in (
        ("units in every other layer", listed, MOST_LISTED),
        *((("visible units", model.sizes[0], MOST_VISIBLE),) if visible else ()),
        *((("units", sum(model.sizes), MOST_UNITS),) if fisher else ()),
    ):
        if number > most:
            raise InputError(f"the machine has {number} {what}, but at most {most} can be enumerated: sample instead.")
    return _enumerate(model.astype(float), visible, fisher)


@jax.jit
def divergence(log_p: Float[Array, " state"], log_q: Float[Array, " state"]) -> Scalar:
    """Kullback-Leibler divergence `D(P ‖ Q) = Σᵥ P(v) ln P(v) / Q(v)` of two distributions of visible states, in nats.

    Args:
      log_p, log_q: log probabilities, from `enumerate_machine(..., visible=True)`.

    Example:
      >>> divergence(jnp.log(jnp.array([0.5, 0.5])), jnp.log(jnp.array([0.9, 0.1]))).round(3)
      Array(0.511, dtype=float64)
    """
    possible = log_p > -jnp.inf
    return jnp.sum(jnp.where(possible, jnp.exp(log_p) * (jnp.where(possible, log_p, 0) - log_q), 0))


def _enumerate(model, visible, fisher):
    sizes = model.sizes
    odd, even = sum(sizes[1::2]), sum(sizes[0::2])
    # The visible units' distribution is read off where they are listed themselves.
    first = int(odd <= even and not (visible and even <= MOST_LISTED))
    listed, rest = list(range(first, len(sizes), 2)), list(range(1 - first, len(sizes), 2))
    parts = _split(all_states(sum(sizes[layer] for layer in listed)), sizes, listed)
    count = len(parts[listed[0]])
    states = tuple(parts.get(layer, jnp.zeros((count, size))) for layer, size in enumerate(sizes))
    fields = {layer: model.field(states, layer) for layer in rest}
    weight = sum(parts[layer] @ model.biases[layer] for layer in listed)
    weight = weight + sum(jnp.sum(jax.nn.softplus(field), axis=1) for field in fields.values())
    log_partition = logsumexp(weight)
    log_chance = weight - log_partition
    chance = jnp.exp(log_chance)
    means = tuple(jax.nn.sigmoid(fields[layer]) if layer in fields else parts[layer] for layer in range(len(sizes)))
    moments = Moments(
        tuple(chance @ x for x in means),
        tuple((above * chance[:, None]).T @ below for below, above in itertools.pairwise(means)),
    )
    log_visible = None
    if visible and first:
        log_visible = _visible(log_chance, fields[0])
    elif visible:
        # Visible units are the lowest bits of a listed state.
        log_visible = logsumexp(log_chance.reshape(-1, 2 ** sizes[0]), axis=0)
    found = _fisher(model, parts, log_chance, fields) if fisher else None
    return Exact(log_partition, moments, log_visible, found)


def _split(listed, sizes, layers):
    cuts = np.cumsum([sizes[layer] for layer in layers])[:-1]
    return dict(zip(layers, jnp.split(listed, cuts, axis=1), strict=True))


@jax.jit
def _visible(log_chance, field):
    states = all_states(field.shape[1])

    def one(total, arguments):
        log_p, a = arguments
        likely = states @ a - jnp.sum(jax.nn.softplus(a))
        return jnp.logaddexp(total, log_p + likely), None

    return lax.scan(one, jnp.full(len(states), -jnp.inf), (log_chance, field))[0]


@jax.jit
def _fisher(model, parts, log_chance, fields):
    """Covariance of all statistics: the other layers' states are listed for each of those that are listed already."""
    sizes = model.sizes
    rest = sorted(fields)
    inner = _split(all_states(sum(sizes[layer] for layer in rest)), sizes, rest)
    count = len(inner[rest[0]])

    def one(carry, arguments):
        mean, second = carry
        log_p, outer, drive = arguments
        states = tuple(
            inner[layer] if layer in inner else jnp.broadcast_to(outer[layer][None, :], (count, size))
            for layer, size in enumerate(sizes)
        )
        likely = log_p + sum(inner[layer] @ drive[layer] - jnp.sum(jax.nn.softplus(drive[layer])) for layer in rest)
        phi, chance = statistics(model, states), jnp.exp(likely)
        return (mean + chance @ phi, second + phi.T @ (phi * chance[:, None])), None

    number = sum(sizes) + sum(W.size for W in model.weights)
    start = (jnp.zeros(number), jnp.zeros((number, number)))
    (mean, second), _ = lax.scan(one, start, (log_chance, parts, fields))
    return second - jnp.outer(mean, mean)
