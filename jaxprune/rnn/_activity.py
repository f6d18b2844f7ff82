"""What the neurons do: moments of their rates, from the task, or from noise alone."""

import abc
import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive, is_concrete
from jaxprune._types import Matrix, PRNGKey, Scalar
from jaxprune.rnn._ctrnn import CTRNN, Trials, check_inputs, scan

Weights = Float[Array, "time trial"]


class Activity(NamedTuple):
    """Moments of the rates that synapses carry.

    Attributes:
      second_moment: $H = E[f f^T]$, what `fit_rows` needs.
      mean: $E[f]$.
      shift: leak added before the moments existed; zero unless linearised (`linearised_activity`).
    """

    second_moment: Matrix
    mean: Float[Array, " neuron"]
    shift: Scalar

    @property
    def covariance(self) -> Matrix:
        """$C = H - E[f] E[f]^T$, what the noise importance needs."""
        return self.second_moment - jnp.outer(self.mean, self.mean)


class Source(abc.ABC):
    """Where activity comes from."""

    @abc.abstractmethod
    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments of the rates of a network."""


@dataclasses.dataclass(frozen=True)
class _Noise(Source):
    sd: float = 1.0
    steps: int = 400
    trials: int = 64
    burn_in: int = 50

    def __post_init__(self):
        _check_lengths(self)


@dataclasses.dataclass(frozen=True)
class InputNoise(_Noise):
    r"""Noise at the input channels and nothing else: no task, no labels.

    It enters where signals enter, and so moves the network along the directions that its task uses. White, or an
    Ornstein-Uhlenbeck process of correlation time `tau` and the same standard deviation. Nothing is added to the rates that
    are observed, so the moments have no floor of injected noise.

    Attributes:
      sd: standard deviation of each channel.
      tau: correlation time, in steps; 0 for white noise.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.
    """

    tau: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        check_positive("tau", self.tau, zero=True)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the inputs."""
        return _input_driven(key, model, self)


@dataclasses.dataclass(frozen=True)
class NeuronNoise(_Noise):
    """White noise in the current of every neuron, and no input.

    It is filtered by the membrane before rates are observed, so the moments have no floor of injected noise; but it moves the
    network in all directions alike, whether its task uses them or not.

    Attributes:
      sd: standard deviation of the current at each step.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.
    """

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the neurons, in their current wherever the network's own noise enters."""
        model = dataclasses.replace(model, noise="voltage")
        silent = jnp.zeros((self.steps, self.trials, model.W_in.shape[1]), model.W_in.dtype)
        return observe(model, silent, weights=_after(silent, self.burn_in), key=key, sigma=self.sd)


def task_activity(model: CTRNN, inputs: Trials, *, weights: Weights | None = None) -> Activity:
    """Moments while the network does its task, without noise and without labels.

    Args:
      model: the network.
      inputs: (time, trial, input).
      weights: (time, trial), how much each step counts: `input_lasts(inputs)` leaves out the padding of short trials. All
        alike by default.

    Raises:
      InputError: inputs of another number of channels; weights of another shape, or that leave nothing.
    """
    return observe(model, inputs, weights=weights)


def input_lasts(inputs: Trials) -> Weights:
    """Ones up to the last step at which a trial has any input, zeros in the padding behind it; labels are not looked at.

    Example:
      >>> input_lasts(jnp.array([[[0.0], [1.0]], [[1.0], [0.0]], [[0.0], [0.0]]])).T
      Array([[1., 1., 0.],
             [1., 0., 0.]], dtype=float64)
    """
    shown = jnp.any(inputs != 0, axis=2)
    return jnp.flip(lax.cummax(jnp.flip(shown, 0).astype(int), axis=0), 0).astype(inputs.dtype)


def observe(
    model: CTRNN, inputs: Trials, *, weights: Weights | None = None, key: PRNGKey | None = None, sigma: float = 0.0
) -> Activity:
    """Moments of the rates after each step, by the weights of the steps; the state of rest before the first is left out."""
    check_inputs(model, inputs)
    weights = _after(inputs, 0) if weights is None else weights
    if weights.shape != inputs.shape[:2]:
        raise InputError(f"weights has shape {weights.shape}, but the inputs are {inputs.shape[:2]} (time, trial).")
    if is_concrete(weights) and not float(jnp.sum(weights)) > 0:
        raise InputError("weights leaves no step to observe: some must be positive.")
    return _observe(model, inputs, weights, key, sigma)


@eqx.filter_jit
def _observe(model, inputs, weights, key, sigma):
    # Sums of products in double precision where there is one: small eigenvalues of H matter.
    wide = jnp.promote_types(model.W_rec.dtype, jnp.zeros(()).dtype)
    n = len(model.b_rec)

    def add(carry, before, after):
        del before
        number, moment, mean = carry
        rates, weight = model.rates(after).astype(wide), weights[number].astype(wide)
        weighted = rates * weight[:, None]
        return (number + 1, moment + rates.T @ weighted, mean + jnp.sum(weighted, axis=0)), None

    start = (jnp.asarray(0), jnp.zeros((n, n), wide), jnp.zeros(n, wide))
    _, moment, mean = scan(model, inputs, add, start, key=key, sigma=sigma).carry
    count = jnp.sum(weights).astype(wide)
    return Activity((moment + moment.T) / (2 * count), mean / count, jnp.zeros((), wide))


def _after(inputs, burn_in):
    """Weights of the steps after a burn-in."""
    late = (jnp.arange(len(inputs)) >= burn_in).astype(inputs.dtype)
    return jnp.broadcast_to(late[:, None], inputs.shape[:2])


@eqx.filter_jit
def _input_driven(key, model, source):
    shape = (source.steps, source.trials, model.W_in.shape[1])
    first_key, key = jax.random.split(key)
    noise = jax.random.normal(key, shape, model.W_in.dtype)
    if source.tau > 0:
        keep = jnp.exp(-1 / jnp.asarray(source.tau, noise.dtype))

        def follow(u, kick):
            u = keep * u + jnp.sqrt(1 - keep**2) * kick
            return u, u

        _, noise = lax.scan(follow, jax.random.normal(first_key, shape[1:], noise.dtype), noise)
    return _observe(model, source.sd * noise, _after(noise, source.burn_in), None, 0.0)


def _check_lengths(source):
    check_positive("sd", source.sd)
    if source.trials < 1:
        raise InputError(f"trials is {source.trials}, but must be at least 1.")
    if not 0 <= source.burn_in < source.steps - 1:
        raise InputError(f"burn_in is {source.burn_in}, but must leave some of the {source.steps} steps to observe.")
