"""Layer-wise pruning against the same sums by hand, and against what it is for: outputs that stay."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep
from jaxprune.deep import prune_layers
from jaxprune.deep._moments import input_moments, input_rows

KEY = jax.random.key(0)
MODEL = eqx.nn.MLP(6, 3, 16, 2, key=KEY, dtype=float)
X = jax.random.normal(KEY, (400, 6)) @ jax.random.normal(jax.random.key(1), (6, 6))


def forward(model, x):
    return jax.vmap(model)(x)


def hidden(model, x, depth):
    for layer in model.layers[:depth]:
        x = jax.nn.relu(jax.vmap(layer)(x))
    return x


def check_moments(heard, x, y):
    np.testing.assert_allclose(heard.mean_x, x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(heard.mean_y, y.mean(axis=0), atol=1e-12)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    for found, a, b in ((heard.original, x, x), (heard.cross, x, y), (heard.covariance, y, y)):
        np.testing.assert_allclose(found, a.T @ b / len(x), rtol=1e-9, atol=1e-11)
    assert float(heard.count) == len(x)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_moments_of_a_pair_of_models(place):
    other = eqx.tree_at(lambda m: m.layers[0].weight, MODEL, MODEL.layers[0].weight * 0.5)
    heard = input_moments(forward, MODEL, other, place, [X[:150], X[150:]])
    check_moments(heard, np.asarray(hidden(MODEL, X, place)), np.asarray(hidden(other, X, place)))


@pytest.mark.parametrize("rule", ["activity+regrow", "greedy+compensation", "activity+keep"])
def test_inputs_that_never_change(rule):
    # Large and constant: their variance is what rounding leaves of a difference, on either side of zero.
    constant = jnp.broadcast_to(jnp.array([[1 / 3, 1e3 / 3, 1e5 / 3, 0.0]]), (400, 4))
    data = jnp.concatenate([X[:, :2], constant], axis=1)
    pruned = prune_layers(KEY, MODEL, rule, keep=0.5, data=data)
    assert all(bool(jnp.isfinite(W).all()) for W in jax.tree.leaves(pruned.model) if eqx.is_array(W))
    assert [layer.kept for layer in pruned.layers] == [48, 128, 24]


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2, "padding": 1}, {"dilation": 2}, {"padding": "SAME"}, {"padding": 2, "padding_mode": "CIRCULAR"},
        {"padding": 1, "padding_mode": "REFLECT", "dilation": 2}, {"padding": "SAME", "padding_mode": "REPLICATE"},
    ],
)  # fmt: skip
def test_rows_of_a_convolution_are_what_it_multiplies(options):
    layer = eqx.nn.Conv2d(2, 4, 3, key=KEY, dtype=float, **options)
    x = jax.random.normal(KEY, (6, 2, 9, 8))
    for image in x:
        out = layer(image)
        rows = input_rows(layer, image)
        expected = (rows @ layer.weight.reshape(4, -1).T).T.reshape(out.shape) + layer.bias
        np.testing.assert_allclose(out, expected, atol=1e-12)
    rows = np.concatenate([np.asarray(input_rows(layer, image)) for image in x])
    check_moments(input_moments(forward, layer, layer, 0, [x]), rows, rows)

    def scaled(model, x):
        return forward(model[0], model[1] * x)

    check_moments(input_moments(scaled, (layer, jnp.array(1.0)), (layer, jnp.array(0.5)), 0, [x]), rows, rows / 2)


def test_attention():
    model = eqx.nn.MultiheadAttention(2, 6, key=KEY, dtype=float)
    x = jax.random.normal(KEY, (30, 7, 6))

    def attend(m, x):
        return jax.vmap(lambda one: m(one, one, one))(x)

    pruned = prune_layers(KEY, model, keep=0.5, data=x, forward=attend)
    assert [layer.kept for layer in pruned.layers] == [18] * 4
    heard = input_moments(attend, model, model, 0, [x])
    check_moments(heard, np.asarray(x).reshape(-1, 6), np.asarray(x).reshape(-1, 6))


def test_what_listens_is_compiled_once_for_all_fractions():
    traced = []

    def forward(m, x):
        traced.append(1)
        return jax.vmap(m)(x)

    prune_layers(KEY, MODEL, keep=0.5, data=X, forward=forward)
    first = len(traced)
    prune_layers(KEY, MODEL, keep=0.4, data=X, forward=forward)
    assert len(traced) == first > 0


@pytest.mark.parametrize("rule", ["weight+keep", "activity+keep"])
def test_plain_rules_keep_the_largest_of_every_row_and_change_nothing(rule):
    pruned = prune_layers(KEY, MODEL, rule, keep=0.5, groups="row", data=X, closed_loop=False)
    for depth, (old, new, mask) in enumerate(
        zip(MODEL.layers, pruned.model.layers, jax.tree.leaves(pruned.masks), strict=True)
    ):
        np.testing.assert_array_equal(new.weight, old.weight * mask)
        np.testing.assert_array_equal(new.bias, old.bias)
        inputs = np.asarray(hidden(MODEL, X, depth))
        score = np.abs(old.weight) * (1 if rule == "weight+keep" else np.sqrt((inputs**2).mean(axis=0)))
        for values, stays in zip(np.asarray(score), np.asarray(mask), strict=True):
            assert stays.sum() == len(values) // 2
            assert values[stays == 1].min() >= values[stays == 0].max()


def test_the_fit_is_least_squares_on_what_the_layers_below_deliver():
    pruned = prune_layers(KEY, MODEL, keep=0.5, data=X)
    x, y = (np.asarray(hidden(model, X, 1)) for model in (MODEL, pruned.model))
    layer, found = MODEL.layers[1], pruned.model.layers[1]
    target = x @ np.asarray(layer.weight).T + np.asarray(layer.bias)
    for row in range(16):
        place = np.flatnonzero(np.asarray(pruned.masks.layers[1].weight)[row])
        design = np.column_stack([y[:, place], np.ones(len(y))])
        best, *_ = np.linalg.lstsq(design, target[:, row], rcond=None)
        mine = np.append(np.asarray(found.weight)[row, place], found.bias[row])
        left, least = (np.mean((target[:, row] - design @ w) ** 2) for w in (mine, best))
        assert left < least * 1.001 + 1e-9
    missed = np.mean(np.sum((target - y @ np.asarray(found.weight).T - np.asarray(found.bias)) ** 2, axis=1))
    np.testing.assert_allclose(pruned.layers[1].error, missed / target.var(axis=0).sum(), rtol=1e-4)


def output_error(model):
    want, have = forward(MODEL, X), forward(model, X)
    return float(jnp.mean((want - have) ** 2) / jnp.var(want))


def test_what_each_step_gains():
    errors = {
        (rule, loop): output_error(
            prune_layers(KEY, MODEL, rule, keep=0.5, groups="row", data=X, closed_loop=loop).model
        )
        for rule in ("weight+keep", "activity+keep", "activity+compensation", "greedy+compensation")
        for loop in (False, True)
    }
    for rule in ("activity+compensation", "greedy+compensation"):
        assert errors[rule, True] < errors[rule, False] / 2
        assert errors[rule, True] < errors["activity+keep", False] / 3 < errors["weight+keep", False] / 9


@pytest.mark.parametrize(("groups", "keep"), [("row", 0.5), ("layer", 0.37), ("global", 0.37), ("2:4", None)])
def test_budgets_are_exact(groups, keep):
    model = eqx.nn.MLP(8, 4, 16, 1, key=KEY, dtype=float)
    data = jax.random.normal(KEY, (300, 8))
    pruned = prune_layers(KEY, model, data=data, keep=keep, groups=groups)
    counts = [layer.kept for layer in pruned.layers]
    if groups == "row":
        assert all((np.asarray(mask).sum(axis=1) == mask.shape[1] // 2).all() for mask in jax.tree.leaves(pruned.masks))
    elif groups == "layer":
        assert counts == [round(0.37 * 128), round(0.37 * 64)]
    elif groups == "global":
        assert abs(sum(counts) - 0.37 * 192) <= 1
    else:
        for mask in jax.tree.leaves(pruned.masks):
            assert (np.asarray(mask).reshape(len(mask), -1, 4).sum(axis=2) == 2).all()


@pytest.mark.parametrize("rule", ["activity+regrow", "weight+keep"])
def test_every_output_keeps_a_synapse_at_least(rule):
    model = eqx.nn.MLP(6, 3, 40, 1, key=KEY, dtype=float)
    pruned = prune_layers(KEY, model, rule, keep=0.02, groups="row", data=X)
    assert [layer.kept for layer in pruned.layers] == [40, 3]
    assert [layer.empty for layer in pruned.layers] == [0, 0]
    with pytest.raises(jaxprune.InputError, match=r"layers\[1\] would keep none of its 120 synapses"):
        prune_layers(KEY, model, rule, keep=0.003, data=X, groups="layer")


@pytest.mark.parametrize("rule", ["weight+keep", "activity+regrow", "weight"])
def test_a_sparse_model_is_pruned_further_and_keeps_a_synapse_for_every_output(rule):
    once = prune_layers(KEY, MODEL, "weight+keep", keep=0.5, groups="row", data=X).model
    pruned = prune_layers(KEY, once, rule, keep=0.1, groups="row", data=X)
    assert [layer.empty for layer in pruned.layers] == [0, 0, 0]
    assert [layer.synapses for layer in pruned.layers] == [48, 128, 24]
    for old, new in zip(once.layers, pruned.model.layers, strict=True):
        assert not ((np.asarray(old.weight) == 0) & (np.asarray(new.weight) != 0)).any() or rule == "activity+regrow"
    if rule == "activity+regrow":
        assert all(0 <= layer.error < 1 for layer in pruned.layers)
    if rule != "weight":  # coins keep the fraction on average
        assert [layer.kept for layer in pruned.layers] == [16, 16, 3]


@pytest.mark.parametrize("rule", ["activity+keep", "weight+keep", "activity+compensation"])
def test_one_budget_for_all_layers_counts_dead_inputs_too(rule):
    """Half of the inputs are dead. The fraction is that of all synapses, and they go first where activity counts."""
    dead = X.at[:, 3:].set(0)
    pruned = prune_layers(KEY, MODEL, rule, keep=0.5, groups="global", data=dead)
    total = sum(layer.synapses for layer in pruned.layers)
    assert sum(layer.kept for layer in pruned.layers) == pytest.approx(0.5 * total, abs=2)
    if rule == "activity+keep":
        assert not np.asarray(pruned.masks.layers[0].weight)[:, 3:].any()
        scores = [
            np.abs(layer.weight) * np.sqrt((np.asarray(hidden(MODEL, dead, depth)) ** 2).mean(axis=0))
            for depth, layer in enumerate(MODEL.layers)
        ]
        every, kept = (
            np.concatenate([np.ravel(part) for part in parts])
            for parts in (scores, map(np.asarray, jax.tree.leaves(pruned.masks)))
        )
        # Shares by water-filling: what is capped at one is in.
        assert kept[np.argsort(every)[-20:]].all()


@pytest.mark.parametrize("kind", [deep.VGG, deep.ResNet])
def test_networks_with_normalisation(kind):
    options = {"widths": (4, 6)} if kind is deep.VGG else {"widths": (4, 6), "depth": 1}
    model, extra = eqx.nn.make_with_state(kind)(KEY, **options)
    model = eqx.nn.inference_mode(model)
    images = jax.random.normal(KEY, (40, 3, 8, 8))
    extra = deep.recalibrate(model, extra, images)
    pruned = prune_layers(KEY, model, keep=0.5, data=images, extra=extra)
    assert all(layer.kept < layer.synapses for layer in pruned.layers)
    wanted, found = (deep.predict(m, e, images)[0] for m, e in ((model, extra), (pruned.model, pruned.extra)))
    assert 0 < float(jnp.mean((wanted - found) ** 2) / jnp.var(wanted)) < 1


def test_a_layer_that_is_not_called_is_refused():
    class Blocked(eqx.Module):
        first: eqx.nn.Linear
        second: eqx.nn.Linear
        behind: bool = eqx.field(static=True)

        def __call__(self, x):
            x = self.first(x) if self.behind else x[:3]
            return self.second(jax.lax.stop_gradient(x))

    layers = eqx.nn.Linear(6, 3, key=KEY), eqx.nn.Linear(3, 2, key=KEY)
    for behind in (False, True):
        with pytest.raises(jaxprune.InputError, match="first hears nothing"):
            prune_layers(KEY, Blocked(*layers, behind), keep=0.5, data=X)


def test_a_layer_that_hears_nothing_stays_as_it_is():
    silent = eqx.tree_at(lambda m: m.layers[0].bias, MODEL, MODEL.layers[0].bias - 1e3)
    pruned = prune_layers(KEY, silent, keep=0.5, data=X)
    for old, new, mask in zip(
        silent.layers[1:], pruned.model.layers[1:], jax.tree.leaves(pruned.masks)[1:], strict=True
    ):
        np.testing.assert_allclose(new.weight, old.weight * mask, rtol=1e-6)
    np.testing.assert_allclose(forward(pruned.model, X), forward(silent, X), atol=1e-6)


def test_measures_after_every_layer():
    seen = []

    def measure(model, extra):
        assert extra is None
        seen.append(model)
        return output_error(model)

    pruned = prune_layers(KEY, MODEL, keep=0.5, data=X, measure=measure)
    assert [layer.measured for layer in pruned.layers] == [output_error(model) for model in seen]
    counts = [[int((layer.weight != 0).sum()) for layer in model.layers] for model in seen]
    assert counts == [[48, 256, 48], [48, 128, 48], [48, 128, 24]]


def test_errors():
    with pytest.raises(jaxprune.InputError, match="no layer that can be pruned"):
        prune_layers(KEY, eqx.nn.LayerNorm(3), keep=0.5, data=X)
    with pytest.raises(jaxprune.InputError, match="cannot be run on the data"):
        prune_layers(KEY, MODEL, keep=0.5, data=X[:, :4])
    with pytest.raises(jaxprune.InputError, match="2 groups"):
        prune_layers(KEY, eqx.nn.Conv2d(2, 4, 3, groups=2, key=KEY), keep=0.5, data=jnp.ones((3, 2, 5, 5)))
    for groups in ("row", "global"):
        with pytest.raises(jaxprune.InputError, match="keep is not given"):
            prune_layers(KEY, MODEL, data=X, groups=groups)
    with pytest.raises(jaxprune.InputError, match="cannot be run on the data"):
        prune_layers(KEY, MODEL, keep=0.5, data=X[:, :4], groups="global")
    with pytest.raises(jaxprune.InputError, match="rank within a layer"):
        prune_layers(KEY, MODEL, "greedy+compensation", keep=0.5, data=X, groups="global")
    with pytest.raises(jaxprune.InputError, match="no inputs"):
        prune_layers(KEY, MODEL, keep=0.5, data=X[:0])
    with pytest.raises(jaxprune.InputError, match="batch is 0"):
        prune_layers(KEY, MODEL, keep=0.5, data=X, batch=0)
    with pytest.raises(jaxprune.InputError, match="no floats"):
        prune_layers(KEY, MODEL, keep=0.5, data=X, forward=lambda m, x: forward(m, x).argmax(axis=1))
    empty = eqx.tree_at(lambda m: m.layers[1].weight, MODEL, jnp.zeros_like(MODEL.layers[1].weight))
    with pytest.raises(jaxprune.InputError, match=r"layers\[1\] has no synapse"):
        prune_layers(KEY, empty, keep=0.5, data=X)
