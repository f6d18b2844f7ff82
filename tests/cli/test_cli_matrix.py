"""`jaxprune prune` and `certify` as a person uses them: good input gives files, bad input one line and status 2, nothing lost."""

import hashlib
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.sparse

from jaxprune import _memory, linalg, networks
from jaxprune.cli import _choice, _comparison, _matrix
from jaxprune.dynamics import activity_of
from jaxprune.pruning.parts import AUTO
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
    "grows": (
        save(np.array([[-1.0, 3.0], [3.0, -1.0]])),
        "abscissa 2): its activity never comes to rest, and says nothing. Pass --leak",
    ),
    "complex": (save(np.eye(2) * 1j), "real numbers"),
    "pickled": (save(np.array([{}], dtype=object)), "Python objects"),
    "no synapse": (save(np.zeros((2, 2))), "no synapse"),
    "leaks alone": (save(-np.eye(2)), "no synapse"),
    "one neuron": (save(-np.eye(1)), "no synapse"),
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
        (("--keep", "0.5", "--rule", "noise", "--cap", "0.5", "--out", "B.npy"), "cap is 0.5"),
        (("--keep", "0.5", "--cap", "3", "--out", "B.npy"), "--cap has no effect with --rule auto"),
        (("--keep", "0.5", "--method", "top", "--out", "B.npy"), "--method has no effect with --rule auto"),
        (("--keep", "0.5", "--diagonal", "original", "--out", "B.npy"), "--diagonal has no effect with --rule auto"),
        (("--keep", "0.5", "--gain", "0.5", "--out", "B.npy"), "--gain has no effect with the leak 'none'"),
        (
            ("--keep", "0.5", "--leak", "dominant", "--gain", "0.5", "--out", "B.npy"),
            "--gain has no effect with the leak 'dom",
        ),
        (
            ("--keep", "0.5", "--leak", "scaled", "--margin", "1", "--out", "B.npy"),
            "--margin has no effect with the leak",
        ),
        (
            ("--keep", "0.5", "--leak", "scaled", "--gain", "1", "--out", "B.npy"),
            "gain is 1, but must be between 0 and 1",
        ),
        (("--keep", "0.5", "--leak", "stable", "--margin", "0", "--out", "B.npy"), "--margin is 0"),
        (("--keep", "0.5", "--seed", str(2**63), "--out", "B.npy"), "seed is 9223372036854775808"),
        (("--keep", "0.5", "--neurons", "nowhere.csv", "--out", "B.npy"), "neuron"),
        (("--keep", "0.5", "--rule", "wieght+keep", "--out", "B.npy"), "nearest names are weight+keep"),
        (
            ("--keep", "0.5", "--rule", "weight+keep", "--cap", "3", "--out", "B.npy"),
            "--cap has no effect with --rule weight+keep",
        ),
        (("--keep", "0.5", "--rule", "nowhere:Rule", "--out", "B.npy"), "module 'nowhere' cannot be imported"),
        (("--keep", "0.5", "--out", "B.doc"), "suffix must be one of"),
        (("--keep", "0.5", "--out", "nowhere/B.npy"), "no directory nowhere"),
        (("--keep", "0.5", "--out", "/proc/B.npy"), "/proc/B.npy cannot be written"),
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


def balanced(path, neurons=100, seed=0):
    """An ordinary excitatory-inhibitory network with leaks of 1, not normal, stable."""
    W = networks.dale(jax.random.key(seed), neurons, density=0.3, gain=0.7)
    np.save(path, np.asarray(W - jnp.eye(neurons)))
    return np.asarray(W) - np.eye(neurons)


def test_an_unstable_result_is_not_written_unless_asked_for(run, tmp_path):
    A = balanced(tmp_path / "A.npy")
    before = sorted(tmp_path.iterdir())
    status, out, err = run("prune", "A.npy", "--rule", "noise", "--keep", "0.2", "--out", "B.npz")
    assert (status, out, err.count("\n")) == (3, "", 1)
    assert err.startswith("UNSTABLE: spectral abscissa ")
    assert f"(original {np.linalg.eigvals(A).real.max():.4g})" in err
    assert "stable here: --rule" in err
    assert sorted(tmp_path.iterdir()) == before
    status, out, err = run("prune", "A.npy", "--rule", "noise", "--keep", "0.2", "--out", "B.npz", "--allow-unstable")
    assert status == 0
    assert "UNSTABLE" in out
    facts = json.loads((tmp_path / "B.npz.certificate.json").read_text())
    B = scipy.sparse.load_npz("B.npz").toarray()
    assert facts["stability"] == "unstable"
    assert facts["abscissa"] == pytest.approx(np.linalg.eigvals(B).real.max())
    assert facts["h2_error"] == "infinite"


@pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
def test_auto_takes_the_best_stable_rule_and_says_which(run, tmp_path):
    A = jnp.asarray(balanced(tmp_path / "A.npy"))
    status, out, _ = run("prune", "A.npy", "--keep", "0.2", "--out", "B.npy")
    assert status == 0
    facts = json.loads((tmp_path / "B.npy.certificate.json").read_text())
    tried = facts["tried"]
    assert len(tried) == 5
    stable = [one["h2_error"] for one in tried if one["stability"] == "stable"]
    assert stable == sorted(stable)
    assert 0 < len(stable) < 5
    assert tried[0]["options"].split()[1] == facts["rule"]["name"]
    assert facts["h2_error"] == pytest.approx(tried[0]["h2_error"], rel=1e-6)
    assert facts["original_abscissa"] == pytest.approx(float(linalg.spectral_abscissa(A)))
    assert f"{tried[0]['options']} " in out
    assert "taken: stable, with the least H2 error" in out
    # The options that it names give the same network.
    assert run("prune", "A.npy", *tried[0]["options"].split(), "--keep", "0.2", "--out", "C.npy")[0] == 0
    np.testing.assert_array_equal(np.load("B.npy"), np.load("C.npy"))


def test_stable_rules_come_before_others_whatever_their_error(tmp_path, monkeypatch):
    A = jnp.asarray(balanced(tmp_path / "A.npy"))
    errors = iter([0.0, 1.0, 2.0, 3.0, 4.0])  # the first that is tried, which is not stable, has the least
    monkeypatch.setattr(_choice, "_h2", lambda *_: next(errors))
    activity = activity_of(linalg.stationary_covariance(A))
    tried = _choice.try_rules(jax.random.key(0), A, activity, 0.2, None)
    stable = [one.stability.stable for one in tried]
    assert stable == sorted(stable, reverse=True)
    assert (tried[-1].name, tried[-1].score, stable[-1]) == ("noise", 0.0, False)


@pytest.mark.parametrize("name", AUTO)
def test_options_name_the_rules_that_are_tried(name):
    given = _choice.options(name)
    assert _matrix._rule(given["--rule"], None, given.get("--diagonal"), None) == AUTO[name]
    assert set(given) <= {"--rule", "--diagonal"}


def edges(path, neurons=15, seed=0):
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(neurons) for j in range(neurons) if rng.random() < 0.5]
    path.write_text("pre,post,count\n" + "".join(f"n{i},n{j},{rng.integers(1, 9)}\n" for i, j in pairs))
    return sum(i == j for i, j in pairs)


@pytest.mark.parametrize(
    ("options", "kind", "number"),
    [
        ((), "scaled", "--gain 0.9"),
        (("--leak", "scaled", "--gain", "0.5"), "scaled", "--gain 0.5"),
        (("--leak", "dominant"), "dominant", "--margin 0.1"),
        (("--leak", "stable", "--margin", "0.3"), "stable", "--margin 0.3"),
    ],
)
def test_the_leak_is_said(run, tmp_path, options, kind, number):
    own = edges(tmp_path / "edges.csv")
    status, out, _ = run("prune", "edges.csv", "--rule", "noise+keep", "--keep", "0.6", "--out", "B.csv", *options)
    assert status == 0
    assert own > 0
    assert out.startswith(f"{own} synapses of a neuron onto itself are left out\nleak: ")
    assert f" (--leak {kind} {number})\n" in out
    facts = json.loads((tmp_path / "B.csv.certificate.json").read_text())
    assert (facts["leak"]["kind"], facts["self_synapses_left_out"]) == (kind, own)
    if kind == "scaled":
        B, W = networks.read_matrix("B.csv").matrix, networks.read_matrix("edges.csv").matrix
        kept = (B != 0) & ~jnp.eye(len(B), dtype=bool)
        np.testing.assert_allclose(B[kept], facts["leak"]["factor"] * W[kept])
        np.testing.assert_array_equal(jnp.diagonal(B), -1)
    status, again, _ = run("certify", "edges.csv", "B.csv", *options)
    assert status == 0
    assert f"epsilon (realised)     {facts['epsilon']:.4g}" in again or facts["epsilon"] is None


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mtx", ".csv"])
def test_certify_takes_what_prune_wrote(run, tmp_path, suffix):
    """By name where the format holds names, else in order."""
    edges(tmp_path / "edges.csv")
    out = f"B{suffix}"
    assert run("prune", "edges.csv", "--rule", "weight+keep", "--keep", "0.6", "--out", out)[0] == 0
    facts = json.loads((tmp_path / f"{out}.certificate.json").read_text())
    assert run("certify", "edges.csv", out, "--out", "again.json")[0] == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["h2_error"] == pytest.approx(facts["h2_error"], rel=1e-9)
    assert again["kept"] == facts["kept"]


def test_certify_overwrites_nothing_unasked(run, matrix, tmp_path):
    (tmp_path / "c.json").write_text("mine")
    status, _, err = run("certify", matrix, matrix, "--out", "c.json")
    assert (status, err.count("\n")) == (2, 1)
    assert "c.json exists" in err
    assert (tmp_path / "c.json").read_text() == "mine"
    assert run("certify", matrix, matrix, "--out", "c.json", "--overwrite")[0] == 0
    assert json.loads((tmp_path / "c.json").read_text())["h2_error"] == pytest.approx(0, abs=1e-12)


def test_nothing_is_written_when_the_report_cannot_be_made(run, matrix, tmp_path, monkeypatch):
    """The certificate is made before the matrix is written."""
    monkeypatch.setattr("jaxprune.cli._matrix.rule_facts", lambda *_: {"name": object()})
    with pytest.raises(TypeError, match="JSON"):
        run("prune", matrix, "--keep", "0.5", "--rule", "noise", "--out", "B.npy")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["A.npy"]


def test_weights_of_any_size_and_a_cap_of_any_size(run, matrix, tmp_path):
    np.save(tmp_path / "huge.npy", 1e200 * np.load(matrix))
    for name, options in (("huge.npy", ()), ("A.npy", ("--rule", "noise", "--cap", "inf"))):
        status, _, err = run("prune", name, "--keep", "0.5", "--out", f"of_{name}", *options)
        there = [(tmp_path / f"of_{name}{end}").exists() for end in ("", ".certificate.json")]
        assert there == [status == 0] * 2
        assert status == 0 or (status == 2 and err.count("\n") == 1)


def test_a_network_that_does_not_fit_is_refused(run, matrix, monkeypatch):
    monkeypatch.setattr(_memory, "memory_limit", lambda: 10_000)
    status, _, err = run("prune", matrix, "--keep", "0.5", "--out", "B.npy")
    assert (status, err.count("\n")) == (2, 1)
    assert "GiB of memory, but there are" in err


def test_a_large_network_has_estimates(run, matrix, tmp_path, monkeypatch):
    """What is estimated and what is left out is said; the rest is as for a small one."""
    assert run("prune", matrix, "--rule", "weight+keep", "--keep", "0.5", "--out", "B.npy")[0] == 0
    exact = json.loads((tmp_path / "B.npy.certificate.json").read_text())
    for module in (_matrix, _comparison):
        monkeypatch.setattr(module, "LARGE", 10)
    status, out, _ = run("prune", matrix, "--rule", "weight+keep", "--keep", "0.5", "--out", "C.npy")
    assert status == 0
    np.testing.assert_array_equal(np.load("B.npy"), np.load("C.npy"))
    facts = json.loads((tmp_path / "C.npy.certificate.json").read_text())
    assert abs(facts["h2_error"] - exact["h2_error"]) < 5 * facts["h2_standard_error"]
    for name in ("slow_modes_mean_error", "information_lost_nats_per_neuron", "epsilon", "abscissa"):
        assert facts[name] == pytest.approx(exact[name], rel=1e-3)
    assert facts["sorted_eigenvalues_median_error"] is None
    assert "is left out" in out
    assert "±" in out
    status, out, _ = run("certify", matrix, "C.npy")
    assert status == 0
    assert "±" in out
    assert run("prune", matrix, "--keep", "0.5", "--out", "D.npy")[0] == 0
