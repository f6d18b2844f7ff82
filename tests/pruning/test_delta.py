"""The delta rule step by step, and where it ends."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, driven, quick_jit, stationary, untyped

import jaxprune
from jaxprune import rnn
from jaxprune.pruning import DeltaRule, OnlinePrune, compensate, delta_rule, drive_error

W, RATES, H, MASK = driven()


def by_hand(rule, W, start, mask, batches, sign=None):
    """The docstring's equations, one synapse after the other, and the mean over the second half."""
    W, S, mask = (np.asarray(value).copy() for value in (W, start, mask))
    power, mean = np.zeros(W.shape[1]), np.zeros_like(W)
    for step, inputs in enumerate(np.asarray(batches)):
        present = (inputs**2).mean(axis=0)
        power = (step * power + present) / (step + 1)
        rate = rule.rate * min(1, rule.steps / (4 * max(step, 1e-9)))
        missing = inputs @ (W - S).T
        change = np.zeros_like(S)
        for i, j in np.ndindex(*S.shape):
            heard = max(sum(mask[i] * power), sum(mask[i] * present))
            if heard > 0:
                change[i, j] = rate / heard * np.mean(missing[:, i] * inputs[:, j])
        if rule.symmetric:
            change = (change + change.T) / 2
        S = S + mask * change
        if sign is not None:
            S = np.where(S * np.asarray(sign) > 0, S, 0)
        if step >= rule.steps // 2:
            mean += S / (rule.steps - rule.steps // 2)
    return S, mean


def drive(rule, W, start, mask, batches, sign=None):
    state = rule.init(start)
    for inputs in batches:
        state = update(rule, state, W, mask, inputs, sign)
    return state


@quick_jit
def _update(rate, state, W, mask, inputs, sign):
    return DeltaRule(7, rate).update(state, W, mask, inputs, sign=sign)


def update(rule, state, W, mask, inputs, sign):
    if rule == DeltaRule(7, rule.rate):
        return _update(rule.rate, state, W, mask, inputs, sign)
    return rule.update(state, W, mask, inputs, sign=sign)


@pytest.mark.parametrize("law", ["free", "symmetric", "signed"])
def test_every_step_is_the_equation(law):
    rule = DeltaRule(7, 0.8, symmetric=law == "symmetric")
    batches = jnp.asarray(RATES[:21].reshape(7, 3, SIZE))
    A, mask = (dominant("clustered"), MASK * MASK.T) if rule.symmetric else (W, MASK)
    sign = jnp.where(jnp.arange(SIZE) % 2 == 0, 1.0, -1.0) if law == "signed" else None
    start = jnp.abs(A) * sign[None, :] * mask if law == "signed" else A * mask
    state = drive(rule, A, start, mask, batches, sign)
    S, mean = by_hand(rule, A, start, mask, batches, sign)
    np.testing.assert_allclose(state.weights, S, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(rule.result(state), mean, rtol=1e-9, atol=1e-12)
    assert int(state.step) == 7
    assert not np.asarray(state.weights)[np.asarray(mask) == 0].any()
    if law == "symmetric":
        np.testing.assert_allclose(state.weights, state.weights.T, atol=1e-14)
    if law == "signed":
        assert bool(jnp.all(state.weights * sign[None, :] >= 0))
        # Some were cut at zero, and may come back only with their own sign.
        assert bool(jnp.any((state.weights == 0) & (start != 0)))


def test_who_hears_nothing_stays():
    """No input that is active: no rate, and no division by its power."""
    silent = jnp.asarray(RATES[:8]).at[:, 5].set(0)
    mask = jnp.zeros_like(MASK).at[2, 5].set(1).at[4, 1].set(1)
    state = drive(DeltaRule(7, 0.5), W, W * mask, mask, [silent[None, 0], silent[1:3]])
    assert float(state.weights[2, 5]) == float(W[2, 5])
    assert float(state.weights[4, 1]) != float(W[4, 1])
    assert bool(jnp.all(jnp.isfinite(state.weights)))


def test_a_stream_is_driven_through_it():
    inputs = jnp.asarray(RATES[:23])
    learnt = delta_rule(W, W * MASK, MASK, inputs, rate=0.8, batch=3)
    state = drive(DeltaRule(7, 0.8), W, W * MASK, MASK, inputs[:21].reshape(7, 3, SIZE))
    np.testing.assert_allclose(learnt, DeltaRule(7).result(state), rtol=1e-9, atol=1e-12)


def test_it_ends_where_compensation_is():
    stream = jnp.asarray(np.tile(RATES, (10, 1)))
    learnt = delta_rule(W, W * MASK, MASK, stream, batch=4)
    fitted = compensate(W, MASK, H, leak=False, ridge=1e-12, solver="cholesky")
    start, end, best = (float(drive_error(W, S, H)) for S in (W * MASK, learnt, fitted))
    # The slowest directions of H are not reached in finite time: nine tenths of what can be won is.
    assert end - best < 0.1 * (start - best)
    np.testing.assert_array_equal(np.asarray(learnt)[np.asarray(MASK) == 0], 0)


def test_pairs_end_where_compensation_of_pairs_is():
    A = dominant("clustered")
    C = stationary(A)
    mask = (jnp.abs(A) > jnp.median(jnp.abs(A[A != 0]))).astype(float) * (1 - jnp.eye(SIZE))
    root = np.linalg.cholesky(C)
    batches = jnp.asarray(np.random.default_rng(0).normal(size=(3000, 8, SIZE)) @ root.T)
    rule = DeltaRule(3000, 0.5, symmetric=True)
    support = mask + jnp.eye(SIZE)

    def step(state, inputs):
        return rule.update(state, A, support, inputs), None

    learnt = rule.result(quick_jit(lambda start: jax.lax.scan(step, rule.init(start), batches)[0])(A * support))
    np.testing.assert_allclose(learnt, learnt.T, atol=1e-12)
    seen = jnp.einsum("bti,btj->ij", batches, batches) / (3000 * 8)
    fitted = compensate(A, mask, seen, symmetric=True)
    start, end, best = (float(drive_error(A, S, seen)) for S in (A * support, learnt, fitted))
    assert end - best < 0.05 * (start - best)


def test_all_who_learn_by_it_drive_the_same_rule(monkeypatch):
    """A stored stream, the running linear network, the running trained one; at sizes that no other test traces."""
    steps = []
    straight = DeltaRule.update

    def update(self, *arguments, **options):
        steps.append(self.steps)
        return straight(self, *arguments, **options)

    monkeypatch.setattr(DeltaRule, "update", update)
    A, online = jnp.ones((5, 5)), OnlinePrune(dt=0.1, observe=1, adapt=12)
    model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=5, outputs=2)
    jax.eval_shape(lambda inputs: delta_rule(A, A, A, inputs), jnp.ones((11, 5)))
    assert set(steps) == {11}
    jax.eval_shape(lambda key, A: online.step(key, online.init(A), 6), jax.random.key(0), A)
    assert set(steps) == {11, 12}
    jax.eval_shape(lambda inputs: rnn.learn_online(model, model, inputs).W_rec, jnp.ones((13, 3, 2)))
    assert set(steps) == {11, 12, 13}


def test_rules_are_settings():
    assert DeltaRule(5) == DeltaRule(5, rate=0.5, symmetric=False)
    assert hash(DeltaRule(5)) == hash(DeltaRule(5))
    with pytest.raises(dataclasses.FrozenInstanceError):
        DeltaRule(5).rate = 1.0


def test_errors():
    ones = jnp.ones((5, SIZE))
    for call, words in (
        (lambda: DeltaRule(0), "steps is 0"),
        (lambda: DeltaRule(5, rate=2.0), "rate is 2"),
        (lambda: DeltaRule(5, rate=0.0), "rate is 0"),
        (lambda: delta_rule(W, W, MASK, jnp.ones((5, 3))), r"inputs has shape \(5, 3\), but must be \(time, 16\)"),
        (lambda: delta_rule(W, W, MASK[:3], ones), "mask has shape"),
        (lambda: delta_rule(W, W[:3], MASK, ones), "start has shape"),
        (lambda: delta_rule(W, W, MASK, ones, rate=2.0), "rate is 2"),
        (lambda: delta_rule(W, W, MASK, ones, batch=6), "batch is 6"),
        (lambda: delta_rule(W, W, MASK, ones, batch=0), "batch is 0"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
