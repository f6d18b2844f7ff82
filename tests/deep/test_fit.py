"""Whole runs, interrupted and not."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import Normed, untyped

import jaxprune
from jaxprune import deep
from jaxprune.deep import Constants, Counter, Schedule, Sparse, Survival, Training, _fit, fit

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (60, 5))
Y = (X[:, 0] > 0).astype(int)
MODEL = eqx.nn.MLP(5, 2, 8, 1, key=KEY)
TRAINING = Training(5, optax.adam(0.01), batch=20, rule=Sparse(Schedule(0.3), growth="gradient"), quiet=1)
RULES = {
    "exchange": TRAINING.rule,
    "counter": Counter(patience=2),
    "survival": Survival(linear=Constants(1.0, 1.5, 13.0, 2.0), begin=1),
}


class Convolved(eqx.Module):
    convolution: eqx.nn.Conv1d
    last: eqx.nn.Linear

    def __init__(self):
        self.convolution, self.last = eqx.nn.Conv1d(1, 2, 3, key=KEY), eqx.nn.Linear(6, 2, key=KEY)

    def __call__(self, x):
        return self.last(jax.nn.relu(self.convolution(x[None])).ravel())


def same(a, b):
    for x, y in zip(
        jax.tree.leaves(eqx.filter(a, eqx.is_array)), jax.tree.leaves(eqx.filter(b, eqx.is_array)), strict=True
    ):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("done", [1, 3])
def test_goes_on_where_it_was_exactly(tmp_path, done, rule):
    training = dataclasses.replace(TRAINING, rule=RULES[rule])
    model, extra = (MODEL, None) if rule == "exchange" else eqx.nn.make_with_state(Normed)(5, 8, 2)
    whole = fit(KEY, model, X, Y, training, extra=extra)
    assert float(deep.density(whole.rule.masks)) < 1
    path = tmp_path / "c.eqx"

    def stop(state, info):
        if int(state.epoch) > done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(KEY, model, X, Y, training, extra=extra, checkpoint=path, each=stop)
    seen = []
    each = {"each": lambda s, i: seen.append(int(s.epoch)), "progress": True}
    after = fit(KEY, model, X, Y, training, extra=extra, checkpoint=path, **each)
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
        {"model": eqx.nn.MLP(5, 2, 8, 1, jax.nn.tanh, key=KEY)},
    ):
        arguments = {"key": KEY, "model": MODEL, "x": X, "y": Y, "training": TRAINING} | change
        with pytest.raises(jaxprune.InputError, match="is of another network, or of other data or settings"):
            fit(**arguments, checkpoint=path)
    path.write_bytes(content[:-50])
    with pytest.raises(jaxprune.InputError, match="is damaged"):
        fit(KEY, MODEL, X, Y, TRAINING, checkpoint=path)


def test_a_checkpoint_of_single_precision_stays_so_where_double_is_the_default(tmp_path):
    """A count that came back with a precision of its own made inference double, and the next convolution refuse it."""
    model, extra = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf,
        eqx.nn.make_with_state(deep.VGG)(KEY, widths=(2, 2), channels=1, classes=2),
    )
    x, y = jax.random.normal(KEY, (8, 1, 4, 4), jnp.float32), jnp.arange(8) % 2
    training = Training(1, optax.sgd(0.01), batch=4)
    once, again = (fit(KEY, model, x, y, training, extra=extra, checkpoint=tmp_path / "c.eqx") for _ in range(2))
    for state in (once, again):
        forward = eqx.filter_jit(deep.predict)
        assert forward(eqx.nn.inference_mode(state.model), state.extra, x)[0].dtype == jnp.float32
    assert eqx.tree_equal(once, again)


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
    for labels, message in ((Y - 1, "from -1 to 0, but the model has 2 outputs"), (Y + 1, "from 1 to 2")):
        with pytest.raises(jaxprune.InputError, match=message):
            fit(KEY, MODEL, X, labels, TRAINING)
    with pytest.raises(jaxprune.InputError, match="not finite"):
        fit(KEY, MODEL, X.at[3, 2].set(np.nan), Y, TRAINING)
    with pytest.raises(jaxprune.InputError, match="nowhere does not exist"):
        fit(KEY, MODEL, X, Y, TRAINING, checkpoint="nowhere/c.eqx")
    with untyped(), pytest.raises(jaxprune.InputError, match="60 inputs but 59 labels"):
        fit(KEY, MODEL, X, Y[:-1], TRAINING)
    with pytest.raises(jaxprune.InputError, match="fewer than a batch of 20"):
        fit(KEY, MODEL, X[:10], Y[:10], TRAINING)


@pytest.mark.parametrize(("model", "backend", "ways"), [
    (MODEL, "cpu", {"train_epoch"}),
    (Convolved(), "cpu", {"train_epoch_by_steps"}),
    (Convolved(), "gpu", {"train_epoch"}),
])  # fmt: skip
def test_convolutions_are_trained_update_by_update_on_a_cpu(model, backend, ways, monkeypatch):
    """Inside a compiled loop they would take many times as long there."""
    taken = set()

    def noting(name, function):
        return lambda *arguments: (taken.add(name), function(*arguments))[1]

    for name in ("train_epoch", "train_epoch_by_steps"):
        monkeypatch.setattr(_fit, name, noting(name, getattr(_fit, name)))
    monkeypatch.setattr(_fit.jax, "default_backend", lambda: backend)
    fit(KEY, model, X, Y, dataclasses.replace(TRAINING, rule=None))
    assert taken == ways


@pytest.mark.parametrize("double", [True, False])
def test_a_scalar_comes_back_as_precise_and_as_ready_to_adapt_as_it_was(tmp_path, double):
    with jax.enable_x64(double):
        like = {"count": jnp.asarray(1.0), "fixed": jnp.float32(2.0)}
    assert like["count"].weak_type
    jaxprune.files.write_tree(tmp_path / "tree", like, {})
    found = jaxprune.files.read_tree(tmp_path / "tree", like)
    for name, leaf in like.items():
        assert found[name] == leaf
        assert found[name].dtype == leaf.dtype
        assert found[name].weak_type == (leaf.weak_type and double), name
