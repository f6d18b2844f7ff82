"""How well a network does its task."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxprune._checks import InputError, is_concrete
from jaxprune._types import Scalar
from jaxprune.rnn._ctrnn import CTRNN, Trials, check_inputs, run

Labels = Int[Array, "time trial"]


def accuracy(model: CTRNN, inputs: Trials, labels: Labels) -> Scalar:
    """Share of scored time steps whose largest output is the label.

    Args:
      model: the network.
      inputs: (time, trial, input).
      labels: the right output, (time, trial); -1 where nothing is scored.

    Raises:
      InputError: shapes that do not fit; labels out of range; no scored step.

    Example:
      >>> from jaxprune.rnn import ctrnn
      >>> model = ctrnn(jax.random.key(0), inputs=1, neurons=4, outputs=1)
      >>> accuracy(model, jnp.ones((3, 2, 1)), jnp.array([[-1, -1], [0, 0], [0, -1]]))
      Array(1., dtype=float64)
    """
    check_labels(labels, outputs=len(model.b_out), shape=inputs.shape[:2])
    return scored_share(run(model, inputs), labels)


def chance_level(labels: Labels) -> Scalar:
    """Share of the most frequent label among the scored steps: the accuracy of a network that always gives one answer.

    An accuracy says little without it, nor does the share of an accuracy that is kept: a network that gives one answer keeps
    chance over accuracy.

    Args:
      labels: the right output, (time, trial); -1 where nothing is scored.

    Returns:
      The share; NaN where nothing is scored.

    Example:
      >>> chance_level(jnp.array([[-1, 0], [1, 1], [1, -1]]))
      Array(0.75, dtype=float64)
    """
    entries = jnp.sort(labels.reshape(-1))
    counts = jnp.searchsorted(entries, entries, side="right") - jnp.searchsorted(entries, entries, side="left")
    return jnp.max(jnp.where(entries >= 0, counts, 0)) / jnp.sum(entries >= 0)


def check_axes(model: CTRNN, inputs: Trials, labels: Labels) -> None:
    """Refuse trials whose axes are not (time, trial, input) and (time, trial), as far as that can be told.

    Shapes tell which axis holds the inputs, and whether labels and inputs agree. Where both have time and trials swapped, none
    does; what the network does then tells. Trials are refused where its accuracy is higher with the two axes swapped, both than
    as they are and than that of one constant answer, by three standard errors of an accuracy over as many answers as there would
    be trials. Few trials tell little (20 can differ by .34), and a network that does not do the task either way tells nothing:
    those are accepted.

    Args:
      model: the network.
      inputs: (time, trial, input).
      labels: the right output, (time, trial); -1 where nothing is scored.

    Raises:
      InputError: axes in another order; labels out of range; no scored step.

    Example:
      >>> from jaxprune.rnn import ctrnn
      >>> model = ctrnn(jax.random.key(0), inputs=3, neurons=20, outputs=3)
      >>> inputs = jax.random.normal(jax.random.key(1), (60, 60, 3))
      >>> labels = jnp.argmax(run(model, inputs), axis=-1)
      >>> check_axes(model, inputs, labels)
      >>> check_axes(model, jnp.swapaxes(inputs, 0, 1), labels.T)
      Traceback (most recent call last):
      jaxprune._checks.InputError: the trials seem to be (trial, time) and not (time, trial): ...
    """
    check_inputs(model, inputs)
    check_labels(labels, outputs=len(model.b_out), shape=inputs.shape[:2])
    margin = 1.5 / inputs.shape[0] ** 0.5  # an answer that is right or wrong has a standard deviation of a half at most
    given, chance = float(scored_share(run(model, inputs), labels)), float(chance_level(labels))
    if max(given, chance) + margin >= 1:
        return
    swapped = float(scored_share(run(model, jnp.swapaxes(inputs, 0, 1)), labels.T))
    if swapped > max(given, chance) + margin:
        raise InputError(
            f"the trials seem to be (trial, time) and not (time, trial): the network's accuracy is {given:.3f} as they are (one "
            f"constant answer: {chance:.3f}) and {swapped:.3f} with the first two axes swapped. Swap them in inputs and labels."
        )


def scored_share(outputs: Float[Array, "time trial output"], labels: Labels) -> Scalar:
    """`accuracy` from outputs."""
    scored = labels >= 0
    right = (jnp.argmax(outputs, axis=-1) == labels) & scored
    return jnp.sum(right) / jnp.sum(scored)


def check_labels(labels: Any, *, outputs: int, shape: tuple[int, ...]) -> None:
    """Refuse labels of another shape, out of range, or none at all."""
    if jnp.shape(labels) != tuple(shape):
        turned = jnp.shape(labels) == tuple(shape)[::-1]
        hint = ": swap the axes of whichever is (trial, time)." if turned else "."
        raise InputError(f"labels has shape {jnp.shape(labels)}, but the inputs are {tuple(shape)} (time, trial){hint}")
    if not is_concrete(labels):
        return
    entries = np.asarray(labels)
    if entries.min() < -1 or entries.max() >= outputs:
        worst = entries.max() if entries.max() >= outputs else entries.min()
        raise InputError(
            f"labels holds {worst}, but must be between 0 and {outputs - 1}, or -1 where nothing is scored."
        )
    if not (entries >= 0).any():
        raise InputError("labels has no scored step (all are -1): there is nothing to be right about.")
