"""Running means of normalisation, measured again."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_whole
from jaxprune.deep._run import predict


def recalibrate(model: Any, extra: Any, x: Array, *, batch: int = 500) -> Any:
    """Measure the means and variances of every batch normalisation anew: pruning changes what they see.

    They become those of all inputs given, means and the whole variance, within batches and between them. A batch is every n-th
    input, so that inputs in an order, such as class by class, are mixed; as in training, layers further on see each batch
    normalised by itself.

    Args:
      model: any Equinox model that is called with its state; see `cross_entropy`.
      extra: its `eqx.nn.State`.
      x: inputs, one a row; a few thousand are enough.
      batch: samples that are looked at together, at most.

    Returns:
      The state with new means; as it was if the model has no batch normalisation.

    Raises:
      InputError: no inputs; a batch below 1.

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
    check_whole("batch", batch, least=1)
    learning = jax.tree.map(_learning, model, is_leaf=_is_norm)
    parts = -(-len(x) // batch)
    totals: list[Any] = [(0.0, 0.0)] * len(norms)
    for start in range(parts):
        some = x[start::parts]
        seen = _seen(learning, _forgotten(extra, norms), some)
        for place, norm in enumerate(norms):
            mean, variance = _remembered(seen, norm)
            first, second = totals[place]
            totals[place] = first + len(some) * mean, second + len(some) * (variance + mean**2)
    for norm, (first, second) in zip(norms, totals, strict=True):
        mean = first / len(x)
        extra = _set(extra, norm, mean, jnp.maximum(second / len(x) - mean**2, 0))
    return extra


def _is_norm(node):
    return isinstance(node, eqx.nn.BatchNorm)


def _learning(node):
    """Normalisation that uses, and remembers, its batch; all else, such as dropout, stays as it is."""
    return eqx.tree_at(lambda norm: norm.inference, node, False) if _is_norm(node) else node


def _copied(extra):
    """Equinox lets a state be changed once: the caller's stays usable."""
    return jax.tree.map(lambda leaf: leaf, extra)


def _set(extra, norm, mean, variance):
    """A state that remembers these, and nothing else."""
    if norm.mode == "ema":
        like = extra.get(norm.ema_state_index)
        values = tuple(new.astype(old.dtype) for new, old in zip((mean, variance), like, strict=True))
        return _copied(extra).set(norm.ema_first_time_index, jnp.array(False)).set(norm.ema_state_index, values)
    # What is kept is a running mean that began at zero; after one update it is this share of what was seen.
    share, like = 1 - norm.momentum, extra.get(norm.batch_state_index)
    values = tuple((share * new).astype(old.dtype) for new, old in zip((mean, variance), like, strict=True))
    counter = jnp.ones_like(extra.get(norm.batch_counter))
    return _copied(extra).set(norm.batch_counter, counter).set(norm.batch_state_index, values)


def _forgotten(extra, norms):
    """A state in which nothing was seen yet."""
    extra = _copied(extra)
    for norm in norms:
        if norm.mode == "ema":
            extra = extra.set(norm.ema_first_time_index, jnp.array(True))
        else:
            nothing = jax.tree.map(jnp.zeros_like, extra.get(norm.batch_state_index))
            extra = extra.set(norm.batch_counter, jnp.zeros_like(extra.get(norm.batch_counter)))
            extra = extra.set(norm.batch_state_index, nothing)
    return extra


def _remembered(extra, norm):
    """Mean and variance of the one batch that was seen."""
    if norm.mode == "ema":
        return extra.get(norm.ema_state_index)
    return tuple(part / (1 - norm.momentum) for part in extra.get(norm.batch_state_index))


@eqx.filter_jit
def _seen(model, extra, x):
    return predict(model, extra, x)[1]
