"""Pruning a trained network, layer by layer, with one call."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_fraction, check_key, check_whole
from jaxprune._types import PRNGKey, Real
from jaxprune.deep._layers import Tree, check_single, each_layer, layers, masked, names, ones, weights
from jaxprune.deep._moments import Inputs, input_moments
from jaxprune.deep._recalibrate import recalibrate
from jaxprune.deep._run import on_data, predict
from jaxprune.dynamics import Activity, activity_of
from jaxprune.pruning import Keep, Rule, compensate, keep_probabilities, named_rule, prune, readjust

RIDGE = 1e-6


class LayerReport(NamedTuple):
    """What became of a layer.

    Attributes:
      name: where it is in the model.
      synapses, kept: their numbers before and after.
      error: `⟨|W x − S y|²⟩ / ⟨|W x|²⟩` around the means, with x its inputs in the original and
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
    rule: Rule | str | None = None,
    *,
    data: Any,
    keep: Real | None = None,
    groups: str = "layer",
    closed_loop: bool = True,
    extra: Any = None,
    forward: Callable[[Any, Any], Any] | None = None,
    measure: Callable[[Any, Any], float] | None = None,
    batch: int = 500,
) -> PrunedLayers:
    """Prune every linear and convolutional layer of a trained network, and let the survivors make up for what is lost.

    Each layer, from the first to the last, is a set of rows that should keep what they say under the activity of their inputs. In
    the closed loop a layer hears what the *pruned* layers below deliver, y, and its survivors aim at what it said in the original
    network, `W x`:

        min over S of ⟨|W (x − x̄) − S (y − ȳ)|²⟩,   b ← b + W x̄ − S ȳ

    which is the fit of `W Cov(x, y) Cov(y)⁻¹` under Cov(y). Rules that keep
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
      rule: as in `pruning.prune`; by default `"activity+regrow"`, which lost least of the local rules in the study
        `prune_layers`, and with a pattern, whose synapses cannot be exchanged, `"activity+compensation"`.
      data: inputs that the network is watched on, one a row; a few thousand are enough.
      keep: fraction to keep of the synapses that are there (weights that are not zero), in (0, 1]; left out with a pattern such
        as groups="2:4". With a budget for each row, every output keeps at least one of those it has.
      groups: which synapses share a budget: "layer", "row" (every output), "global" (all layers), or a pattern.
      closed_loop: fit to what the pruned layers below deliver; otherwise to the original inputs.
      extra: `eqx.nn.State` of a model that is called with it. Batch normalisation is then calibrated on the data (`recalibrate`):
        in the closed loop after each layer, and in any case at the end.
      forward: (model, inputs) -> outputs; by default `jax.vmap(model)(inputs)`. Not with extra.
      measure: (model, extra) -> number, such as its accuracy; called after every layer.
      batch: samples that are looked at together.

    Returns:
      The pruned model, its masks, a report of each layer, and extra.

    Raises:
      InputError: a model without prunable layers, a grouped convolution, stacked layers; data that the model does not take; a
        layer that hears nothing, or would keep no synapse; "greedy" with one budget for all layers, as its ranks cannot be
        compared; what `prune` refuses.

    Example:
      >>> model = eqx.nn.MLP(6, 3, 16, 1, key=jax.random.key(0))
      >>> data = jax.random.normal(jax.random.key(1), (200, 6))
      >>> pruned = prune_layers(jax.random.key(2), model, keep=0.5, data=data)
      >>> [layer.kept for layer in pruned.layers]
      [48, 24]

    Reference: Frantar2022, Frantar2023, Sun2024 for layer-wise pruning; the closed loop and the shared rules are ours.
    """
    check_key("key", key)
    if rule is None:
        rule = "activity+compensation" if ":" in groups else "activity+regrow"
    rule = named_rule(rule)
    if extra is not None and forward is not None:
        raise InputError(
            "extra and forward are given, but a model with extra is run as deep.predict does: leave one out."
        )
    check_whole("batch", batch, least=1)
    if not len(data):
        raise InputError("there are no inputs to watch the network on.")
    check_single(model)
    # Equal between calls, unlike a closure: what was compiled for it is used again.
    run = eqx.Partial(_outputs, forward)
    labels, original = names(model), (model, extra)
    for layer in layers(model):
        if getattr(layer, "groups", 1) != 1:
            raise InputError(
                f"a convolution has {layer.groups} groups, but layers are pruned whole: leave it out of the model."
            )

    def moments(place, now):
        with on_data():
            heard = input_moments(run, original, now, place, _batches(data, batch))
        if not heard.count:
            raise InputError(
                f"{labels[place]} hears nothing: forward does not call it, or it stands behind a stop_gradient; take it out of "
                "the model, or pass a forward that depends on it."
            )
        return heard

    shares = _shares(rule, original, keep, groups, moments, len(labels))
    inside = "global" if groups in ("layer", "global") else groups
    masks, reports = jax.tree.leaves(ones(model)), []
    for place, label in enumerate(labels):
        heard = moments(place, (model, extra) if closed_loop else original)
        layer_key, layer = jax.random.fold_in(key, place), layers(original[0])[place]
        # On an accelerator, products of single precision are less precise by default.
        with jax.default_matmul_precision("highest"):
            pruned, report = _prune_layer(layer_key, rule, layer, heard, shares[place], inside, label)
        model = _with_layer(model, place, pruned)
        masks[place] = (pruned.weight != 0).astype(pruned.weight.dtype)
        if closed_loop or measure is not None or place == len(labels) - 1:
            extra = recalibrate(model, extra, data, batch=batch)
        reports.append(report if measure is None else report._replace(measured=float(measure(model, extra))))
    found = jax.tree.unflatten(jax.tree.structure(weights(model)), masks)
    return PrunedLayers(masked(model, found), found, tuple(reports), extra)


def _outputs(forward, pair, x):
    """Outputs of a model and what it carries along, for a batch."""
    model, extra = pair
    return predict(model, extra, x)[0] if forward is None else forward(model, x)


def _batches(data, batch) -> Iterator[Array]:
    for at in range(0, len(data), batch):
        yield data[at : at + batch]


def _with_layer(model, place, layer):
    number = itertools.count()
    return each_layer(lambda node: layer if next(number) == place else node, model)


def _shares(rule, pair, keep, groups, moments, number):
    """What is kept of each layer: of a global budget, by the importance of all layers in the original network."""
    if groups != "global":
        return [keep] * number
    if keep is None:
        raise InputError("keep is not given: pass the fraction of synapses to keep, in (0, 1].")
    check_fraction("keep", keep)
    if rule.importance is named_rule("greedy+keep").importance:
        raise InputError(
            "groups is 'global', but greedy importance is a rank within a layer: choose another rule, or groups='layer'."
        )
    scorer, scores, there = dataclasses.replace(rule, adjust=Keep()), [], []
    for place in range(number):
        layer, heard = layers(pair[0])[place], moments(place, pair)
        W = _matrix(layer)
        activity = _aim(rule, layer, W, heard)[1]
        scores.append(prune(jax.random.key(0), W, scorer, keep=keep, kind="layer", activity=activity).importance)
        there.append(W != 0)
    kept = keep_probabilities(scores, keep=keep, where=there)
    return [float(jnp.sum(p) / jnp.sum(exists)) for p, exists in zip(kept, there, strict=True)]


def _at_least_one(share, W, groups, label):
    """What is kept of a layer, raised to one synapse for each full row where rows share a budget."""
    if share is None or groups not in ("row", "global"):
        return share
    size = W.shape[1] if groups == "row" else int(jnp.sum(W != 0))
    if share * size >= 0.5:
        return share
    if groups == "row":
        return 1 / size
    raise InputError(
        f"{label} would keep none of its {size} synapses: keep more, or give rows a budget with groups='row'."
    )


def _refill(target, pruned, adjust, activity):
    """Give every row that lost all its synapses the most important of them back."""
    lost = ((target != 0).any(axis=1) & (pruned.matrix == 0).all(axis=1))[:, None]
    if not bool(lost.any()):
        return pruned
    best = jnp.where(target != 0, pruned.importance, -jnp.inf).argmax(axis=1)
    mask = jnp.where(lost, jax.nn.one_hot(best, target.shape[1], dtype=pruned.mask.dtype), pruned.mask)
    probabilities = jnp.where(lost & (mask > 0), 1, pruned.probabilities)
    pruned = pruned._replace(mask=mask, probabilities=probabilities)
    return readjust(target, pruned, adjust, activity, kind="layer", groups="row")


def _matrix(layer):
    W = layer.weight
    return W.reshape(len(W), -1).astype(float)


def _aim(rule, layer, W, heard: Inputs):
    """The weights that a layer should have on what it hears now, and the activity that they are pruned under."""
    if not rule.adjust.needs_activity:
        return W, Activity(heard.mean_y.astype(W.dtype), heard.covariance.astype(W.dtype))
    # A bias takes over the mean; without one, weights have to carry it.
    x, y = heard.mean_x, heard.mean_y
    means = (0.0, 0.0) if layer.bias is not None else (jnp.outer(x, y), jnp.outer(y, y))
    cross, H = heard.cross + means[0], heard.covariance + means[1]
    if float(jnp.trace(H)) == 0:  # inputs that never change say nothing: everything is held
        cross = H = jnp.eye(len(H))
    hold = RIDGE * jnp.trace(H) / len(H) * jnp.eye(len(H))
    target = jnp.linalg.solve(H + hold, (W @ (cross + hold)).T).T
    if bool((W == 0).any()):  # what is best with the synapses that are there
        target = compensate(target, (W != 0).astype(W.dtype), H + hold, leak=False, solver="cholesky", symmetric=False)
    return target, activity_of(H)


def _prune_layer(key, rule, layer, heard, share, groups, label):
    W = _matrix(layer)
    if not bool((W != 0).any()):
        raise InputError(f"{label} has no synapse: all its weights are zero; take it out of the model.")
    share = _at_least_one(share, W, groups, label)
    target, activity = _aim(rule, layer, W, heard)
    pruned = prune(key, target, rule, keep=share, kind="layer", activity=activity, groups=groups)
    if groups == "row":
        pruned = _refill(target, pruned, rule.adjust, activity)
    S = pruned.matrix
    new = eqx.tree_at(lambda part: part.weight, layer, S.reshape(layer.weight.shape).astype(layer.weight.dtype))
    if rule.adjust.needs_activity and layer.bias is not None:
        moved = (W @ heard.mean_x - S @ heard.mean_y).reshape(layer.bias.shape)
        new = eqx.tree_at(lambda part: part.bias, new, (layer.bias + moved).astype(layer.bias.dtype))
    power = jnp.sum((W @ heard.original) * W)
    missed = power - 2 * jnp.sum((W @ heard.cross) * S) + jnp.sum((S @ heard.covariance) * S)
    error = float(missed / power) if power > 0 else 0.0
    return new, LayerReport(label, int((W != 0).sum()), int((S != 0).sum()), error, int((S == 0).all(axis=1).sum()))
