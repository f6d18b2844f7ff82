"""`jaxprune prune-rnn` as a person uses it."""

import json

import jax
import numpy as np
import pytest

from jaxprune import rnn


@pytest.fixture
def trained(tmp_path):
    """A network that does what its labels say, and its trials."""
    model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=20, outputs=3, gain=1.5)
    rnn.save_rnn(tmp_path / "model.npz", model)
    inputs = jax.random.normal(jax.random.key(1), (20, 30, 2))
    labels = np.argmax(rnn.run(model, inputs), axis=-1)
    arrays = {"inputs": inputs, "labels": labels, "calibration_inputs": inputs, "calibration_labels": labels}
    np.savez(tmp_path / "trials.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path / "model.npz"


@pytest.mark.parametrize("source", ["input-noise", "neuron-noise", "linearised", "task", "task-and-noise"])
def test_prune_rnn(run, trained, tmp_path, source):
    arguments = (
        "prune-rnn",
        trained,
        "--keep",
        "0.4",
        "--source",
        source,
        "--trials",
        "trials.npz",
        "--out",
        "out.npz",
    )
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    W = np.load("out.npz")["W_rec"]
    facts = json.loads((tmp_path / "out.npz.report.json").read_text())
    assert facts["kept"] == [np.count_nonzero(W)] == [152]
    assert facts["accuracy"] == 1
    np.testing.assert_allclose(facts["pruned_radius"], [np.abs(np.linalg.eigvals(W)).max()], rtol=1e-6)
    assert (facts["shift"] > 0) == (source == "linearised")
    assert f"retention {facts['retention']:.3f}" in out
    assert run(*arguments)[0] == 2
    before = (tmp_path / "out.npz").read_bytes()
    assert run(*arguments, "--overwrite")[0] == 0
    again = np.load("out.npz")["W_rec"]
    np.testing.assert_array_equal(again, W)
    assert before


def test_prune_rnn_in_a_closed_loop(run, trained, tmp_path):
    weights, errors = [], []
    for loops in ("0", "8"):
        arguments = (
            "--keep",
            "0.2",
            "--source",
            "task",
            "--trials",
            "trials.npz",
            "--loops",
            loops,
            "--out",
            "out.npz",
        )
        assert run("prune-rnn", trained, *arguments, "--overwrite")[0] == 0
        facts = json.loads((tmp_path / "out.npz.report.json").read_text())
        weights.append(np.load("out.npz")["W_rec"])
        errors += facts["drive_error"]
    assert facts["loops"] == 8
    assert np.count_nonzero(weights[0]) == np.count_nonzero(weights[1])
    assert np.any(weights[0] != weights[1])
    assert max(errors) < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keep", "0.4", "--rule", "luck"), "rule is 'luck'"),
        (("--keep", "0"), "keep is 0"),
        (("--keep", "0.4", "--source", "task"), "calibration_inputs"),
        (("--keep", "0.4", "--trials", "none.npz"), "none.npz does not exist"),
        (("--keep", "0.4", "--out", "out.pt"), "--out is out.pt"),
        (("--keep", "0.4", "--out", "away/out.npz"), "no directory away"),
        (("--keep", "0.4", "--source", "task-and-noise"), "--source task-and-noise needs --trials"),
        (("--keep", "0.4", "--sd", "0", "1"), "sd is (0.0, 1.0)"),
        (("--keep", "0.4", "--source", "neuron-noise", "--neuron-sd", "0"), "sd is 0"),
        (
            ("--keep", "0.4", "--source", "linearised", "--loops", "8"),
            "--source linearised does not",
        ),
        (
            ("--keep", "0.4", "--rule", "weight+keep", "--loops", "8"),
            "on which watching has no effect",
        ),
    ],
)
def test_bad_arguments_of_prune_rnn(run, trained, tmp_path, arguments, message):
    if "--out" not in arguments:
        arguments = (*arguments, "--out", "out.npz")
    status, _, err = run("prune-rnn", trained, *arguments)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()
