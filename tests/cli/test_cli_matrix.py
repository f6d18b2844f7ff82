"""`jaxprune prune` and `certify` as a person uses them: good input gives files, bad input one line and status 2, nothing lost."""

import hashlib
import json
import os

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.sparse

from jaxprune import linalg
from tests.helpers import dominant


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
    A, B = jnp.asarray(A), jnp.asarray(B)
    assert facts["h2_error"] == pytest.approx(float(linalg.h2_error(A, B).relative))
    controls = facts["controls"]
    assert set(controls) == {"mask only", "one factor", "no synapse"}
    assert facts["h2_error"] < controls["no synapse"]["h2_error"]
    untouched = A * ((B != 0) | jnp.eye(len(A), dtype=bool))
    assert controls["mask only"]["h2_error"] == pytest.approx(float(linalg.h2_error(A, untouched).relative))
    slow = linalg.spectral_errors(A, B).quadratic[:10]
    assert facts["slow_modes_worst_error"] == pytest.approx(float(slow.max()))
    lost = linalg.information_lost(A, B)
    assert facts["information_lost_nats_per_neuron"] == pytest.approx(float(lost.stationary))
    assert "epsilon (realised)" in out
    assert "no synapse" in out


def test_measures_of_an_unstable_network_are_infinite(run, matrix, tmp_path):
    A = np.load(matrix)
    np.save(tmp_path / "B.npy", A - 1.01 * np.diag(np.diagonal(A)))
    status, out, err = run("certify", matrix, "B.npy", "--out", "facts.json")
    assert (status, err) == (0, "")
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["h2_error"] == facts["information_lost_nats_per_neuron"] == "infinite"
    assert "inf" in out


@pytest.mark.parametrize("rule", ["noise", "weight", "uniform", "noise+compensation", "noise+form", "activity+regrow"])
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
        (("--keep", "0.5", "--rule", "magic", "--out", "B.npy"), "rule is 'magic', but no name is near"),
        (("--keep", "0.5", "--cap", "0.5", "--out", "B.npy"), "cap is 0.5"),
        (("--keep", "0.5", "--rule", "wieght+keep", "--out", "B.npy"), "nearest names are weight+keep"),
        (
            ("--keep", "0.5", "--rule", "weight+keep", "--cap", "3", "--out", "B.npy"),
            "--cap has no effect on --rule weight+keep",
        ),
        (("--keep", "0.5", "--rule", "nowhere:Rule", "--out", "B.npy"), "module 'nowhere' cannot be imported"),
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


def test_a_rule_of_ones_own_module(run, matrix, tmp_path):
    lines = [
        "import jax.numpy as jnp",
        "from jaxprune import pruning",
        "MyRule = pruning.Rule(jnp.abs, 'top', pruning.Keep())",
    ]
    (tmp_path / "own_rules.py").write_text("\n".join(lines))
    arguments = ("--keep", "0.5", "--out")
    assert run("prune", matrix, "--rule", "own_rules:MyRule", *arguments, "mine.npy")[0] == 0
    assert run("prune", matrix, "--rule", "weight+keep", *arguments, "theirs.npy")[0] == 0
    np.testing.assert_array_equal(np.load("mine.npy"), np.load("theirs.npy"))
    rule = json.loads((tmp_path / "mine.npy.certificate.json").read_text())["rule"]
    assert rule["adjust"] == {"name": "Keep"}
    assert rule["source"]["sha256"] == hashlib.sha256((tmp_path / "own_rules.py").read_bytes()).hexdigest()
