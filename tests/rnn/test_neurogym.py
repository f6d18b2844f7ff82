"""Trials of NeuroGym's environments: what is scored, what differs in length, and what is refused."""

import types

import jax
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import rnn


class Sequence:
    """An environment as NeuroGym's are: the fixation input goes off, then the answer moves on with every step, as in Mod-Cog."""

    observation_space = types.SimpleNamespace(shape=(3,))

    def __init__(self, choices=4):
        self.action_space = types.SimpleNamespace(n=choices)
        self.start_ind, self.end_ind = {}, {}

    @property
    def unwrapped(self):
        return self

    def seed(self, seed):
        self.rng = np.random.RandomState(seed)

    def new_trial(self):
        wait, first = np.random.randint(2, 6), self.rng.randint(3)  # noqa: NPY002
        self.start_ind = {"wait": 0, "decision": wait}
        self.end_ind = {"wait": wait, "decision": wait + 3}
        self.ob, self.gt = np.zeros((wait + 3, 3)), np.zeros(wait + 3, int)
        self.ob[:wait, 0], self.ob[0, 1] = 1, first
        self.gt[wait:] = 1 + (first + np.arange(3)) % 3


class Wrapped:
    """A wrapper that knows nothing of trials, as Gymnasium's do not."""

    def __init__(self, env):
        self.env, self.action_space, self.unwrapped = env, env.action_space, env


def test_choices_of_a_period_are_scored_and_shorter_trials_are_filled_up():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    trials = rnn.neurogym_trials(Sequence(), 50, seed=3)
    inputs, labels = map(np.asarray, trials)
    assert (inputs.shape, labels.shape, inputs.dtype) == ((8, 50, 3), (8, 50), np.float32)
    waits = inputs[:, :, 0].sum(axis=0).astype(int)
    assert set(waits) == {2, 3, 4, 5}
    for trial, wait in enumerate(waits):
        expected = np.full(8, -1)
        expected[wait : wait + 3] = 1 + (inputs[0, trial, 1] + np.arange(3)) % 3
        np.testing.assert_array_equal(labels[:, trial], expected)
        assert not inputs[wait:, trial].any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    again = rnn.neurogym_trials(Wrapped(Sequence()), 50, seed=3)
    np.testing.assert_array_equal(again.inputs, inputs)
    whole = np.asarray(rnn.neurogym_trials(Sequence(), 50, seed=3, period=None).labels)
    np.testing.assert_array_equal(whole, np.where((labels < 0) & (np.arange(8)[:, None] < waits), 0, labels))
    assert (np.asarray(rnn.neurogym_trials(Sequence(), 50, seed=4).labels) != labels).any()


def test_networks_train_on_given_trials():
    trials = rnn.neurogym_trials(Sequence(), 60)
    model = rnn.ctrnn(jax.random.key(0), inputs=3, neurons=24, outputs=1 + int(trials.labels.max()), alpha=0.5)
    losses = rnn.train(jax.random.key(1), model, trials, steps=200, trials=20, rate=1e-2).losses
    assert float(losses[-20:].mean()) < 0.5 * float(losses[:20].mean())
    few = rnn.batch(jax.random.key(2), trials, 7)
    assert few.inputs.shape == (8, 7, 3)
    places = [(np.asarray(trials.inputs) == np.asarray(few.inputs)[:, [i]]).all(axis=(0, 2)) for i in range(7)]
    for trial, same in enumerate(places):
        assert (np.asarray(trials.labels)[:, same] == np.asarray(few.labels)[:, [trial]]).all()
        assert same.any()
    with pytest.raises(jaxprune.InputError, match="labels holds 3"):
        rnn.train(
            jax.random.key(1), rnn.ctrnn(jax.random.key(0), inputs=3, neurons=4, outputs=3), trials, steps=1, trials=2
        )


class Rewarded(Sequence):
    """Without right choices."""

    gt = None

    def new_trial(self):
        self.ob = np.zeros((1, 3))


class Pictures(Sequence):
    """That shows images."""

    def new_trial(self):
        super().new_trial()
        self.ob = np.zeros((len(self.gt), 4, 4))


class Short(Sequence):
    """Whose decision takes less than a step."""

    def new_trial(self):
        super().new_trial()
        self.end_ind = self.start_ind


@pytest.mark.parametrize(
    ("environment", "settings", "message"),
    [
        (Sequence(), {"trials": 0}, "trials is 0"),
        (Sequence(), {"seed": -1}, "seed is -1"),
        (Sequence(), {"dt": 20}, "dt has no effect, as Sequence is made already"),
        (Sequence(), {"period": "test"}, "Sequence has no period 'test': pass period= one of wait, decision, or None"),
        (Sequence(choices=None), {}, "Sequence is answered by numbers"),
        (Rewarded(), {}, "Rewarded does not say which choice is right"),
        (Pictures(), {}, "Pictures shows 2-dimensional inputs"),
        (Short(), {}, "Short: no step is scored"),
        (3, {}, "int has no trials"),
    ],
)
def test_what_is_no_environment_of_choices_is_refused(environment, settings, message):
    with untyped(), pytest.raises(jaxprune.InputError, match=message) as found:
        rnn.neurogym_trials(environment, **settings)
    assert len(str(found.value)) < 300


@pytest.mark.parametrize(
    ("name", "settings", "shape", "choices"),
    [
        ("PerceptualDecisionMaking-v0", {"dt": 20}, (110, 40, 3), {1, 2}),
        ("GoNogo", {}, (15, 40, 3), {0, 1}),
        ("yang19.dm1", {}, (12, 40, 33), set(range(1, 17))),
        ("DelayMatchCategory", {"period": "test"}, None, {1, 2}),
    ],
)
def test_environments_of_neurogym(name, settings, shape, choices):
    pytest.importorskip("neurogym")
    trials = rnn.neurogym_trials(name, 40, seed=1, **settings)
    if shape is not None:
        assert trials.inputs.shape == shape
    labels = np.asarray(trials.labels)
    assert set(labels[labels >= 0].tolist()) <= choices
    np.testing.assert_array_equal(rnn.neurogym_trials(name, 40, seed=1, **settings).inputs, trials.inputs)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "PerceptualDecisionMakin",
            {},
            "no environment 'PerceptualDecisionMakin': did you mean PerceptualDecisionMaking-v0",
        ),
        ("chess", {}, "no environment 'chess': it has AntiReach-v0"),
        ("GoNogo", {"colour": "red"}, "GoNogo-v0 cannot be made with these settings: .*colour"),
        ("GoNogo", {"period": "test"}, "GoNogo-v0 has no period 'test'"),
        ("ReachingDelayResponse", {}, "ReachingDelayResponse-v0 is answered by numbers"),
        ("Bandit", {}, "Bandit-v0 does not say which choice is right"),
    ],
)
def test_names_and_settings_that_neurogym_does_not_know(name, settings, message):
    pytest.importorskip("neurogym")
    with pytest.raises(jaxprune.InputError, match=message) as found:
        rnn.neurogym_trials(name, **settings)
    assert len(str(found.value)) < 300


def test_without_neurogym_a_name_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "neurogym", None)
    with pytest.raises(jaxprune.InputError, match=r"pip install 'jaxprune\[tasks\]'"):
        rnn.neurogym_trials("GoNogo")
