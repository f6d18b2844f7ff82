"""Training and pruning together."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import Normed

import jaxprune
from jaxprune import deep
from jaxprune.deep import (
    Constants,
    Counter,
    Schedule,
    Sparse,
    Survival,
    TrainCode,
    Training,
    init_training,
    train_epoch,
    train_epoch_by_steps,
)

KEY = jax.random.key(0)
rng = np.random.default_rng(0)
Y = jnp.asarray(rng.integers(0, 3, 200))
X = jnp.asarray(np.eye(3)[np.asarray(Y)] @ rng.normal(size=(3, 6)) + 0.5 * rng.normal(size=(200, 6)))
MODEL = eqx.nn.MLP(6, 3, 16, 1, key=KEY)
PLAIN = Training(6, optax.sgd(0.1, momentum=0.9), batch=20)
RULES = {
    "counter": Counter(patience=1),
    "fisher": Counter(patience=1, score="fisher"),
    "survival": Survival(linear=Constants(1.0, 1.5, 13.0, 2.0), begin=0),
    "gradual": Sparse(Schedule(0.2)),
    "set": Sparse(Schedule(0.2), growth="random", start="erdos-renyi"),
    "rigl": Sparse(Schedule(0.2), growth="gradient", start="erdos-renyi"),
    "exchange": Sparse(Schedule(0.2), score="information", growth="gain"),
}


def run(training, model=MODEL, epochs=None, key=KEY):
    """The state after the last epoch, and of every epoch its infos and masks."""
    state = init_training(KEY, model, training)
    infos, masks = [], []
    for _ in range(epochs or training.epochs):
        state, info = train_epoch(key, state, X, Y, training)
        infos.append(info)
        masks.append(state.rule.masks)
    return state, infos, masks


def leaves(model):
    return jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))


@pytest.mark.parametrize("name", RULES)
def test_rules_prune_while_it_learns(name):
    training = dataclasses.replace(PLAIN, rule=RULES[name])
    state, infos, masks = run(training)
    assert [int(info.code) for info in infos] == [TrainCode.FINISHED] * 6
    for W, mask in zip(jax.tree.leaves(deep.weights(state.model)), jax.tree.leaves(state.rule.masks), strict=True):
        np.testing.assert_array_equal(W[mask == 0], 0)
    assert float(infos[-1].loss) < float(infos[0].loss)
    final = float(infos[-1].density)
    assert final < 1
    if name in ("gradual", "set", "rigl", "exchange"):
        np.testing.assert_allclose(final, 0.2, atol=0.01)
    # Nothing changes in the last two epochs.
    for a, b in zip(jax.tree.leaves(masks[3]), jax.tree.leaves(masks[-1]), strict=True):
        np.testing.assert_array_equal(a, b)
    logits, _ = deep.predict(state.model, None, X)
    assert float((logits.argmax(axis=1) == Y).mean()) > 0.7


def test_infinite_patience_is_the_plain_run_bit_for_bit():
    plain, *_ = run(PLAIN)
    same, *_ = run(dataclasses.replace(PLAIN, rule=Counter(patience=np.inf)))
    for a, b in zip(leaves(plain.model), leaves(same.model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_seeds_together_are_each_alone():
    training = dataclasses.replace(PLAIN, rule=RULES["exchange"])
    models = eqx.filter_vmap(lambda k: eqx.nn.MLP(6, 3, 16, 1, key=k))(jax.random.split(KEY, 3))
    keys = jax.random.split(jax.random.key(1), 3)
    states = eqx.filter_vmap(lambda k, m: init_training(k, m, training))(keys, models)
    for _ in range(3):
        states, _ = eqx.filter_vmap(lambda k, s: train_epoch(k, s, X, Y, training))(keys, states)
    alone = init_training(keys[1], jax.tree.map(lambda a: a[1] if eqx.is_array(a) else a, models), training)
    for _ in range(3):
        alone, _ = train_epoch(keys[1], alone, X, Y, training)
    for a, b in zip(leaves(states.model), leaves(alone.model), strict=True):
        np.testing.assert_allclose(a[1], b, rtol=1e-6, atol=1e-9)


def test_divergence_keeps_the_last_good_state():
    training = Training(3, optax.sgd(1e30), batch=20, rule=Counter(patience=1))
    state = init_training(KEY, MODEL, training)
    after, info = train_epoch(KEY, state, X * 1e30, Y, training)
    assert int(info.code) == TrainCode.DIVERGED
    for a, b in zip(leaves(state.model), leaves(after.model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "lower the learning rate" in TrainCode(int(info.code)).words


def test_growth_looks_at_the_random_order_not_at_the_first_samples():
    """The first half of the data is silent: only a probe of both halves gives a gradient to the first layer."""
    x = jnp.concatenate([jnp.zeros_like(X), X])
    y = jnp.concatenate([Y, Y])
    rule = Sparse(Schedule(0.3), growth="gradient", start="uniform", share=0.5)
    grown = []
    for probe in (20, 200):
        training = dataclasses.replace(PLAIN, rule=rule, probe=probe)
        state = init_training(KEY, MODEL, training)
        after, _ = train_epoch(KEY, state, x, y, training)
        came = (np.asarray(state.rule.masks.layers[0].weight) == 0) & (
            np.asarray(after.rule.masks.layers[0].weight) == 1
        )
        grown.append(came.sum())
    assert min(grown) > 0


def test_errors():
    with pytest.raises(jaxprune.InputError, match="200 samples, fewer than a batch of 500"):
        train_epoch(KEY, init_training(KEY, MODEL, PLAIN), X, Y, dataclasses.replace(PLAIN, batch=500))
    with pytest.raises(jaxprune.InputError, match="nothing would ever be removed"):
        Training(4, optax.sgd(0.1), rule=Counter(patience=3))
    stacked = eqx.filter_vmap(lambda k: eqx.nn.Linear(6, 3, key=k))(jax.random.split(KEY, 2))
    with pytest.raises(jaxprune.InputError, match="3 axes instead of 2"):
        init_training(KEY, stacked, PLAIN)


@pytest.mark.parametrize("name", ["counter", "rigl", "fisher"])
def test_one_update_after_the_other_is_the_same(name):
    training = dataclasses.replace(PLAIN, rule=RULES[name])
    state = other = init_training(KEY, MODEL, training)
    for _ in range(3):
        state, info = train_epoch(KEY, state, X, Y, training)
        other, seen = train_epoch_by_steps(KEY, other, X, Y, training)
    for a, b in zip((*leaves(state.model), *info), (*leaves(other.model), *seen), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_updates_one_by_one_are_compiled_once():
    class Counted:
        calls = 0

        def __call__(self, model, extra, x, y, key):
            Counted.calls += 1
            return deep.cross_entropy(model, extra, x, y, key)

    loss, state = Counted(), init_training(KEY, MODEL, PLAIN)
    train_epoch_by_steps(KEY, state, X, Y, PLAIN, loss)
    first = Counted.calls
    train_epoch_by_steps(KEY, state, X, Y, PLAIN, loss)
    assert Counted.calls == first


def test_a_model_with_state():
    model, extra = eqx.nn.make_with_state(Normed)(6, 16, 3)
    training = dataclasses.replace(PLAIN, rule=RULES["gradual"])
    state = init_training(KEY, model, training, extra=extra)
    for _ in range(6):
        state, info = train_epoch(KEY, state, X, Y, training)
    np.testing.assert_allclose(float(info.density), 0.2, atol=0.01)
    logits, _ = deep.predict(eqx.nn.inference_mode(state.model), state.extra, X)
    assert float((logits.argmax(axis=1) == Y).mean()) > 0.7
