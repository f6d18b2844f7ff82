"""What the neurons do: moments of their rates, from the task, or from noise alone."""

import abc
import dataclasses
import math
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive, is_concrete
from jaxprune._types import Matrix, PRNGKey, Real, Scalar
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
class InputNoise(Source):
    r"""Noise at the input channels and nothing else: no task, no labels.

    It enters where signals enter, and so moves the network along the directions that its task uses. White, or an
    Ornstein-Uhlenbeck process of correlation time `tau` and the same standard deviation. Given ranges, every roll-out draws its
    own size or time, uniformly in the logarithm: weak and strong, fast and slow noise, and no one size to be chosen. Nothing
    is added to the rates that are observed, so the moments have no floor of injected noise.

    Attributes:
      sd: standard deviation of each channel, or a range (least, greatest).
      tau: correlation time, in steps, or a range; 0 for white noise.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.

    Raises:
      InputError: a size that is not positive; a range that is not two finite numbers, 0 < least <= greatest; a burn-in that
        leaves nothing.

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
        """The noise itself, (time, trial, input); stationary from the first step."""
        return _noise(key, self, channels)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the inputs."""
        inputs = self.inputs(key, model.W_in.shape[1]).astype(model.W_in.dtype)
        return observe(model, inputs, weights=_after(inputs, self.burn_in))


@dataclasses.dataclass(frozen=True)
class NeuronNoise(Source):
    """White noise in the current of every neuron, and no input.

    It is filtered by the membrane before rates are observed, so the moments have no floor of injected noise; but it moves the
    network in all directions alike, whether its task uses them or not.

    Attributes:
      sd: standard deviation of the current at each step.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.

    Raises:
      InputError: a size that is not positive; a burn-in that leaves nothing.
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


def mixed_activity(first: Activity, second: Activity, *, share: Real) -> Activity:
    r"""Moments of a network that spends a share of its time on the second activity, and the rest on the first.

    $$H = (1 - q) H_1 + q H_2$$

    and so for the mean.

    Args:
      first, second: moments of the same network.
      share: q, of the time (not of the power), in [0, 1].

    Raises:
      InputError: a share outside [0, 1]; activity of networks of different sizes, or linearised ones with different shifts.

    Example:
      >>> one, two = (Activity(jnp.eye(2) * x, jnp.ones(2) * x, jnp.zeros(())) for x in (1.0, 2.0))
      >>> mixed_activity(one, two, share=0.1).mean
      Array([1.1, 1.1], dtype=float64)
    """
    if is_concrete(share) and not 0 <= float(share) <= 1:
        raise InputError(f"share is {float(share):g}, but must be between 0 and 1.")
    if first.mean.shape != second.mean.shape:
        raise InputError(f"activity of {len(first.mean)} and of {len(second.mean)} neurons cannot be mixed.")
    if is_concrete(first.shift) and is_concrete(second.shift) and float(first.shift) != float(second.shift):
        raise InputError(
            f"activity with leak shifts {float(first.shift):g} and {float(second.shift):g} cannot be mixed."
        )
    return Activity(
        (1 - share) * first.second_moment + share * second.second_moment,
        (1 - share) * first.mean + share * second.mean,
        first.shift,
    )


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


@partial(jax.jit, static_argnums=(1, 2))
def _noise(key, source, channels):
    first_key, key, sd_key, tau_key = jax.random.split(key, 4)
    shape = (source.trials, channels)
    kicks = jax.random.normal(key, (source.steps, *shape))
    sd, tau = _drawn(sd_key, source.sd, source.trials), _drawn(tau_key, source.tau, source.trials)
    keep = jnp.where(tau > 0, jnp.exp(-1 / jnp.where(tau > 0, tau, 1)), 0)

    def follow(u, kick):
        u = keep * u + jnp.sqrt(1 - keep**2) * kick
        return u, u

    return sd[None] * lax.scan(follow, jax.random.normal(first_key, shape), kicks)[1]


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


def _check_lengths(source):
    if source.trials < 1:
        raise InputError(f"trials is {source.trials}, but must be at least 1.")
    if not 0 <= source.burn_in < source.steps - 1:
        raise InputError(f"burn_in is {source.burn_in}, but must leave some of the {source.steps} steps to observe.")
