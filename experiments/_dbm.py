"""Deep Boltzmann machines of handwritten digits: trained once, pruned in sessions, measured; kept between runs."""

import dataclasses
import threading
from pathlib import Path
from typing import Literal, NamedTuple

import jax

from experiments import _digits, _study
from jaxprune import InputError, boltzmann, fingerprint
from jaxprune.boltzmann import Learning, Sessions, SessionState

TRAINING = threading.Lock()
"""Held while a machine is trained that other points wait for."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """Sizes and schedules.

    Attributes:
      side: of the image, in pixels; the middle of what the data have.
      fields: side of the receptive fields.
      top: units of the top layer.
      pretraining: settings of each layer.
      training: of joint training.
      retrain: after every session.
      remove: share of both layers for each protocol.
      sessions: their number for each protocol.
      dense: units of both hidden layers of machines that are trained small.
      samples, burn_in, gap: of what is measured.
      temperatures: of annealed importance sampling.
      classified: images that classifiers learn from.
    """

    side: int
    fields: int
    top: int
    pretraining: tuple[Learning, ...]
    training: Learning
    retrain: Learning
    remove: dict[str, tuple[float, ...]]
    sessions: dict[str, int]
    dense: tuple[tuple[int, int], ...]
    samples: int = 60_000
    burn_in: int = 200
    gap: int = 5
    temperatures: int = 1000
    classified: int = 10_000


def _cd(epochs, rate, batch=100):
    return Learning(epochs, rate, batch, negative="cd")


def _joint(epochs, rate, batch=100, chains=1000):
    return Learning(epochs, rate, batch, chains=chains, mean_field=30, tolerance=1e-3, max_norm=6.0)


PRESETS = {
    "quick": Preset(
        side=8, fields=3, top=80, pretraining=(_cd(200, (0.2, 0.02), 20), _cd(200, (0.2, 0.02), 20)),
        training=_joint(300, (0.02, 0.002), 20, 200), retrain=_joint(20, (0.02, 0.002), 20, 200),
        remove={"A": (0.2, 0.2), "B": (0.2, 0.45)}, sessions={"A": 3, "B": 4}, dense=((4, 4), (10, 10), (20, 20)),
        samples=10_000, temperatures=500,
    ),
    "paper": Preset(
        side=20, fields=5, top=676, pretraining=(_cd(20, (0.05, 0.005)), _cd(20, (0.1, 0.01))),
        training=_joint(20, (0.005, 0.0005)), retrain=_joint(3, (0.005, 0.0005)),
        remove={"A": (0.1, 0.1), "B": (0.1, 0.25)}, sessions={"A": 10, "B": 12},
        dense=((20, 20), (40, 60), (70, 120), (120, 200), (200, 450)),
    ),
}  # fmt: skip


class Keys(NamedTuple):
    """Random keys of a machine: training, sessions, small machines, and one for every measurement."""

    train: jax.Array
    session: jax.Array
    small: jax.Array
    measure: jax.Array


@dataclasses.dataclass(frozen=True)
class Machine:
    """One of several machines that are trained alike.

    Attributes:
      data: images, as in `load_images`; scikit-learn's small digits without a path.
      preset: name of its sizes and schedules.
      seed: seed of all machines.
      number: of the machine.
    """

    data: Path | None
    preset: Literal["quick", "paper"]
    seed: int
    number: int

    @property
    def settings(self) -> Preset:
        """Sizes and schedules."""
        return PRESETS[self.preset]

    @property
    def digits(self) -> _digits.Digits:
        """What it learns and is measured on."""
        return _digits.load(self.data, self.settings.side, self.settings.classified)

    @property
    def keys(self) -> Keys:
        """Its random keys."""
        key = jax.random.fold_in(jax.random.key(self.seed), self.number)
        train, session, measure, small = jax.random.split(key, 4)
        count = 1 + max(*self.settings.sessions.values(), len(self.settings.dense))
        return Keys(train, session, small, jax.random.split(measure, count))

    def trained(self) -> tuple[SessionState, _study.Row]:
        """The machine before any session, and its row."""
        path = self._path()
        with TRAINING:
            if not path.exists():
                key, settings = self.keys.train, self.settings
                state = self._train(key, settings.training, (settings.side**2, settings.top), fields=True)
                boltzmann.save_machine(
                    path, state.model, chains=state.chains, facts={"row": self.measure(0, state), "session": 0}
                )
        state, facts = _load(path)
        return state, facts["row"]

    def pruned(
        self, protocol: str, criterion: str, bias_step: bool = False, *, again: bool = True
    ) -> tuple[SessionState, list[_study.Row]]:
        """The machine after its last session, and the rows of all sessions.

        Each session's machine is kept with the rows so far: a run that was killed does one session again.

        Args:
          protocol, criterion, bias_step: how it is pruned.
          again: start over where all sessions were run before; otherwise that machine is returned, without rows.
        """
        settings = self.settings
        sessions = Sessions(
            criterion, settings.remove[protocol], bias_step=bias_step, retrain=settings.retrain,
            samples=settings.samples, burn_in=settings.burn_in, gap=settings.gap,
        )  # fmt: skip
        path = self._path(protocol, criterion, "bias" if bias_step else "plain")
        state, row = self.trained()
        rows = [row]
        if path.exists():
            kept, facts = _load(path)
            if facts["rows"] is not None:
                state, rows = kept, facts["rows"]
            elif not again:
                return kept, []
        while state.number < settings.sessions[protocol]:
            try:
                state, info = boltzmann.prune_session(self.keys.session, state, self.digits.train, sessions)
            except boltzmann.Exhausted:
                break  # nothing is left to prune: later sessions are missing
            check(info.code)
            rows.append(self.measure(state.number, state))
            facts = {"session": state.number, "rows": rows}
            boltzmann.save_machine(path, state.model, chains=state.chains, facts=facts)
        facts = {"session": state.number, "rows": None}
        boltzmann.save_machine(path, state.model, chains=state.chains, facts=facts)
        return state, rows

    def retrained(self, epochs_as: str) -> SessionState:
        """The whole machine after the retraining of a protocol's sessions, without any removal."""
        state, settings = self.trained()[0], self.settings
        for key in jax.random.split(self.keys.session, settings.sessions[epochs_as]):
            learnt = boltzmann.learn(key, state.model, self.digits.train, settings.retrain, chains=state.chains)
            check(learnt.code)
            state = SessionState(learnt.model, learnt.chains, state.number + 1)
        return state

    def small(self, place: int) -> SessionState:
        """A dense machine of the sizes at a place of the preset's list, trained for as many epochs as pruned ones in all."""
        settings = self.settings
        epochs = settings.training.epochs + settings.sessions["B"] * settings.retrain.epochs
        training = dataclasses.replace(settings.training, epochs=epochs)
        return self._train(jax.random.fold_in(self.keys.small, place), training, settings.dense[place], fields=False)

    def measure(self, number: int, state: SessionState) -> _study.Row:
        """Everything that is told of a machine; `number` chooses the random key."""
        data, settings = self.digits, self.settings
        inputs, labels = data.train[: settings.classified], data.labels[: settings.classified]
        run_key, assess_key = jax.random.split(self.keys.measure[number])
        model = state.model
        found = boltzmann.assess(
            assess_key, model, inputs, labels, data.test, data.test_labels, judge=data.judge,
            chains=boltzmann.run_gibbs(run_key, model, state.chains, 200), temperatures=settings.temperatures,
        )  # fmt: skip
        alive = [int(units.sum()) for units in boltzmann.units_left(model.masks)]
        return {
            "session": number,
            "weights_1": int(model.masks[0].sum()),
            "weights_2": int(model.masks[1].sum()),
            "lost_pixels": model.sizes[0] - alive[0],
            "h1": alive[1],
            "h2": alive[2],
            "silent": int((boltzmann.top_code(model, inputs[:5000]).max(axis=0) < 0.5).sum()),
            **found._asdict(),
            "pixels_error": data.judge.error,
            "independent": data.independent,
        }

    def _train(self, key, training, hidden, *, fields):
        settings = self.settings
        draw_key, pre_key, learn_key = jax.random.split(key, 3)
        side = settings.side
        mask = boltzmann.receptive_fields((side, side), settings.fields) if fields else None
        start = boltzmann.dbm(
            draw_key, visible=side**2, hidden=hidden, masks=(mask, None), visible_bias=-1.0, hidden_bias=-2.0
        )
        start, parts = boltzmann.pretrain(pre_key, start, self.digits.train, settings.pretraining)
        learnt = boltzmann.learn(learn_key, start, self.digits.train, training)
        for part in (*parts, learnt):
            check(part.code)
        return SessionState(learnt.model, learnt.chains, 0)

    def _path(self, *parts):
        """File between runs, named by the settings, data and versions that the machine depends on; not by the code."""
        made = fingerprint(self.seed, self.settings, self.digits.train, _study.provenance()["versions"])
        return _study.cache() / "-".join(["dbm", self.preset, str(self.number), *parts, f"{made[:12]}.eqx"])


def _load(path):
    model, chains, facts = boltzmann.load_machine(path)
    assert chains is not None  # they are always stored
    return SessionState(model, chains, facts["session"]), facts


def check(code: int | jax.Array) -> None:
    """Refuse a machine whose learning diverged."""
    if int(code) != boltzmann.LearnCode.FINISHED:
        raise InputError(boltzmann.LearnCode(int(code)).words)
