"""Removing synapses and units of a Boltzmann machine, and what the biases take over."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

from jaxprune._checks import InputError, check_key, is_concrete
from jaxprune._types import PRNGKey, Real
from jaxprune.boltzmann._importance import Layers
from jaxprune.boltzmann._machine import BoltzmannMachine, States, Weights
from jaxprune.boltzmann._moments import Moments
from jaxprune.pruning import keep_probabilities, sample_mask


class Exhausted(InputError):
    """Pruning would leave a layer without synapses or units."""


def choose(
    key: PRNGKey, model: BoltzmannMachine, importance: Layers, *, remove: Real | Sequence[Real], zeros: bool = True
) -> tuple[Weights, ...]:
    """Masks without the least important share of every layer's remaining synapses.

    Args:
      key: random key; decides among equals.
      model: the machine.
      importance: of the synapses, one matrix for each layer of weights.
      remove: share of each layer's remaining synapses that goes, in [0, 1); one number, or one for each layer.
      zeros: if more synapses than that have importance zero, all of those go, and no others.

    Returns:
      The new masks.

    Raises:
      InputError: shares out of range or of another number of layers; importance that is negative or not finite.
      Exhausted: a layer would lose its last synapse.

    Example:
      >>> from jaxprune.boltzmann import rbm, weight_size
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> int(choose(jax.random.key(1), machine, weight_size(machine), remove=0.25)[0].sum())
      9

    Reference: Scholl2021 for the rule of zeros.
    """
    check_key("key", key)
    layers = len(model.masks)
    shares = list(remove) if isinstance(remove, Sequence) else [remove] * layers
    if len(shares) != layers or len(importance) != layers:
        raise InputError(
            f"there are {layers} layers of weights, but {len(shares)} shares to remove and importances of {len(importance)}."
        )
    for share in shares:
        if is_concrete(share) and not 0 <= float(share) < 1:
            raise InputError(
                f"remove is {float(share):g}, but must be in [0, 1): the share of the remaining synapses that goes."
            )
    for score in importance:
        if is_concrete(score) and not (np.min(np.asarray(score)) >= 0):
            raise InputError("importance has entries that are negative or no numbers: what is least important is zero.")
    found = []
    for layer, (score, mask, share) in enumerate(zip(importance, model.masks, shares, strict=True)):
        there = jnp.sum(mask)
        scored = mask * (score > 0) if zeros else mask
        count = jnp.minimum(jnp.sum(scored), there - jnp.round(share * there))
        if is_concrete(count) and float(count) < 1:
            raise Exhausted(
                f"the layer of weights {layer} would lose its last synapse: {int(there)} are left, {int(jnp.sum(scored))} of "
                f"them with importance above zero, and a share of {float(share):g} is to go. Remove less, or stop before."
            )
        probabilities = keep_probabilities(score * mask, count=count, where=scored)
        layer_key = jax.random.fold_in(key, layer)
        found.append(sample_mask(layer_key, probabilities, symmetric=False, method="top") * mask)
    return tuple(found)


def remove(model: BoltzmannMachine, masks: Sequence[Weights], moments: Moments | None = None) -> BoltzmannMachine:
    """Remove the synapses that are not in the masks; with moments, biases take over the mean of what each unit lost.

        bᵢ ← bᵢ + Σⱼ wᵢⱼ ⟨xⱼ⟩   over the lost synapses

    for the units at both ends. A unit needs to know no more than its own synapses and their mean input.

    Args:
      model: the machine.
      masks: ones where synapses stay, for every layer of weights.
      moments: mean activity, from `sample_moments`; None for no change of biases.

    Raises:
      InputError: masks of another number or shape.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm
      >>> machine = rbm(jax.random.key(0), visible=1, hidden=1, sd=0.5, dtype=float)
      >>> moments = enumerate_machine(machine).moments
      >>> alone = remove(machine, [jnp.zeros((1, 1))], moments)
      >>> bool(jnp.allclose(alone.biases[0], machine.biases[0] + machine.weights[0][0] * moments.means[1]))
      True

    Reference: the step of the biases is ours.
    """
    if [mask.shape for mask in masks] != [mask.shape for mask in model.masks]:
        raise InputError(
            f"masks have shapes {[mask.shape for mask in masks]}, but the machine's are {[m.shape for m in model.masks]}."
        )
    biases = list(model.biases)
    kept = tuple(mask.astype(old.dtype) * old for mask, old in zip(masks, model.masks, strict=True))
    if moments is not None:
        for layer, (W, mask) in enumerate(zip(model.weights, kept, strict=True)):
            lost = W * (1 - mask)
            biases[layer] = biases[layer] + moments.means[layer + 1].astype(W.dtype) @ lost
            biases[layer + 1] = biases[layer + 1] + lost @ moments.means[layer].astype(W.dtype)
    weights = tuple(W * mask for W, mask in zip(model.weights, kept, strict=True))
    return BoltzmannMachine(tuple(biases), weights, kept)


def isolate_units(masks: Sequence[Weights]) -> tuple[Weights, ...]:
    """Masks in which hidden units that lost a whole side lose the other one, too.

    A hidden unit without synapses to the layer below, or (if there is one) to the layer above, takes no part any more: no data
    reach it, or nothing reads it. Visible units stay.

    Args:
      masks: ones where synapses are.

    Example:
      A unit of the middle layer that hears nothing:

      >>> [mask.tolist() for mask in isolate_units([jnp.array([[1.0], [0.0]]), jnp.array([[1.0, 1.0]])])]
      [[[1.0], [0.0]], [[1.0, 0.0]]]

    Reference: Scholl2021.
    """
    found = list(masks)
    # What goes in one layer may leave a unit of the next one alone: at most once through all layers, up and down.
    for _ in found:
        alive = units_left(found)
        found = [
            mask * alive[layer + 1][:, None] * (alive[layer][None, :] if layer else 1)
            for layer, mask in enumerate(found)
        ]
    return tuple(found)


def units_left(masks: Sequence[Weights]) -> tuple[Int[Array, " _"], ...]:
    """Ones at units that take part: visible ones with a synapse, hidden ones with synapses on every side.

    Args:
      masks: ones where synapses are.

    Example:
      >>> [alive.tolist() for alive in units_left([jnp.array([[1.0, 0.0], [0.0, 0.0]])])]
      [[1, 0], [1, 0]]
    """
    top = len(masks)
    found = [jnp.any(masks[0] > 0, axis=0)]
    for layer in range(1, top + 1):
        below = jnp.any(masks[layer - 1] > 0, axis=1)
        found.append(below if layer == top else below & jnp.any(masks[layer] > 0, axis=0))
    return tuple(alive.astype(jnp.int32) for alive in found)


class Deleted(NamedTuple):
    """A smaller machine, its chains, and the units of the larger one that it consists of, layer by layer."""

    model: BoltzmannMachine
    chains: States | None
    units: tuple[Int[np.ndarray, " _"], ...]


def delete_units(model: BoltzmannMachine, chains: States | None = None) -> Deleted:
    """Take hidden units without synapses out of the arrays. Shapes change, so not inside `jit`.

    They are independent of all others, so that the distribution of the rest does not change. Visible units stay.

    Args:
      model: the machine; units that lost one side only should have lost the other (`isolate_units`).
      chains: states of its units.

    Raises:
      InputError: a hidden layer that would lose all its units; a traced machine.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = remove(rbm(jax.random.key(0), visible=2, hidden=3), [jnp.array([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])])
      >>> delete_units(machine).model.sizes
      (2, 2)

    Reference: Scholl2021.
    """
    if not is_concrete(*jax.tree.leaves(model)):
        raise InputError("the machine is traced, but deleting units changes shapes: call delete_units outside jit.")
    top = len(model.masks)
    units = [np.arange(model.sizes[0])]
    for layer in range(1, top + 1):
        joined: Any = np.asarray(model.masks[layer - 1]).any(axis=1)
        if layer < top:
            joined |= np.asarray(model.masks[layer]).any(axis=0)
        units.append(np.flatnonzero(joined))
        if not len(units[-1]):
            raise InputError(
                f"all {len(joined)} units of hidden layer {layer} are without synapses: nothing would be left."
            )
    between = list(zip(units[1:], units[:-1], strict=True))
    small = BoltzmannMachine(
        tuple(bias[unit] for bias, unit in zip(model.biases, units, strict=True)),
        tuple(W[post][:, pre] for W, (post, pre) in zip(model.weights, between, strict=True)),
        tuple(mask[post][:, pre] for mask, (post, pre) in zip(model.masks, between, strict=True)),
    )
    left = None if chains is None else tuple(x[:, unit] for x, unit in zip(chains, units, strict=True))
    return Deleted(small, left, tuple(units))
