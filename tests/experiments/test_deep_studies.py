"""What studies of deep networks share, and what they compute from their results."""

import itertools
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxprune
from experiments import (
    _images,
    bench_deep,
    counter_ablations,
    learning_speed,
    prune_layers,
    sparse_cifar,
    use_it_or_lose_it,
)
from jaxprune import deep
from jaxprune.data import digits


def test_validation_images_are_the_last_of_the_training_images():
    split, whole = _images.load(None, validate=True), digits()
    assert (len(split.x), len(split.test)) == (1437 - 143, 143)
    np.testing.assert_allclose(split.test[:, 0], whole.train.images[-143:] / 16, rtol=1e-6)
    np.testing.assert_array_equal(split.y, whole.train.labels[:-143])
    few = _images.load(None, samples=100)
    assert len(few.x) == 100
    np.testing.assert_array_equal(few.labels, whole.test.labels)


def test_images_that_come_class_by_class_are_mixed(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (300, 8, 8, 1)), np.repeat(np.arange(3), 100)
    names = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    np.savez(tmp_path / "sorted.npz", **{name: value.astype(np.uint8) for name, value in names.items()})
    few = _images.load(tmp_path / "sorted.npz", samples=60)
    assert set(np.asarray(few.y).tolist()) == {0, 1, 2}
    # Every image keeps its label.
    which = [
        int(np.argmin([np.abs(np.asarray(x) - i).sum() for i in np.moveaxis(images, -1, 1) / images.max()]))
        for x in few.x[:10]
    ]
    np.testing.assert_array_equal(labels[which], few.y[:10])


@pytest.mark.parametrize("keep", [0.4, 0.1, 0.05, 0.02])
def test_narrow_networks_have_as_few_synapses_but_not_fewer_than_they_must(keep):
    def synapses(sizes):
        return sum(a * b for a, b in itertools.pairwise(sizes))

    sizes = (784, 300, 100, 10)
    found = use_it_or_lose_it.narrow(sizes, keep)
    assert (found[0], found[-1]) == (784, 10)
    assert 0.8 * keep < synapses(found) / synapses(sizes) <= keep
    widths = (16, 16, 32, 32, 64, 64)
    made = sparse_cifar.narrow(widths, keep)
    share = sparse_cifar._synapses(made) / sparse_cifar._synapses(widths)
    assert 0.7 * keep < share <= keep


@pytest.mark.parametrize(("widths", "blocks", "layers"), [((16, 32, 64), 3, 20), ((64, 128, 256, 512), 2, 18)])
def test_residual_networks_are_those_of_their_names(widths, blocks, layers):
    """The shortcuts that change the width are not counted in the name."""
    config = sparse_cifar.Config(data=Path("x"), widths=widths, blocks=blocks)
    assert config.stored_as == f"sparse_cifar_resnet{layers}"
    assert sparse_cifar.Config(data=Path("x")).stored_as == "sparse_cifar"
    model, _ = eqx.filter_eval_shape(_images.convolutional, jax.random.key(0), widths, blocks)
    main = [name for name in deep.names(model) if "shortcut" not in name]
    assert len(main) == layers
    made = sparse_cifar.narrow(widths, 0.1, blocks)
    assert 0.07 < sparse_cifar._synapses(made, blocks) / sparse_cifar._synapses(widths, blocks) <= 0.1


def test_trained_networks_are_pruned(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = prune_layers.Config(widths=(20, 10), epochs=2, seeds=1)
    (row,) = prune_layers.evaluate(config, "row-wise surgeon", 0.5, 0)
    assert row["kept"] == pytest.approx(0.5, abs=0.01)
    assert row["before"] == row["calibrated"] > 0.6  # nothing to calibrate
    assert abs(row["accuracy"] - row["before"]) < 0.1
    assert 0 < row["output_error"] < 0.1
    with pytest.raises(jaxprune.InputError, match="images have 1 channels, but --blocks takes coloured ones"):
        next(prune_layers.evaluate(prune_layers.Config(widths=(4, 8), blocks=1), "Wanda", 0.5, 0))


def test_optional_methods_are_left_out():
    config = sparse_cifar.Config(data=Path("x"), rules=("rigl",), alphas=(), survival=False, narrow=False, seeds=1)
    assert [point["rule"] for point in sparse_cifar.points(config)] == ["dense", "rigl"]


def test_networks_that_learn_alike_share_their_optimiser():
    """A new one would be compiled anew."""
    one, two = (_images.Recipe(4, 20).training(100, None) for _ in range(2))
    assert one == two
    assert one.optimiser is two.optimiser
    assert _images.Recipe(4, 20, rate=0.3).training(100, None) != one


def test_every_method_starts_alike_and_learns():
    split = _images.load(None)
    key, fit_key = _images.keys(0, 3)
    recipe = _images.Recipe(4, 20)
    model = deep.Dense(key, (64, 20, 10))
    found = {
        rule: _images.train(fit_key, model, split, recipe, rule and deep.named_method(rule, 0.2), every=2)
        for rule in (None, "magnitude")
    }
    for trained in found.values():
        assert len(trained.accuracy) == 2
        assert trained.accuracy[-1] > 0.6
        assert trained.state.model.layers[0].weight.dtype == jnp.float32
    assert found[None].density == [1.0, 1.0]
    assert found["magnitude"].density[-1] == pytest.approx(0.2, abs=1e-3)


def test_moved_images_are_the_same_images(monkeypatch):
    seen = []
    monkeypatch.setattr(deep, "cross_entropy", lambda model, extra, x, y, key: seen.append(x) or (0.0, extra))
    x = jnp.zeros((40, 2, 9, 9)).at[:, 1, 4, 4].set(1.0).at[:, 0, 4, 5].set(2.0)
    _images.augmented(None, None, x, jnp.zeros(40, int), jax.random.key(0))
    (found,) = seen
    assert found.shape == x.shape
    places = set()
    for image in np.asarray(found):
        (row,), (column,) = np.nonzero(image[1])
        (other_row,), (other,) = np.nonzero(image[0])
        assert other_row == row
        assert other - column in (-1, 1)  # mirrored or not
        places.add((int(row) - 4, int(column) - 4, int(other - column)))
    assert {abs(step) for place in places for step in place[:2]} <= {0, 1, 2, 3}
    assert len(places) > 15
    assert {place[2] for place in places} == {-1, 1}


def test_first_time_at_a_level():
    curve = xr.DataArray([[0.1, 0.6, 0.5, 0.9], [0.1, 0.2, 0.3, 0.4]], {"time": [1, 2, 3, 4]}, ("seed", "time"))
    found = learning_speed.first_reached(curve, xr.DataArray([0.55, 0.55], dims="seed"))
    np.testing.assert_array_equal(found, [2, np.nan])


def test_beside_magnitude_at_the_same_density():
    levels = counter_ablations.LEVELS
    names = ["dense", *(counter_ablations._magnitude(level) for level in levels), "survival"]
    density = xr.DataArray([[1.0, *levels, np.sqrt(0.2 * 0.1)]], {"variant": names, "seed": [0]}, ("seed", "variant"))
    accuracy = 0.9 + 0.02 * np.log(density)
    results = xr.Dataset({"density": density, "accuracy": accuracy})
    found = counter_ablations.beside(results, "survival")
    np.testing.assert_allclose(found, accuracy.sel(variant="survival"), rtol=1e-12)
    density.loc[{"variant": "survival"}] = 0.001
    assert counter_ablations.beside(xr.Dataset({"density": density, "accuracy": accuracy}), "survival").isnull().all()


def test_benchmarks_run_on_small_sizes():
    config = bench_deep.Config(images=2000, size=60, rows=3, inferred=100, repeats=1)
    for name in ("epoch with counter, LeNet-300-100, plain", "fit, float32, NumPy", "inference, 10 % kept, sparse"):
        (row,) = bench_deep.evaluate(config, name)
        assert row["ours_s"] > 0 < row["peer_s"]
