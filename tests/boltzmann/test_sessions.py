"""Sessions: what each does, and that a killed run goes on to the same end."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped
from machines import machine

import jaxprune
from jaxprune import boltzmann
from jaxprune.boltzmann import (
    LearnCode,
    Learning,
    Sessions,
    init_sessions,
    prune_in_sessions,
    prune_session,
    weight_size,
)

KEY = jax.random.key(0)
DATA = jnp.asarray(np.random.default_rng(0).integers(0, 2, (300, 6)), jnp.uint8)
DEEP = DATA[:, :5]
QUICK = Sessions("weight", 0.3, retrain=Learning(epochs=1), samples=500, chains=100, burn_in=5, gap=1)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_session_without_retraining_is_its_parts():
    from jaxprune.boltzmann import choose, remove, sample_moments

    sessions = dataclasses.replace(QUICK, retrain=None)
    model = machine()
    state = init_sessions(KEY, model, sessions)
    after, info = prune_session(KEY, state, DATA, sessions)
    measure_key, _, choose_key, _ = jax.random.split(jax.random.fold_in(KEY, 0), 4)
    moments, chains = sample_moments(measure_key, model, samples=500, chains=state.chains, burn_in=5, gap=1)
    masks = choose(choose_key, model, weight_size(model), remove=0.3)
    same(after.model, remove(model, masks, moments))
    same(after.chains, chains)
    assert info.weights == (int(masks[0].sum()),)
    assert info.code is LearnCode.FINISHED
    plain, _ = prune_session(KEY, state, DATA, dataclasses.replace(sessions, bias_step=False))
    same(plain.model, remove(model, masks))


def test_units_go_with_their_synapses_and_retraining_brings_none_back():
    model = machine("deep")
    state = init_sessions(KEY, model, QUICK)
    weights, units = [], []
    for _ in range(3):
        state, info = prune_session(KEY, state, DEEP, QUICK)
        weights.append(info.weights)
        units.append(info.units)
        for W, mask in zip(state.model.weights, state.model.masks, strict=True):
            np.testing.assert_array_equal(np.asarray(W)[np.asarray(mask) == 0], 0)
        assert tuple(int(mask.sum()) for mask in state.model.masks) == info.weights
        assert state.model.sizes[1:] == info.units[1:]
    assert state.number == 3
    assert weights == sorted(weights, reverse=True)
    assert units[-1][1] <= 4


def test_units_may_stay_in_the_arrays():
    """By themselves: the same machine, with units that nothing depends on."""
    sessions = dataclasses.replace(QUICK, remove=(0.5, 0.5), retrain=None, criterion="units")
    state = init_sessions(KEY, machine("deep"), sessions)
    small, info = prune_session(KEY, state, DEEP, sessions)
    large, other = prune_session(KEY, state, DEEP, dataclasses.replace(sessions, delete=False))
    assert info.weights == other.weights
    assert info.units == other.units
    assert large.model.sizes == (5, 4, 3)
    assert sum(small.model.sizes) < 12
    same(boltzmann.delete_units(large.model, large.chains).model, small.model)


def test_own_criterion():
    def first_rows(key, model, moments):
        return tuple(jnp.arange(len(mask), 0.0, -1)[:, None] * mask for mask in model.masks)

    sessions = dataclasses.replace(QUICK, criterion=first_rows, retrain=None)
    after, _ = prune_session(KEY, init_sessions(KEY, machine(), sessions), DATA, sessions)
    gone = np.asarray(machine().masks[0])[:3] - np.asarray(after.model.masks[0])[:3]
    assert gone[0].sum() == 0


@pytest.mark.parametrize("done", [1, 2])
def test_goes_on_where_it_was(tmp_path, done):
    model = machine()
    whole = prune_in_sessions(KEY, model, DATA, QUICK, 3)
    path = tmp_path / "checkpoint.eqx"
    prune_in_sessions(KEY, model, DATA, QUICK, done, checkpoint=path)
    seen = []
    after = prune_in_sessions(
        KEY, model, DATA, QUICK, 3, checkpoint=path, each=lambda state, info: seen.append(state.number)
    )
    assert seen == list(range(done + 1, 4))
    same(after.model, whole.model)
    same(after.chains, whole.chains)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.eqx"]


def test_checkpoint_of_something_else(tmp_path):
    path = tmp_path / "checkpoint.eqx"
    prune_in_sessions(KEY, machine(), DATA, QUICK, 1, checkpoint=path)
    content = path.read_bytes()
    others = (
        (jax.random.key(1), machine(), DATA, QUICK),
        (KEY, machine(seed=1), DATA, QUICK),
        (KEY, machine(), 1 - DATA, QUICK),
        (KEY, machine(), DATA, dataclasses.replace(QUICK, bias_step=False)),
        (KEY, machine(), DATA, dataclasses.replace(QUICK, retrain=Learning(epochs=2))),
    )
    for key, model, data, sessions in others:
        with pytest.raises(jaxprune.InputError, match="another machine, or of other data or settings"):
            prune_in_sessions(key, model, data, sessions, 2, checkpoint=path)
    assert path.read_bytes() == content


def test_checkpoint_of_a_function_that_does_something_else(tmp_path):
    path = tmp_path / "checkpoint.eqx"

    def settings(power):
        return dataclasses.replace(
            QUICK, criterion=lambda k, model, m: tuple(jnp.abs(W) ** power for W in model.weights)
        )

    prune_in_sessions(KEY, machine(), DATA, settings(1), 1, checkpoint=path)
    with pytest.raises(jaxprune.InputError, match="another machine, or of other data or settings"):
        prune_in_sessions(KEY, machine(), DATA, settings(3), 2, checkpoint=path)
    assert prune_in_sessions(KEY, machine(), DATA, settings(1), 2, checkpoint=path).number == 2


def test_checkpoint_after_more_sessions(tmp_path):
    path = tmp_path / "checkpoint.eqx"
    prune_in_sessions(KEY, machine(), DATA, QUICK, 2, checkpoint=path)
    with pytest.raises(jaxprune.InputError, match="is after 2 sessions, but number is 1"):
        prune_in_sessions(KEY, machine(), DATA, QUICK, 1, checkpoint=path)


def test_goes_on_with_given_chains():
    chains = init_sessions(jax.random.key(5), machine(), QUICK).chains
    state = init_sessions(KEY, machine(), QUICK, chains=chains)
    same(state.chains, chains)


def test_nothing_left():
    low = Sessions("weight", (0.0, 0.9), retrain=None, samples=100, chains=50, burn_in=1, gap=1)
    state = init_sessions(KEY, machine("deep"), low)

    def all_sessions():
        now = state
        for _ in range(5):
            now, _ = prune_session(KEY, now, DEEP, low)

    with pytest.raises(boltzmann.Exhausted, match=r"would lose its last synapse|would delete all units"):
        all_sessions()
    assert issubclass(boltzmann.Exhausted, jaxprune.InputError)


def test_errors():
    for settings, message in (
        ({"criterion": "fisher"}, "criterion is 'fisher', but must be one of 'variance'"),
        ({"criterion": 3}, "must be a name or a function"),
        ({"samples": 0}, "samples is 0"),
        ({"remove": 1.5}, r"remove is 1.5, but must be in \[0, 1\)"),
        ({"remove": (0.1, -0.1)}, "remove is -0.1"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=message):
            dataclasses.replace(QUICK, **settings)
    with pytest.raises(jaxprune.InputError, match="number is 0"):
        prune_in_sessions(KEY, machine(), DATA, QUICK, 0)
    with pytest.raises(jaxprune.InputError, match="chains have 5, 4, 3 units, but the machine has 6, 4"):
        init_sessions(KEY, machine(), QUICK, chains=init_sessions(KEY, machine("deep"), QUICK).chains)
    with pytest.raises(jaxprune.InputError, match=r"must be \(sample, 6\)"):
        prune_session(KEY, init_sessions(KEY, machine(), QUICK), DEEP, QUICK)
