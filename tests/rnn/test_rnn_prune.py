"""Whole recurrent networks pruned by every rule: what all rules promise, what each does, and networks and rules of one's own."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import quick_jit, untyped
from one_network import ACTIVITY, INPUTS, KEY, MODEL, TASK, N, W, fit

import jaxprune
from jaxprune import dynamics, pruning, rnn

OWN = eqx.tree_at(lambda m: m.W_rec, MODEL, W + jnp.diag(jnp.linspace(0.1, 0.5, N)))  # with self-synapses
THERE = N * (N - 1)
LINEAR = ("+form", "+abscissa")  # for symmetric networks, and for those with a leak on the diagonal
RULES = {name: rule for name, rule in pruning.RULES.items() if not name.endswith(LINEAR)}
CAPPED = pruning.NoisePrune(adjust=pruning.Strengthen(cap_quantile=0.5))


def prune(rule, keep=0.3, model=MODEL, key=KEY, **options):
    """The pruned recurrent block."""
    options.setdefault("activity", ACTIVITY)
    return rnn.prune_recurrent(key, model, rule, keep=keep, **options).blocks[0]


def count(rule):
    """Synapses that a rule with a fixed number keeps of .3."""
    return 0 if isinstance(rule.adjust, pruning.adjust.Empty) else round(0.3 * THERE)


def radius(S):
    return np.abs(np.linalg.eigvals(np.asarray(S))).max()


@pytest.mark.parametrize("rule", [*RULES.values(), CAPPED], ids=[*RULES, "noise capped"])
def test_promises(rule):
    S, mask, _, _ = prune(rule)
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert not np.any(np.asarray(S)[np.asarray(mask) == 0])
    assert bool(jnp.all(jnp.isfinite(S)))
    if rule.method == "top":
        assert int(mask.sum()) == count(rule)
    else:
        assert abs(int(mask.sum()) - count(rule)) < 5 * np.sqrt(count(rule))
    np.testing.assert_array_equal(prune(rule).matrix, S)
    if not rule.needs_activity:
        np.testing.assert_array_equal(prune(rule, activity=None).matrix, S)
    whole = prune(rule, keep=1.0).matrix
    np.testing.assert_allclose(whole, W if count(rule) else jnp.zeros_like(W), atol=1e-6)


@pytest.mark.parametrize("name", ["weight+abscissa", "noise+abscissa"])
def test_a_network_without_a_leak_has_no_slowest_decay_to_restore(name):
    with pytest.raises(jaxprune.InputError, match=r"only a linear network has a slowest decay .* use \+radius"):
        prune(name)


@pytest.mark.parametrize("rule", [*RULES.values(), CAPPED], ids=[*RULES, "noise capped"])
def test_self_synapses_stay_and_are_not_counted(rule):
    S, mask, _, _ = prune(rule, model=OWN)
    np.testing.assert_array_equal(jnp.diagonal(mask), 0)
    if rule.method == "top":
        assert int(mask.sum()) == count(rule)
    # One whose correction is a sum of many may, by chance, take any value; all others keep them.
    if not isinstance(rule.adjust, pruning.adjust.CorrectOnce):
        assert bool(jnp.all(jnp.diagonal(S) != 0))
    if isinstance(rule.adjust, pruning.Keep | pruning.Strengthen):
        np.testing.assert_allclose(jnp.diagonal(S), jnp.diagonal(OWN.W_rec))


def test_what_each_does():
    size = np.abs(np.asarray(W))
    largest = size >= np.sort(size.ravel())[-round(0.3 * THERE)]
    np.testing.assert_array_equal(prune("weight+keep").matrix, np.where(largest, W, 0))
    np.testing.assert_allclose(radius(prune("weight+radius").matrix), radius(W), rtol=1e-9)
    np.testing.assert_allclose(radius(prune("weight+radius", model=OWN).matrix), radius(OWN.W_rec), rtol=1e-9)
    chain = jnp.diag(jnp.ones(N - 1), -1) * jnp.linspace(1, 2, N)[:, None]
    alone = dataclasses.replace(MODEL, W_rec=chain)
    np.testing.assert_array_equal(prune("weight+radius", 1.0, model=alone).matrix, chain)
    H = ACTIVITY.second_moment
    lost = {}
    for score in ("weight", "activity", "noise", "uniform", "greedy"):
        S, mask, _, _ = prune(f"{score}+compensation")
        np.testing.assert_allclose(S, fit(W, mask, H), atol=1e-12)
        lost[score] = float(pruning.drive_error(W, S, H))
    assert lost["greedy"] < lost["weight"] < lost["uniform"]
    for better, worse in (
        ("uniform+compensation", "uniform+keep"),
        ("activity+regrow", "activity+compensation"),
        ("weight+compensation", "surgeon+once"),
    ):
        errors = [float(pruning.drive_error(W, prune(name).matrix, H)) for name in (better, worse)]
        assert errors[0] < errors[1]


def test_strengthened_weights_are_right_on_average():
    S = quick_jit(jax.vmap(lambda key: prune("noise", key=key).matrix))(jax.random.split(KEY, 200))
    mean, error = np.mean(S, axis=0), np.std(S, axis=0, ddof=1) / np.sqrt(200)
    seen = error > 1e-12  # what is kept for certain does not vary
    # Weights that did not grow would all be too small in size.
    z = np.sign(np.asarray(W)) * (mean - np.asarray(W)) / np.where(seen, error, 1)
    assert abs(np.mean(z[seen])) < 5 / np.sqrt(seen.sum())


def test_cap_is_a_quantile_of_the_gain():
    importance = pruning.noise_importance(W, ACTIVITY.covariance)
    p = np.asarray(pruning.keep_probabilities(importance, count=round(0.3 * THERE)))
    cap = np.quantile(1 / p[p > 0], 0.5)
    S, mask, _, _ = prune(CAPPED)
    gain = (np.asarray(S) / np.where(np.asarray(W) != 0, W, 1))[np.asarray(mask) > 0]
    np.testing.assert_allclose(gain, np.minimum(1 / p[np.asarray(mask) > 0], cap), rtol=1e-9)


def test_importance_computed_before_serves_many_fractions():
    ranks = pruning.removal_importance(W, ACTIVITY.second_moment)
    for keep in (0.2, 0.5):
        given, found = (prune("greedy+compensation", keep, importances=given) for given in ([ranks], None))
        np.testing.assert_array_equal(given.mask, found.mask)
        np.testing.assert_array_equal(given.matrix, found.matrix)
    turned = prune("greedy+compensation", 0.2, importances=[jnp.max(ranks) - ranks])
    assert bool(jnp.any(turned.mask != prune("greedy+compensation", 0.2).mask))


@pytest.mark.parametrize("name", ["weight+keep", "noise", "activity+compensation", "activity+regrow"])
def test_under_jit(name):
    rule = pruning.RULES[name]
    if name == "activity+regrow":
        rule = dataclasses.replace(rule, adjust=pruning.Regrow(rounds=2))
    loops, source = (1, TASK) if name == "activity+regrow" else (0, None)

    def run(key, model, seen):
        return rnn.prune_recurrent(key, model, rule, keep=0.3, activity=seen, source=source, loops=loops).model.W_rec

    S = eqx.filter_jit(run)(KEY, MODEL, ACTIVITY)
    np.testing.assert_allclose(S, run(KEY, MODEL, ACTIVITY), atol=1e-9)


def test_whole_network_with_report():
    labels = jnp.argmax(rnn.run(MODEL, INPUTS), axis=-1)
    pruned, report = rnn.prune_rnn(
        KEY, MODEL, "activity+compensation", keep=0.3, source=TASK, trials=rnn.TrialSet(INPUTS, labels)
    )
    block = pruning.apply_rule(
        jax.random.split(KEY, 1)[0],
        W,
        ACTIVITY,
        pruning.RULES["activity+compensation"],
        count=pruning.synapse_count(W, 0.3, symmetric=False, kind="recurrent"),
        symmetric=False,
        kind="recurrent",
    )
    np.testing.assert_array_equal(pruned.W_rec, block.matrix)
    np.testing.assert_array_equal(pruned.W_in, MODEL.W_in)
    assert report.kept == [round(0.3 * THERE)]
    np.testing.assert_allclose(report.kept_fraction, [0.3], atol=1e-9)
    np.testing.assert_allclose(
        report.drive_error, [pruning.drive_error(W, pruned.W_rec, ACTIVITY.second_moment)], rtol=1e-9
    )
    np.testing.assert_allclose(report.radius, [radius(W)], rtol=1e-9)
    np.testing.assert_allclose(report.pruned_radius, [radius(pruned.W_rec)], rtol=1e-9)
    np.testing.assert_allclose(report.abscissa, [np.linalg.eigvals(np.asarray(W)).real.max()], rtol=1e-9)
    np.testing.assert_allclose(
        report.pruned_abscissa, [np.linalg.eigvals(np.asarray(pruned.W_rec)).real.max()], rtol=1e-9
    )
    assert report.shift == 0
    assert report.accuracy == 1.0
    assert report.retention == report.pruned_accuracy == float(rnn.accuracy(pruned, INPUTS, labels))
    assert 0.5 < report.retention < 1
    assert report.chance == float(rnn.chance_level(labels))


def test_report_without_activity_or_trials():
    report = rnn.prune_rnn(KEY, MODEL, "weight+keep", keep=0.3).report
    assert report.drive_error is None
    assert report.accuracy is report.pruned_accuracy is report.retention is report.chance is None
    shifted = rnn.prune_rnn(KEY, MODEL, "noise+keep", keep=0.3, source=rnn.Linearised(shift=2.0)).report
    assert shifted.shift == 2


def test_single_precision_networks_stay_single_and_are_fitted_in_double():
    single = jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_array(x) else x, MODEL)
    pruned, blocks, _ = rnn.prune_recurrent(KEY, single, "activity+compensation", keep=0.3, activity=ACTIVITY)
    assert pruned.W_rec.dtype == jnp.float32
    np.testing.assert_array_equal(pruned.W_rec, blocks[0].matrix.astype(jnp.float32))
    wide = fit(single.W_rec.astype(float), blocks[0].mask, ACTIVITY.second_moment)
    np.testing.assert_allclose(blocks[0].matrix, wide, atol=1e-12)


@pytest.mark.parametrize("kind", [eqx.nn.GRUCell, eqx.nn.LSTMCell])
def test_cells_of_equinox(kind):
    cell = kind(3, N, key=KEY)
    pruned, report = rnn.prune_rnn(KEY, cell, "activity+compensation", keep=0.25, source=rnn.CellInputs(INPUTS))
    gates = cell.weight_hh.shape[0] // N
    assert report.kept == [THERE // 4] * gates
    assert report.certificate is None
    assert int((pruned.weight_hh != 0).sum()) == gates * (THERE // 4 + N)
    np.testing.assert_array_equal(pruned.weight_ih, cell.weight_ih)
    H = rnn.CellInputs(INPUTS).activity(KEY, cell).second_moment
    for before, after in zip(*(np.split(np.asarray(x.weight_hh), gates) for x in (cell, pruned)), strict=True):
        support = jnp.asarray(after != 0, float)
        np.testing.assert_allclose(after, fit(jnp.asarray(before), support, H), atol=1e-9)


def test_gates_draw_coins_of_their_own():
    """Gates with the same weights lose different synapses."""
    cell = eqx.nn.GRUCell(3, N, key=KEY)
    same = eqx.tree_at(lambda c: c.weight_hh, cell, jnp.tile(cell.weight_hh[:N], (3, 1)))
    masks = [part.mask for part in rnn.prune_recurrent(KEY, same, "weight", keep=0.5).blocks]
    assert all(bool(jnp.any(masks[i] != masks[j])) for i, j in ((0, 1), (0, 2), (1, 2)))


# A network, a rule and a source of one's own.


class Leaky(eqx.Module):
    """Somebody else's network: leaky units, no readout, their own names."""

    weight: jax.Array
    drive: jax.Array
    leak: float = 0.3

    def states(self, inputs):
        """What the recurrent weights are applied to, (time, trial, neuron)."""

        def step(x, u):
            after = (1 - self.leak) * x + self.leak * jnp.tanh(x @ self.weight.T + u @ self.drive.T)
            return after, x

        return jax.lax.scan(step, jnp.zeros((inputs.shape[1], len(self.weight))), inputs)[1]


THEIRS = Leaky(1.3 * W, 2 * jax.random.normal(jax.random.key(2), (N, 3)))
STATES = dynamics.FromStates(lambda key, model: model.states(INPUTS))


def second_moment(model):
    """Of the states of one's own network, with NumPy."""
    x, seen = np.zeros((INPUTS.shape[1], N)), []
    weight, drive = np.asarray(model.weight), np.asarray(model.drive)
    for u in np.asarray(INPUTS):
        seen.append(x)
        x = 0.7 * x + 0.3 * np.tanh(x @ weight.T + u @ drive.T)
    x = np.concatenate(seen)
    return x.T @ x / len(x)


@pytest.mark.parametrize("loops", [0, 2])
def test_a_network_of_ones_own_class(loops):
    pruned, report = rnn.prune_rnn(
        KEY, THEIRS, "activity+compensation", keep=0.3, where=lambda m: m.weight, source=STATES, loops=loops
    )
    assert isinstance(pruned, Leaky)
    np.testing.assert_array_equal(pruned.drive, THEIRS.drive)
    H = second_moment(THEIRS)
    passed_on = np.abs(np.asarray(THEIRS.weight)) * np.sqrt(np.diagonal(H))
    mask = passed_on >= np.sort(passed_on.ravel())[-round(0.3 * THERE)]
    np.testing.assert_array_equal(pruned.weight != 0, mask)
    # As if the loops had been written out.
    expected = fit(THEIRS.weight, jnp.asarray(mask, float), jnp.asarray(H))
    seen = 0
    for loop in range(1, loops + 1):
        G = second_moment(dataclasses.replace(THEIRS, weight=expected))
        seen = seen + min(1, np.trace(H) / np.trace(G)) * G
        expected = fit(THEIRS.weight, jnp.asarray(mask, float), jnp.asarray((H + seen / loop) / 2))
    np.testing.assert_allclose(pruned.weight, expected, atol=1e-8)
    np.testing.assert_allclose(
        report.drive_error, [pruning.drive_error(THEIRS.weight, expected, jnp.asarray(H))], rtol=1e-6
    )
    if loops:
        opened = fit(THEIRS.weight, jnp.asarray(mask, float), jnp.asarray(H))
        assert float(jnp.max(jnp.abs(opened - pruned.weight))) > 1e-3


def test_where_points_to_any_square_blocks():
    """Of a CTRNN, too: what is pruned is what it points to, and only that."""
    model = dataclasses.replace(MODEL, W_in=jax.random.normal(KEY, (N, N)))
    pruned, report = rnn.prune_rnn(KEY, model, "weight+keep", keep=0.5, where=lambda m: m.W_in)
    np.testing.assert_array_equal(pruned.W_rec, model.W_rec)
    kept = pruned.W_in != 0
    assert report.kept == [THERE // 2] == [int(kept.sum()) - N]
    np.testing.assert_array_equal(pruned.W_in, jnp.where(kept, model.W_in, 0))
    pointed = rnn.prune_rnn(KEY, MODEL, "weight+keep", keep=0.5, where=lambda m: m.W_rec).model
    np.testing.assert_array_equal(pointed.W_rec, rnn.prune_rnn(KEY, MODEL, "weight+keep", keep=0.5).model.W_rec)


def test_a_rule_of_ones_own():
    """Weight times the standard deviation of the receiver: its function sees the weights and the activity."""

    def receiver(W, activity):
        return jnp.abs(W) * jnp.sqrt(jnp.diagonal(activity.covariance))[:, None]

    mine = pruning.Rule(receiver, "top", pruning.Keep())
    pruned = rnn.prune_rnn(KEY, MODEL, mine, keep=0.3, source=TASK).model
    sd = np.sqrt(np.diagonal(np.asarray(ACTIVITY.covariance)))
    said = np.abs(np.asarray(W)) * sd[:, None]
    stays = said >= np.sort(said.ravel())[-round(0.3 * THERE)]
    np.testing.assert_array_equal(pruned.W_rec, np.where(stays, W, 0))


def test_a_rule_of_ones_own_that_looks_at_weights_alone():
    small = pruning.Rule(lambda W: 1 / (1 + jnp.abs(W)), "top", pruning.Keep())
    pruned = rnn.prune_rnn(KEY, MODEL, small, keep=0.3).model
    off = ~np.eye(N, dtype=bool)
    size = np.abs(np.asarray(W))
    stays = off & (size <= np.sort(size[off])[round(0.3 * THERE) - 1])
    np.testing.assert_array_equal(pruned.W_rec, np.where(stays, W, 0))


def test_a_name_is_the_rule_of_that_name():
    for name, rule in (
        ("noise", pruning.NoisePrune()),
        ("weight+keep", pruning.WeightPrune("top", pruning.Keep())),
        ("uniform+compensation", pruning.UniformPrune("top", pruning.Compensate())),
    ):
        np.testing.assert_array_equal(prune(name).matrix, prune(rule).matrix)


def test_two_sources_mixed():
    loud = rnn.TaskInputs(3 * INPUTS)
    seen = rnn.prune_recurrent(
        KEY, MODEL, "activity+compensation", keep=0.3, source=dynamics.Mixture(TASK, loud, share=0.25)
    )
    one, two = ACTIVITY, loud.activity(KEY, MODEL)
    H = 0.75 * one.second_moment + 0.25 * two.second_moment
    np.testing.assert_allclose(seen.activity.second_moment, H, atol=1e-12)
    np.testing.assert_allclose(seen.activity.mean, 0.75 * one.mean + 0.25 * two.mean, atol=1e-12)
    np.testing.assert_allclose(seen.blocks[0].matrix, fit(W, seen.blocks[0].mask, H), atol=1e-9)


class Silent(dynamics.Source):
    """A source that must not be asked."""

    def activity(self, key, model):
        raise AssertionError("asked")


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if not rule.needs_activity])
def test_rules_that_need_no_activity_ask_for_none(name):
    alone = rnn.prune_recurrent(KEY, MODEL, name, keep=0.3)
    assert alone.activity is None
    offered = rnn.prune_recurrent(KEY, MODEL, name, keep=0.3, source=Silent())
    np.testing.assert_array_equal(offered.model.W_rec, alone.model.W_rec)


def test_activity_that_is_given_is_not_measured_again():
    given = rnn.prune_recurrent(KEY, MODEL, "noise+keep", keep=0.3, activity=ACTIVITY, source=Silent())
    np.testing.assert_array_equal(given.blocks[0].matrix, prune("noise+keep").matrix)


def test_errors():
    small = dynamics.activity_of(jnp.eye(3))
    linear = eqx.nn.Linear(3, 4, key=KEY)

    def call(rule="activity+compensation", model=MODEL, key=KEY, keep=0.5, **options):
        return rnn.prune_rnn(key, model, rule, keep=keep, **options)

    for refused, words in (
        (lambda: call(), "the rule looks at activity, but there is none: pass source="),
        (lambda: call(activity=small), "activity is of 3 neurons, but the weights have 20 inputs"),
        (lambda: call(source=dynamics.FromStates(lambda key, m: jnp.ones((5, 3)))), "activity is of 3 neurons"),
        (lambda: call(activity=ACTIVITY.covariance), "must be a dynamics.Activity"),
        (lambda: call(source=TASK.activity), "source is a method, but must be a dynamics.Source"),
        (lambda: call("weight+keep", keep=0.0), "keep is 0"),
        (lambda: call("weight+keep", keep=1e-4), "keeps no synapse"),
        (lambda: call("weight+keep", key=0), "key is 0, but must be a typed random key"),
        (lambda: call("weight+kep"), r"rule is 'weight\+kep', but the nearest names are weight\+keep"),
        (lambda: call(lambda W: W), "must be a pruning.Rule or the name of one"),
        (lambda: call(pruning.Rule(lambda W: W[:2], "top")), r"importance has shape \(2, 20\)"),
        (lambda: call(pruning.Rule(lambda W: W, "top")), "importance"),
        (lambda: call("weight+form", activity=ACTIVITY), "needs a symmetric linear network"),
        (
            lambda: call("weight+keep", loops=2, source=TASK),
            "loops is 2, but the rule adjusts by Keep, on which watching has no",
        ),
        (lambda: call("noise", loops=2, source=TASK), "adjusts by Strengthen, on which watching has no effect"),
        (lambda: call(loops=2, activity=ACTIVITY), "loops is 2, but there is nothing to watch the pruned network by"),
        (lambda: call(loops=-1, source=TASK), "loops is -1"),
        (lambda: call(loops=1.5, source=TASK), "loops is 1.5, but must be a whole number"),
        (lambda: call(model=eqx.nn.Linear(3, 3, key=KEY)), "model is a Linear"),
        (lambda: call("weight+keep", model=linear, where=lambda m: m.weight), "square blocks"),
        (
            lambda: call("weight+keep", model=eqx.nn.GRUCell(3, N, key=KEY), trials=rnn.TrialSet(INPUTS, None)),
            "trials measure a CTRNN",
        ),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            refused()
