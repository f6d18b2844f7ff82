"""Pruning in sessions: measure, remove, let the biases take over, retrain, and once more."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_choice, check_key, check_whole
from jaxprune._provenance import fingerprint
from jaxprune._types import PRNGKey
from jaxprune.boltzmann._binary import Data, check_data
from jaxprune.boltzmann._files import load_machine, save_machine
from jaxprune.boltzmann._gibbs import check_chains, start_chains
from jaxprune.boltzmann._importance import CRITERIA, Layers
from jaxprune.boltzmann._learn import LearnCode, Learning, learn
from jaxprune.boltzmann._machine import BoltzmannMachine, States, Weights
from jaxprune.boltzmann._moments import Moments, sample_moments
from jaxprune.boltzmann._prune import Exhausted, choose, delete_units, isolate_units, remove, units_left

Importance = Callable[[PRNGKey, BoltzmannMachine, Moments], Layers]


@dataclasses.dataclass(frozen=True)
class Sessions:
    """How a machine is pruned in sessions.

    Attributes:
      criterion: a name out of `CRITERIA`, or a function (key, model, moments) -> importance of every layer's synapses.
      remove: share of each layer's remaining synapses that goes in a session; one number, or one for each layer of weights.
      bias_step: whether biases take over the mean of what each unit lost.
      zeros: if more synapses than that have importance zero, all of those go, and no others.
      delete: take units without synapses out of the arrays, so that the rest goes faster; each new size is compiled anew, which
        small machines do not repay. Without it they stay, by themselves.
      retrain: how the machine learns after each removal, with a fresh optimiser; None for not at all.
      samples, burn_in, gap: of the free activity that is measured, as in `sample_moments`.
      chains: their number, where no chains are handed in.

    Raises:
      InputError: an unknown criterion; numbers out of range.
    """

    criterion: str | Importance = "variance"
    remove: float | tuple[float, ...] = 0.5
    bias_step: bool = True
    zeros: bool = True
    delete: bool = True
    retrain: Learning | None = Learning(epochs=2, rate=(0.02, 0.02))  # noqa: RUF009
    samples: int = 60_000
    chains: int = 1000
    burn_in: int = 200
    gap: int = 10

    def __post_init__(self):
        if isinstance(self.criterion, str):
            check_choice("criterion", self.criterion, CRITERIA)
        elif not callable(self.criterion):
            raise InputError(
                f"criterion is {self.criterion!r}, but must be a name or a function (key, model, moments)."
            )
        shares = self.remove if isinstance(self.remove, tuple | list) else (self.remove,)
        for share in shares:
            if not 0 <= float(share) < 1:
                raise InputError(
                    f"remove is {share}, but must be in [0, 1): the share of the remaining synapses that goes."
                )
        for name, least in (("samples", 1), ("chains", 1), ("burn_in", 0), ("gap", 1)):
            check_whole(name, getattr(self, name), least=least)

    @property
    def importance(self) -> Importance:
        """The criterion as a function."""
        return CRITERIA[self.criterion] if isinstance(self.criterion, str) else self.criterion


class SessionState(NamedTuple):
    """Between two sessions: the machine, its chains, and how many sessions it has been through."""

    model: BoltzmannMachine
    chains: States
    number: int


class SessionInfo(NamedTuple):
    """What a session did.

    Attributes:
      masks: after the removal, in the shapes before it.
      weights: synapses left in every layer of weights.
      units: units that take part, in every layer.
      code: how retraining ended, a `LearnCode`.
    """

    masks: tuple[Weights, ...]
    weights: tuple[int, ...]
    units: tuple[int, ...]
    code: LearnCode


def init_sessions(
    key: PRNGKey, model: BoltzmannMachine, sessions: Sessions, *, chains: States | None = None
) -> SessionState:
    """State before the first session.

    Args:
      key: random key of the chains.
      model: the trained machine.
      sessions: settings.
      chains: chains to go on with, such as those it was trained with; by default new ones.

    Raises:
      InputError: chains of another machine.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> init_sessions(jax.random.key(0), rbm(jax.random.key(1), visible=4, hidden=3), Sessions()).number
      0
    """
    chains = start_chains(key, model, sessions.chains) if chains is None else chains
    check_chains(chains, model)
    return SessionState(model, chains, 0)


def prune_session(
    key: PRNGKey, state: SessionState, data: Data, sessions: Sessions
) -> tuple[SessionState, SessionInfo]:
    """One session: measure free activity, remove the least important synapses and the units left alone, retrain.

    Args:
      key: random key of all sessions; each takes its own part of it.
      state: from `init_sessions`, or the session before.
      data: zeros and ones, (sample, visible), to retrain on.
      sessions: settings.

    Returns:
      The state after it, without the units that lost their synapses, and what was done.

    Raises:
      InputError: data that do not fit.
      Exhausted: a layer would lose all its synapses or units.

    Example:
      >>> from jaxprune.boltzmann import Learning, rbm
      >>> data = jnp.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]] * 50)
      >>> sessions = Sessions("weight", retrain=Learning(epochs=1), samples=1000, chains=100)
      >>> state = init_sessions(jax.random.key(0), rbm(jax.random.key(1), visible=4, hidden=3), sessions)
      >>> state, info = prune_session(jax.random.key(2), state, data, sessions)
      >>> info.weights, state.number
      ((6,), 1)

    Reference: Scholl2021.
    """
    check_key("key", key)
    check_data(data, state.model.sizes[0])
    measure_key, score_key, choose_key, learn_key = jax.random.split(jax.random.fold_in(key, state.number), 4)
    model = state.model
    moments, chains = sample_moments(
        measure_key, model, samples=sessions.samples, chains=state.chains, burn_in=sessions.burn_in, gap=sessions.gap
    )
    importance = sessions.importance(score_key, model, moments)
    share = sessions.remove
    masks = isolate_units(choose(choose_key, model, importance, remove=share, zeros=sessions.zeros))
    for layer, mask in enumerate(masks):
        if not bool(jnp.any(mask > 0)):
            raise Exhausted(
                f"session {state.number + 1} would delete all units of hidden layer {layer + 1}: remove less, or stop before."
            )
    model = remove(model, masks, moments if sessions.bias_step else None)
    if sessions.delete:
        model, left, _ = delete_units(model, chains)
        chains = left or chains
    code = LearnCode.FINISHED
    if sessions.retrain is not None:
        model, chains, found, _ = learn(learn_key, model, data, sessions.retrain, chains=chains)
        code = LearnCode(int(found))
    info = SessionInfo(
        masks,
        tuple(int(jnp.sum(mask)) for mask in masks),
        tuple(int(jnp.sum(alive)) for alive in units_left(masks)),
        code,
    )
    return SessionState(model, chains, state.number + 1), info


def prune_in_sessions(
    key: PRNGKey,
    model: BoltzmannMachine,
    data: Data,
    sessions: Sessions,
    number: int,
    *,
    chains: States | None = None,
    checkpoint: Path | None = None,
    each: Callable[[SessionState, SessionInfo], None] | None = None,
) -> SessionState:
    """All sessions, one after the other; interrupted ones go on from a checkpoint.

    Args:
      key: random key.
      model: the trained machine.
      data: zeros and ones, (sample, visible), to retrain on.
      sessions: settings.
      number: of sessions.
      chains: as in `init_sessions`.
      checkpoint: file that is written after every session; one that is there already is gone on with.
      each: called with the state and what was done, after every session that is run here, before the checkpoint is written.

    Returns:
      The state after the last session.

    Raises:
      InputError: a checkpoint of another machine, of other data or settings, or after more sessions; what `prune_session`
        refuses.

    Example:
      >>> from jaxprune.boltzmann import Learning, rbm
      >>> data = jnp.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]] * 50)
      >>> sessions = Sessions("weight", retrain=Learning(epochs=1), samples=1000, chains=100)
      >>> machine = rbm(jax.random.key(1), visible=4, hidden=3)
      >>> prune_in_sessions(jax.random.key(0), machine, data, sessions, 2).model.masks[0].sum()
      Array(3., dtype=float32)

    Reference: Scholl2021.
    """
    check_key("key", key)
    check_whole("number", number, least=1)
    start_key, session_key = jax.random.split(key)
    state = init_sessions(start_key, model, sessions, chains=chains)
    origin = ""
    if checkpoint is not None:
        origin = fingerprint(jax.random.key_data(key), jax.tree.leaves((model, chains)), data, sessions)
    if checkpoint is not None and Path(checkpoint).exists():
        stored, now, facts = load_machine(checkpoint)
        if facts.get("origin") != origin or now is None:
            raise InputError(
                f"{checkpoint} is of another machine, or of other data or settings: move it away, or choose another name."
            )
        if facts["session"] > number:
            raise InputError(
                f"{checkpoint} is after {facts['session']} sessions, but number is {number}: move it away, or ask for more."
            )
        state = SessionState(stored, now, int(facts["session"]))
    while state.number < number:
        state, info = prune_session(session_key, state, data, sessions)
        if each is not None:
            each(state, info)
        # Last: a run that was killed before does the session again.
        if checkpoint is not None:
            facts = {"origin": origin, "session": state.number}
            save_machine(checkpoint, state.model, chains=state.chains, facts=facts)
    return state
