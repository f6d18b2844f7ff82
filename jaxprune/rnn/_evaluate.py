"""How well a network does its task."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxprune._checks import InputError, is_concrete
from jaxprune._types import Scalar
from jaxprune.rnn._ctrnn import CTRNN, Trials, run

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


def scored_share(outputs: Float[Array, "time trial output"], labels: Labels) -> Scalar:
    """`accuracy` from outputs."""
    scored = labels >= 0
    right = (jnp.argmax(outputs, axis=-1) == labels) & scored
    return jnp.sum(right) / jnp.sum(scored)


def check_labels(labels: Any, *, outputs: int, shape: tuple[int, ...]) -> None:
    """Refuse labels of another shape, out of range, or none at all."""
    if jnp.shape(labels) != tuple(shape):
        raise InputError(f"labels has shape {jnp.shape(labels)}, but the inputs are {tuple(shape)} (time, trial).")
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
