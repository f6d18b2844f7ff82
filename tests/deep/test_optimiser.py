"""Exact zeros under every optimiser, and the same training where nothing is pruned."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxprune import deep

KEY = jax.random.key(0)
MODEL = eqx.nn.MLP(5, 3, 8, 1, key=KEY)
X = jax.random.normal(KEY, (20, 5))
OPTIMISERS = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optax.adam(0.01),
    "adamw": optax.adamw(0.01, weight_decay=0.1),
    "noisy": optax.chain(optax.add_decayed_weights(0.1), optax.add_noise(0.1, 0.1, jax.random.key(3)), optax.sgd(0.1)),
    "schedule": optax.inject_hyperparams(optax.adam)(learning_rate=optax.cosine_decay_schedule(0.1, 10)),
    "adafactor": optax.adafactor(0.01),
    "rows": optax.adafactor(0.01, min_dim_size_to_factor=2),
    "plateau": optax.chain(optax.adam(0.01), optax.contrib.reduce_on_plateau(patience=2)),
    "muon": optax.contrib.muon(0.01),
}


def loss(model, X):
    return jnp.mean((jax.vmap(model)(X) - 1) ** 2)


def train(optimiser, model, state, steps):
    for _ in range(steps):
        gradient = eqx.filter_grad(loss)(model, X)
        value = loss(model, X)
        optimiser = optax.with_extra_args_support(optimiser)
        updates, state = optimiser.update(gradient, state, eqx.filter(model, eqx.is_inexact_array), value=value)
        model = eqx.apply_updates(model, updates)
    return model, state


def parameters(model):
    return eqx.filter(model, eqx.is_inexact_array)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_zeros_are_exact(name):
    inner = OPTIMISERS[name]
    optimiser = deep.keep_pruned(inner)
    model, state = train(optimiser, MODEL, optimiser.init(parameters(MODEL)), 3)
    masks = jax.tree.map(lambda W: (jax.random.uniform(KEY, W.shape) < 0.5).astype(W.dtype), deep.weights(model))
    shapes = [leaf.shape for leaf in jax.tree.leaves(state.inner)]
    model, state = deep.masked(model, masks), deep.set_masks(inner, state, masks)
    assert [leaf.shape for leaf in jax.tree.leaves(state.inner)] == shapes
    model, state = train(optimiser, model, state, 3)
    for W, mask in zip(jax.tree.leaves(deep.weights(model)), jax.tree.leaves(masks), strict=True):
        np.testing.assert_array_equal(W[mask == 0], 0)
        assert (W[mask == 1] != 0).all()
    for mask in jax.tree.leaves(masks):
        for leaf in jax.tree.leaves(state.inner):
            if leaf.shape == mask.shape:
                # Adafactor adds 1e-30 to squares.
                np.testing.assert_allclose(leaf[mask == 0], 0, atol=1e-29 if name == "adafactor" else 0)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_trains_in_a_compiled_loop(name):
    training = deep.Training(3, OPTIMISERS[name], batch=10, rule=deep.Sparse(deep.Schedule(0.4), growth="gradient"))
    state = deep.fit(KEY, MODEL, X, (X[:, 0] > 0).astype(int), training)
    for W, mask in zip(jax.tree.leaves(deep.weights(state.model)), jax.tree.leaves(state.rule.masks), strict=True):
        np.testing.assert_array_equal(W[mask == 0], 0)
    np.testing.assert_allclose(deep.density(state.rule.masks), 0.4, atol=0.02)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_without_pruning_it_is_the_inner_optimiser_bit_for_bit(name):
    inner = OPTIMISERS[name]
    plain, _ = train(inner, MODEL, inner.init(parameters(MODEL)), 4)
    optimiser = deep.keep_pruned(inner)
    same, _ = train(optimiser, MODEL, optimiser.init(parameters(MODEL)), 4)
    for a, b in zip(jax.tree.leaves(parameters(plain)), jax.tree.leaves(parameters(same)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_moments_of_what_stays_are_kept():
    inner = OPTIMISERS["adam"]
    optimiser = deep.keep_pruned(inner)
    _, state = train(optimiser, MODEL, optimiser.init(parameters(MODEL)), 3)
    masks = jax.tree.map(lambda W: jnp.zeros_like(W).at[0].set(1), deep.weights(MODEL))
    after = deep.set_masks(inner, state, masks)
    before, now = (jax.tree.leaves(s.inner) for s in (state, after))
    assert len(before) == len(now)
    for a, b in zip(before, now, strict=True):
        if a.ndim == 2:
            np.testing.assert_array_equal(a[0], b[0])
            assert not b[1:].any()
        else:
            np.testing.assert_array_equal(a, b)
