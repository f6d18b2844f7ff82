"""Pruning a trained network, layer by layer, with one call."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_fraction, check_key
from jaxprune._types import PRNGKey, Real
from jaxprune.deep._layers import Tree, each_layer, is_layer, masked, names, ones, weights
from jaxprune.deep._moments import Inputs, input_moments
from jaxprune.deep._recalibrate import recalibrate
from jaxprune.deep._train import predict
from jaxprune.dynamics import Activity, activity_of
from jaxprune.pruning import Rule, keep_probabilities, named_rule, prune

RIDGE = 1e-6


class LayerReport(NamedTuple):
    r"""What became of a layer.

    Attributes:
      name: where it is in the model.
      synapses, kept: their numbers before and after.
      error: $\langle |W x - S y|^2 \rangle / \langle |W x|^2 \rangle$ around the means, with x its inputs in the original and
        y in the pruned model.
      empty: outputs that were left without a synapse.
      measured: what `measure` gave once this layer was pruned, and those before it; None without it.
    """

    name: str
    synapses: int
    kept: int
    error: float
    empty: int
    measured: float | None = None


class PrunedLayers(NamedTuple):
    """A pruned network.

    Attributes:
      model: of the same structure, with zeros where synapses were removed.
      masks: ones where synapses are, in a tree like `weights(model)`.
      layers: a report for every layer.
      extra: what the model carries along, with normalisation calibrated on the pruned model.
    """

    model: Any
    masks: Tree
    layers: tuple[LayerReport, ...]
    extra: Any = None


def prune_layers(
    key: PRNGKey,
    model: Any,
    rule: Rule | str = "activity+compensation",
    *,
    data: Any,
    keep: Real | None = None,
    groups: str = "row",
    closed_loop: bool = True,
    extra: Any = None,
    forward: Callable[[Any, Any], Any] | None = None,
    measure: Callable[[Any, Any], float] | None = None,
    batch: int = 500,
) -> PrunedLayers:
    r"""Prune every linear and convolutional layer of a trained network, and let the survivors make up for what is lost.

    Each layer, from the first to the last, is a set of rows that should keep what they say under the activity of their inputs. In
    the closed loop a layer hears what the *pruned* layers below deliver, y, and its survivors aim at what it said in the original
    network, $W x$:

    $$\min_S \langle |W (x - \bar x) - S (y - \bar y)|^2 \rangle, \qquad b \leftarrow b + W \bar x - S \bar y$$

    which is the fit of $W \operatorname{Cov}(x, y) \operatorname{Cov}(y)^{-1}$ under $\operatorname{Cov}(y)$. Rules that keep
    weights as they are ("+keep") leave biases alone, too.

    | rule | is known as |
    |---|---|
    | `"weight+keep"` | magnitude pruning |
    | `"activity+keep"` | Wanda |
    | `"greedy+compensation"` | the row-wise surgeon (SparseGPT, exact OBC), refitted |
    | `"activity+compensation"`, `"activity+regrow"` | |

    Args:
      key: random key.
      model: any Equinox model, in inference mode (`eqx.nn.inference_mode`). Layers are taken in the order of `names(model)`,
        which should be that in which they are called.
      rule: as in `pruning.prune`.
      data: inputs that the network is watched on, one a row; a few thousand are enough.
      keep: fraction of the synapses to keep, in (0, 1]; left out with a pattern such as groups="2:4". With a budget for each row,
        every output keeps one synapse at least.
      groups: which synapses share a budget: "row" (every output), "layer", "global" (all layers), or a pattern.
      closed_loop: fit to what the pruned layers below deliver; otherwise to the original inputs.
      extra: `eqx.nn.State` of a model that is called with it. Batch normalisation is then calibrated on the data (`recalibrate`):
        in the closed loop after each layer, and in any case at the end.
      forward: (model, inputs) -> outputs; by default `jax.vmap(model)(inputs)`. Not with extra.
      measure: (model, extra) -> number, such as its accuracy; called after every layer.
      batch: samples that are looked at together.

    Returns:
      The pruned model, its masks, a report of each layer, and extra.

    Raises:
      InputError: a model without prunable layers, a grouped convolution; data that the model does not take; a layer that would
        keep no synapse; what `prune` refuses.

    Example:
      >>> model = eqx.nn.MLP(6, 3, 16, 1, key=jax.random.key(0))
      >>> data = jax.random.normal(jax.random.key(1), (200, 6))
      >>> pruned = prune_layers(jax.random.key(2), model, keep=0.5, data=data)
      >>> [layer.kept for layer in pruned.layers]
      [48, 24]

    Reference: Frantar2022, Sun2024 for layer-wise pruning; the closed loop and the shared rules are ours.
    """
    check_key("key", key)
    rule = named_rule(rule)
    if extra is not None and forward is not None:
        raise InputError(
            "extra and forward are given, but a model with extra is run as deep.predict does: leave one out."
        )
    run = _forward(forward)
    labels, original = names(model), (model, extra)
    for layer in filter(is_layer, jax.tree.leaves(model, is_leaf=is_layer)):
        if getattr(layer, "groups", 1) != 1:
            raise InputError(
                f"a convolution has {layer.groups} groups, but layers are pruned whole: leave it out of the model."
            )
    shares = _shares(rule, original, keep, groups, run, data, batch, len(labels))
    inside = "global" if groups in ("layer", "global") else groups
    masks, reports = jax.tree.leaves(ones(model)), []
    for place, label in enumerate(labels):
        now = (model, extra) if closed_loop else original
        try:
            heard = input_moments(run, original, now, place, _batches(data, batch))
        except (TypeError, ValueError) as error:
            raise InputError(f"the model cannot be run on the data: {' '.join(str(error).split())[:200]}") from error
        layer_key = jax.random.fold_in(key, place)
        pruned, report = _prune_layer(layer_key, rule, _layer(original[0], place), heard, shares[place], inside, label)
        model = _with_layer(model, place, pruned)
        masks[place] = (pruned.weight != 0).astype(pruned.weight.dtype)
        if closed_loop or measure is not None or place == len(labels) - 1:
            extra = recalibrate(model, extra, data, batch=batch)
        reports.append(report if measure is None else report._replace(measured=float(measure(model, extra))))
    found = jax.tree.unflatten(jax.tree.structure(weights(model)), masks)
    return PrunedLayers(masked(model, found), found, tuple(reports), extra)


def _forward(forward):
    """Outputs of a model and what it carries along, for a batch."""

    def run(pair, x):
        model, extra = pair
        return predict(model, extra, x)[0] if forward is None else forward(model, x)

    return run


def _batches(data, batch) -> Iterator[Array]:
    for at in range(0, len(data), batch):
        yield data[at : at + batch]


def _layer(model, place):
    return [node for node in jax.tree.leaves(model, is_leaf=is_layer) if is_layer(node)][place]


def _with_layer(model, place, layer):
    number = itertools.count()
    return each_layer(lambda node: layer if next(number) == place else node, model)


def _shares(rule, pair, keep, groups, run, data, batch, number):
    """What is kept of each layer: of a global budget, by the importance of all layers in the original network."""
    if groups != "global":
        return [keep] * number
    check_fraction("keep", keep)
    scores = []
    for place in range(number):
        heard = input_moments(run, pair, pair, place, _batches(data, batch))
        W = _matrix(_layer(pair[0], place))
        found = prune(jax.random.key(0), W, rule, keep=keep, kind="layer", activity=_activity(heard, W))
        scores.append(found.importance)
    kept = keep_probabilities(scores, keep=keep)
    return [float(jnp.sum(p) / p.size) for p in kept]


def _at_least_one(share, W, groups, label):
    """What is kept of a layer, raised to one synapse for each output where rows share a budget."""
    if share is None or groups not in ("row", "global"):
        return share
    size = W.shape[1] if groups == "row" else W.size
    if share * size >= 0.5:
        return share
    if groups == "row":
        return 1 / size
    raise InputError(
        f"{label} would keep none of its {size} synapses: keep more, or give rows a budget with groups='row'."
    )


def _activity(heard: Inputs, W):
    return Activity(heard.mean_y.astype(W.dtype), heard.covariance.astype(W.dtype))


def _matrix(layer):
    W = layer.weight
    return W.reshape(len(W), -1).astype(float)


def _prune_layer(key, rule, layer, heard, share, groups, label):
    W = _matrix(layer)
    share = _at_least_one(share, W, groups, label)
    fits, bias = rule.adjust.needs_activity, layer.bias is not None
    target, activity = W, _activity(heard, W)
    if fits:
        # A bias takes over the mean; without one, weights have to carry it.
        means = (0.0, 0.0) if bias else (jnp.outer(heard.mean_x, heard.mean_y), jnp.outer(heard.mean_y, heard.mean_y))
        cross, H = heard.cross + means[0], heard.covariance + means[1]
        if float(jnp.trace(H)) == 0:  # inputs that never change say nothing: everything is held
            cross = H = jnp.eye(len(H))
        hold = RIDGE * jnp.trace(H) / len(H) * jnp.eye(len(H))
        target = jnp.where(W == 0, 0, jnp.linalg.solve(H + hold, (W @ (cross + hold)).T).T)
        activity = activity_of(H)
    pruned = prune(key, target, rule, keep=share, kind="layer", activity=activity, groups=groups)
    S = pruned.matrix
    new = eqx.tree_at(lambda part: part.weight, layer, S.reshape(layer.weight.shape).astype(layer.weight.dtype))
    if fits and bias:
        moved = (W @ heard.mean_x - S @ heard.mean_y).reshape(layer.bias.shape)
        new = eqx.tree_at(lambda part: part.bias, new, (layer.bias + moved).astype(layer.bias.dtype))
    power = jnp.sum((W @ heard.original) * W)
    missed = power - 2 * jnp.sum((W @ heard.cross) * S) + jnp.sum((S @ heard.covariance) * S)
    error = float(missed / power) if power > 0 else 0.0
    return new, LayerReport(label, int((W != 0).sum()), int((S != 0).sum()), error, int((S == 0).all(axis=1).sum()))
