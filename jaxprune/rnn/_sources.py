"""Sources of activity of recurrent networks: noise at the inputs, noise in the neurons, or the inputs of a task."""

import dataclasses
import math
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_key, check_positive, is_concrete
from jaxprune._memory import check_memory
from jaxprune._types import PRNGKey
from jaxprune.dynamics import Activity, Moments, Source, check_weights, coloured, wide_dtype
from jaxprune.rnn._ctrnn import CTRNN, Trials, check_ctrnn, check_inputs, scan

Weights = Float[Array, "time trial"]


@dataclasses.dataclass(frozen=True)
class InputNoise(Source):
    r"""Activity of a network driven by noise at its inputs and by nothing else: no task, no labels.

    Noise enters where signals enter, and so moves the network along the directions that its task uses. White, or an
    Ornstein-Uhlenbeck process of correlation time `tau` and the same standard deviation. Given ranges, every roll-out draws its
    own size or time, uniformly in the logarithm: weak and strong, fast and slow noise, and no one size to be chosen. Nothing
    is added to the rates that are observed, so the moments have no floor of injected noise.

    Attributes:
      sd: stationary standard deviation of each channel, or a range (least, greatest).
      tau: correlation time, in steps, or a range; 0 for white noise.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.

    Raises:
      InputError: a size that is not positive; a range that is not two finite numbers, 0 < least ≤ greatest; a burn-in that
        leaves nothing; roll-outs that do not fit into memory.

    Example:
      >>> InputNoise(sd=(1.0, 6.0), tau=(0.3, 3.0), steps=5, trials=2, burn_in=0).inputs(jax.random.key(0), 33).shape
      (5, 2, 33)
    """

    sd: float | tuple[float, float] = 1.0
    tau: float | tuple[float, float] = 0.0
    steps: int = 400
    trials: int = 64
    burn_in: int = 50

    def __post_init__(self):
        _check_lengths(self)
        _check_range("sd", self.sd, zero=False)
        _check_range("tau", self.tau, zero=True)

    def inputs(self, key: PRNGKey, channels: int) -> Trials:
        """Draw the noise, (time, trial, input); it is stationary from the first step."""
        _check_room(self, channels)
        return _noise(key, self, channels)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the inputs."""
        check_key("key", key)
        check_ctrnn(model)
        inputs = self.inputs(key, model.W_in.shape[1]).astype(model.W_in.dtype)
        return watch(model, inputs, weights=_after(inputs, self.burn_in))


@dataclasses.dataclass(frozen=True)
class NeuronNoise(Source):
    """Activity of a network driven by white noise in the current of every neuron, without input.

    The noise is filtered by the membrane before rates are observed, so the moments have no floor of injected noise; but it moves
    the network in all directions alike, whether its task uses them or not.

    Attributes:
      sd: standard deviation of the current at each step.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.

    Raises:
      InputError: a size that is not positive; a burn-in that leaves nothing; roll-outs that do not fit into memory.
    """

    sd: float = 1.0
    steps: int = 400
    trials: int = 64
    burn_in: int = 50

    def __post_init__(self):
        _check_lengths(self)
        check_positive("sd", self.sd)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the neurons, in their current wherever the network's own noise enters."""
        check_key("key", key)
        check_ctrnn(model)
        _check_room(self, model.W_in.shape[1])
        model = dataclasses.replace(model, noise="voltage")
        silent = jnp.zeros((self.steps, self.trials, model.W_in.shape[1]), model.W_in.dtype)
        return watch(model, silent, weights=_after(silent, self.burn_in), key=key, sd=self.sd)


@dataclasses.dataclass(frozen=True, eq=False)
class TaskInputs(Source):
    """Activity of a network while it runs on the inputs of a task, without noise and without labels.

    Attributes:
      inputs: (time, trial, input).
      weights: (time, trial), how much each step counts: `input_lasts(inputs, after=10)` leaves out the padding of short
        trials. All alike by default.

    Raises:
      InputError: inputs of another number of channels; weights of another shape, negative, or that leave nothing.

    Example:
      >>> from jaxprune.rnn import ctrnn
      >>> model = ctrnn(jax.random.key(0), inputs=2, neurons=5, outputs=1)
      >>> TaskInputs(jnp.ones((7, 4, 2))).activity(jax.random.key(1), model).covariance.shape
      (5, 5)
    """

    inputs: Trials
    weights: Weights | None = None

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments while the network does its task; nothing is drawn."""
        del key
        return watch(model, self.inputs, weights=self.weights)


@dataclasses.dataclass(frozen=True, eq=False)
class CellInputs(Source):
    """Activity of an `equinox.nn.GRUCell` or `LSTMCell` (its hidden state) while it runs on inputs, a task's or noise.

    Attributes:
      inputs: (time, trial, input).
      burn_in: first steps that do not count.

    Raises:
      InputError: another kind of cell; inputs that do not fit; a burn-in that leaves nothing.

    Example:
      >>> cell = eqx.nn.GRUCell(3, 20, key=jax.random.key(0))
      >>> CellInputs(jnp.ones((50, 8, 3))).activity(jax.random.key(1), cell).mean.shape
      (20,)
    """

    inputs: Trials
    burn_in: int = 0

    def activity(self, key: PRNGKey, model: Any) -> Activity:
        """Moments of the hidden state that the cell's recurrent weights are applied to; nothing is drawn."""
        del key
        if not isinstance(model, eqx.nn.GRUCell | eqx.nn.LSTMCell):
            raise InputError(
                f"model is a {type(model).__name__}, but must be an equinox.nn.GRUCell or LSTMCell: for a network of your own "
                "use dynamics.FromStates."
            )
        inputs = self.inputs
        if inputs.ndim != 3 or inputs.shape[2] != model.input_size:
            raise InputError(f"inputs has shape {inputs.shape}, but must be (time, trial, {model.input_size}).")
        if not 0 <= self.burn_in < len(inputs) - 1:
            raise InputError(f"burn_in is {self.burn_in}, but must leave some of the {len(inputs)} steps to observe.")
        return _watch_cell(model, inputs, self.burn_in)


def input_lasts(inputs: Trials, *, after: int = 0) -> Weights:
    """Weights of steps: 1 up to some steps after the last input of a trial, 0 in the padding behind; labels are not used.

    Args:
      inputs: (time, trial, input).
      after: steps that still count after the last step at which a trial has any input. Where inputs end before the network must
        respond, the steps that decide its accuracy come after the last input, and with 0 none of them counts; `jaxprune
        prune-rnn` takes 10 unless told.

    Returns:
      Weights, (time, trial); zero throughout for a trial without any input.

    Raises:
      InputError: after is negative.

    Example:
      >>> input_lasts(jnp.array([[[0.0], [1.0]], [[1.0], [0.0]], [[0.0], [0.0]]])).T
      Array([[1., 1., 0.],
             [1., 0., 0.]], dtype=float64)
    """
    if after < 0:
        raise InputError(f"after is {after}, but must be a number of steps, at least 0.")
    shown = jnp.any(inputs != 0, axis=2)
    last = jnp.max(jnp.where(shown, jnp.arange(len(inputs))[:, None], -1), axis=0)
    there = (jnp.arange(len(inputs))[:, None] <= (last + after)[None, :]) & (last >= 0)[None, :]
    return there.astype(inputs.dtype)


def watch(
    model: CTRNN, inputs: Trials, *, weights: Weights | None = None, key: PRNGKey | None = None, sd: float = 0.0
) -> Activity:
    """Moments of the rates after each step, by the weights of the steps; the state of rest before the first is left out."""
    check_inputs(model, inputs)
    weights = _after(inputs, 0) if weights is None else weights
    check_weights(weights, inputs.shape[:2])
    return _watch(model, *until_last_weight(inputs, weights), key, sd)


def until_last_weight(
    inputs: Trials, weights: Weights
) -> tuple[Float[Array, "seen trial input"], Float[Array, "seen trial"]]:
    """Inputs and weights up to the last step that counts in any trial: what comes after it need not be simulated."""
    if not is_concrete(weights):
        return inputs, weights
    steps = int(np.flatnonzero(np.asarray(weights).any(axis=1))[-1]) + 1
    return inputs[:steps], weights[:steps]


@eqx.filter_jit
def _watch(model, inputs, weights, key, sd):
    wide, moments = wide_dtype(model.W_rec.dtype), Moments()

    def add(carry, before, after):
        del before
        number, seen = carry
        return (number + 1, moments.update(seen, model.rates(after).astype(wide), weights[number].astype(wide))), None

    start = (jnp.asarray(0), moments.init(len(model.b_rec), wide))
    return moments.result(scan(model, inputs, add, start, key=key, sd=sd).carry[1])


@eqx.filter_jit
def _watch_cell(cell, inputs, burn_in):
    wide, moments = wide_dtype(inputs.dtype), Moments()
    lstm = isinstance(cell, eqx.nn.LSTMCell)
    rest = jnp.zeros((inputs.shape[1], cell.hidden_size), cell.weight_hh.dtype)

    def step(carry, arguments):
        state, seen = carry
        number, u = arguments
        hidden = (state[0] if lstm else state).astype(wide)
        seen = moments.update(seen, hidden, jnp.full(len(hidden), number > burn_in, wide))
        return (jax.vmap(cell)(u.astype(rest.dtype), state), seen), None

    start = ((rest, rest) if lstm else rest, moments.init(cell.hidden_size, wide))
    (_, seen), _ = lax.scan(step, start, (jnp.arange(len(inputs)), inputs))
    return moments.result(seen)


def _after(inputs, burn_in):
    """Weights of the steps after a burn-in."""
    late = (jnp.arange(len(inputs)) >= burn_in).astype(inputs.dtype)
    return jnp.broadcast_to(late[:, None], inputs.shape[:2])


@partial(jax.jit, static_argnums=(1, 2))
def _noise(key, source, channels):
    first_key, key, sd_key, tau_key = jax.random.split(key, 4)
    shape = (source.trials, channels)
    kicks = jax.random.normal(key, (source.steps, *shape))
    sd, tau = _drawn(sd_key, source.sd, source.trials), _drawn(tau_key, source.tau, source.trials)
    memory = jnp.where(tau > 0, jnp.exp(-1 / jnp.where(tau > 0, tau, 1)), 0)
    return sd[None] * coloured(jax.random.normal(first_key, shape), kicks, memory, 1.0)


def _drawn(key, value, trials):
    """One number for each trial, (trial, 1)."""
    least, greatest = value if isinstance(value, tuple) else (value, value)
    if least == greatest:
        return jnp.full((trials, 1), float(least))
    return jnp.exp(jax.random.uniform(key, (trials, 1), minval=math.log(least), maxval=math.log(greatest)))


def _check_range(name, value, *, zero):
    if not isinstance(value, tuple):
        check_positive(name, value, zero=zero)
        return
    if len(value) != 2 or not 0 < value[0] <= value[1] < math.inf:
        raise InputError(
            f"{name} is {value}, but a range is two finite numbers, the least above zero and the greatest."
        )


def _check_room(source, channels):
    """Refuse roll-outs whose inputs do not fit into memory: they are held, single precision at least."""
    need = 4 * source.steps * source.trials * channels
    check_memory(f"an input of {source.steps} steps to {source.trials} roll-outs", need, "take fewer roll-outs.")


def _check_lengths(source):
    if source.trials < 1:
        raise InputError(f"trials is {source.trials}, but must be at least 1.")
    if not 0 <= source.burn_in < source.steps - 1:
        raise InputError(f"burn_in is {source.burn_in}, but must leave some of the {source.steps} steps to observe.")
