"""Large networks in files: sparse in and out, the same as dense ones, piece by piece, and refused where they do not fit."""

import io
import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from helpers import dominant

import jaxprune
from jaxprune.linalg.sparse import LARGE, as_sparse, is_sparse, to_scipy
from jaxprune.networks import (
    _csv,
    _edges,
    _entries,
    _matrix_market,
    matrix_bytes,
    read_edges,
    read_matrix,
    write_matrix,
)

SUFFIXES = (".npy", ".npz", ".mtx", ".csv")
NAMED = (".npz", ".csv")


def ring(neurons):
    """A large network with a few synapses, one neuron of which has none."""
    post = np.arange(neurons - 2)
    values = np.random.default_rng(0).standard_normal(neurons - 2)
    return scipy.sparse.csr_array((values, (post, (post + 1) % (neurons - 2))), shape=(neurons, neurons)) - (
        scipy.sparse.diags_array(np.append(np.full(neurons - 1, 2.5), 0.0))
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path, suffix):
    """Sparse where wanted; what is written is what a dense matrix writes, but for an .npz, which is not compressed."""
    A = dominant("dale") + 0.0  # no zero is negative
    names = tuple(f"n{i:02}" for i in range(len(A))) if suffix in NAMED else None
    path = tmp_path / f"network{suffix}"
    for given in (as_sparse("A", A), scipy.sparse.coo_matrix(A)):
        write_matrix(path, given, names=names)
        assert path.read_bytes() == matrix_bytes(path, given, names=names)
        assert suffix == ".npz" or path.read_bytes() == matrix_bytes(path, A, names=names)
    read = read_matrix(path, sparse=True)
    assert is_sparse(read.matrix)
    assert to_scipy(read.matrix).has_canonical_format
    np.testing.assert_array_equal(read.matrix.todense(), A)
    np.testing.assert_array_equal(read_matrix(path).matrix, A)
    assert read.names == (names or tuple(str(i) for i in range(len(A))))


@pytest.mark.parametrize("suffix", [".npz", ".mtx", ".csv"])
def test_large_networks_are_sparse_by_themselves(tmp_path, suffix, monkeypatch):
    """In pieces that end anywhere; the neuron that has no synapse keeps its place."""
    for module, name, size in ((_csv, "BLOCK", 5000), (_matrix_market, "LINES", 777), (_edges, "WRITTEN", 500)):
        monkeypatch.setattr(module, name, size)
    A = ring(LARGE + 1)
    path = tmp_path / f"network{suffix}"
    write_matrix(path, A)
    read = read_matrix(path)
    assert is_sparse(read.matrix)
    assert (to_scipy(read.matrix) != A).nnz == 0
    assert read.names == tuple(str(i) for i in range(LARGE + 1))
    if suffix == ".mtx":
        assert (scipy.io.mmread(path) != A).nnz == 0


def test_dense_files_stay_dense_and_become_sparse_on_request(tmp_path):
    np.save(tmp_path / "A.npy", np.eye(3))
    np.savez(tmp_path / "A.npz", A=np.eye(3))
    (tmp_path / "A.mtx").write_text("%%MatrixMarket matrix array real general\n2 2\n1\n0\n0\n2\n")
    for path in tmp_path.iterdir():
        assert not is_sparse(read_matrix(path).matrix)
        assert read_matrix(path, sparse=True).matrix.nse in (2, 3)
    np.save(tmp_path / "A.npy", np.ones((2, 2, 2)))
    with pytest.raises(jaxprune.InputError, match=r"shape \(2, 2, 2\), but must be square"):
        read_matrix(tmp_path / "A.npy", sparse=True)


@pytest.mark.parametrize("quote", [False, True])
def test_pieces_make_no_difference(tmp_path, monkeypatch, quote):
    """Of lines of any kind: blank ones, other line ends, quotes from some line on, one place many times."""
    rng = np.random.default_rng(1)
    lines = ["pre,comment,post,type,count"]
    for _ in range(400):
        pre, post, count = rng.integers(0, 20), rng.integers(0, 20), rng.integers(0, 9)
        kind = rng.choice(["", "chemical", "Gap_Junction"])
        lines += [f"n_{pre},x,\u00e9{post},{kind},{count}"] + [""] * (rng.random() < 0.05)
    if quote:
        lines[300:300] = ['n_1,"a, b\nc",\u00e92,chemical,1.5']
    path = tmp_path / "edges.csv"
    path.write_bytes("\n".join(lines).replace("9\n", "9\r\n").encode())
    whole = read_edges(path)
    np.testing.assert_array_equal(whole.matrix, slowly(lines, whole.names))
    for module, name, size in ((_csv, "BLOCK", 200), (_csv, "ROWS", 3), (_entries, "PILE", 7)):
        monkeypatch.setattr(module, name, size)
    parts = read_edges(path)
    assert (parts.names, parts.left_out) == (whole.names, whole.left_out)
    np.testing.assert_array_equal(parts.matrix, whole.matrix)
    path.write_bytes(path.read_bytes() + b"\nn_1,x,n_2,,many\n")
    with pytest.raises(jaxprune.InputError, match=rf"line {path.read_bytes().count(10)}: count is 'many'"):
        read_edges(path)


def slowly(lines, names):
    """The matrix of those lines, one after the other."""
    place, matrix = {name: number for number, name in enumerate(names)}, np.zeros((len(names), len(names)))
    for line in "\n".join(lines[1:]).replace('"a, b\nc"', "x").split("\n"):
        if line:
            pre, _, post, kind, count = line.split(",")
            assert pre != post
            matrix[place[post], place[pre]] += float(count)
            if kind.startswith("Gap"):
                matrix[place[pre], place[post]] += float(count)
    return matrix


def test_memory_is_in_proportion_to_the_network_not_to_the_list(tmp_path, monkeypatch):
    """Four times as many lines about the same synapses take no more."""
    monkeypatch.setattr(_entries, "PILE", 2**13)
    peaks, pre = [], np.random.default_rng(0).integers(0, 50, 20_000)
    text = "".join(f"{one},{(one + 1) % 50},1\n" for one in pre)
    for times in (3, 12):
        path = tmp_path / "edges.csv"
        path.write_text("pre,post,count\n" + times * text)
        tracemalloc.start()
        read = read_edges(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert float(read.matrix.sum()) == 20_000 * times
    assert peaks[1] < 1.1 * peaks[0]


def test_matrix_market_lines_of_any_kind(tmp_path, monkeypatch):
    """Comments and blank lines between entries, in pieces of their own, and places that are listed twice."""
    monkeypatch.setattr(_matrix_market, "LINES", 3)
    path = tmp_path / "A.mtx"
    head = "%%MatrixMarket matrix coordinate real symmetric\n% one\n4 4 6\n"
    path.write_text(head + "1 1 -3\n2 1 1\n2 1 1.5\n4 1 2\n\n% two\n4 3 1\n\n4 4 -1e0\n")
    expected = [[-3, 2.5, 0, 2], [2.5, 0, 0, 0], [0, 0, 0, 1], [2, 0, 1, -1]]
    np.testing.assert_array_equal(read_matrix(path).matrix, expected)
    path.write_text(path.read_text().replace("4 3 1", "4 5 1"))
    with pytest.raises(jaxprune.InputError, match=r"line 10: .*\(4, 5\) lies outside 4 x 4"):
        read_matrix(path)


def test_names_that_do_not_fit_and_entries_that_are_not_finite_are_refused(tmp_path):
    A = ring(10)
    with pytest.raises(jaxprune.InputError, match="names lists 1 neurons"):
        write_matrix(tmp_path / "A.csv", A, names=("a",))
    A.data[3] = np.inf
    with pytest.raises(jaxprune.InputError, match="matrix has 1 entries that are not finite"):
        write_matrix(tmp_path / "A.npz", A)
    scipy.sparse.save_npz(tmp_path / "A.npz", A)
    with pytest.raises(jaxprune.InputError, match=r"A\.npz has 1 entries that are not finite"):
        read_matrix(tmp_path / "A.npz", sparse=True)


def test_what_does_not_fit_is_refused_before_it_is_made(tmp_path, monkeypatch):
    A = ring(3000)
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 10**6)
    with pytest.raises(
        jaxprune.InputError, match=r"A\.npy: .npy is dense, and a matrix of 3,000 neurons needs .*take .npz"
    ):
        write_matrix(tmp_path / "A.npy", A)
    assert not list(tmp_path.iterdir())
    write_matrix(tmp_path / "A.mtx", A)
    with pytest.raises(jaxprune.InputError, match=r"A\.mtx: a dense matrix of 3000 x 3000 needs .*sparse=True"):
        read_matrix(tmp_path / "A.mtx")
    assert is_sparse(read_matrix(tmp_path / "A.mtx", sparse=True).matrix)


def test_single_precision_is_kept_on_the_way_out(tmp_path):
    A = as_sparse("A", dominant("dale").astype(jnp.float32))
    write_matrix(tmp_path / "A.npz", A)
    assert scipy.sparse.load_npz(tmp_path / "A.npz").dtype == np.float32
    text = matrix_bytes("A.csv", A)
    assert isinstance(text, bytes)
    assert io.BytesIO(text).readline() == b"pre,post,weight\n"
