"""Commands on what comes with the package: it needs no file, a file of the same name comes first, other names are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxprune import boltzmann, networks, rnn
from jaxprune.cli._packaged import EXAMPLE, is_packaged


def test_the_worm(run, tmp_path):
    (tmp_path / "celegans").mkdir()  # a folder is no network
    arguments = ("--keep", "0.6", "--rule", "weight+keep", "--out", "out.npz")
    status, shown, err = run("prune", "celegans", *arguments)
    assert (status, err) == (0, "")
    assert "network: the celegans that comes with jaxprune, 279 neurons (Varshney et al. 2011)" in shown
    assert "leak: 1 for every neuron, added; all weights times" in shown
    pruned = networks.read_matrix("out.npz")
    assert pruned.names == networks.celegans().names
    report = json.loads((tmp_path / "out.npz.certificate.json").read_text())
    assert (report["matrix"], report["neurons"], report["self_synapses_left_out"]) == ("celegans (packaged)", 279, 3)
    status, shown, err = run("certify", "celegans", "out.npz", "--out", "again.json")
    assert (status, err) == (0, "")
    assert "the celegans that comes with jaxprune" in shown
    again = json.loads((tmp_path / "again.json").read_text())
    assert (again["original"], again["kept"]) == ("celegans (packaged)", report["kept"])


def test_the_network(run, tmp_path):
    arguments = ("--keep", "0.3", "--rule", "weight+radius")
    status, shown, err = run("prune-rnn", "example", *arguments, "--out", "out.npz")
    assert (status, err) == (0, "")
    assert "network: the example that comes with jaxprune" in shown
    assert "trials: the example that comes with jaxprune" in shown
    report = json.loads((tmp_path / "out.npz.report.json").read_text())
    model, trials, _ = rnn.example()
    assert report["model"] == "example (packaged)"
    np.testing.assert_allclose(report["accuracy"], rnn.accuracy(model, *trials))
    np.testing.assert_allclose(report["pruned_accuracy"], rnn.accuracy(rnn.load_rnn("out.npz"), *trials))
    # Its trials may be named, too, and its calibration trials are at hand.
    status, shown, err = run(
        *("prune-rnn", "out.npz", "--trials", "example", "--keep", "0.5", "--rule", "activity+keep"),
        *("--source", "task", "--out", "less.npz"),
    )
    assert (status, err) == (0, "")
    assert "trials: the example" in shown
    assert "network: the example" not in shown
    found = json.loads((tmp_path / "less.npz.report.json").read_text())
    assert found["accuracy"] == report["pruned_accuracy"]


SMALL = ("--sessions", 1, "--retrain-epochs", 0, "--temperatures", 20)


@pytest.mark.usefixtures("short_chains")
def test_the_machine(run, tmp_path):
    status, shown, err = run("prune-boltzmann", "--model", "example", "--out", "b.eqx", *SMALL)
    assert status == 0, err
    assert "machine: the example that comes with jaxprune" in shown
    report = json.loads((tmp_path / "b.eqx.report.json").read_text())
    assert (report["model"], report["hidden"], report["trained"]) == ("example (packaged)", [100], None)
    assert [row["weights"] for row in report["sessions"]] == [6400, 3200]
    assert boltzmann.load_machine("b.eqx")[0].sizes[0] == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prune", "celegan"), "there is no file 'celegan': did you mean celegans, which comes with jaxprune?"),
        (("prune", "C.elegans"), "did you mean celegans"),
        (
            ("prune", "fly"),
            "there is no file 'fly', and nothing of this name comes with jaxprune: celegans does. A file ends",
        ),
        (
            ("prune", "celegans", "--neurons", "neurons.csv"),
            "--neurons has no effect with celegans, whose neurons are known",
        ),
        (("prune", "celegans.npy"), "celegans.npy"),
        (("prune-rnn", "exampel"), "there is no file 'exampel': did you mean example"),
        (
            ("prune-rnn", "model"),
            "there is no file 'model', and nothing of this name comes with jaxprune: example does",
        ),
        (("prune-rnn", "example", "--trials", "examples"), "did you mean example"),
        (("prune-boltzmann", "--model", "exmaple"), "did you mean example"),
    ],
)
def test_names_that_are_not_known_are_refused(run, tmp_path, arguments, message):
    keep = () if "--model" in arguments else ("--keep", "0.2")
    out = "out.eqx" if "--model" in arguments else "out.npz"
    status, shown, err = run(*arguments, *keep, "--out", out)
    assert (status, shown, err.count("\n")) == (2, "", 1)
    assert message in err
    assert len(err) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["example.eqx", "examples.eqx", "my_example.eqx", "exampel.model"])
def test_a_machine_that_is_yet_to_be_written_may_have_any_name(name):
    assert not is_packaged(Path(name), EXAMPLE, ())


@pytest.mark.parametrize(("command", "name"), [("prune", "celegans"), ("prune-rnn", "example")])
def test_a_file_of_the_same_name_comes_first(run, tmp_path, command, name):
    (tmp_path / name).write_bytes(b"")
    status, _, err = run(command, name, "--keep", "0.2", "--out", "out.npz")
    assert (status, err.count("\n")) == (2, 1)
    assert f"the file {name} in this folder comes before the {name} that comes with jaxprune" in err
    assert len(err) < 300


def test_a_machine_of_the_same_name_comes_first(run, tmp_path):
    """A machine's file may have any suffix, or none."""
    (tmp_path / "example").write_bytes(b"")
    status, _, err = run("prune-boltzmann", "--model", "example", "--out", "b.eqx", *SMALL)
    assert (status, err) == (2, "error: example is no stored Boltzmann machine: pass a file that save_machine wrote.\n")
