"""What a synapse of a deep network is worth, by what it can see."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_choice
from jaxprune.deep._layers import Tree
from jaxprune.deep._watch import Heard


def _spread(of_inputs, W):
    """A number for each input unit as one for each synapse, in every group of a grouped convolution."""
    groups = len(of_inputs) // W.shape[1]
    rows = jnp.repeat(of_inputs.reshape(groups, W.shape[1]), W.shape[0] // groups, axis=0)
    return jnp.broadcast_to(rows.reshape(rows.shape + (1,) * (W.ndim - 2)), W.shape)


def _use(W, heard, gradient):
    del gradient
    return jnp.abs(W) * _spread(heard.size, W)


def _weight(W, heard, gradient):
    del heard, gradient
    return jnp.abs(W)


def _information(W, heard, gradient):
    del gradient
    return jnp.abs(W) * jnp.sqrt(_spread(heard.power, W))


def _activity(W, heard, gradient):
    del gradient
    return _spread(heard.size, W)


def _fisher(W, heard, gradient):
    del heard
    return jnp.abs(W) * jnp.sqrt(gradient)


def _bcm(W, heard, gradient):
    del W, gradient
    rate, power, first, second = heard.pairs
    threshold = jnp.where(rate > 0, power / jnp.where(rate > 0, rate, 1), 0)
    return jnp.abs(second - threshold.reshape(-1, *(1,) * (first.ndim - 1)) * first)


class Score(NamedTuple):
    """How important a synapse is.

    Attributes:
      function: (W, heard, mean squared gradient) -> importance of every synapse of a layer.
      needs: the field of `Heard` that it looks at, `"gradient"`, or None.
    """

    function: Callable[[Array, Any, Array | None], Array]
    needs: str | None


SCORES: dict[str, Score] = {
    "use": Score(_use, "size"),
    "weight": Score(_weight, None),
    "information": Score(_information, "power"),
    "activity": Score(_activity, "size"),
    "fisher": Score(_fisher, "gradient"),
    "bcm": Score(_bcm, "pairs"),
}
"""Scores by name; add your own."""

GRANULARITIES = ("weight", "kernel", "filter")


def importance(
    weights: Tree, heard: Tree | None, score: str = "use", *, gradient: Tree | None = None, granularity: str = "weight"
) -> Tree:
    """Importance of every synapse.

    | score | is | a synapse sees it |
    |---|---|---|
    | `"use"` | `abs(wᵢⱼ) ⟨abs(xⱼ)⟩` | yes |
    | `"weight"` | `abs(wᵢⱼ)` | yes |
    | `"information"` | `abs(wᵢⱼ) √⟨xⱼ²⟩` | yes |
    | `"activity"` | `⟨abs(xⱼ)⟩` | yes |
    | `"bcm"` | `abs(⟨xⱼ yᵢ (yᵢ − θᵢ)⟩)`, `θᵢ = ⟨yᵢ²⟩ / ⟨yᵢ⟩` | yes |
    | `"fisher"` | `abs(wᵢⱼ) √⟨gᵢⱼ²⟩`, g the gradient of the loss | no |

    Args:
      weights: from `weights(model)`.
      heard: from `value_and_gradient` or `activity`; with `hear=("pairs",)` for `"bcm"`, whose y is the layer's output where
        it is positive. May be None for `"weight"` and `"fisher"`.
      score: as above.
      gradient: mean squared gradients, of the structure of the weights, for `"fisher"`.
      granularity: `"weight"`; `"kernel"` or `"filter"`: all synapses of a convolution that join two channels, or lead to one
        channel, have their mean. In a linear layer a filter is a row, and a kernel a synapse.

    Raises:
      InputError: an unknown score or granularity; a score without what it needs: gradients, what layers hear, or pairs.

    Example:
      >>> import equinox as eqx
      >>> from jaxprune.deep import activity, weights
      >>> model = eqx.nn.Linear(2, 1, key=jax.random.key(0))
      >>> heard = activity(lambda m, x: jax.vmap(m)(x), model, jnp.array([[1.0, 0.0], [-3.0, 0.0]]))
      >>> importance(weights(model), heard).weight[0, 1]
      Array(0., dtype=float64)

    Reference: the score `"use"` is that of activity-driven pruning (2021), `"information"` that of Wanda (Sun2024).
    `"bcm"` is the change of weights of Bienenstock1982 with a threshold for which the mean of `y (y − θ)` is zero; the unit
    of y does not change its sign. `"fisher"` is a yardstick: squares of gradients that are means over a batch, so smaller for
    larger batches; only their order counts.
    """
    check_choice("score", score, tuple(SCORES))
    check_choice("granularity", granularity, GRANULARITIES)
    function, need = SCORES[score]
    if need == "gradient" and gradient is None:
        raise InputError(
            f"score is {score!r}, which needs mean squared gradients: pass gradient, or choose a local score."
        )
    if need not in (None, "gradient") and (
        heard is None or any(getattr(part, need) is None for part in listened(heard))
    ):
        raise InputError(
            f"score is {score!r}, which needs {need!r} of what layers hear: pass hear=({need!r},) where it is heard."
        )
    squares = jax.tree.map(lambda W: None, weights) if gradient is None else gradient

    def one(W, heard, square=None):
        found = function(W, heard, square)
        axes: Any = {"weight": (), "kernel": tuple(range(2, W.ndim)), "filter": tuple(range(1, W.ndim))}[granularity]
        return jnp.broadcast_to(jnp.mean(found, axis=axes, keepdims=True), W.shape) if axes else found

    leaves, structure = jax.tree.flatten(weights)
    for tree, entries in (("heard", [] if heard is None else listened(heard)), ("gradient", jax.tree.leaves(squares))):
        if entries and len(entries) != len(leaves):
            raise InputError(
                f"{tree} is of {len(entries)} layers, but the weights of {len(leaves)}: they are of two models."
            )
    nothing = [None] * len(leaves)
    given = jax.tree.leaves(squares) or nothing
    ears = nothing if heard is None else listened(heard)
    return jax.tree.unflatten(structure, [one(*layer) for layer in zip(leaves, ears, given, strict=True)])


def by_inputs(function: Callable[[Array, Array], Array], tree: Tree, heard: Tree) -> Tree:
    """A function of every layer's array and of its inputs' power, one number for each synapse."""
    leaves, structure = jax.tree.flatten(tree)
    pairs = zip(leaves, listened(heard), strict=True)
    return jax.tree.unflatten(structure, [function(leaf, _spread(ear.power, leaf)) for leaf, ear in pairs])


def listened(heard: Tree) -> list[Heard]:
    """What every layer heard, one after the other."""
    return jax.tree.leaves(heard, is_leaf=lambda node: isinstance(node, Heard))
