"""Sources of activity: they drive a network and measure the mean and covariance of its neurons' activity."""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_array, is_concrete
from jaxprune._types import PRNGKey, Real
from jaxprune.dynamics._activity import Activity, mix
from jaxprune.dynamics._observers import Moments


class Source(abc.ABC):
    """A way to drive a network and measure the mean and covariance of its neurons' activity.

    A subclass (a frozen dataclass or an `equinox.Module`) says how the network is driven.

    Example:
      >>> class Still(Source):
      ...     def activity(self, key, model):
      ...         return Activity(jnp.zeros(2), jnp.zeros((2, 2)))
      >>> Still().activity(jax.random.key(0), None).mean
      Array([0., 0.], dtype=float64)
    """

    @abc.abstractmethod
    def activity(self, key: PRNGKey, model: Any) -> Activity:
        """Mean and covariance of a network's neurons; the key is for what is random in the drive."""


@dataclasses.dataclass(frozen=True, eq=False)
class FromStates(Source):
    """Activity of any model, from a function of yours that runs it on your inputs and returns the states of its neurons.

    Attributes:
      states: `(key, model) -> states`, an array whose last axis is the neurons (the presynaptic ones of the weights that are
        pruned); all other axes (time, trial, ...) are averaged over.
      weights: `states.shape[:-1]`, how much each state counts; all alike by default.

    Raises:
      InputError: states that are no floats, not finite, or of one axis only; weights of another shape, negative, not finite,
        or that leave nothing.

    Example:
      >>> import equinox as eqx
      >>> layer = eqx.nn.Linear(3, 2, key=jax.random.key(0))
      >>> inputs = jax.random.normal(jax.random.key(1), (100, 3))
      >>> FromStates(lambda key, model: inputs).activity(jax.random.key(2), layer).covariance.shape
      (3, 3)
    """

    states: Callable[[PRNGKey, Any], Float[Array, "*any neuron"]]
    weights: Float[Array, "*any"] | None = None

    def activity(self, key: PRNGKey, model: Any) -> Activity:
        """Moments over all states, in double precision where there is one."""
        states = self.states(key, model)
        if isinstance(states, np.ndarray) and states.dtype == np.float64:
            states = jnp.asarray(states)  # in the precision that is on: what a model does is its own affair
        check_array("the states", states)
        if states.ndim < 2:
            raise InputError(
                f"the states have shape {states.shape}, but need at least two axes: the last one is the neurons."
            )
        states = jnp.asarray(states)
        weights = jnp.ones(states.shape[:-1], states.dtype) if self.weights is None else self.weights
        check_weights(weights, states.shape[:-1])
        return moments_of(states, weights)


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture(Source):
    """Activity of a network that one source drives for a part of the time, and another for the rest (`mix`).

    Attributes:
      first, second: the sources; each gets a key of its own.
      share: of the time, in [0, 1].

    Example:
      >>> still = FromStates(lambda key, model: jnp.zeros((5, 2)))
      >>> lively = FromStates(lambda key, model: jnp.ones((5, 2)))
      >>> Mixture(still, lively, share=0.25).activity(jax.random.key(0), None).mean
      Array([0.25, 0.25], dtype=float64)
    """

    first: Source
    second: Source
    share: Real

    def activity(self, key: PRNGKey, model: Any) -> Activity:
        """Moments of the mixture."""
        first_key, second_key = jax.random.split(key)
        return mix(self.first.activity(first_key, model), self.second.activity(second_key, model), share=self.share)


def moments_of(states: Float[Array, "*any neuron"], weights: Float[Array, "*any"]) -> Activity:
    """Mean and covariance of weighted states, all at once; `Moments` carries the same through a simulation.

    Args:
      states: any array whose last axis is the neurons.
      weights: `states.shape[:-1]`, how much each state counts.

    Example:
      >>> moments_of(jnp.array([[1.0], [3.0], [9.0]]), jnp.array([1.0, 1.0, 0.0])).covariance
      Array([[1.]], dtype=float64)
    """
    wide = wide_dtype(states.dtype)
    watch, neurons = Moments(), states.shape[-1]
    flat = states.reshape(-1, neurons).astype(wide)
    return watch.result(watch.update(watch.init(neurons, wide), flat, weights.reshape(-1).astype(wide)))


def wide_dtype(dtype: Any) -> Any:
    """The dtype to sum moments in: double precision where it is on, since small eigenvalues of a covariance matter."""
    return jnp.promote_types(dtype, jnp.zeros(()).dtype)


def check_weights(weights: Any, shape: tuple[int, ...]) -> None:
    """Refuse weights of states that are of another shape, negative, not finite, or leave nothing to observe.

    Raises:
      InputError: see above.
    """
    if jnp.shape(weights) != tuple(shape):
        raise InputError(f"weights has shape {jnp.shape(weights)}, but the states are {tuple(shape)}.")
    if is_concrete(weights) and not (float(jnp.min(weights)) >= 0 and 0 < float(jnp.sum(weights)) < math.inf):
        raise InputError(
            "weights leaves no step to observe: all must be finite, none may be negative, and some must be positive."
        )
