"""Every rule for recurrent weights: what all promise, and what each does."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import pruning, rnn

KEY = jax.random.key(0)
N = 20
MODEL = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.4)
INPUTS = jax.random.normal(jax.random.key(1), (60, 8, 3))
ACTIVITY = rnn.task_activity(MODEL, INPUTS)
W = MODEL.recurrent
THERE = N * (N - 1)


def prune(rule, keep=0.3, W=W, key=KEY, **options):
    observe = watch if rule.loops else None
    return rnn.prune_weights(key, W, rule, keep=keep, activity=ACTIVITY, observe=observe, **options)


def watch(S):
    return rnn.task_activity(dataclasses.replace(MODEL, W_rec=S), INPUTS)


@pytest.mark.parametrize("name", rnn.RECURRENT_RULES)
def test_promises(name):
    rule = rnn.RECURRENT_RULES[name]
    S, mask = prune(rule)
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert not np.any(np.asarray(S)[np.asarray(mask) == 0])
    assert bool(jnp.all(jnp.isfinite(S)))
    count = round(0.3 * THERE)
    if rule.draw == "top":
        assert int(mask.sum()) == count
    else:
        assert abs(int(mask.sum()) - count) < 5 * np.sqrt(count)
    again = prune(rule)
    np.testing.assert_array_equal(again.matrix, S)
    if not rule.needs_activity:
        np.testing.assert_array_equal(rnn.prune_weights(KEY, W, rule, keep=0.3).matrix, S)
    np.testing.assert_allclose(prune(rule, keep=1.0).matrix, W, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, rule in rnn.RECURRENT_RULES.items() if rule.adjust != "surgeon"])
def test_the_diagonal_stays(name):
    own = W + jnp.diag(jnp.linspace(0.1, 0.5, N))
    S, mask = prune(rnn.RECURRENT_RULES[name], W=own)
    np.testing.assert_array_equal(jnp.diagonal(mask), 0)
    assert bool(jnp.all(jnp.diagonal(S) != 0))
    if rnn.RECURRENT_RULES[name].adjust not in ("fit", "regrow", "radius"):
        np.testing.assert_allclose(jnp.diagonal(S), jnp.diagonal(own))


def test_what_each_does():
    rules = rnn.RECURRENT_RULES
    size = np.abs(np.asarray(W))
    largest = size >= np.sort(size.ravel())[-round(0.3 * THERE)]
    np.testing.assert_array_equal(prune(rules["magnitude"]).matrix, np.where(largest, W, 0))
    radius = lambda S: np.abs(np.linalg.eigvals(np.asarray(S))).max()  # noqa: E731
    np.testing.assert_allclose(radius(prune(rules["magnitude, radius"]).matrix), radius(W), rtol=1e-9)
    own = W + jnp.diag(jnp.linspace(0.1, 0.5, N))
    np.testing.assert_allclose(radius(prune(rules["magnitude, radius"], W=own).matrix), radius(own), rtol=1e-9)
    chain = jnp.diag(jnp.ones(N - 1), -1) * jnp.linspace(1, 2, N)[:, None]
    np.testing.assert_array_equal(prune(rules["magnitude, radius"], 1.0, W=chain).matrix, chain)
    for name in ("magnitude+fit", "activity+fit", "noise+fit", "random+fit", "surgeon, rows"):
        S, mask = prune(rules[name])
        np.testing.assert_allclose(S, pruning.fit_rows(W, mask, ACTIVITY.second_moment), atol=1e-12)
    error = {
        name: float(pruning.drive_error(W, prune(rule).matrix, ACTIVITY.second_moment))
        for name, rule in rules.items()
        if rule.loops == 0
    }
    assert error["surgeon, rows"] < error["magnitude+fit"] < error["random+fit"] < error["random"]
    assert error["activity+regrow"] < error["activity+fit"]
    assert error["magnitude+fit"] < error["surgeon, once"]


def test_strengthened_weights_are_right_on_average():
    S = jnp.stack([prune(rnn.RECURRENT_RULES["noise, 1/p"], key=key).matrix for key in jax.random.split(KEY, 200)])
    mean, error = np.mean(S, axis=0), np.std(S, axis=0, ddof=1) / np.sqrt(200)
    seen = error > 1e-12  # what is kept for certain does not vary
    # Weights that did not grow would all be too small in size.
    z = np.sign(np.asarray(W)) * (mean - np.asarray(W)) / np.where(seen, error, 1)
    assert abs(np.mean(z[seen])) < 5 / np.sqrt(seen.sum())


def test_cap_is_a_quantile_of_the_gain():
    importance = pruning.noise_importance(W, ACTIVITY.covariance)
    p = np.asarray(pruning.keep_probabilities(importance, count=round(0.3 * THERE)))
    cap = np.quantile(1 / p[p > 0], 0.5)
    S, mask = prune(rnn.RECURRENT_RULES["noise, 1/p capped"])
    gain = (np.asarray(S) / np.where(np.asarray(W) != 0, W, 1))[np.asarray(mask) > 0]
    np.testing.assert_allclose(gain, np.minimum(1 / p[np.asarray(mask) > 0], cap), rtol=1e-9)


def test_removals_computed_before_serve_many_fractions():
    rule = rnn.RECURRENT_RULES["surgeon, rows"]
    removals = pruning.surgeon_order(W, ACTIVITY.second_moment, keep=1)
    for keep in (0.2, 0.5):
        np.testing.assert_array_equal(prune(rule, keep, removals=removals).mask, prune(rule, keep).mask)
    with pytest.raises(jaxprune.InputError, match="order with a smaller keep"):
        prune(rule, 0.2, removals=pruning.surgeon_order(W, ACTIVITY.second_moment, keep=10))


@pytest.mark.parametrize(
    "name", ["magnitude", "noise, 1/p", "activity+fit", "activity+regrow", "activity+regrow, closed loop"]
)
def test_under_jit(name):
    rule = rnn.RECURRENT_RULES[name]
    observe = watch if rule.loops else None
    S = jax.jit(lambda key, W, seen: rnn.prune_weights(key, W, rule, keep=0.3, activity=seen, observe=observe).matrix)(
        KEY, W, ACTIVITY
    )
    np.testing.assert_allclose(S, prune(rule).matrix, atol=1e-9)


def fixed(H):
    return lambda S: rnn.Activity(H, jnp.zeros(N), jnp.zeros(()))


def test_a_loop_fits_for_both_networks_alike():
    """One loop, by hand: half of the whole network's moments, half of the pruned one's, which counts no more than the whole."""
    rule = rnn.RecurrentRule("activity", adjust="fit", loops=1)
    H = ACTIVITY.second_moment
    other = jnp.cov(jax.random.normal(jax.random.key(5), (N, 3 * N)))
    for size, share in ((0.5, 1.0), (40.0, None)):
        G = size * other * jnp.trace(H) / jnp.trace(other)
        S, mask = rnn.prune_weights(KEY, W, rule, keep=0.3, activity=ACTIVITY, observe=fixed(G))
        weight = share or 1 / size
        np.testing.assert_allclose(S, pruning.fit_rows(W, mask, (H + weight * G) / 2), atol=1e-9)
    # What is not finite is replaced by the whole network's: of two loops, one counts.
    seen = iter([jnp.full((N, N), jnp.nan), 0.5 * other])
    ran_away = rnn.prune_weights(
        KEY, W, dataclasses.replace(rule, loops=2), keep=0.3, activity=ACTIVITY, observe=lambda S: fixed(next(seen))(S)
    ).matrix
    weight = min(1.0, float(jnp.trace(H) / jnp.trace(0.5 * other)))
    expected = (H + (H + weight * 0.5 * other) / 2) / 2
    np.testing.assert_allclose(ran_away, pruning.fit_rows(W, mask, expected), atol=1e-9)


def test_loops_watch_the_pruned_network_and_mean_what_they_saw():
    seen = []

    def keep(S):
        seen.append(S)
        return watch(S)

    rule = rnn.RecurrentRule("activity", adjust="fit", loops=3)
    S, mask = rnn.prune_weights(KEY, W, rule, keep=0.3, observe=keep)
    np.testing.assert_array_equal(seen[0], W)  # without activity given, the whole network first
    assert len(seen) == 4
    np.testing.assert_array_equal(mask, prune(dataclasses.replace(rule, loops=0)).mask)
    H, first, second, third = (watch(X).second_moment for X in seen)
    scaled = [jnp.minimum(1, jnp.trace(H) / jnp.trace(G)) * G for G in (first, second, third)]
    np.testing.assert_allclose(S, pruning.fit_rows(W, mask, (H + sum(scaled) / 3) / 2), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_closed_loop_fits_what_the_pruned_network_does(seed):
    """Under lasting inputs a pruned network strays; what its neurons then miss is what a loop sees and an open rule does not."""
    key = jax.random.key(seed)
    model = rnn.ctrnn(key, inputs=2, neurons=40, outputs=3, gain=2.0)
    inputs = jnp.broadcast_to(0.5 * jax.random.normal(jax.random.key(3), (1, 16, 2)), (60, 16, 2))
    missed = {}
    for loops in (0, 8):
        rule = rnn.RecurrentRule("activity", adjust="regrow", loops=loops)
        pruned = rnn.prune_rnn(key, model, rule, keep=0.15, observe=lambda net: rnn.task_activity(net, inputs)).model
        own = rnn.task_activity(pruned, inputs).second_moment
        missed[loops] = float(pruning.drive_error(model.W_rec, pruned.W_rec, own))
        assert int((pruned.W_rec != 0).sum()) == round(0.15 * 40 * 39)
    assert missed[8] < 0.7 * missed[0]


@pytest.mark.parametrize("excitatory", [None, 0.8])
def test_learning_online_ends_where_nothing_is_left_to_learn(excitatory):
    """At the end the error of a neuron's drive is not correlated with the inputs that it has, in the pruned network itself."""
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.2, excitatory=excitatory)
    noise = rnn.InputNoise(1.0, steps=6000, trials=32)
    start = rnn.prune_rnn(KEY, model, rnn.RecurrentRule("weight", adjust="none"), keep=0.3).model
    learnt = rnn.learn_online(model, start, noise.inputs(KEY, 3))
    there = start.recurrent != 0
    assert not bool(jnp.any(learnt.recurrent[~there] != 0))

    def left(network):
        H = rnn.InputNoise(1.0, steps=2000).activity(jax.random.key(7), network).second_moment
        free = there & (network.recurrent != 0)
        gradient = jnp.where(free, (model.recurrent - network.recurrent) @ H, 0)
        return float(jnp.linalg.norm(gradient)), float(pruning.drive_error(model.recurrent, network.recurrent, H))

    (before, lost), (after, kept) = left(start), left(learnt)
    assert after < 0.1 * before
    assert kept < 0.6 * lost
    if excitatory is not None:
        assert bool(jnp.all(learnt.recurrent * model.sign[None, :] >= 0))


def test_whole_network_with_report():
    labels = jnp.argmax(rnn.run(MODEL, INPUTS), axis=-1)
    pruned, report = rnn.prune_rnn(
        KEY,
        MODEL,
        rnn.RECURRENT_RULES["activity+fit"],
        keep=0.3,
        activity=ACTIVITY,
        trials=rnn.TrialSet(INPUTS, labels),
    )
    np.testing.assert_array_equal(pruned.W_rec, prune_first(0.3))
    np.testing.assert_array_equal(pruned.W_in, MODEL.W_in)
    assert report.kept == [round(0.3 * THERE)]
    np.testing.assert_allclose(report.kept_fraction, [0.3], atol=1e-9)
    np.testing.assert_allclose(report.radius[0], np.abs(np.linalg.eigvals(np.asarray(W))).max(), rtol=1e-9)
    np.testing.assert_allclose(
        report.pruned_abscissa[0], np.linalg.eigvals(np.asarray(pruned.W_rec)).real.max(), rtol=1e-9
    )
    assert report.accuracy == 1.0
    assert report.retention == report.pruned_accuracy == float(rnn.accuracy(pruned, INPUTS, labels))
    assert 0.5 < report.retention < 1


def prune_first(keep):
    return prune(rnn.RECURRENT_RULES["activity+fit"], keep, key=jax.random.split(KEY, 1)[0]).matrix


def test_dale_signs_survive_a_fit():
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, excitatory=0.8)
    activity = rnn.task_activity(model, INPUTS)
    pruned, report = rnn.prune_rnn(KEY, model, rnn.RECURRENT_RULES["activity+fit"], keep=0.2, activity=activity)
    assert bool(jnp.all(pruned.recurrent * model.sign[None, :] >= 0))
    assert int(jnp.sum(pruned.recurrent != 0)) == report.kept[0]
    assert 0.8 * 0.2 * THERE < report.kept[0] <= round(0.2 * THERE)
    # Those left refit for those that the law removed: better than clipping alone.
    S = rnn.prune_weights(jax.random.split(KEY, 1)[0], model.recurrent, rnn.RECURRENT_RULES["activity+fit"], keep=0.2,
                          activity=activity).matrix  # fmt: skip
    clipped = jnp.where(S * model.sign[None, :] > 0, S, 0)
    lost = [float(pruning.drive_error(model.recurrent, X, activity.second_moment)) for X in (pruned.recurrent, clipped)]
    assert lost[0] < lost[1]
    pointed = rnn.prune_rnn(
        KEY, model, rnn.RECURRENT_RULES["activity+fit"], keep=0.2, activity=activity, where=lambda m: m.W_rec
    ).model
    np.testing.assert_array_equal(pointed.recurrent, pruned.recurrent)


@pytest.mark.parametrize("kind", [eqx.nn.GRUCell, eqx.nn.LSTMCell])
def test_cells_of_equinox(kind):
    cell = kind(3, 12, key=KEY)
    activity = rnn.cell_activity(cell, INPUTS)
    pruned, report = rnn.prune_rnn(KEY, cell, rnn.RECURRENT_RULES["activity+fit"], keep=0.25, activity=activity)
    gates = cell.weight_hh.shape[0] // 12
    assert report.kept == [33] * gates
    assert report.certificate is None
    assert int((pruned.weight_hh != 0).sum()) == gates * (33 + 12)
    np.testing.assert_array_equal(pruned.weight_ih, cell.weight_ih)


def test_a_closed_loop_of_gates():
    cell = eqx.nn.GRUCell(3, 12, key=KEY)
    networks = []

    def observe(network):
        networks.append(network)
        return rnn.cell_activity(network, INPUTS)

    rule = rnn.RecurrentRule("activity", adjust="fit", loops=2)
    pruned, report = rnn.prune_rnn(KEY, cell, rule, keep=0.25, observe=observe)
    assert report.kept == [33] * 3
    assert len(networks) == 3
    np.testing.assert_array_equal(networks[0].weight_hh, cell.weight_hh)
    assert all(int((network.weight_hh != 0).sum()) == 3 * (33 + 12) for network in (*networks[1:], pruned))


def test_a_closed_loop_obeys_dale():
    """Every network that is watched is lawful, and what a loop breaks is refitted for the loop's moments."""
    model = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.5, excitatory=0.8)
    watched = []

    def observe(network):
        watched.append(network)
        # The pruned network has inputs ten times as strong: what it does differs enough to turn a sign.
        return rnn.task_activity(network, INPUTS if network is model else 10 * INPUTS)

    rule = rnn.RecurrentRule("activity", adjust="fit", loops=1)
    pruned, report = rnn.prune_rnn(KEY, model, rule, keep=0.5, observe=observe)
    assert len(watched) == 2
    assert all(bool(jnp.all(network.W_rec * model.sign[None, :] >= 0)) for network in (watched[1], pruned))
    before, there = (np.asarray(network.W_rec) != 0 for network in (watched[1], pruned))
    assert report.kept == [there.sum()]
    assert there.sum() < before.sum()
    H, G = (observe(network).second_moment for network in watched[:2])
    mixed = (H + jnp.minimum(1, jnp.trace(H) / jnp.trace(G)) * G) / 2
    unbroken = (there == before).all(axis=1)
    assert unbroken.sum() > N / 2
    fitted = pruning.fit_rows(model.recurrent, jnp.asarray(there, float), mixed)
    np.testing.assert_allclose(pruned.W_rec[unbroken], fitted[unbroken], atol=1e-8)


def test_learning_online_leaves_the_unconnected_alone_and_keeps_precision():
    model = jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_array(x) else x, MODEL)
    start = dataclasses.replace(model, W_rec=jnp.where(jnp.arange(N)[:, None] == 3, 0, model.W_rec))
    learnt = rnn.learn_online(model, start, rnn.InputNoise(1.0).inputs(KEY, 3))
    assert learnt.W_rec.dtype == jnp.float32
    np.testing.assert_array_equal(learnt.W_rec[3], 0)
    np.testing.assert_allclose(
        learnt.W_rec, start.W_rec, atol=1e-4
    )  # the others lost nothing and have nothing to learn


def test_any_network_by_where():
    class Mine(eqx.Module):
        matrix: jax.Array

    pruned, report = rnn.prune_rnn(KEY, Mine(W), rnn.RECURRENT_RULES["magnitude"], keep=0.5, where=lambda m: m.matrix)
    assert int((pruned.matrix != 0).sum()) == report.kept[0] == THERE // 2


def test_errors():
    rule = rnn.RECURRENT_RULES["activity+fit"]
    for call, words in (
        (lambda: rnn.prune_weights(KEY, W, rule, keep=0.5), "needs activity"),
        (lambda: rnn.prune_weights(KEY, W[:5, :5], rule, keep=0.5, activity=ACTIVITY), "activity is of 20 neurons"),
        (lambda: prune(rule, keep=0.0), "keep is 0"),
        (lambda: prune(rule, keep=1e-4), "keeps no synapse"),
        (lambda: rnn.RecurrentRule("luck"), "score is 'luck'"),
        (lambda: rnn.RecurrentRule(cap=0.0), "cap is 0"),
        (lambda: rnn.RecurrentRule(loops=-1), "loops is -1"),
        (lambda: rnn.RecurrentRule(adjust="none", loops=2), "loops is 2"),
        (
            lambda: rnn.prune_weights(KEY, W, dataclasses.replace(rule, loops=1), keep=0.5, activity=ACTIVITY),
            "pass observe",
        ),
        (lambda: rnn.learn_online(MODEL, MODEL, INPUTS, rate=2.0), "rate is 2"),
        (lambda: rnn.learn_online(MODEL, MODEL, INPUTS[..., :2]), r"must be \(time, trial, 3\)"),
        (
            lambda: rnn.learn_online(MODEL, rnn.ctrnn(KEY, inputs=3, neurons=5, outputs=2), INPUTS),
            r"W_rec of the pruned network is float64\(5, 5\)",
        ),
        (lambda: rnn.learn_online(MODEL, MODEL, INPUTS[:1]), "at least 2"),
        (lambda: rnn.RecurrentRule(rounds=1.5), "rounds is 1.5"),
        (
            lambda: rnn.prune_weights(
                KEY,
                W,
                dataclasses.replace(rule, loops=1),
                keep=0.5,
                activity=ACTIVITY,
                observe=lambda S: rnn.Activity(jnp.eye(3), jnp.ones(3), jnp.zeros(())),
            ),
            "observe sees 3 neurons",
        ),
        (lambda: rnn.prune_rnn(KEY, eqx.nn.Linear(3, 3, key=KEY), rule, keep=0.5), "model is a Linear"),
        (
            lambda: rnn.prune_rnn(KEY, eqx.nn.Linear(3, 4, key=KEY), rule, keep=0.5, where=lambda m: m.weight),
            "square blocks",
        ),
        (
            lambda: rnn.prune_rnn(
                KEY,
                eqx.nn.GRUCell(3, N, key=KEY),
                rnn.RECURRENT_RULES["magnitude"],
                keep=0.5,
                trials=rnn.TrialSet(INPUTS, None),
            ),
            "trials measure a CTRNN",
        ),
        (lambda: dataclasses.replace(rule, adjust="pray"), "adjust is 'pray'"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
