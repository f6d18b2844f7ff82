"""Gradients against enumeration, and what learning promises."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import standard_errors, untyped
from machines import exact, joint, machine, units_of

import jaxprune
from jaxprune.boltzmann import (
    BoltzmannMachine,
    LearnCode,
    Learning,
    dbm,
    divergence,
    enumerate_machine,
    learn,
    mean_field,
    moments_of,
    pretrain,
    rbm,
    receptive_fields,
    run_gibbs,
    start_chains,
)

MANY = 20_000
ONE_STEP = Learning(epochs=1, rate=(1.0, 1.0), batch=MANY, chains=MANY)
PATTERNS = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])


def data_of(visible, seed=0):
    """Data of some patterns, with a tenth of the pixels flipped."""
    rng = np.random.default_rng(seed)
    clean = PATTERNS[rng.integers(0, len(PATTERNS), MANY), :visible]
    return jnp.asarray(np.where(rng.random(clean.shape) < 0.1, 1 - clean, clean).astype(np.uint8))


def step_of(model, learnt):
    """Change of all parameters."""
    return np.concatenate(
        [
            np.ravel(new - old)
            for new, old in zip(
                jax.tree.leaves((learnt.model.biases, learnt.model.weights)),
                jax.tree.leaves((model.biases, model.weights)),
                strict=True,
            )
        ]
    )


def masked(model, moments):
    pairs = tuple(p * mask for p, mask in zip(moments.pairs, model.masks, strict=True))
    return units_of(moments._replace(pairs=pairs))


@pytest.mark.parametrize("kind", ["restricted", "deep"])
def test_persistent_step_is_the_gradient(kind):
    """From chains that have forgotten their start: data's moments less the exact ones."""
    model = machine(kind)
    data = data_of(model.sizes[0])
    chains = run_gibbs(jax.random.key(1), model, start_chains(jax.random.key(2), model, MANY), 100)
    learnt = learn(jax.random.key(0), model, data, ONE_STEP, chains=chains)
    states = mean_field(model, data.astype(float), sweeps=30, tolerance=1e-4).states
    there = masked(model, moments_of(states))
    here = masked(model, exact(kind).moments)
    assert standard_errors(there - step_of(model, learnt), here, here * (1 - here), MANY) < 5


def test_contrastive_divergence_step_is_its_expectation():
    """Data's moments less those one sweep later, by listing every path of a sweep."""
    model = machine()
    data = data_of(6)
    parts, chance, _ = joint(model)
    visible, hidden = np.unique(parts[0], axis=0), np.unique(parts[1], axis=0)
    table = np.zeros((len(visible), len(hidden)))
    for p, v, h in zip(chance, parts[0], parts[1], strict=True):
        table[(visible == v).all(1).argmax(), (hidden == h).all(1).argmax()] = p
    up, down = table / table.sum(1, keepdims=True), (table / table.sum(0, keepdims=True)).T
    start = np.asarray([(np.asarray(data) == v).all(axis=1).mean() for v in visible])
    later = start @ up @ down
    on = up @ hidden
    here = np.concatenate(
        [later @ visible, later @ on, np.ravel((on * later[:, None]).T @ visible * np.asarray(model.masks[0]))]
    )
    there = masked(model, moments_of(mean_field(model, data.astype(float)).states))
    learnt = learn(jax.random.key(0), model, data, dataclasses.replace(ONE_STEP, negative="cd"))
    assert standard_errors(there - step_of(model, learnt), here, here * (1 - here), MANY) < 5


@pytest.mark.parametrize("negative", ["pcd", "cd"])
def test_learning_comes_close_to_the_data(negative):
    data = data_of(6)
    model = rbm(jax.random.key(1), visible=6, hidden=4, dtype=float)
    index = np.asarray(data) @ 2 ** np.arange(6)
    frequency = (np.bincount(index, minlength=64) + 1e-9) / len(data)
    learnt = learn(jax.random.key(0), model, data, Learning(epochs=20, rate=(0.5, 0.02), chains=500, negative=negative))
    assert int(learnt.code) == LearnCode.FINISHED

    def lost(machine):
        return float(divergence(jnp.log(frequency), enumerate_machine(machine, visible=True).log_visible))

    assert lost(learnt.model) < lost(model) / 5


def test_progress_shows_how_much_weights_change():
    model = machine()
    learnt = learn(jax.random.key(0), model, data_of(6), ONE_STEP)
    moved = step_of(model, learnt)[10:]
    expected = np.sqrt((moved**2).sum() / float(model.masks[0].sum()))
    np.testing.assert_allclose(learnt.progress.change, [expected], rtol=1e-9)
    np.testing.assert_array_equal(learnt.progress.unconverged, [0])


def test_deep_machine_learns_after_pretraining():
    data = data_of(6)
    model = dbm(jax.random.key(1), visible=6, hidden=(5, 3), dtype=float)
    layer = Learning(epochs=5, rate=(0.1, 0.02), negative="cd")
    start, parts = pretrain(jax.random.key(2), model, data, [layer, layer])
    np.testing.assert_allclose(start.biases[1], (parts[0].model.biases[1] + parts[1].model.biases[0]) / 2, rtol=1e-12)
    np.testing.assert_array_equal(start.weights[1], parts[1].model.weights[0])
    learnt = learn(jax.random.key(3), start, data, Learning(epochs=20, rate=(0.2, 0.01), chains=500))
    index = np.asarray(data) @ 2 ** np.arange(6)
    frequency = (np.bincount(index, minlength=64) + 1e-9) / len(data)

    def lost(machine):
        return float(divergence(jnp.log(frequency), enumerate_machine(machine, visible=True).log_visible))

    assert lost(learnt.model) < min(lost(start), lost(model)) / 5
    assert float(learnt.progress.unconverged[-1]) < 1


def test_only_synapses_learn_and_incoming_weights_stay_short():
    mask = receptive_fields((2, 3), 3)
    model = rbm(jax.random.key(1), visible=6, hidden=6, mask=mask, dtype=float)
    settings = Learning(epochs=3, rate=(2.0, 2.0), max_norm=0.5)
    learnt = learn(jax.random.key(0), model, data_of(6), settings).model
    np.testing.assert_array_equal(np.asarray(learnt.weights[0])[np.asarray(mask) == 0], 0)
    norms = np.linalg.norm(learnt.weights[0], axis=1)
    assert norms.max() < 0.5 * (1 + 1e-12)
    assert norms.max() > 0.499


def test_divergence_keeps_the_last_good_machine():
    model = rbm(jax.random.key(1), visible=6, hidden=4, dtype=float)

    def runaway(rate):
        import optax

        # Finite for an epoch, not after.
        return optax.chain(optax.sgd(rate), optax.scale_by_schedule(lambda n: jnp.where(n < 200, 1.0, jnp.inf)))

    learnt = learn(jax.random.key(0), model, data_of(6), Learning(epochs=3, rate=(0.1, 0.1), optimiser=runaway))
    assert int(learnt.code) == LearnCode.DIVERGED
    assert "lower the rate" in LearnCode(int(learnt.code)).words
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(learnt.model))
    once = learn(jax.random.key(0), model, data_of(6), Learning(epochs=1, rate=(0.1, 0.1), optimiser=runaway))
    assert int(once.code) == LearnCode.FINISHED
    assert not np.array_equal(learnt.model.weights[0], model.weights[0])


def test_many_machines_learn_together():
    data, settings = data_of(6)[:1000], Learning(epochs=2)
    keys = jax.random.split(jax.random.key(0), 3)
    models = [rbm(key, visible=6, hidden=4, dtype=float) for key in keys]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    together = eqx.filter_vmap(lambda key, model: learn(key, model, data, settings))(keys, stacked)
    for number, (key, model) in enumerate(zip(keys, models, strict=True)):
        alone = learn(key, model, data, settings).model
        np.testing.assert_allclose(together.model.weights[0][number], alone.weights[0], atol=1e-12)


def test_errors():
    model, data = machine(), data_of(6)
    for settings, message in (
        ({"epochs": 0}, "epochs is 0"),
        ({"rate": (0.1, 0.0)}, "rate is 0"),
        ({"negative": "gibbs"}, "negative is 'gibbs'"),
        ({"max_norm": -1.0}, "max_norm is -1"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=message):
            Learning(**settings)
    with pytest.raises(jaxprune.InputError, match=r"data\[3, 2\] is 7, but every value must be 0 or 1"):
        learn(jax.random.key(0), model, data.at[3, 2].set(7))
    with pytest.raises(jaxprune.InputError, match=r"shape \(20000, 5\), but must be \(sample, 6\)"):
        learn(jax.random.key(0), model, data[:, :5])
    with pytest.raises(jaxprune.InputError, match="50 samples, fewer than a batch of 100"):
        learn(jax.random.key(0), model, data[:50])
    with pytest.raises(jaxprune.InputError, match="data has no sample"):
        learn(jax.random.key(0), model, data[:0])
    with pytest.raises(jaxprune.InputError, match="chains have 5, 4, 3 units"):
        learn(jax.random.key(0), model, data, chains=start_chains(jax.random.key(0), machine("deep"), 10))
    with pytest.raises(jaxprune.InputError, match="settings for 1 layers of weights, but the machine has 2"):
        pretrain(jax.random.key(0), machine("deep"), data_of(5), [Learning()])


def test_machine_is_checked():
    model = machine()
    with pytest.raises(jaxprune.InputError, match=r"weights\[0\] has shape \(4, 6\), but between these layers"):
        BoltzmannMachine((model.biases[0], model.biases[0]), model.weights, model.masks)
    with pytest.raises(jaxprune.InputError, match="one fewer"):
        BoltzmannMachine(model.biases, model.weights * 2, model.masks)
