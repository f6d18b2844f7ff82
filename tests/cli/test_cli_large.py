"""Large sparse networks on the command line: pruned, certified, measured by estimates."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from jaxprune import networks
from jaxprune.cli import _matrix
from jaxprune.linalg import sparse
from jaxprune.networks import _entries
from jaxprune.pruning import _prune

pytestmark = pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    """Networks of 300 neurons take the way of large ones."""
    for module in (_entries, _prune):
        monkeypatch.setattr(module, "LARGE", 100)


def network(directed=False):
    sizes = (150, 100, 50)
    return networks.sparse_clustered(jax.random.key(0), sizes, degree=20, bridges=300, directed=directed)


def report(path):
    return json.loads(path.with_name(path.name + ".certificate.json").read_text())


@pytest.mark.parametrize("directed", [False, True])
def test_a_large_network_is_pruned_and_certified(run, tmp_path, directed):
    A = networks.dominant_leak(network(directed), 1.0)
    networks.write_matrix(tmp_path / "A.npz", A)
    rule = ("--rule", "weight+compensation") if directed else ()
    status, out, _ = run("prune", "A.npz", "--keep", "0.3", "--out", "B.npz", *rule)
    assert status == 0
    assert "above 4000 neurons everything is estimated" in out
    assert directed or "taken: stable, with the least H2 error" in " ".join(out.split())
    B = networks.read_matrix(tmp_path / "B.npz").matrix
    assert sparse.is_sparse(B)
    kept = int(jnp.sum(sparse.rows_of(B) != B.indices))
    found = report(tmp_path / "B.npz")
    assert kept == found["kept"] == pytest.approx(0.3 * found["synapses"], rel=0.05)
    assert found["stability"] == "stable"
    assert len(found["tried"]) == (0 if directed else 5)
    assert found["proven"] or found["residual"] >= 0
    exact = np.linalg.eigvals(np.asarray(B.todense())).real.max()
    assert found["abscissa"] <= exact + 1e-6
    status, out, _ = run("certify", "A.npz", "B.npz", "--out", "c.json")
    assert status == 0
    again = json.loads((tmp_path / "c.json").read_text())
    assert again["epsilon"] == pytest.approx(found["epsilon"], rel=1e-3)


def test_matrix_market_and_edge_lists_come_out_as_they_went_in(run, tmp_path):
    W = network()
    for name in ("W.mtx", "W.csv"):
        networks.write_matrix(tmp_path / name, W)
        out = tmp_path / f"pruned_{name}"
        status, printed, _ = run(
            "prune", name, "--rule", "noise", "--keep", "0.3", "--leak", "dominant", "--out", out.name
        )
        assert status == 0
        assert "added, for a slack of" in printed
        pruned = sparse.to_scipy(networks.read_matrix(out).matrix)
        assert pruned.shape == W.shape
        slack = -pruned.diagonal() - (abs(pruned).sum(axis=1) - abs(pruned.diagonal()))
        np.testing.assert_allclose(slack, slack[0], rtol=1e-6)


def singular():
    """Excitation alone, and no slack."""
    W = network()
    return networks.dominant_leak(sparse.with_data(W, jnp.abs(W.data)))


def positive_leak():
    return scipy.sparse.csr_array(sparse.to_scipy(network()) + 2 * scipy.sparse.eye_array(300))


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (singular, (), "singular"),
        (positive_leak, (), "must not be positive"),
        (network, ("--rule", "surgeon"), "function of dense matrices"),
        (network, ("--rule", "weight+regrow"), "looks at dense matrices"),
        (lambda: scipy.sparse.csr_array(-np.eye(300)), (), "has no synapse"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_one_line(run, tmp_path, make, options, words):
    networks.write_matrix(tmp_path / "A.npz", make())
    status, _, err = run("prune", "A.npz", "--keep", "0.3", "--out", "B.npz", *options)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert not (tmp_path / "B.npz").exists()


def test_what_does_not_fit_is_refused_before_it_is_tried(run, tmp_path, monkeypatch):
    networks.write_matrix(tmp_path / "A.npz", network())
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 500_000)
    monkeypatch.setattr(_matrix, "_activity", lambda A: pytest.fail("it was tried"))
    status, _, err = run("prune", "A.npz", "--keep", "0.3", "--out", "B.npz")
    assert status == 2
    assert "GiB of memory" in err
