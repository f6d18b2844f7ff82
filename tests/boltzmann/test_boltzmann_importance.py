"""Importances of synapses against definitions on the exact distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import SIZES, exact, joint, machine

import jaxprune
from jaxprune import boltzmann
from jaxprune.boltzmann import CRITERIA, divergence, enumerate_machine, remove

KINDS = ("restricted", "deep")


def removal(model, layer, post, pre, biases=False):
    """Exact divergence of the joint states when one synapse goes (and biases are refitted to the means, if asked)."""
    masks = [np.array(mask) for mask in model.masks]
    masks[layer][post, pre] = 0
    after = remove(model, [jnp.asarray(mask) for mask in masks])
    _, p, _ = joint(model)
    if biases:
        parts, _, _ = joint(model)
        # Newton's method on the biases of the two units alone.
        x = np.stack([parts[layer][:, pre], parts[layer + 1][:, post]], axis=1)
        _, q, _ = joint(after)
        log_q = np.log(q)
        theta = np.zeros(2)
        for _ in range(50):
            weight = np.exp(log_q + x @ theta)
            weight /= weight.sum()
            mean = weight @ x
            theta += np.linalg.solve((x * weight[:, None]).T @ x - np.outer(mean, mean), p @ x - mean)
        weight = np.exp(log_q + x @ theta)
        return float(np.sum(p * (np.log(p) - np.log(weight / weight.sum()))))
    _, q, _ = joint(after)
    return float(np.sum(p * np.log(p / q)))


@pytest.mark.parametrize("kind", KINDS)
def test_information_is_what_a_removal_loses_to_second_order(kind):
    """Weights of a hundredth: the third order is then a per cent."""
    full = machine(kind)
    model = boltzmann.BoltzmannMachine(full.biases, tuple(W * 0.01 for W in full.weights), full.masks)
    moments = enumerate_machine(model).moments
    found, rest = boltzmann.information(model, moments), boltzmann.residual_information(model, moments)
    for layer, post, pre in ((0, 0, 1), (0, 2, 3), (len(model.weights) - 1, 1, 2)):
        if model.masks[layer][post, pre] == 0:
            continue
        np.testing.assert_allclose(found[layer][post, pre], removal(model, layer, post, pre), rtol=0.05)
        np.testing.assert_allclose(rest[layer][post, pre], removal(model, layer, post, pre, biases=True), rtol=0.05)


@pytest.mark.parametrize("kind", SIZES)
def test_residual_is_the_variance_left_by_a_regression(kind):
    model = machine(kind)
    parts, chance, _ = joint(model)
    found = boltzmann.residual_information(model, exact(kind).moments)
    for layer, W in enumerate(model.weights):
        for post, pre in np.argwhere(np.asarray(model.masks[layer]) > 0)[::3]:
            x = np.stack([np.ones(len(chance)), parts[layer][:, pre], parts[layer + 1][:, post]], axis=1)
            z = parts[layer][:, pre] * parts[layer + 1][:, post]
            coefficients = np.linalg.lstsq(x * np.sqrt(chance)[:, None], z * np.sqrt(chance), rcond=None)[0]
            expected = float(W[post, pre]) ** 2 / 2 * np.sum(chance * (z - x @ coefficients) ** 2)
            np.testing.assert_allclose(found[layer][post, pre], expected, rtol=1e-9)


@pytest.mark.parametrize("missing", ["post without pre", "neither"])
def test_what_biases_can_say_alone_is_not_lost(missing):
    """Where one of the four joint states never occurs, rounding of sampled probabilities must not count."""
    rng = np.random.default_rng(0)
    model = boltzmann.rbm(jax.random.key(0), visible=200, hidden=1, sd=1.0)
    v = (rng.random((6000, 200)) < rng.random(200)).astype(np.float32)
    implied = (rng.random((6000, 1)) < 0.3).astype(np.float32)
    v = np.maximum(v, implied if missing == "post without pre" else 1 - implied)
    moments = boltzmann.moments_of((jnp.asarray(v), jnp.asarray(implied, jnp.float32)))
    assert moments.pairs[0].dtype == jnp.float32
    assert float(boltzmann.information(model, moments)[0].min()) > 0
    np.testing.assert_array_equal(boltzmann.residual_information(model, moments)[0], 0)


def test_heuristic_is_its_formula():
    model, moments = machine("deep"), exact("deep").moments
    for layer, found in enumerate(boltzmann.heuristic_information(model, moments)):
        r, q = np.asarray(moments.means[layer]), np.asarray(moments.means[layer + 1])
        for post in range(len(q)):
            for pre in range(len(r)):
                drive = np.log(r[pre] / (1 - r[pre])) + float(model.weights[layer][post, pre]) * (1 - q[post])
                p = q[post] / (1 + np.exp(-drive))
                np.testing.assert_allclose(found[post, pre], p * (1 - p) * model.masks[layer][post, pre], rtol=1e-9)
    lost = boltzmann.heuristic_lost(model, moments)
    np.testing.assert_allclose(
        lost[1], boltzmann.heuristic_information(model, moments)[1] * model.weights[1] ** 2 / 2, rtol=1e-12
    )


def test_silent_units_say_nothing():
    model, moments = machine(), exact().moments
    silent = moments._replace(
        means=(moments.means[0], moments.means[1].at[0].set(0.0)), pairs=(moments.pairs[0].at[0].set(0.0),)
    )
    for name in ("variance", "heuristic", "information", "heuristic-information", "residual-information"):
        found = CRITERIA[name](jax.random.key(0), model, silent)[0]
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found[0], 0)
        assert (np.asarray(found[1:]) > 0).sum() == (np.asarray(model.masks[0][1:]) > 0).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_scores_synapses_and_nothing_else(kind, name):
    model = machine(kind)
    found = CRITERIA[name](jax.random.key(0), model, exact(kind).moments)
    assert len(found) == len(model.masks)
    for score, mask in zip(found, model.masks, strict=True):
        assert np.isfinite(score).all()
        assert (np.asarray(score) >= 0).all()
        np.testing.assert_array_equal(np.where(np.asarray(mask) == 0, score, 0), 0)
        assert ((np.asarray(score) > 0) == (np.asarray(mask) > 0)).mean() > 0.95


def test_controls():
    model, moments = machine(), exact().moments
    plain = np.asarray(CRITERIA["variance"](jax.random.key(0), model, moments)[0])
    there = np.asarray(model.masks[0]) > 0
    least = np.asarray(CRITERIA["anti-variance"](jax.random.key(0), model, moments)[0])
    np.testing.assert_array_equal(np.argsort(plain[there]), np.argsort(-least[there]))
    units = np.asarray(CRITERIA["units"](jax.random.key(0), model, moments)[0])
    for post in range(len(units)):
        assert len(set(units[post][there[post]])) <= 1
    assert len({*units[there].tolist()}) == len(units)


def test_leading_eigenvector():
    model = machine("deep")
    fisher = exact("deep").fisher
    vector = np.abs(np.linalg.eigh(fisher)[1][:, -1])[sum(model.sizes) :]
    found = boltzmann.leading_importance(model, fisher)
    expected = np.split(vector, [model.weights[0].size])
    for score, part, mask in zip(found, expected, model.masks, strict=True):
        np.testing.assert_allclose(score, part.reshape(score.shape) * mask, atol=1e-9)
    with pytest.raises(jaxprune.InputError, match="pass `fisher_matrix` of it"):
        boltzmann.leading_importance(model, fisher[:5, :5])


def test_square_of_the_weight_ranks_removals_and_fisher_alone_does_not():
    """What single removals do to the visible distribution, on one trained-like machine: a small version of the study."""
    model, found = machine("restricted", 1.5, 3), exact("restricted", 1.5, 3)
    places = np.argwhere(np.asarray(model.masks[0]) > 0)
    lost = []
    for post, pre in places:
        mask = model.masks[0].at[post, pre].set(0)
        lost.append(
            float(divergence(found.log_visible, enumerate_machine(remove(model, [mask]), visible=True).log_visible))
        )

    def rank(score):
        return np.argsort(np.argsort(np.asarray(score)[tuple(places.T)]))

    target = np.argsort(np.argsort(lost))
    correlation = {
        name: np.corrcoef(rank(CRITERIA[name](jax.random.key(0), model, found.moments)[0]), target)[0, 1]
        for name in ("information", "variance")
    }
    assert correlation["information"] > 0.8
    assert correlation["information"] > correlation["variance"] + 0.3
