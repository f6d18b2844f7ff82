"""Running means of normalisation, measured again."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError
from jaxprune.deep._train import predict


def recalibrate(model: Any, extra: Any, x: Array, *, batch: int = 500) -> Any:
    """Measure the means and variances of every batch normalisation anew: pruning changes what they see.

    They are set to those of the inputs given, layer after layer as in training, and nothing else is changed.

    Args:
      model: any Equinox model that is called with its state; see `cross_entropy`.
      extra: its `eqx.nn.State`.
      x: inputs, one a row; a few thousand are enough.
      batch: samples that are looked at together; what is left over is looked at with the last ones.

    Returns:
      The state with new means; as it was if the model has no batch normalisation.

    Raises:
      InputError: no inputs.

    Example:
      >>> from jaxprune.deep import VGG
      >>> model, state = eqx.nn.make_with_state(VGG)(jax.random.key(0), widths=(4,))
      >>> x = jax.random.normal(jax.random.key(1), (50, 3, 8, 8))
      >>> state = recalibrate(model, state, x)
      >>> logits, _ = predict(eqx.nn.inference_mode(model), state, x)
      >>> logits.shape
      (50, 10)
    """
    norms = [node for node in jax.tree.leaves(model, is_leaf=_is_norm) if _is_norm(node)]
    if not norms or extra is None:
        return extra
    if not len(x):
        raise InputError("there are no inputs to calibrate on.")
    extra = jax.tree.map(lambda leaf: leaf, extra)  # Equinox lets a state be changed once: the caller's stays usable
    for norm in norms:
        extra = _forgotten(extra, norm)
    model = jax.tree.map(_learning, model, is_leaf=_is_norm)
    size = min(batch, len(x))
    starts = [*range(0, len(x) - size, size), len(x) - size]
    for start in starts:
        extra = _seen(model, extra, x[start : start + size])
    return extra


def _is_norm(node):
    return isinstance(node, eqx.nn.BatchNorm)


def _learning(node):
    """Normalisation that uses, and remembers, its batch; all else, such as dropout, stays as it is."""
    return eqx.tree_at(lambda norm: norm.inference, node, False) if _is_norm(node) else node


def _forgotten(extra, norm):
    if norm.mode == "ema":
        return extra.set(norm.ema_first_time_index, jnp.array(True))
    counter = jnp.zeros_like(extra.get(norm.batch_counter))
    means = jax.tree.map(jnp.zeros_like, extra.get(norm.batch_state_index))
    return extra.set(norm.batch_counter, counter).set(norm.batch_state_index, means)


@eqx.filter_jit
def _seen(model, extra, x):
    return predict(model, extra, x)[1]
