"""Small tasks as pure functions: key -> inputs, labels.

Every task gives `(inputs, labels)` of one trial, (time, input) and (time,); labels are -1 where nothing is scored. `batch` makes
many.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey
from jaxprune.rnn._files import TrialSet

Trial = tuple[Float[Array, "time input"], Int[Array, " time"]]


class Task(NamedTuple):
    """A task: a function that draws one trial, and the sizes that a network for it needs.

    Attributes:
      trial: key -> (inputs, labels) of one trial.
      inputs: number of input channels.
      outputs: number of choices.
    """

    trial: Callable[[PRNGKey], Trial]
    inputs: int
    outputs: int


def batch(key: PRNGKey, task: Task | TrialSet, trials: int) -> TrialSet:
    """Draw many independent trials of a task: inputs (time, trial, input) and labels (time, trial).

    From trials that are there already some are chosen at random, with replacement.

    Example:
      >>> batch(jax.random.key(0), perceptual_decision(), 5).inputs.shape
      (30, 5, 3)
    """
    if isinstance(task, TrialSet):
        chosen = jax.random.randint(key, (trials,), 0, task.inputs.shape[1])
        return TrialSet(task.inputs[:, chosen], task.labels[:, chosen])
    inputs, labels = jax.vmap(task.trial, out_axes=1)(jax.random.split(key, trials))
    return TrialSet(inputs, labels)


def perceptual_decision(*, stimulus: int = 15, delay: int = 5, decision: int = 10, noise: float = 1.0) -> Task:
    """Task: say which of two noisy streams is stronger on average.

    Channels: fixation, two streams. Outputs: fixate, first, second.

    Args:
      stimulus, delay, decision: lengths in steps; the choice is scored in the last.
      noise: of the streams; 1 is a standard deviation of 0.3.

    Raises:
      InputError: a length below one step.
    """
    _check_periods(stimulus=stimulus, delay=delay, decision=decision)
    time = stimulus + delay + decision

    def trial(key):
        side_key, size_key, noise_key = jax.random.split(key, 3)
        side = jax.random.bernoulli(side_key).astype(int)
        size = jax.random.choice(size_key, jnp.array([0.08, 0.16, 0.32]))
        shown = jnp.arange(time) < stimulus
        evidence = jnp.stack([jnp.where(side == 0, size, -size), jnp.where(side == 1, size, -size)])
        streams = shown[:, None] * (1 + evidence)[None, :] + noise * 0.3 * jax.random.normal(noise_key, (time, 2))
        return _with_fixation(streams, 1 + side, decision)

    return Task(trial, 3, 3)


def delayed_match(*, symbols: int = 4, sample: int = 5, delay: int = 10, test: int = 5, decision: int = 5) -> Task:
    """Task: say whether the second symbol is the same as the first.

    Channels: fixation, one for each symbol. Outputs: fixate, same, other.

    Args:
      symbols: their number, at least two.
      sample, delay, test, decision: lengths in steps; the choice is scored in the last.

    Raises:
      InputError: a length below one step, fewer than two symbols.

    Example:
      >>> batch(jax.random.key(0), delayed_match(), 5).inputs.shape
      (25, 5, 5)
    """
    _check_periods(symbols=symbols - 1, sample=sample, delay=delay, test=test, decision=decision)
    time = sample + delay + test + decision

    def trial(key):
        first_key, same_key, other_key, noise_key = jax.random.split(key, 4)
        first = jax.random.randint(first_key, (), 0, symbols)
        same = jax.random.bernoulli(same_key)
        second = jnp.where(same, first, (first + jax.random.randint(other_key, (), 1, symbols)) % symbols)
        t = jnp.arange(time)[:, None]
        show = (t < sample) * jax.nn.one_hot(first, symbols)[None, :]
        show += ((t >= sample + delay) & (t < sample + delay + test)) * jax.nn.one_hot(second, symbols)[None, :]
        show += 0.1 * jax.random.normal(noise_key, show.shape)
        return _with_fixation(show, jnp.where(same, 1, 2), decision)

    return Task(trial, 1 + symbols, 3)


def flip_flop(*, time: int = 40, chance: float = 0.15) -> Task:
    """Task: remember the sign of the last pulse.

    Channels: pulses of either sign. Outputs: down, up; scored after the first pulse.

    Args:
      time: length in steps.
      chance: of a pulse, at every step; the first step always has one.

    Raises:
      InputError: fewer than four steps.

    Example:
      >>> batch(jax.random.key(0), flip_flop(), 5).inputs.shape
      (40, 5, 2)
    """
    _check_periods(time=time - 3)

    def trial(key):
        when_key, sign_key, noise_key = jax.random.split(key, 3)
        pulse = jax.random.bernoulli(when_key, chance, (time,)).at[0].set(True)
        sign = jax.random.bernoulli(sign_key, 0.5, (time,))
        last = jax.lax.cummax(jnp.where(pulse, jnp.arange(time), -1))
        shown = jnp.stack([pulse & ~sign, pulse & sign], axis=1) + 0.1 * jax.random.normal(noise_key, (time, 2))
        # A network sees a pulse and answers a little later: the two steps after a pulse are not scored.
        labels = jnp.where(jnp.arange(time) - last >= 2, sign[last].astype(int), -1)
        return shown, labels.at[0].set(-1)

    return Task(trial, 2, 2)


def ring_sequence(*, positions: int = 8, stimulus: int = 12, delay: int = 5, decision: int = 15) -> Task:
    """Task: integrate a noisy place on a ring, then name it and walk on, one place every three steps.

    Channels: fixation and one for each place. Outputs: fixate and one for each place.

    Args:
      positions: their number, at least three.
      stimulus, delay, decision: lengths in steps; the walk is scored in the last.

    Raises:
      InputError: a length below one step, fewer than three positions.

    Example:
      >>> batch(jax.random.key(0), ring_sequence(), 5).inputs.shape
      (32, 5, 9)
    """
    _check_periods(positions=positions - 2, stimulus=stimulus, delay=delay, decision=decision)
    time = stimulus + delay + decision

    def trial(key):
        place_key, noise_key = jax.random.split(key)
        place = jax.random.randint(place_key, (), 0, positions)
        t = jnp.arange(time)
        angle = 2 * jnp.pi * (jnp.arange(positions) - place) / positions
        bump = jnp.exp(2 * (jnp.cos(angle) - 1))
        shown = (t < stimulus)[:, None] * bump[None, :] + 0.3 * jax.random.normal(noise_key, (time, positions))
        walked = jnp.maximum(t - stimulus - delay, 0) // 3
        return _with_fixation(shown, 1 + (place + walked) % positions, decision)

    return Task(trial, 1 + positions, 1 + positions)


TASKS: dict[str, Callable[[], Task]] = {
    "perceptual decision": perceptual_decision,
    "delayed match": delayed_match,
    "flip-flop": flip_flop,
    "ring sequence": ring_sequence,
}


def _with_fixation(streams, answer, decision):
    """Put a fixation channel first, on until the decision; the answer, one or one for each step, is scored from then on."""
    time = len(streams)
    deciding = jnp.arange(time) >= time - decision
    labels = jnp.where(deciding, answer, -1)
    return jnp.concatenate([(~deciding)[:, None].astype(streams.dtype), streams], axis=1), labels


def _check_periods(**periods):
    for name, value in periods.items():
        if value < 1:
            raise InputError(f"{name} is too small: every period needs at least one step, every choice two symbols.")
