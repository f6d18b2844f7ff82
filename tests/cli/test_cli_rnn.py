"""`jaxprune prune-rnn` as a person uses it."""

import json

import jax
import numpy as np
import pytest
from helpers import untyped

from experiments import _modcog
from jaxprune import rnn

DEFAULTS = {
    "source": "input-noise", "sd": (1.0, 6.0), "tau": (0.3, 3.0), "neuron_sd": 1.0, "rollouts": 128, "share": 0.03, "after": 10,
}  # fmt: skip
SETTINGS = {
    "input-noise": ("sd", "tau", "rollouts"),
    "neuron-noise": ("neuron_sd", "rollouts"),
    "linearised": (),
    "task": ("after",),
    "task-and-noise": ("sd", "tau", "rollouts", "share", "after"),
}
GIVEN = {
    "sd": ("--sd", "1", "2"), "tau": ("--tau", "1", "2"), "neuron_sd": ("--neuron-sd", "2"), "rollouts": ("--rollouts", "64"),
    "share": ("--share", "0.1"), "after": ("--after", "3"),
}  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    """A network that does what its labels say, and its trials."""
    model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=20, outputs=3, gain=1.5)
    rnn.save_rnn(tmp_path / "model.npz", model)
    inputs = jax.random.normal(jax.random.key(1), (40, 60, 2))
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
    labels = np.load("trials.npz")["labels"]
    np.testing.assert_allclose(facts["chance"], np.bincount(labels.ravel()).max() / labels.size)
    assert f"chance level       {facts['chance']:.4f}" in out
    used = {"source", *SETTINGS[source]}
    assert {name: facts[name] for name in used} == {name: ([*v] if isinstance(v := DEFAULTS[name], tuple) else v)
            for name in used} | {"source": source}  # fmt: skip
    assert not (set(DEFAULTS) - used) & set(facts)
    np.testing.assert_allclose(facts["pruned_radius"], [np.abs(np.linalg.eigvals(W)).max()], rtol=1e-6)
    assert (facts["shift"] > 0) == (source == "linearised")
    assert f"retention {facts['retention']:.3f}" in out
    assert run(*arguments)[0] == 2
    before = (tmp_path / "out.npz").read_bytes()
    assert run(*arguments, "--overwrite")[0] == 0
    again = np.load("out.npz")["W_rec"]
    np.testing.assert_array_equal(again, W)
    assert before


def test_roll_outs_are_those_of_the_studies(run, trained, tmp_path):
    """The command prunes as the library does with the settings that the studies use."""
    study = _modcog.Sources(data=tmp_path)
    model = rnn.load_rnn(trained)
    source = study.broadband(trials=128)
    assert (source.sd, source.tau, study.share) == (DEFAULTS["sd"], DEFAULTS["tau"], DEFAULTS["share"])
    expected = rnn.prune_rnn(jax.random.key(0), model, "activity+regrow", keep=0.4, source=source).model
    assert run("prune-rnn", trained, "--keep", "0.4", "--out", "out.npz")[0] == 0
    np.testing.assert_array_equal(np.load("out.npz")["W_rec"], expected.W_rec)
    assert run("prune-rnn", trained, "--keep", "0.4", "--out", "few.npz", "--rollouts", "64")[0] == 0
    assert json.loads((tmp_path / "few.npz.report.json").read_text())["rollouts"] == 64
    assert np.any(np.load("few.npz")["W_rec"] != expected.W_rec)


def test_help_says_the_defaults(run):
    status, out, _ = run("prune-rnn", "--help")
    assert status == 0
    words = " ".join(out.replace("│", " ").split())
    for name, shown in (("sd", "1.0 6.0"), ("tau", "0.3 3.0"), ("neuron-sd", "1.0"), ("rollouts", "128"), ("share", "0.03"),
                        ("after", "10")):  # fmt: skip
        text = words.split(f"--{name} ")[1].split(" --")[0]
        assert f"by default {shown}" in text


@pytest.mark.parametrize(
    ("source", "name"), [(s, name) for s, used in SETTINGS.items() for name in GIVEN if name not in used]
)
def test_settings_without_effect_are_refused(run, trained, tmp_path, source, name):
    arguments = (
        trained,
        "--keep",
        "0.4",
        "--out",
        "out.npz",
        "--trials",
        "trials.npz",
        "--source",
        source,
        *GIVEN[name],
    )
    status, out, err = run("prune-rnn", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"{GIVEN[name][0]} has no effect with --source {source}, which uses " in err
    assert len(err) < 300
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("given", [("--source", "task"), *GIVEN.values()])
def test_settings_of_a_source_that_nothing_looks_at_are_refused(run, trained, given):
    status, out, err = run("prune-rnn", trained, "--keep", "0.4", "--out", "out.npz", "--rule", "weight+keep", *given)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"{given[0]} has no effect: the rule 'weight+keep' looks at no activity" in err


def test_alpha_where_the_file_has_none(run, trained, tmp_path):
    arrays = dict(np.load(trained))
    alpha = arrays.pop("alpha")
    np.savez("without.npz", **arrays)
    common = ("--keep", "0.4", "--rule", "weight+keep", "--out", "out.npz")
    status, _, err = run("prune-rnn", "without.npz", *common)
    assert (status, err.count("\n")) == (2, 1)
    assert "without.npz has no alpha, the step over the time constant: say it with alpha (--alpha)" in err
    assert run("prune-rnn", "without.npz", *common, "--alpha", "0.3")[0] == 0
    assert np.load("out.npz")["alpha"] == 0.3
    status, _, err = run("prune-rnn", trained, *common, "--overwrite", "--alpha", "0.7")
    assert status == 2
    assert f"alpha is given as 0.7, but {trained} says {float(alpha):g}" in err


def test_a_network_that_is_never_right_has_no_retention(run, trained, tmp_path):
    model = rnn.load_rnn(trained)
    inputs = np.ones((3, 4, 2))
    wrong = (np.argmax(rnn.run(model, jax.numpy.asarray(inputs)), axis=-1) + 1) % 3
    np.savez("wrong.npz", inputs=inputs, labels=wrong)
    arguments = ("--keep", "0.4", "--rule", "weight+keep", "--out", "out.npz", "--trials", "wrong.npz")
    status, out, _ = run("prune-rnn", trained, *arguments)
    assert status == 0
    assert "0.0000 before" in out
    assert "no retention" in out
    assert json.loads((tmp_path / "out.npz.report.json").read_text())["retention"] is None


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
        (("--keep", "0.4", "--rollouts", "0"), "--rollouts is 0"),
        (("--keep", "0.4", "--rollouts", "1000000000000"), "roll-outs needs at least"),
        (("--keep", "0.4", "--source", "task", "--after", "-1", "--trials", "trials.npz"), "after is -1"),
        (("--keep", "0.4", "--source", "task-and-noise", "--share", "2", "--trials", "trials.npz"), "share is 2"),
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


def swapped(name):
    return lambda arrays: np.swapaxes(arrays[name], 0, 1)


BAD_MODELS = {
    "no recurrent weights": ({"W_rec": None}, "has no W_rec"),
    "no biases": ({"b_in": None, "b_rec": None}, "has no b_in, b_rec"),
    "no alpha": ({"alpha": None}, "has no alpha"),
    "a number for a matrix": ({"W_in": 1.0}, "W_in in .* has shape ()"),
    "a vector for a matrix": ({"W_rec": np.zeros(20)}, "W_rec in .* has shape (20,)"),
    "a matrix for a bias": ({"b_rec": np.zeros((20, 1))}, "b_rec in .* has shape (20, 1)"),
    "no neurons": ({"W_rec": np.zeros((0, 0))}, "W_rec in .* has shape (0, 0)"),
    "not square": ({"W_rec": np.zeros((20, 19))}, "W_rec has shape (20, 19)"),
    "biases of another network": ({"b_out": np.zeros(4)}, "b_out has shape (4,)"),
    "whole numbers": ({"W_out": np.zeros((3, 20), int)}, "W_out in .* has dtype int64"),
    "complex weights": ({"W_rec": np.zeros((20, 20), complex)}, "W_rec in .* has dtype complex128"),
    "half precision": ({"W_rec": np.zeros((20, 20), np.float16)}, "W_rec in .* has dtype float16"),
    "text for weights": ({"W_in": np.full((20, 2), "x" * 999)}, "W_in in .* has dtype <U999"),
    "a table": ({"W_in": np.zeros((20, 2), [("a" * 999, float)])}, "W_in in .* has dtype"),
    "objects": ({"W_in": np.array([[None]])}, "cannot be read"),
    "not finite": ({"W_rec": np.full((20, 20), np.inf)}, "W_rec in .* not finite"),
    "alpha of two numbers": ({"alpha": np.ones(2)}, "alpha in .* has shape (2,)"),
    "alpha in words": ({"alpha": "slow"}, "alpha in .* dtype <U4"),
    "alpha complex": ({"alpha": 1j}, "alpha in .* dtype complex128"),
    "alpha not a number": ({"alpha": np.nan}, "alpha is nan"),
    "alpha zero": ({"alpha": 0.0}, "alpha is 0"),
    "alpha above one": ({"alpha": 1.5}, "alpha is 1.5"),
    "unknown nonlinearity": ({"activation": "sine"}, "activation in .* is 'sine'"),
    "a name that is no text": ({"activation": np.full(9, 255, np.uint8)}, "activation in"),
    "a number for a name": ({"activation": np.array(10**9)}, "is no name of a nonlinearity"),
    "many names": ({"activation": np.full(9, "tanh")}, "is no name of a nonlinearity"),
    "a long name": ({"activation": np.zeros(10**6, np.uint8)}, "is no name of a nonlinearity"),
    "many arrays": ({"W_rec": None} | {f"layer{n}.weight": 0.0 for n in range(99)}, "has no W_rec"),
}
BAD_TRIALS = {
    "no inputs": ({"inputs": None}, "has no inputs"),
    "no labels": ({"labels": None}, "has no labels"),
    "inputs of another network": ({"inputs": np.zeros((40, 60, 5))}, "must be (time, trial, 2)"),
    "inputs first": ({"inputs": lambda arrays: np.moveaxis(arrays["inputs"], 2, 0)}, "put the inputs last"),
    "inputs of one trial": ({"inputs": np.zeros((40, 2))}, "inputs in .* has shape (40, 2)"),
    "inputs of none": ({"inputs": np.zeros((40, 0, 2)), "labels": np.zeros((40, 0), int)}, "has shape (40, 0, 2)"),
    "complex inputs": ({"inputs": np.zeros((40, 60, 2), complex)}, "has dtype complex128"),
    "inputs in words": ({"inputs": np.full((40, 60, 2), "x" * 500)}, "has dtype <U500"),
    "inputs not finite": ({"inputs": np.full((40, 60, 2), np.nan)}, "not finite"),
    "labels of other trials": ({"labels": np.zeros((40, 59), int)}, "labels has shape (40, 59)"),
    "labels swapped": ({"labels": swapped("labels")}, "swap the axes"),
    "inputs swapped": ({"inputs": swapped("inputs")}, "swap the axes"),
    "both swapped": ({"inputs": swapped("inputs"), "labels": swapped("labels")}, "seem to be (trial, time)"),
    "calibration swapped": (
        {f"calibration_{name}": swapped(f"calibration_{name}") for name in ("inputs", "labels")}, "seem to be (trial, time)"
    ),
    "labels that are no whole numbers": ({"labels": np.full((40, 60), 0.5)}, "must be whole numbers"),
    "labels above the outputs": ({"labels": np.full((40, 60), 3)}, "labels holds 3"),
    "huge labels": ({"labels": np.full((40, 60), 2**64 - 1, np.uint64)}, "labels holds 18446744073709551615"),
    "negative labels": ({"labels": np.full((40, 60), -2)}, "labels holds -2"),
    "nothing scored": ({"labels": np.full((40, 60), -1)}, "no scored step"),
    "no calibration": ({"calibration_inputs": None}, "has no calibration_inputs"),
}  # fmt: skip
BAD_FILES = {
    "empty": b"",
    "not a zip": b"not a zip",
    "an array": b"\x93NUMPY\x01\x00",
    "a pickle": b"\x80\x04K\x01.",
}


def refused(run, tmp_path, *arguments):
    """What is said in one short line, when nothing is written."""
    before = sorted(tmp_path.iterdir())
    with untyped():
        status, out, err = run("prune-rnn", *arguments, "--keep", "0.4", "--out", "out.npz")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert len(err.replace(str(tmp_path), "")) < 300
    assert sorted(tmp_path.iterdir()) == before
    return err


def changed(path, changes):
    arrays = dict(np.load(path))
    for name, value in changes.items():
        arrays[name] = value(arrays) if callable(value) else value
    return {name: value for name, value in arrays.items() if value is not None}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_models(run, trained, tmp_path, case):
    changes, message = BAD_MODELS[case]
    np.savez("bad.npz", **changed(trained, changes))
    err = refused(run, tmp_path, "bad.npz")
    for part in message.split(".*"):
        assert part.strip() in err


@pytest.mark.parametrize("case", BAD_TRIALS)
def test_bad_trials(run, trained, tmp_path, case):
    changes, message = BAD_TRIALS[case]
    np.savez("bad.npz", **changed("trials.npz", changes))
    source = ("--source", "task") if "calibration" in case else ()
    err = refused(run, tmp_path, trained, "--trials", "bad.npz", *source)
    for part in message.split(".*"):
        assert part.strip() in err


@pytest.mark.parametrize("case", BAD_FILES)
def test_damaged_files(run, trained, tmp_path, case):
    (tmp_path / "bad.npz").write_bytes(BAD_FILES[case])
    assert "bad.npz cannot be read" in refused(run, tmp_path, "bad.npz")
    assert "bad.npz cannot be read" in refused(run, tmp_path, trained, "--trials", "bad.npz")
