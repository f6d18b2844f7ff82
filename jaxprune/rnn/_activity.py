"""What the neurons do: moments of their rates, from the task, or from noise alone."""

import abc
import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive
from jaxprune._types import Matrix, PRNGKey, Scalar
from jaxprune.rnn._ctrnn import CTRNN, Trials, check_inputs, scan


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
    Ornstein-Uhlenbeck process of correlation time `tau` and the same standard deviation. Nothing is added to the rates that
    are observed, so the moments have no floor of injected noise.

    Attributes:
      sd: standard deviation of each channel.
      tau: correlation time, in steps; 0 for white noise.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.
    """

    sd: float = 1.0
    tau: float = 0.0
    steps: int = 400
    trials: int = 64
    burn_in: int = 50

    def __post_init__(self):
        _check_lengths(self)
        check_positive("tau", self.tau, zero=True)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the inputs."""
        return _input_driven(key, model, self)


@dataclasses.dataclass(frozen=True)
class NeuronNoise(Source):
    """White noise in the current of every neuron, and no input.

    It is filtered by the membrane before rates are observed, so the moments have no floor of injected noise; but it moves the
    network in all directions alike, whether its task uses them or not.

    Attributes:
      sd: standard deviation of the current at each step.
      steps, trials: length and number of the roll-outs.
      burn_in: first steps that do not count.
    """

    sd: float = 1.0
    steps: int = 400
    trials: int = 64
    burn_in: int = 50

    def __post_init__(self):
        _check_lengths(self)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments under noise at the neurons."""
        silent = jnp.zeros((self.steps, self.trials, model.W_in.shape[1]), model.W_in.dtype)
        return observe(model, silent, burn_in=self.burn_in, key=key, sigma=self.sd)


def task_activity(model: CTRNN, inputs: Trials, *, burn_in: int = 0) -> Activity:
    """Moments while the network does its task, without noise and without labels.

    Raises:
      InputError: inputs of another number of channels; a burn-in that leaves nothing.
    """
    return observe(model, inputs, burn_in=burn_in)


def observe(
    model: CTRNN, inputs: Trials, *, burn_in: int = 0, key: PRNGKey | None = None, sigma: float = 0.0
) -> Activity:
    """Moments of the rates that drive each step, all trials and steps alike; the state of rest before the first is left out."""
    check_inputs(model, inputs)
    if not 0 <= burn_in < len(inputs) - 1:
        raise InputError(f"burn_in is {burn_in}, but must leave some of the {len(inputs)} steps to observe.")
    return _observe(model, inputs, burn_in, key, sigma)


@eqx.filter_jit
def _observe(model, inputs, burn_in, key, sigma):
    # Sums of products in double precision where there is one: small eigenvalues of H matter.
    wide = jnp.promote_types(model.W_rec.dtype, jnp.zeros(()).dtype)
    n = len(model.b_rec)

    def add(carry, before, after):
        del after
        number, moment, mean = carry
        rates = model.rates(before).astype(wide)
        counts = number > burn_in
        return (
            number + 1,
            moment + jnp.where(counts, rates.T @ rates, 0),
            mean + jnp.where(counts, jnp.sum(rates, axis=0), 0),
        ), None

    start = (jnp.asarray(0), jnp.zeros((n, n), wide), jnp.zeros(n, wide))
    _, moment, mean = scan(model, inputs, add, start, key=key, sigma=sigma).carry
    count = (len(inputs) - burn_in - 1) * inputs.shape[1]
    return Activity(moment / count, mean / count, jnp.zeros((), wide))


@eqx.filter_jit
def _input_driven(key, model, source):
    shape = (source.steps, source.trials, model.W_in.shape[1])
    noise = jax.random.normal(key, shape, model.W_in.dtype)
    if source.tau > 0:
        keep = jnp.exp(-1 / jnp.asarray(source.tau, noise.dtype))

        def follow(u, kick):
            u = keep * u + jnp.sqrt(1 - keep**2) * kick
            return u, u

        _, noise = jax.lax.scan(follow, noise[0], noise)
    return _observe(model, source.sd * noise, source.burn_in, None, 0.0)


def _check_lengths(source):
    check_positive("sd", source.sd)
    if source.trials < 1:
        raise InputError(f"trials is {source.trials}, but must be at least 1.")
    if not 0 <= source.burn_in < source.steps - 1:
        raise InputError(f"burn_in is {source.burn_in}, but must leave some of the {source.steps} steps to observe.")
