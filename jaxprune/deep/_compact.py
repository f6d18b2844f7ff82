"""Smaller dense models without the units that pruning left dead, and sparse matrices of what stays."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxprune._checks import InputError
from jaxprune.deep._layers import check_single, each_layer, layers, names
from jaxprune.deep._moments import input_moments
from jaxprune.deep._run import on_data, outputs


def compact(
    model: Any, data: Array, *, forward: Callable[[Any, Any], Any] | None = None, tolerance: float = 1e-4
) -> Any:
    """A smaller dense model with the same outputs: without units that nothing reads, or that hear nothing.

    A unit that nothing reads is left out. One that hears nothing always says the same; where that is zero it is left out, and
    where the next layer is linear, or a convolution without padding, what it says goes into that layer's biases. This is repeated
    until no such unit is left. It works on chains: layers of which each hears the one before it, through anything that treats
    units, or channels, alike and by themselves (activations, pooling, flattening).

    Args:
      model: with zeros where synapses were removed.
      data: inputs, one a row; outputs before and after are held against each other on them.
      forward: (model, inputs) -> outputs; by default `jax.vmap(model)(inputs)`.
      tolerance: greatest difference of outputs, relative to the largest.

    Returns:
      The model with smaller arrays.

    Raises:
      InputError: a model that is no chain, holds normalisation or grouped convolutions, or does not take the data; outputs that
        would change.

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> dead = jnp.ones((8, 4)).at[:3].set(0)
      >>> model = eqx.tree_at(lambda m: m.layers[0].weight, model, model.layers[0].weight * dead)
      >>> small = compact(model, jnp.eye(4))
      >>> small.layers[0].weight.shape, small.layers[1].weight.shape
      ((5, 4), (2, 5))
    """
    run = outputs(forward)
    check_single(model)
    chain, labels = layers(model), names(model)
    for kind in (eqx.nn.BatchNorm, eqx.nn.LayerNorm, eqx.nn.GroupNorm, eqx.nn.RMSNorm):
        if any(
            isinstance(node, kind) for node in jax.tree.leaves(model, is_leaf=lambda n, kind=kind: isinstance(n, kind))
        ):
            raise InputError(
                f"the model holds {kind.__name__}, but only chains of layers without normalisation can be compacted."
            )
    for name, layer in zip(labels, chain, strict=True):
        if getattr(layer, "groups", 1) != 1:
            raise InputError(f"{name} has {layer.groups} groups, but only whole layers can be compacted.")
    for a, b, name, after in zip(chain[:-1], chain[1:], labels[:-1], labels[1:], strict=True):
        units, hears = a.weight.shape[0], b.weight.shape[1]
        if hears % units or (not isinstance(b, eqx.nn.Linear) and hears != units):
            raise InputError(
                f"{after} has {hears} inputs and {name} {units} outputs: only chains of layers can be compacted."
            )
    with on_data():
        wanted = run(model, data)
    small = model
    while True:
        smaller = _once(small, run, data, len(chain))
        if smaller is None:
            break
        small = smaller
    try:
        found = run(small, data)
    except (TypeError, ValueError) as error:
        raise InputError(
            "the layers are no chain: something between them needs all units; it was left as it is."
        ) from error
    scale = max(float(jnp.max(jnp.abs(wanted))), 1e-30)
    if not float(jnp.max(jnp.abs(found - wanted))) <= tolerance * scale:
        raise InputError(
            "the smaller model's outputs differ: something between its layers mixes units; it was left as it is."
        )
    return small


def _once(model, run, data, count):
    """The model without the units of one layer that can go, or None."""
    chain = layers(model)
    for place in range(count - 1):
        a, b = chain[place], chain[place + 1]
        W, V = np.asarray(a.weight), np.asarray(b.weight)
        units = len(W)
        repeat = V.shape[1] // units
        reads = (V.reshape(len(V), units, repeat, -1) != 0).any(axis=(0, 2, 3))
        hears = (W.reshape(units, -1) != 0).any(axis=1)
        says = np.zeros((units, repeat, int(np.prod(V.shape[2:]))))
        if not hears.all():
            mean = input_moments(run, model, model, place + 1, [data]).mean_y
            says = np.asarray(mean).reshape(units, repeat, -1)
        padded = not isinstance(b, eqx.nn.Linear) and b.padding not in ("VALID",) and np.any(np.asarray(b.padding) != 0)
        constant = ~hears & (np.abs(says).max(axis=(1, 2)) == 0 if padded or b.bias is None else True)
        stays = reads & ~constant
        if stays.all():
            continue
        if not stays.any():
            stays[np.argmax(np.abs(W.reshape(units, -1)).sum(axis=1))] = True  # an empty layer would be no layer
            if stays.sum() == units:
                continue
        gone = ~stays & reads
        bias = b.bias
        if gone.any() and bias is not None:
            lost = np.einsum("osrk,srk->o", V.reshape(len(V), units, repeat, -1)[:, gone], says[gone])
            bias = bias + jnp.asarray(lost.reshape(bias.shape), bias.dtype)
        new = [
            _with(a, W[stays], None if a.bias is None else a.bias[stays]),
            _with(b, V[:, np.repeat(stays, repeat)], bias),
        ]
        number = iter(range(count))

        def swap(node, new=new, place=place, number=number):
            here = next(number)
            return new[here - place] if here in (place, place + 1) else node

        return each_layer(swap, model)
    return None


def _with(layer, W, bias):
    W = jnp.asarray(W)
    if isinstance(layer, eqx.nn.Linear):
        changes = {"out_features": W.shape[0], "in_features": W.shape[1]}
    else:
        changes = {"out_channels": W.shape[0], "in_channels": W.shape[1]}
    values = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    values |= {name: size for name, size in changes.items() if not isinstance(values[name], str)}
    # Layers draw their weights when they are made: this one is put together from its parts.
    made = object.__new__(type(layer))
    for name, value in (values | {"weight": W, "bias": bias}).items():
        object.__setattr__(made, name, value)
    return made
