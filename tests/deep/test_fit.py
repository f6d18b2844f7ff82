"""Whole runs, interrupted and not."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from helpers import untyped

import jaxprune
from jaxprune import deep
from jaxprune.deep import Counter, Schedule, Sparse, Training, fit

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (60, 5))
Y = (X[:, 0] > 0).astype(int)
MODEL = eqx.nn.MLP(5, 2, 8, 1, key=KEY)
TRAINING = Training(5, optax.adam(0.01), batch=20, rule=Sparse(Schedule(0.3), growth="gradient"), quiet=1)


def same(a, b):
    for x, y in zip(
        jax.tree.leaves(eqx.filter(a, eqx.is_array)), jax.tree.leaves(eqx.filter(b, eqx.is_array)), strict=True
    ):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("done", [1, 3])
def test_goes_on_where_it_was_exactly(tmp_path, done):
    whole = fit(KEY, MODEL, X, Y, TRAINING)
    path = tmp_path / "c.eqx"

    def stop(state, info):
        if int(state.epoch) > done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(KEY, MODEL, X, Y, TRAINING, checkpoint=path, each=stop)
    seen = []
    after = fit(KEY, MODEL, X, Y, TRAINING, checkpoint=path, each=lambda s, i: seen.append(int(s.epoch)), progress=True)
    assert seen == list(range(done + 1, 6))
    same(whole, after)
    assert [file.name for file in tmp_path.iterdir()] == ["c.eqx"]


def test_checkpoint_of_something_else(tmp_path):
    path = tmp_path / "c.eqx"
    fit(KEY, MODEL, X, Y, TRAINING, checkpoint=path)
    content = path.read_bytes()
    for change in (
        {"training": dataclasses.replace(TRAINING, rule=Counter())},
        {"training": dataclasses.replace(TRAINING, optimiser=optax.adam(0.02))},
        {"x": X + 1},
        {"model": eqx.nn.MLP(5, 2, 8, 1, key=jax.random.key(1))},
        {"key": jax.random.key(1)},
    ):
        arguments = {"key": KEY, "model": MODEL, "x": X, "y": Y, "training": TRAINING} | change
        with pytest.raises(jaxprune.InputError, match="is of another network, or of other data or settings"):
            fit(**arguments, checkpoint=path)
    path.write_bytes(content[:-50])
    with pytest.raises(jaxprune.InputError, match="is damaged"):
        fit(KEY, MODEL, X, Y, TRAINING, checkpoint=path)


def test_divergence_leaves_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "c.eqx"
    rates = optax.piecewise_constant_schedule(0.01, {5: 1e38, 6: 1e38})
    training = Training(5, optax.sgd(rates), batch=20)
    with pytest.raises(jaxprune.InputError, match=r"epoch \d: The loss stopped being finite"):
        fit(KEY, MODEL, X, Y, training, checkpoint=path)
    like = deep.init_training(KEY, MODEL, training)
    found = jaxprune.files.read_tree(path, like)
    assert int(found.epoch) >= 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(eqx.filter(found.model, eqx.is_inexact_array)))


def test_errors():
    with untyped(), pytest.raises(jaxprune.InputError, match="60 inputs but 59 labels"):
        fit(KEY, MODEL, X, Y[:-1], TRAINING)
    with pytest.raises(jaxprune.InputError, match="fewer than a batch of 20"):
        fit(KEY, MODEL, X[:10], Y[:10], TRAINING)
