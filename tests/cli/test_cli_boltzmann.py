"""`jaxprune prune-boltzmann`: what it writes, what it refuses, and that it goes on after a kill."""

import json

import jax
import numpy as np
import pytest

from jaxprune import boltzmann

SMALL = (
    *("--hidden", 12, "--epochs", 2, "--sessions", 2, "--retrain-epochs", 1, "--temperatures", 20),
    *("--batch", 100, "--seed", 3),
)


pytestmark = pytest.mark.usefixtures("short_chains")


def test_prunes_reports_and_draws(run, tmp_path):
    status, shown, err = run("prune-boltzmann", "--out", "b.eqx", "--model", "trained.eqx", *SMALL)
    assert status == 0, err
    report = json.loads((tmp_path / "b.eqx.report.json").read_text())
    rows = report["sessions"]
    assert [row["weights"] for row in rows] == [768, 384, 192]
    assert [row["session"] for row in rows] == [0, 1, 2]
    assert report["criterion"] == "weight"
    assert 0 < report["pixels_error"] < 0.5
    pruned, chains, facts = boltzmann.load_machine(tmp_path / "b.eqx")
    assert int(pruned.masks[0].sum()) == 192
    assert facts["sessions"] == rows
    assert chains is not None
    assert boltzmann.load_machine(tmp_path / "trained.eqx")[0].sizes == (64, 12)
    assert (tmp_path / "b.png").stat().st_size > 5000
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b.eqx",
        "b.eqx.report.json",
        "b.png",
        "trained.eqx",
    ]
    assert "384" in shown
    # Nothing is replaced unasked; the trained machine is used again.
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status, _, err = run("prune-boltzmann", "--out", "b.eqx", *SMALL)
    assert (status, err.count("\n")) == (2, 1)
    assert "b.eqx exists" in err
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status, _, err = run("prune-boltzmann", "--out", "b.eqx", "--model", "trained.eqx", "--overwrite", *SMALL)
    assert status == 0, err
    assert json.loads((tmp_path / "b.eqx.report.json").read_text())["sessions"] == rows


def test_goes_on_after_the_last_session(run, tmp_path, monkeypatch):
    arguments = ("prune-boltzmann", "--out", "b.eqx", *SMALL)
    real, calls = boltzmann.assess, []

    def dies(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(boltzmann, "assess", dies)
    status, _, err = run(*arguments)
    assert (status, err) == (130, "stopped: b.eqx.checkpoint is kept; the same command goes on from there.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.eqx.checkpoint", "b.eqx.checkpoint.json"]
    monkeypatch.setattr(boltzmann, "assess", real)
    # Other settings do not go on with it.
    status, _, err = run(*arguments, "--no-bias-step")
    assert (status, err.count("\n")) == (2, 1)
    assert "another machine, or of other data or settings" in err
    status, _, err = run(*arguments)
    assert status == 0, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.eqx", "b.eqx.report.json", "b.png"]
    resumed = json.loads((tmp_path / "b.eqx.report.json").read_text())["sessions"]
    run("prune-boltzmann", "--out", "c.eqx", *SMALL)
    assert json.loads((tmp_path / "c.eqx.report.json").read_text())["sessions"] == resumed


def test_deep_machine(run, tmp_path):
    status, _, err = run(
        *("prune-boltzmann", "--out", "d.eqx", "--criterion", "variance", "--size", 6, "--sessions", 1),
        *("--hidden", 8, 5, "--epochs", 1, "--retrain-epochs", 1, "--temperatures", 20, "--batch", 100),
        *("--model", "trained.eqx", "--joint-rate", "1e-7", "1e-7"),
    )
    assert status == 0, err
    assert boltzmann.load_machine(tmp_path / "d.eqx")[0].sizes[0] == 36
    report = json.loads((tmp_path / "d.eqx.report.json").read_text())
    assert report["retrain_rate"] == 0.005
    assert report["trained"]["joint_rate"] == [1e-7, 1e-7]
    # All layers together learnt at the rate that was asked for: next to nothing.
    run(
        *(
            "prune-boltzmann",
            "--out",
            "e.eqx",
            "--size",
            6,
            "--sessions",
            1,
            "--hidden",
            8,
            5,
            "--epochs",
            1,
            "--batch",
            100,
        ),
        *("--retrain-epochs", 0, "--temperatures", 20, "--model", "other.eqx", "--joint-rate", "1e-8", "1e-8"),
    )
    slow, slower = (boltzmann.load_machine(tmp_path / f"{name}.eqx")[0] for name in ("trained", "other"))
    for a, b in zip(slow.weights, slower.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert json.loads((tmp_path / "e.eqx.report.json").read_text())["retrain_rate"] is None


def test_report_of_a_machine_from_a_file_and_a_run_that_stops_early(run, tmp_path):
    machine = boltzmann.rbm(jax.random.key(0), visible=64, hidden=2)
    boltzmann.save_machine(tmp_path / "small.eqx", machine)
    status, out, err = run(
        *("prune-boltzmann", "--out", "f.eqx", "--model", "small.eqx", "--remove", 0.99, "--sessions", 3),
        *("--retrain-epochs", 0, "--temperatures", 20),
    )
    assert status == 0, err
    assert "stopped before all 3 sessions" in " ".join(out.split())
    assert "without any synapse: log likelihood -25.3" in out
    report = json.loads((tmp_path / "f.eqx.report.json").read_text())
    assert report["trained"] is None
    assert report["hidden"] == [2]
    assert len(report["sessions"]) == 2
    assert "would lose its last synapse" in report["stopped"]
    assert boltzmann.load_machine(tmp_path / "f.eqx")[0].masks[0].sum() == report["sessions"][-1]["weights"] == 1
    assert not (tmp_path / "f.eqx.checkpoint").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "b.npz"), "suffix must be one of .eqx"),
        (("--out", "b.eqx", "--criterion", "fisher"), "criterion is 'fisher', but must be one of 'variance'"),
        (("--out", "b.eqx", "--retrain-rate", "0"), "rate is 0, but must be finite and positive"),
        (("--out", "b.eqx", "--sessions", "0"), "sessions is 0"),
        (("--out", "b.eqx", "--remove", "1.5"), "remove is 1.5"),
        (("--out", "b.eqx", "--data", "nowhere"), "nowhere must be a folder"),
        (("--out", "b.eqx", "--data", "coloured.npz"), "they must be grey"),
        (("--out", "b.eqx", "--size", "9"), "9 x 9 at least"),
        (("--out", "b.eqx", "--size", "0"), "size is 0, but must be a whole number, 1 or more"),
        (("--out", "b.eqx", "--hidden"), "hidden names no layer"),
        (("--out", "b.eqx", "--hidden", "3", "0"), "hidden is 0, but must be a whole number, 1 or more"),
        (("--out", "b.eqx", "--model", "other.eqx"), "has 5 visible units, but the images have 64 pixels"),
        (("--out", "b.eqx", "--model", "no/where.eqx"), "there is no directory no"),
        (("--out", "b.eqx", *SMALL, "--remove", "0.9999"), "would lose its last synapse"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, message):
    images = np.ones((4, 8, 8, 3))
    labels = np.array([0, 1, 0, 1])
    np.savez(
        tmp_path / "coloured.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels
    )
    boltzmann.save_machine(tmp_path / "other.eqx", boltzmann.rbm(jax.random.key(0), visible=5, hidden=3))
    before = sorted(path.name for path in tmp_path.iterdir())
    status, _, err = run("prune-boltzmann", *arguments)
    assert (status, err.count("\n")) == (2, 1), err
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
