"""Running a model: outputs of many samples, and how many it classifies rightly."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from jaxprune._checks import InputError, check_whole


def predict(model: Any, extra: Any, x: Array) -> tuple[Array, Any]:
    """Outputs of a model for many samples, and what it carries along; arguments as in `cross_entropy`.

    Example:
      >>> predict(eqx.nn.Linear(2, 3, key=jax.random.key(0)), None, jnp.ones((4, 2)))[0].shape
      (4, 3)
    """
    if extra is None:
        return jax.vmap(model)(x), None
    return jax.vmap(model, in_axes=(0, None), out_axes=(0, None), axis_name="batch")(x, extra)


def accuracy(model: Any, extra: Any, x: Array, y: Array, *, batch: int = 1000) -> float:
    """Fraction of samples whose largest logit is that of their class, in inference mode.

    Args:
      model, extra: as in `cross_entropy`.
      x, y: inputs and classes.
      batch: samples that are looked at together.

    Raises:
      InputError: no samples, or not as many classes; a batch below 1.

    Example:
      >>> model = eqx.nn.Linear(2, 2, key=jax.random.key(0))
      >>> x = jnp.eye(2)
      >>> accuracy(model, None, x, jax.vmap(model)(x).argmax(axis=1))
      1.0
    """
    check_whole("batch", batch, least=1)
    if not len(x) or len(x) != len(y):
        raise InputError(f"there are {len(x)} inputs and {len(y)} labels, but must be as many, and some.")
    model = eqx.nn.inference_mode(model)
    right = [_right(model, extra, x[at : at + batch], y[at : at + batch]) for at in range(0, len(x), batch)]
    return float(sum(int(number) for number in right) / len(x))


@eqx.filter_jit
def _right(model, extra, x, y):
    return jnp.sum(predict(model, extra, x)[0].argmax(axis=1) == y)


def outputs(forward: Callable[[Any, Any], Any] | None) -> Callable[[Any, Any], Any]:
    """The function (model, inputs) -> outputs that was given, or that of a model which takes one sample."""
    return forward or (lambda model, x: jax.vmap(model)(x))


@contextlib.contextmanager
def on_data() -> Iterator[None]:
    """Turn what JAX says of data that do not fit a model into one line.

    Raises:
      InputError: in place of a TypeError, ValueError, IndexError or AttributeError.
    """
    try:
        yield
    except InputError:
        raise
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"the model cannot be run on the data: {' '.join(str(error).split())[:200]}") from error
