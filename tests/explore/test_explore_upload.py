"""The page of one's own network: read, pruned and offered as the command line would."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import InputError, networks
from jaxprune.explore import _upload as page

EDGES = b"pre,post,count\n" + b"".join(
    b"n%d,n%d,%d\n" % (i, (i + k) % 12, 1 + i % 3) for i in range(12) for k in (1, 2, 5)
)


@pytest.fixture(scope="module")
def upload():
    return page.read_upload("edges.csv", EDGES + b"n0,n0,2\n", "auto")


def npy(A):
    content = io.BytesIO()
    np.save(content, A)
    return content.getvalue()


def test_an_edge_list_is_pruned_and_what_comes_back_is_read_again(upload, run, tmp_path):
    assert upload.notes[:2] == ("12 neurons", "1 synapses of a neuron onto itself are left out")
    assert upload.notes[2].startswith("leak: 1 for every neuron, added")
    result = page.prune_upload(upload, page.AUTO, 0.5, 0)
    assert result.outcome.stability.stable
    assert page.remedy(result) == ""
    (tmp_path / "pruned.npz").write_bytes(page.download(upload, result))
    back = networks.read_matrix(tmp_path / "pruned.npz")
    assert set(back.names) == {f"n{i}" for i in range(12)}
    assert jnp.array_equal(back.matrix, result.outcome.pruned.matrix)
    # The command line's own choice, matrix and words.
    (tmp_path / "edges.csv").write_bytes(EDGES + b"n0,n0,2\n")
    status, printed, _ = run("prune", "edges.csv", "--keep", 0.5, "--out", "theirs.npz")
    assert status == 0
    assert upload.notes[2].endswith("(scaled, gain 0.9)")
    assert upload.notes[2].replace("scaled, gain", "--leak scaled --gain") in printed
    assert jnp.array_equal(networks.read_matrix(tmp_path / "theirs.npz").matrix, back.matrix)


def test_the_packaged_connectome_needs_no_file(monkeypatch):
    monkeypatch.setattr(page, "look_at", lambda A: A)  # which takes a while, and is tested elsewhere
    worm = page.packaged("auto")
    assert worm.names == networks.celegans().names
    assert worm.notes[0] == "279 neurons"
    assert worm.notes[-1].startswith("leak: 1 for every neuron, added")


def test_a_result_that_is_not_stable_names_rules_that_are(upload):
    result = page.prune_upload(upload, "noise", 0.5, 0)
    broken = result._replace(
        outcome=result.outcome._replace(stability=result.outcome.stability._replace(abscissa=1.0, stable=False)),
        tried=page.prune_upload(upload, page.AUTO, 0.5, 0).tried,
    )
    assert page.remedy(broken).startswith("Stable here: noise")
    assert "--" not in page.remedy(broken)
    assert page.remedy(broken._replace(tried=())).endswith("none is stable here: keep more.")


def test_the_diagonal_of_a_file_is_its_leak_or_is_put_aside():
    A = np.array([[-2.0, 1.0], [0.5, -2.0]])
    assert page.read_upload("A.npy", npy(A), "auto").notes[-1] == "leak: as in the file"
    assert (
        page.read_upload("A.npy", npy(A), "stable")
        .notes[-1]
        .endswith("the diagonal of the file (2 entries) is not used")
    )
    assert "(dominant, margin 0.1)" in page.read_upload("A.NPY", npy(A - np.diag(np.diag(A))), "auto").notes[-1]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("A.txt", b"1 2", "must be one of .npy, .npz, .mtx, .csv"),
        ("A.npy", b"nothing", "'A.npy': malformed"),
        ("edges.csv", b"pre,post,count\na,b,x\n", "'edges.csv', line 2"),
        ("edges.csv", b"", "'edges.csv', line 1"),
        ("A.npy", npy(np.zeros((2, 3))), "square"),
        ("A.npy", npy(np.zeros((2, 2))), "has no synapse"),
        ("A.npy", npy(np.array([[-1.0, 2.0], [2.0, -1.0]])), "unstable"),
        ("A.npy", npy(np.array([[1.0, 2.0], [2.0, -1.0]])), "must not be positive"),
        ("A.npy", npy(np.zeros((page.LIMIT + 1, page.LIMIT + 1))), "at most 500 are taken here"),
        ("A.npy", bytes(page.BYTES + 1), "has 20.1 MB, but at most 20"),
    ],
)
def test_a_bad_upload_is_one_line_without_a_path_of_ours(name, content, said):
    with pytest.raises(InputError, match=said) as refused:
        page.read_upload(name, content, "auto")
    assert "\n" not in str(refused.value)
    assert "/tmp" not in str(refused.value)
    assert len(str(refused.value)) < 300
