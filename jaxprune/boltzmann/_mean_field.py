"""Probabilities of the hidden units when the visible ones are given: mean field."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Int, Num

from jaxprune._checks import InputError
from jaxprune._codes import Code
from jaxprune._types import Count, Scalar
from jaxprune.boltzmann._machine import BoltzmannMachine, States


class MeanFieldCode(Code):
    """How the iteration ended."""

    CONVERGED = 0, "No unit's probability changed by more than the tolerance."
    NOT_CONVERGED = 1, "The greatest number of sweeps was reached first: raise it, or the tolerance."


class MeanField(NamedTuple):
    """Probabilities of all units, and how they were found.

    Attributes:
      states: visible units as given, and the probability of every hidden one.
      code: a `MeanFieldCode`.
      change: largest change of a probability in the last sweep.
      sweeps: number of sweeps.
    """

    states: States
    code: Int[Array, ""]
    change: Scalar
    sweeps: Count


@eqx.filter_jit
def mean_field(
    model: BoltzmannMachine, visible: Num[Array, "sample visible"], *, sweeps: int = 50, tolerance: float = 1e-4
) -> MeanField:
    """Probabilities of the hidden units, each as if the others were independent of it.

        μₗ ← s(bₗ + Wₗ₋₁ μₗ₋₁ + Wₗᵀ μₗ₊₁),   μ₀ = v

    layer after layer, odd ones first, until no entry changes by more than the tolerance. It maximises a lower bound of
    ln P(v) (`log_likelihood`) and, in a restricted machine, is exact. The start is a pass upwards in which each layer
    with another one above counts its input twice.

    Args:
      model: the machine.
      visible: data, in [0, 1].
      sweeps: greatest number of sweeps; static.
      tolerance: see above; static.

    Raises:
      InputError: data of another number of visible units.

    Example:
      >>> from jaxprune.boltzmann import dbm
      >>> machine = dbm(jax.random.key(0), visible=4, hidden=(3, 2))
      >>> found = mean_field(machine, jnp.ones((5, 4), jnp.float32))
      >>> MeanFieldCode(int(found.code)).name
      'CONVERGED'

    Reference: Salakhutdinov2009.
    """
    if visible.ndim != 2 or visible.shape[1] != model.sizes[0]:
        raise InputError(f"visible has shape {visible.shape}, but must be (sample, {model.sizes[0]}) for this machine.")
    top = len(model.weights)
    states = [visible.astype(model.biases[0].dtype)]
    for layer in range(1, top + 1):
        below = model.biases[layer][None, :] + states[-1] @ model.weights[layer - 1].T
        states.append(jax.nn.sigmoid(below if layer == top else 2 * below))
    if top == 1:
        zero = jnp.zeros((), states[0].dtype)
        return MeanField(tuple(states), jnp.array(int(MeanFieldCode.CONVERGED)), zero, jnp.array(1))
    order = [*range(1, top + 1, 2), *range(2, top + 1, 2)]
    # What the data send to the first hidden layer stays the same.
    driven = model.biases[1][None, :] + states[0] @ model.weights[0].T

    def sweep(carry):
        states, _, count = carry
        now, change = list(states), jnp.zeros((), states[0].dtype)
        for layer in order:
            total = driven + now[2] @ model.weights[1] if layer == 1 else model.field(tuple(now), layer)
            new = jax.nn.sigmoid(total)
            change = jnp.maximum(change, jnp.max(jnp.abs(new - now[layer])))
            now[layer] = new
        return tuple(now), change, count + 1

    def unfinished(carry):
        return (carry[1] > tolerance) & (carry[2] < sweeps)

    start = (tuple(states), jnp.full((), jnp.inf, states[0].dtype), jnp.array(0))
    states, change, count = lax.while_loop(unfinished, sweep, start)
    code = jnp.where(change <= tolerance, int(MeanFieldCode.CONVERGED), int(MeanFieldCode.NOT_CONVERGED))
    return MeanField(states, code, change, count)
