"""Matrices in files: what is written is read back, what is malformed is refused, and a failed write changes nothing."""

import contextlib
import io
import pickle
import subprocess
import sys
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from helpers import dominant, weights

import jaxprune
from jaxprune.networks import matrix_bytes, read_matrix, write_matrix

SUFFIXES = (".npy", ".npz", ".mtx", ".csv")
REFUSED = (jaxprune.InputError, OSError)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("family", ["clustered", "feedforward"])
def test_round_trip(tmp_path, suffix, family):
    A = dominant(family)
    path = tmp_path / f"network{suffix}"
    write_matrix(path, A)
    connectome = read_matrix(str(path))
    np.testing.assert_array_equal(connectome.matrix, A)
    assert connectome.matrix.dtype == A.dtype
    assert connectome.names == tuple(str(i) for i in range(len(A)))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip_in_single_precision(tmp_path, suffix):
    A = dominant("gaussian").astype(jnp.float32)
    path = tmp_path / f"network{suffix}"
    write_matrix(path, A)
    # SciPy's Matrix Market parser ends the program on a zero byte: look before it does.
    assert suffix != ".mtx" or b"\0" not in path.read_bytes()
    np.testing.assert_array_equal(read_matrix(path).matrix.astype(jnp.float32), A)


def test_names_go_with_an_edge_list(tmp_path):
    path = tmp_path / "network.csv"
    matrix = jnp.array([[-1.0, 0.1], [0.0, -2.0]])
    write_matrix(path, matrix, names=("AVAL", "AVAR"))
    assert read_matrix(path).names == ("AVAL", "AVAR")
    assert path.read_text() == "pre,post,weight\nAVAL,AVAL,-1.0\nAVAR,AVAL,0.1\nAVAR,AVAR,-2.0\n"


def test_names_go_with_an_archive_that_scipy_reads_too(tmp_path):
    path = tmp_path / "network.npz"
    matrix = jnp.array([[-1.0, 0.1], [0.0, -2.0]])
    write_matrix(path, matrix, names=("AVAL", "neurone n\u00b0 2"))
    assert read_matrix(path).names == ("AVAL", "neurone n\u00b0 2")
    np.testing.assert_array_equal(read_matrix(path).matrix, matrix)
    np.testing.assert_array_equal(scipy.sparse.load_npz(path).toarray(), matrix)
    write_matrix(path, matrix)
    assert "names" not in np.load(path).files
    np.savez(path, W=np.eye(2), names=np.array(["b", "a"]))
    assert read_matrix(path).names == ("b", "a")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "names lists 1 neurons, 1 of them different, but the matrix has 2"),
        (["a", "a"], "names lists 2 neurons, 1 of them different, but the matrix has 2"),
        (["a", " "], "names holds an empty name"),
        ([1, 2], r"names is int64 of shape \(2,\), but must be a list of strings"),
        ([["a", "b"]], r"names is <U1 of shape \(1, 2\), but must be a list of strings"),
    ],
)
def test_names_in_an_archive_that_do_not_fit_are_refused(tmp_path, names, message):
    np.savez(tmp_path / "A.npz", W=np.eye(2), names=np.array(names))
    with pytest.raises(jaxprune.InputError, match=rf"A\.npz: {message}"):
        read_matrix(tmp_path / "A.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_content_can_be_made_before_it_is_written(tmp_path, suffix):
    path, A = tmp_path / f"network{suffix}", dominant("gaussian")
    content = matrix_bytes(path, A, names=tuple(f"n{i}" for i in range(len(A))))
    assert not list(tmp_path.iterdir())
    write_matrix(path, A, names=tuple(f"n{i}" for i in range(len(A))))
    assert path.read_bytes() == content


def test_a_neuron_without_synapses_stays_in_an_edge_list(tmp_path):
    path = tmp_path / "network.csv"
    W = jnp.zeros((3, 3)).at[2, 0].set(1.5)
    write_matrix(path, W, names=("a", "b", "c"))
    assert read_matrix(path).names == ("a", "b", "c")
    np.testing.assert_array_equal(read_matrix(path).matrix, W)


def test_self_synapses_that_are_left_out_are_counted(tmp_path):
    (tmp_path / "edges.csv").write_text("pre,post,count\na,b,2\na,a,7\n")
    assert read_matrix(tmp_path / "edges.csv").left_out == 1
    write_matrix(tmp_path / "A.npy", -jnp.eye(2))
    assert read_matrix(tmp_path / "A.npy").left_out == 0


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mtx"])
def test_a_neuron_table_without_an_edge_list_is_refused(tmp_path, suffix):
    path = tmp_path / f"network{suffix}"
    write_matrix(path, -jnp.eye(2))
    with pytest.raises(
        jaxprune.InputError, match=r"is no edge list \(\.csv\), so the neuron table .*none\.csv has no eff"
    ):
        read_matrix(path, neurons=tmp_path / "none.csv")


def test_neuron_table_reaches_the_edge_list(tmp_path):
    (tmp_path / "edges.csv").write_text("pre,post,count\na,b,2\n")
    (tmp_path / "neurons.csv").write_text("name,neurotransmitters\nb,\na,GABA\n")
    connectome = read_matrix(tmp_path / "edges.csv", neurons=tmp_path / "neurons.csv")
    assert connectome.names == ("b", "a")
    np.testing.assert_array_equal(connectome.matrix, [[0, -2], [0, 0]])


def test_files_of_other_programs(tmp_path):
    matrix = np.array([[0.0, 2.0], [3.0, 0.0]])
    np.savez(tmp_path / "dense.npz", W=matrix)
    np.save(tmp_path / "integers.npy", matrix.astype(int))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(matrix))
    scipy.sparse.save_npz(tmp_path / "columns.npz", scipy.sparse.csc_array(matrix))
    scipy.io.mmwrite(tmp_path / "dense.mtx", matrix)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_matrix(path).matrix, matrix)
    (tmp_path / "symmetric.mtx").write_text(
        "%%MatrixMarket matrix coordinate integer symmetric\n% lower triangle\n2 2 2\n1 1 -3\n2 1 2\n"
    )
    np.testing.assert_array_equal(read_matrix(tmp_path / "symmetric.mtx").matrix, [[-3, 2], [2, 0]])


class Trap:
    """An object whose unpickling would be noticed."""

    def __reduce__(self):
        return (print, ("unpickled",))


def npy(array):
    return lambda path: np.save(path, array)


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def text(content):
    return lambda path: path.write_text(content)


def promise(shape, dtype="<f8"):
    """The header of an array, and hardly any of its values."""
    stored = io.BytesIO()
    np.lib.format.write_array_header_1_0(stored, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stored.getvalue() + bytes(8)


def archive(path, content):
    """An .npz whose only member holds these bytes."""
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("A.npy", content)


def disguised(write, suffix):
    """A file of one format under the suffix of another."""

    def write_and_rename(path):
        write(path.with_suffix(suffix))
        path.with_suffix(suffix).rename(path)

    return write_and_rename


SQUARE = np.eye(2)
HEADER = "%%MatrixMarket matrix coordinate real general\n"
MALFORMED = {
    "pickled.npy": npy(np.array([[Trap()]])),
    "complex.npy": npy(SQUARE * 1j),
    "words.npy": npy(np.array([["a"]])),
    "rectangular.npy": npy(np.ones((2, 3))),
    "vector.npy": npy(np.ones(3)),
    "stack.npy": npy(np.ones((2, 2, 2))),
    "empty.npy": npy(np.ones((0, 0))),
    "infinite.npy": npy(np.array([[np.inf]])),
    "huge.npy": npy(np.array([["a" * 9000]])),
    "huge.mtx": text(f"%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 {'1' * 6000}\n"),
    "structured.npy": npy(np.zeros((2, 2), [(f"a field with a long name {i}", float) for i in range(40)])),
    "times.npy": npy(np.zeros((2, 2), "m8[s]")),
    "boolean.npy": npy(SQUARE > 0),
    "nan.npy": npy(SQUARE * np.nan),
    "stack.npz": npz(A=np.ones((2, 2, 2))),
    "complex.npz": npz(A=SQUARE * 1j),
    "wide.npy": npy(SQUARE * np.longdouble("1e4000")),
    "promise.npy": lambda path: path.write_bytes(promise((10**6, 10**6))),
    "promise.npz": lambda path: archive(path, promise((10**6, 10**6))),
    "negative.npy": lambda path: path.write_bytes(promise((-2, 2))),
    "words.npz": lambda path: archive(path, b"words"),
    "pickle.npy": lambda path: path.write_bytes(pickle.dumps([[Trap()]])),
    "nothing.npy": text(""),
    "archive.npy": disguised(npz(A=SQUARE), ".npz"),
    "pickled.npz": npz(A=np.array([[Trap()]])),
    "two.npz": npz(a=SQUARE, b=SQUARE),
    "none.npz": npz(),
    "nothing.npz": text(""),
    "array.npz": disguised(npy(SQUARE), ".npy"),
    "rectangular.mtx": lambda path: scipy.io.mmwrite(path, np.ones((2, 3))),
    "complex.mtx": lambda path: scipy.io.mmwrite(path, SQUARE * 1j),
    "words.mtx": text("a matrix\n"),
    "outside.mtx": text(HEADER + "2 2 1\n3 1 1.0\n"),
    "word.mtx": text(HEADER + "2 2 1\n1 1 one\n"),
    "infinite.mtx": text(HEADER + "2 2 1\n1 1 1e999\n"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_refused(tmp_path, capsys, name):
    path = tmp_path / name
    MALFORMED[name](path)
    with pytest.raises(jaxprune.InputError, match=name.replace(".", r"\.")) as refusal:
        read_matrix(path)
    assert "unpickled" not in capsys.readouterr().out
    message = str(refusal.value).replace(str(path), "")
    assert "pickle" not in message
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pickled.npy", r"malformed \.npy file: it holds Python objects, which are never loaded\."),
        ("pickled.npz", r"malformed \.npz file: it holds Python objects, which are never loaded\."),
        ("nothing.npy", r"malformed \.npy file: it does not begin as NumPy's files do\."),
        ("promise.npy", r"its header announces an array of shape \(1000000, 1000000\), but the file is not as long\."),
        ("promise.npz", r"its header announces an array of shape \(1000000, 1000000\), but the file is not as long\."),
        ("archive.npy", r"holds an archive: name it \.npz\."),
        ("array.npz", r"holds a single array: name it \.npy\."),
        ("words.npy", "holds values of type <U1, but a network's weights are real numbers"),
        ("times.npy", r"holds values of type timedelta64\[s\], but a network's weights are real numbers"),
        ("stack.npy", r"has shape \(2, 2, 2\), but must be square"),
        ("nan.npy", r"\[0, 0\] is nan"),
        ("wide.npy", r"\[0, 0\] is inf"),
    ],
)
def test_refusals_say_what_is_there(tmp_path, name, message):
    path = tmp_path / name
    MALFORMED[name](path)
    with pytest.raises(jaxprune.InputError, match=message):
        read_matrix(path)


def test_what_unpacks_to_more_than_memory_is_refused_before(tmp_path, monkeypatch):
    path = tmp_path / "A.npz"
    np.savez_compressed(path, A=np.zeros((1000, 1000)))
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 10**6)
    assert path.stat().st_size < 10**5
    with pytest.raises(jaxprune.InputError, match=r"A\.npz, unpacked, needs at least 0\.00745 GiB of memory"):
        read_matrix(path)
    np.save(tmp_path / "A.npy", np.zeros((1000, 1000)))
    with pytest.raises(jaxprune.InputError, match=r"A\.npy needs at least 0\.00745 GiB of memory"):
        read_matrix(tmp_path / "A.npy")


@pytest.mark.parametrize("kind", [scipy.sparse.coo_array, scipy.sparse.dia_array])
def test_a_sparse_matrix_that_is_too_large_dense_is_read_sparse_or_refused(tmp_path, kind):
    one = scipy.sparse.coo_array(([1.0], ([0], [0])), shape=(10**5, 10**5))
    scipy.sparse.save_npz(tmp_path / "A.npz", kind(one))
    assert read_matrix(tmp_path / "A.npz").matrix.nse == 1
    with pytest.raises(jaxprune.InputError, match=r"A\.npz: a dense matrix of 100000 x 100000 needs .*sparse=True"):
        read_matrix(tmp_path / "A.npz", sparse=False)
    np.savez(tmp_path / "A.npz", format=b"coo", shape=(10**12, 10**12), row=[0], col=[0], data=[1.0])
    with pytest.raises(jaxprune.InputError, match=r"A\.npz: a network of 1,000,000,000,000 neurons and 1 syn.* needs"):
        read_matrix(tmp_path / "A.npz")


def damaged(raw, seed=0, changes=60):
    """A file cut off at many places, and with single bytes changed."""
    rng = np.random.default_rng(seed)
    yield from (raw[:length] for length in range(0, len(raw), max(1, len(raw) // 60)))
    for _ in range(changes):
        copy = bytearray(raw)
        copy[rng.integers(len(raw))] = rng.integers(256)
        yield bytes(copy)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_damaged_files_are_read_or_refused(tmp_path, suffix):
    path = tmp_path / f"network{suffix}"
    write_matrix(path, weights("gaussian")[:4, :4])
    others = set()
    for raw in damaged(path.read_bytes()):
        path.write_bytes(raw)
        try:
            read_matrix(path)
        except REFUSED:
            pass
        except Exception as error:
            others.add(repr(error))
    assert not others


READ_ALL = """
import sys, pathlib
from jaxprune import InputError, networks
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        networks.read_matrix(path)
    except InputError:
        pass
"""


def read_all_elsewhere(folder):
    """Read all files in a process of its own: code in C may take the interpreter with it."""
    run = subprocess.run([sys.executable, "-c", READ_ALL, str(folder)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"ended with {run.returncode}\n{run.stderr[-2000:]}"


def test_damaged_matrix_market_files_do_not_end_the_program(tmp_path):
    path = tmp_path / "network.mtx"
    write_matrix(path, weights("gaussian")[:4, :4])
    for number, raw in enumerate(damaged(path.read_bytes())):
        (tmp_path / f"{number}.mtx").write_bytes(raw)
    (tmp_path / "half a number.mtx").write_text(HEADER + "2 2 2\n1 1 1.0\n1 2 -1.0e")
    (tmp_path / "zero byte.mtx").write_text(HEADER + "2 2 1\n1 1 1.0\0\n")
    read_all_elsewhere(tmp_path)


def test_sparse_archives_that_point_outside_do_not_end_the_program(tmp_path):
    parts = {"format": b"csr", "_is_array": True, "shape": (3, 3), "data": np.ones(1), "indptr": np.array([0, 1, 1, 1])}
    for index in (-(10**9), -1, 3, 10**6, 10**9):
        np.savez(tmp_path / f"{index}.npz", indices=np.array([index]), **parts)
    read_all_elsewhere(tmp_path)


@pytest.mark.parametrize("suffix", ["", ".txt", ".NPY", ".gz"])
def test_unknown_suffixes_are_refused(tmp_path, suffix):
    path = tmp_path / f"network{suffix}"
    with pytest.raises(jaxprune.InputError, match=r"must be one of \.npy, \.npz, \.mtx, \.csv"):
        write_matrix(path, -jnp.eye(2))
    with pytest.raises(jaxprune.InputError, match="suffix"):
        read_matrix(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_files_and_folders_say_so(tmp_path, suffix):
    with pytest.raises(FileNotFoundError):
        read_matrix(tmp_path / f"none{suffix}")
    with pytest.raises(FileNotFoundError):
        write_matrix(tmp_path / "none" / f"network{suffix}", -jnp.eye(2))


@contextlib.contextmanager
def largest_file(size):
    """Let no file grow past a size, as on a disk that is nearly full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("existing", [False, True])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, suffix, existing):
    path = tmp_path / f"network{suffix}"
    if existing:
        write_matrix(path, -jnp.eye(2))
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    with pytest.raises(OSError, match=r"."), largest_file(200):
        write_matrix(path, weights("gaussian"))
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_writing_refuses_what_reading_would(tmp_path):
    for matrix in (jnp.zeros((2, 3)), jnp.zeros((0, 0)), jnp.array([[jnp.inf]])):
        with pytest.raises(jaxprune.InputError, match="matrix"):
            write_matrix(tmp_path / "network.npy", matrix)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c", "d"), ("a", "a", "b"), ("a", "", "b")])
def test_writing_refuses_names_that_do_not_fit(tmp_path, names):
    with pytest.raises(jaxprune.InputError, match="names"):
        write_matrix(tmp_path / "network.csv", -jnp.eye(3), names=names)
    assert not list(tmp_path.iterdir())
