"""Trials of NeuroGym's environments, which are psychologists' and physiologists' tasks."""

import difflib
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_whole, quoted
from jaxprune.files import reason
from jaxprune.rnn._files import TrialSet

SEEDS = 2**32
"""NumPy's older generators, which NeuroGym uses, take seeds below this."""


def neurogym_trials(
    environment: Any, trials: int = 256, *, seed: int = 0, period: str | None = "decision", **settings: Any
) -> TrialSet:
    """Draw trials of a NeuroGym environment: to train on, to calibrate on, to measure retention on.

    Inputs are the environment's observations, labels the right choice at every step. Trials differ in length: shorter ones are
    filled up with zeros, where nothing is scored. A network for them has as many inputs, and an output for each choice:
    `ctrnn(key, inputs=t.inputs.shape[2], neurons=128, outputs=1 + int(t.labels.max()))`. `train` takes trials in place of a task.
    For `jaxprune prune-rnn --trials`, write them with `np.savez("trials.npz", inputs=t.inputs, labels=t.labels)`. Many
    environments have no noise: activity then has few directions, and fits to it want double precision (`jax_enable_x64`).

    Args:
      environment: a name that NeuroGym has registered, such as "PerceptualDecisionMaking-v0" or "yang19.dm1-v0" ("-v0" may be
        left out); or an environment, for example one of Mod-Cog's.
      trials: how many.
      seed: of the environment. NeuroGym draws from NumPy's generators, so this is a number and no key; the same seed gives the
        same trials.
      period: the part of a trial that is scored; None for all of it, which counts waiting for the signal, too.
      settings: of the environment, if it is given by name; for example `dt=20`, the length of a step in ms.

    Returns:
      Inputs (time, trial, input) in single precision, and labels (time, trial), -1 where nothing is scored.

    Raises:
      InputError: without NeuroGym; an unknown name (with those that are like it), settings that the environment does not take, a
        period that it does not have, or one that is shorter than a step; an environment without right choices, or whose answers
        are numbers and not choices.

    Example:
      >>> t = neurogym_trials("GoNogo", 100, dt=50)  # doctest: +SKIP
      >>> t.inputs.shape  # doctest: +SKIP
      (30, 100, 3)

    Reference: Molano2022; Khona2022 for Mod-Cog.
    """
    check_whole("trials", trials, least=1)
    if not 0 <= seed < SEEDS:
        raise InputError(f"seed is {quoted(seed)}, but must be at least 0 and below 2^32, as NumPy's are.")
    with _quiet(seed):
        name, made = _made(environment, settings)
        _check_spaces(name, made)
        _seed(made, seed)
        drawn = [_trial(name, made, period) for _ in range(trials)]
    time = max(len(labels) for _, labels in drawn)
    inputs = np.zeros((time, trials, drawn[0][0].shape[1]), np.float32)
    labels = np.full((time, trials), -1, np.int32)
    for place, (shown, right) in enumerate(drawn):
        inputs[: len(shown), place], labels[: len(right), place] = shown, right
    if not (labels >= 0).any():
        raise InputError(
            f"{name}: no step is scored, as {period!r} is shorter than one: take a smaller dt, or period=None."
        )
    return TrialSet(jnp.asarray(inputs), jnp.asarray(labels))


@contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """NeuroGym's warnings about its own use of Gymnasium are no one's here; and some environments draw from NumPy's one
    generator for all, which is seeded here and put back."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _made(environment, settings):
    """An environment and what to call it."""
    if isinstance(environment, str):
        return _registered(environment, settings)
    name = type(getattr(environment, "unwrapped", environment)).__name__
    if settings:
        raise InputError(f"{next(iter(settings))} has no effect, as {name} is made already: leave it out.")
    return name, environment


def _registered(name, settings):
    try:
        import gymnasium  # pyright: ignore[reportMissingImports]
        import neurogym  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            f"neurogym_trials needs the package {error.name}: pip install 'jaxprune[tasks]', which has all it needs."
        ) from error
    known = [one for one in (name, f"{name}-v0") if one in gymnasium.registry]
    if not known:
        raise InputError(f"NeuroGym has no environment {quoted(name)}{_like(name, gymnasium.registry)}")
    try:
        return known[0], neurogym.make(known[0], **settings)
    except Exception as error:  # environments refuse settings as they like
        raise InputError(f"{known[0]} cannot be made with these settings: {reason(error)}.") from error


def _like(name, registry):
    """What else may have been meant, or what there is."""
    ours = sorted(one for one, spec in registry.items() if str(spec.entry_point).startswith("neurogym."))
    short = {one.lower().removesuffix("-v0"): one for one in ours}
    found = difflib.get_close_matches(name.lower().removesuffix("-v0"), short)
    if found:
        return f": did you mean {' or '.join(short[one] for one in found)}?"
    return f": it has {', '.join(ours[:3])} and {len(ours) - 3} others (gymnasium.registry lists them)."


def _check_spaces(name, made):
    """Refuse what is no environment of trials, or one whose answers are not choices."""
    if _layer(made, "new_trial") is None:
        raise InputError(f"{name} has no trials: it must be an environment of NeuroGym, with new_trial.")
    choices = getattr(getattr(made, "action_space", None), "n", None)
    if choices is None:
        raise InputError(
            f"{name} is answered by numbers: only environments where one of several choices is right will do."
        )


def _layer(made: Any, method: str) -> Any:
    """The outermost wrapper that has a method of its own: Gymnasium's do not know NeuroGym's."""
    while made is not None and inspect.getattr_static(type(made), method, None) is None:
        made = getattr(made, "__dict__", {}).get("env")
    return made


def _seed(made, seed):
    layer = _layer(made, "seed")
    if layer is not None:
        layer.seed(seed)


def _trial(name, made, period):
    """Observations and right choices of a fresh trial, -1 outside of the period."""
    _layer(made, "new_trial").new_trial()
    task = made.unwrapped
    shown, right = getattr(task, "ob", None), getattr(task, "gt", None)
    if shown is None or right is None or np.ndim(right) != 1 or len(shown) != len(right):
        raise InputError(
            f"{name} does not say which choice is right at each step: it is there to be rewarded, not taught."
        )
    if np.ndim(shown) != 2:
        raise InputError(
            f"{name} shows {np.ndim(shown) - 1}-dimensional inputs, but a network takes a list of numbers."
        )
    if period is None:
        return shown, right
    periods = getattr(task, "start_ind", {})
    if period not in periods:
        parts = quoted(", ".join(periods) or "none", 100)[1:-1]
        raise InputError(
            f"{name} has no period {quoted(period)}: pass period= one of {parts}, or None for all of a trial."
        )
    steps = np.arange(len(right))
    scored = (steps >= periods[period]) & (steps < task.end_ind[period])
    return shown, np.where(scored, right, -1)
