"""`jaxprune train-sparse`: what it writes, what it refuses, and that it goes on after a kill."""

import json

import numpy as np
import pytest

from jaxprune import deep
from jaxprune.files import read_arrays

SMALL = ("--hidden", 12, 8, "--epochs", 4, "--batch", 100, "--keep", 0.2)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_trains_reports_and_draws(run, tmp_path):
    status, shown, err = run("train-sparse", "--out", "net.npz", *SMALL)
    assert status == 0, err
    report = json.loads((tmp_path / "net.npz.report.json").read_text())
    assert names(tmp_path) == ["net.npz", "net.npz.report.json", "net.png"]
    assert (tmp_path / "net.png").stat().st_size > 5000
    arrays = read_arrays(tmp_path / "net.npz")
    masks = [values for name, values in arrays.items() if name.endswith("mask")]
    assert sum(mask.sum() for mask in masks) == report["kept"] == round(0.2 * (64 * 12 + 12 * 8 + 8 * 10))
    assert not arrays["layers.0.weight"][arrays["layers.0.weight_mask"] == 0].any()
    rows = report["epochs_seen"]
    assert len(rows) == 4
    assert rows[-1]["accuracy"] == report["accuracy"] > report["largest_class"]
    assert report["dense_accuracy"] is not None
    assert f"{report['accuracy']:.2%}" in shown
    assert f"{report['largest_class']:.2%}" in shown
    # Nothing is replaced unasked.
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status, _, err = run("train-sparse", "--out", "net.npz", *SMALL)
    assert (status, err.count("\n")) == (2, 1)
    assert "net.npz exists" in err
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run("train-sparse", "--out", "net.npz", "--overwrite", *SMALL)[0] == 0
    assert json.loads((tmp_path / "net.npz.report.json").read_text())["epochs_seen"] == rows


def test_goes_on_after_the_last_epoch(run, tmp_path, monkeypatch):
    arguments = ("train-sparse", "--out", "a.npz", "--no-compare", *SMALL)
    real, calls = deep.accuracy, []

    def dies(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(deep, "accuracy", dies)
    status, _, err = run(*arguments)
    assert (status, err) == (130, "stopped: a.npz.checkpoint is kept; the same command goes on from there.\n")
    assert names(tmp_path) == ["a.npz.checkpoint", "a.npz.checkpoint.json"]
    monkeypatch.setattr(deep, "accuracy", real)
    status, _, err = run(*arguments, "--decay", 0.01)
    assert (status, err.count("\n")) == (2, 1)
    assert "other data or settings" in err
    calls.clear()
    assert run(*arguments)[0] == 0
    assert names(tmp_path) == ["a.npz", "a.npz.report.json", "a.png"]
    assert run("train-sparse", "--out", "b.npz", "--no-compare", *SMALL)[0] == 0
    for name, values in read_arrays(tmp_path / "b.npz").items():
        np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")[name], values)
    seen = [json.loads((tmp_path / f"{name}.npz.report.json").read_text())["epochs_seen"] for name in "ab"]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 4


def test_counter_finds_its_own_density(run, tmp_path):
    kept = []
    for alpha in (0.0, 2.0):
        status, _, err = run(
            *("train-sparse", "--out", "c.npz", "--method", "counter", "--alpha", alpha, "--patience", 1),
            *("--no-compare", "--overwrite", *SMALL),
        )
        assert status == 0, err
        report = json.loads((tmp_path / "c.npz.report.json").read_text())
        assert report["keep"] is None
        kept.append(report["kept"] / report["synapses"])
    assert kept[0] == 1 > kept[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "magic"), "magic"),
        (("--keep", 0), "keep"),
        (("--rate", 0), "rate"),
        (("--batch", 5000), "fewer than a batch"),
        (("--batch", 0), "batch is 0"),
        (("--epochs", 0), "epochs is 0"),
        (("--hidden", 10, 0), "hidden is 0"),
        (("--method", "counter", "--patience", 5), "nothing would ever be removed"),
        (("--network", "lenet5"), "at least 16 x 16"),
        (("--data", "nowhere"), "nowhere"),
        (("--out", "net.pt"), "suffix"),
        (("--rate", 1e8), "lower the learning rate"),
    ],
)
def test_refusals(run, tmp_path, arguments, message):
    status, _, err = run("train-sparse", "--out", "x.npz", "--no-compare", *SMALL, *arguments)
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert (status, len(lines)) == (2, 1)
    assert message in lines[0]
    assert not [name for name in names(tmp_path) if name.endswith(("npz", "pt", "png", "report.json"))]


def test_a_network_with_normalisation_on_coloured_images(run, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8), np.arange(60) % 3
    np.savez(
        tmp_path / "data.npz",
        train_images=images[:40],
        train_labels=labels[:40],
        test_images=images[40:],
        test_labels=labels[40:],
    )
    status, _, err = run(
        *("train-sparse", "--out", "v.npz", "--data", "data.npz", "--network", "vgg", "--no-compare"),
        *("--epochs", 1, "--batch", 20, "--method", "set", "--keep", 0.1),
    )
    assert status == 0, err
    arrays = read_arrays(tmp_path / "v.npz")
    assert "blocks.0.norm.running_mean" in arrays
    report = json.loads((tmp_path / "v.npz.report.json").read_text())
    assert abs(report["kept"] / report["synapses"] - 0.1) < 0.01
