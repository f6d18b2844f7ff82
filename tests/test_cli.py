"""The command line as a person uses it: good input gives files, bad input one line and exit status 2, nothing lost."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.sparse

from jaxprune import cli, rnn
from tests.helpers import dominant


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command line in this process, in an empty directory; the status, what it printed, and its errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["jaxprune", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code or 0
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def matrix(tmp_path):
    np.save(tmp_path / "A.npy", np.asarray(dominant("clustered")))
    return tmp_path / "A.npy"


def test_prune_writes_the_matrix_and_its_certificate(run, matrix, tmp_path):
    status, out, err = run("prune", matrix, "--keep", "0.9", "--rule", "noise", "--out", "B.npz")
    assert (status, err) == (0, "")
    A, B = np.load(matrix), scipy.sparse.load_npz("B.npz").toarray()
    facts = json.loads((tmp_path / "B.npz.certificate.json").read_text())
    off = ~np.eye(len(A), dtype=bool)
    assert facts["kept"] == np.count_nonzero(B[off])
    values = scipy.linalg.eigh(-B, -A, eigvals_only=True)
    np.testing.assert_allclose(facts["epsilon"], np.abs(values - 1).max(), rtol=1e-9)
    np.testing.assert_allclose(facts["abscissa"], np.linalg.eigvalsh(B).max(), rtol=1e-9)
    assert facts["guarantee"] in ("spectrum", "stable", "none")
    assert "epsilon (realised)" in out


@pytest.mark.parametrize("rule", ["noise", "weight", "uniform", "noise+compensation", "noise+refit"])
def test_every_rule_and_the_same_seed_the_same_file(run, matrix, tmp_path, rule):
    for name in ("one.npy", "two.npy"):
        assert run("prune", matrix, "--keep", "0.4", "--rule", rule, "--out", name)[0] == 0
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_edge_list_in_and_out_and_certify_again(run, tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"n{i},n{j},{rng.integers(1, 9)}" for i in range(15) for j in range(15) if i != j and rng.random() < 0.5]
    (tmp_path / "edges.csv").write_text("pre,post,count\n" + "\n".join(lines) + "\n")
    assert run("prune", "edges.csv", "--keep", "0.5", "--out", "pruned.csv")[0] == 0
    facts = json.loads((tmp_path / "pruned.csv.certificate.json").read_text())
    assert facts["synapses"] == len(lines)
    status, _, err = run("certify", "edges.csv", "pruned.csv", "--out", "again.json")
    assert (status, err) == (0, "")
    again = json.loads((tmp_path / "again.json").read_text())
    for name in ("epsilon", "abscissa", "dominance_slack", "kept", "guarantee"):
        assert again[name] == pytest.approx(facts[name]) or again[name] == facts[name]


def test_matrix_market(run, matrix, tmp_path):
    scipy.io.mmwrite(tmp_path / "A.mtx", scipy.sparse.coo_array(np.load(matrix)), precision=17)
    for name in ("A.mtx", "A.npy"):
        run("prune", name, "--keep", "0.5", "--out", f"from_{name[-3:]}.npy")
    np.testing.assert_array_equal(np.load("from_mtx.npy"), np.load("from_npy.npy"))


def test_falling_apart_is_a_warning(run, matrix):
    status, _, err = run("prune", matrix, "--keep", "0.05", "--out", "B.npy")
    assert status == 0
    assert err.startswith("warning: the pruned network falls apart into")
    assert err.count("\n") == 1


SWEEP = ("sweep", "--sizes", "12", "8", "--bridges", "12", "--networks", "2", "--chunk", "2", "--keep", "0.3", "0.8")


def test_sweep_then_plot(run, tmp_path):
    status, out, _ = run(*SWEEP, "--out", "small.zarr")
    assert status == 0
    assert "noise+compensation" in out
    assert {entry.name for entry in tmp_path.iterdir()} == {"small.zarr", "small.png", "small.csv"}
    (tmp_path / "small.png").unlink()
    assert run("plot", "small.zarr")[0] == 0
    assert (tmp_path / "small.png").exists()


def save(array):
    def write(path):
        np.save(path / "bad.npy", array)
        return "bad.npy"

    return write


def text(name, content):
    def write(path):
        (path / name).write_text(content)
        return name

    return write


STABLE = -2 * np.eye(3) + np.ones((3, 3)) / 4
BAD = {
    "not square": (save(np.zeros((2, 3))), "must be square"),
    "empty": (save(np.zeros((0, 0))), "is empty"),
    "NaN": (save(np.full((2, 2), np.nan)), "[0, 0] is nan"),
    "infinite": (save(np.diag([-1.0, -np.inf])), "[1, 1] is -inf"),
    "positive diagonal": (save(STABLE + 3 * np.eye(3)), "must not be positive"),
    "singular": (save(np.array([[-1.0, 1.0], [1.0, -1.0]])), "singular or unstable"),
    "unstable": (save(np.array([[-1.0, 3.0], [3.0, -1.0]])), "singular or unstable"),
    "complex": (save(np.eye(2) * 1j), "real numbers"),
    "pickled": (save(np.array([{}], dtype=object)), "malformed .npy"),
    "no synapse": (save(np.zeros((2, 2))), "no synapse"),
    "unreadable number": (text("bad.csv", "pre,post,count\na,b,3\na,c,x\n"), "line 3: count is 'x'"),
    "missing column": (text("bad.csv", "from,to,count\na,b,3\n"), "line 1: the header is"),
    "too few fields": (text("bad.csv", "pre,post,count\na,b\n"), "line 2"),
    "no edge": (text("bad.csv", "pre,post,count\n"), "holds no edge"),
    "malformed Matrix Market": (
        text("bad.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n1 x 3\n"),
        "malformed .mtx",
    ),
    "not NumPy": (text("bad.npy", "hello"), "malformed .npy"),
    "not zip": (text("bad.npz", "hello"), "malformed .npz"),
    "unknown suffix": (text("bad.txt", "1 2"), "must be one of .npy"),
    "no file": (lambda _: "nowhere.npy", "No such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_matrices(run, tmp_path, case):
    write, message = BAD[case]
    name = write(tmp_path)
    before = {entry.name for entry in tmp_path.iterdir()}
    status, _, err = run("prune", name, "--keep", "0.8", "--out", "B.npy")
    assert status == 2
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert {entry.name for entry in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keep", "0", "--out", "B.npy"), "keep is 0, but must be in (0, 1]"),
        (("--keep", "1.5", "--out", "B.npy"), "keep is 1.5"),
        (("--keep", "nan", "--out", "B.npy"), "keep is nan"),
        (("--keep", "0.0001", "--out", "B.npy"), "keeps none"),
        (("--keep", "0.5", "--rule", "magic", "--out", "B.npy"), "rule is 'magic', but must be one of noise"),
        (("--keep", "0.5", "--cap", "0.5", "--out", "B.npy"), "cap is 0.5"),
        (("--keep", "0.5", "--out", "B.doc"), "suffix must be one of"),
        (("--keep", "0.5", "--out", "nowhere/B.npy"), "no directory nowhere"),
        (("--keep", "0.5", "--out", "A.npy"), "A.npy exists"),
    ],
)
def test_bad_arguments(run, matrix, arguments, message):
    content = matrix.read_bytes()
    status, _, err = run("prune", matrix, *arguments)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert matrix.read_bytes() == content


def test_sweep_with_another_config_is_refused(run, tmp_path):
    run(*SWEEP, "--out", "small.zarr")
    status, _, err = run(*SWEEP, "--seed", "5", "--out", "small.zarr")
    assert status == 2
    assert "error: small.zarr was written with another config (seed 0 there, 5 here)" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [("--keep", "2"), ("--rules", "magic"), ("--sizes", "0")])
def test_bad_sweeps(run, tmp_path, arguments):
    status, _, err = run("sweep", *arguments, "--out", "x.zarr")
    assert status == 2
    assert err.splitlines()[-1].startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_refused(run, tmp_path):
    (tmp_path / "x.zarr").write_text("precious")
    status, _, err = run(*SWEEP, "--out", "x.zarr")
    assert status == 2
    assert "not the store of a sweep" in err
    assert (tmp_path / "x.zarr").read_text() == "precious"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_full_disk_is_one_line(run, matrix, monkeypatch):
    def full(*_, **__):
        with open("/dev/full", "w") as file:
            file.write("x")

    monkeypatch.setattr(np, "save", full)
    status, _, err = run("prune", matrix, "--keep", "0.5", "--out", "B.npy")
    assert status == 2
    assert "No space left on device" in err
    assert sorted(entry.name for entry in matrix.parent.iterdir()) == ["A.npy"]


def test_unwritable_directory_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run(*SWEEP, "--out", "file/x.zarr")
    assert status == 2
    assert err.splitlines()[-1].startswith("error: ")


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
    for rule in ("activity+regrow", "activity+regrow, closed loop"):
        arguments = ("--keep", "0.2", "--source", "task", "--trials", "trials.npz", "--rule", rule, "--out", "out.npz")
        assert run("prune-rnn", trained, *arguments, "--overwrite")[0] == 0
        facts = json.loads((tmp_path / "out.npz.report.json").read_text())
        weights.append(np.load("out.npz")["W_rec"])
        errors += facts["drive_error"]
    assert facts["rule"]["loops"] == 8
    assert np.count_nonzero(weights[0]) == np.count_nonzero(weights[1])
    assert np.any(weights[0] != weights[1])
    assert max(errors) < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keep", "0.4", "--rule", "luck"), "--rule is 'luck'"),
        (("--keep", "0"), "keep is 0"),
        (("--keep", "0.4", "--source", "task"), "calibration_inputs"),
        (("--keep", "0.4", "--trials", "none.npz"), "none.npz does not exist"),
        (("--keep", "0.4", "--out", "out.pt"), "--out is out.pt"),
        (("--keep", "0.4", "--out", "away/out.npz"), "no directory away"),
        (("--keep", "0.4", "--source", "task-and-noise"), "--source task-and-noise needs --trials"),
        (("--keep", "0.4", "--sd", "0", "1"), "sd is (0.0, 1.0)"),
        (("--keep", "0.4", "--source", "neuron-noise", "--neuron-sd", "0"), "neuron-sd is 0"),
        (
            ("--keep", "0.4", "--source", "linearised", "--rule", "activity+regrow, closed loop"),
            "--source linearised does not",
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


def test_module_and_script_are_the_same_program():
    shown = subprocess.run([sys.executable, "-m", "jaxprune.cli", "--help"], capture_output=True, text=True, check=True)
    for command in ("sweep", "plot", "prune", "certify"):
        assert command in shown.stdout
