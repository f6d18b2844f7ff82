"""What the command line refuses: status 2, one short line that begins with `error: `, and nothing written."""

import io
import json
import struct
import sys
import zipfile

import numpy as np
import pytest


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def header(text, version=b"\x01\x00"):
    """A file of NumPy's with this header, and 64 bytes of entries."""
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode() + bytes(64)


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def flipped(content, at):
    """The same with one byte changed."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def mtx(body, kind="matrix coordinate real general"):
    return f"%%MatrixMarket {kind}\n{body}\n".encode()


def idx(array, code=8, shape=None):
    shape = array.shape if shape is None else shape
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def described(shape="(3, 3)", kind="<f8"):
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")


RNG = np.random.default_rng(0)
W = RNG.normal(size=(8, 8))
np.fill_diagonal(W, 0)
GOOD = npy(W)
EDGES = b"pre,post,count\na,b,3\nb,c,2\nc,a,5\na,c,1\n"


def holed(value):
    array = W.copy()
    array[2, 5] = value
    return npy(array)


NETWORK = {
    "W_in": RNG.normal(size=(6, 2)), "b_in": np.zeros(6), "W_rec": RNG.normal(size=(6, 6)), "b_rec": np.zeros(6),
    "W_out": RNG.normal(size=(3, 6)), "b_out": np.zeros(3), "alpha": np.asarray(0.2),
}  # fmt: skip
TRIALS = {"inputs": RNG.normal(size=(9, 5, 2)), "labels": RNG.integers(0, 3, (9, 5))}
IMAGES = {
    "train_images": RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8), "train_labels": np.arange(40) % 4,
    "test_images": RNG.integers(0, 256, (20, 8, 8)).astype(np.uint8), "test_labels": np.arange(20) % 4,
}  # fmt: skip


def network(**changes):
    return npz(**{name: values for name, values in (NETWORK | changes).items() if values is not None})


def trials(**changes):
    return npz(**{name: values for name, values in (TRIALS | changes).items() if values is not None})


def images(**changes):
    return npz(**{name: values for name, values in (IMAGES | changes).items() if values is not None})


def machine(**changes):
    """A restricted machine of 5 and 2 units as it is stored, with other words in its first line."""
    head = {"kind": "jaxprune Boltzmann machine", "sizes": [5, 2], "dtype": "float32", "chains": None, "facts": {}}
    leaves = (np.zeros(5), np.zeros(2), np.zeros((2, 5)), np.ones((2, 5)))
    return json.dumps(head | changes).encode() + b"\n" + b"".join(npy(leaf.astype("f4")) for leaf in leaves)


FILES: dict[str, bytes] = {
    # Matrices.
    "good.npy": GOOD,
    "empty.npy": b"",
    "text.npy": b"1 2 3\n4 5 6\n",
    "short.npy": GOOD[:-100],
    "head.npy": GOOD[:20],
    "magic.npy": b"\x93NUMPY",
    "objects.npy": npy(np.array([[{}, 1], [2, 3]], dtype=object), allow_pickle=True),
    "pickle.npy": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "complex.npy": npy(W + 1j),
    "cube.npy": npy(np.ones((3, 3, 3))),
    "vector.npy": npy(np.ones(9)),
    "number.npy": npy(np.float64(3)),
    "wide.npy": npy(np.ones((3, 4))),
    "none.npy": npy(np.ones((0, 0))),
    "nan.npy": holed(np.nan),
    "inf.npy": holed(np.inf),
    "infinite-diagonal.npy": npy(np.diag([-np.inf] * 3) + 1 - np.eye(3)),
    "zeros.npy": npy(np.zeros((4, 4))),
    "diagonal.npy": npy(-np.eye(4)),
    "one.npy": npy(-np.ones((1, 1))),
    "positive.npy": npy(W + np.diag([0, 0, 1.0, 0, 0, 0, 0, 0])),
    "strings.npy": npy(np.array([["a", "b"], ["c", "d"]])),
    "dates.npy": npy(np.zeros((3, 3), "M8[s]")),
    "yes.npy": npy(np.ones((3, 3), bool)),
    "records.npy": npy(np.zeros((3, 3), [("a", float)])),
    "archive.npy": npz(W=W),
    "huge.npy": described("(1000000, 1000000)"),
    "overflowing.npy": described("(4294967296, 4294967296)"),
    "negative.npy": described("(-3, -3)"),
    "unknown-type.npy": described(kind="|V0"),
    "no-type.npy": described(kind="nonsense"),
    "long-shape.npy": described(f"({'1' * 5000}, 3)"),
    "code.npy": header("__import__('os').system('touch written')\n"),
    "version.npy": header("{}\n", b"\x09\x00"),
    "other.npy": npy(W[:5, :5]),
    "file.txt": b"1 2\n3 4\n",
    "file.mat": b"MATLAB 5.0 MAT-file",
    "file.pkl": b"\x80\x04N.",
    "file": b"",
    "empty.npz": b"",
    "text.npz": b"no archive",
    "short.npz": npz(W=W)[:-40],
    "flipped.npz": flipped(npz(W=W), 300),
    "two.npz": npz(W=W, V=W),
    "nothing.npz": zipped(),
    "array.npz": GOOD,
    "objects.npz": zipped(**{"W.npy": npy(np.array([[{}]], object), allow_pickle=True)}),
    "huge.npz": zipped(**{"W.npy": described("(1000000, 1000000)")}),
    "text-inside.npz": zipped(**{"W.npy": b"text"}),
    "names.npz": npz(W=W, names=np.array(["a", "b"])),
    "twice.npz": npz(W=W, names=np.array(["a"] * 8)),
    "numbered.npz": npz(W=W, names=np.arange(8)),
    "nameless.npz": npz(W=W, names=np.array(["", *"bcdefgh"])),
    "sparse.npz": npz(format=np.array(b"csr"), shape=np.array([3, 3]), data=np.ones(2), indices=np.array([9, 1]),
                      indptr=np.array([0, 1, 2, 2])),
    "sparse-format.npz": npz(format=np.array(b"nonsense"), shape=np.array([3, 3]), data=np.ones(2)),
    "empty.mtx": b"",
    "text.mtx": b"hello\n",
    "no-size.mtx": mtx("% only a comment"),
    "fewer.mtx": mtx("3 3 4\n1 2 1.0"),
    "more.mtx": mtx("3 3 1\n1 2 1.0\n2 3 1.0"),
    "outside.mtx": mtx("3 3 1\n4 1 1.0"),
    "from-zero.mtx": mtx("3 3 1\n0 1 1.0"),
    "twice.mtx": mtx("3 3 2\n1 2 1.0\n1 2 2.0"),
    "complex.mtx": mtx("3 3 1\n1 2 1.0 2.0", "matrix coordinate complex general"),
    "hermitian.mtx": mtx("3 3 1\n2 1 1.0", "matrix coordinate real hermitian"),
    "wide.mtx": mtx("3 4 1\n1 2 1.0"),
    "word.mtx": mtx("3 3 1\n1 2 one"),
    "nan.mtx": mtx("3 3 1\n1 2 nan"),
    "half.mtx": mtx("3 3 1\n1 2 1.5", "matrix coordinate integer general"),
    "negative.mtx": mtx("-3 -3 1\n1 2 1.0"),
    "huge.mtx": mtx("1000000000 1000000000 1\n1 2 1.0"),
    "digits.mtx": mtx(f"{'9' * 6000} 3 1\n1 2 1.0"),
    "upper.mtx": mtx("3 3 1\n1 2 1.0", "matrix coordinate real symmetric"),
    "array.mtx": mtx("2 2\n0\n1\n1", "matrix array real general"),
    "latin.mtx": mtx("3 3 1\n1 2 1.0") + b"\xff\xfe",
    "empty.csv": b"",
    "header.csv": b"pre,post,count\n",
    "columns.csv": b"from,to,size\na,b,1\n",
    "column-twice.csv": b"pre,pre,post,count\na,a,b,1\n",
    "fields.csv": b"pre,post,count\na,b\n",
    "word.csv": b"pre,post,count\na,b,many\n",
    "negative.csv": b"pre,post,count\na,b,-3\n",
    "nan.csv": b"pre,post,weight\na,b,nan\n",
    "inf.csv": b"pre,post,weight\na,b,1e999\n",
    "digits.csv": b"pre,post,count\na,b,1" + b"0" * 6000 + b"\n",
    "underscore.csv": b"pre,post,count\na,b,1_000\n",
    "nameless.csv": b"pre,post,count\n,b,3\n",
    "type.csv": b"pre,post,type,count\na,b,magic,3\n",
    "latin.csv": b"pre,post,count\n\xe9,b,3\n",
    "null.csv": b"pre,post,count\n\x00,b,3\x00\n",
    "utf16.csv": "pre,post,count\na,b,3\n".encode("utf-16"),
    "dense.csv": b"\n".join([b",".join([b"0.25"] * 500)] * 3),
    "field.csv": b'pre,post,count\n"' + b"a" * 200_000 + b",b,1\n",
    "alone.csv": b"pre,post,count\na,a,3\n",
    "good.csv": EDGES,
    "neurons-empty.csv": b"",
    "neurons-header.csv": b"name,neurotransmitters\n",
    "neurons-few.csv": b"name,neurotransmitters\na,GABA\n",
    "neurons-twice.csv": b"name,neurotransmitters\na,GABA\na,GABA\nb,\nc,\n",
    "neurons-columns.csv": b"cell,kind\na,GABA\n",
    "neurons-latin.csv": b"name,neurotransmitters\n\xff,GABA\n",
    # Recurrent networks and their trials.
    "good-rnn.npz": network(),
    "good-trials.npz": trials(),
    "rnn-part.npz": network(W_rec=None),
    "rnn-nan.npz": network(W_rec=np.full((6, 6), np.nan)),
    "rnn-inf.npz": network(b_out=np.full(3, np.inf)),
    "rnn-wide.npz": network(W_rec=np.ones((6, 5))),
    "rnn-int.npz": network(W_out=np.ones((3, 6), int)),
    "rnn-complex.npz": network(W_rec=np.ones((6, 6), complex)),
    "rnn-alphas.npz": network(alpha=np.ones(6)),
    "rnn-objects.npz": zipped(**{"W_rec.npy": npy(np.array([[{}]], object), allow_pickle=True)}),
    "rnn.pt": b"\x80\x02",
    "rnn.safetensors": b"no tensors",
    "rnn-huge.safetensors": struct.pack("<Q", 2**60) + b"{}",
    "trials-part.npz": trials(labels=None),
    "trials-flat.npz": trials(inputs=np.ones((9, 5))),
    "trials-nan.npz": trials(inputs=np.full((9, 5, 2), np.nan)),
    "trials-real.npz": trials(labels=np.ones((9, 5))),
    "trials-label.npz": trials(labels=np.full((9, 5), 7)),
    "trials-unscored.npz": trials(labels=np.full((9, 5), -1)),
    "trials-shape.npz": trials(labels=np.zeros((5, 5), int)),
    "trials-none.npz": trials(labels=np.zeros((0, 5), int)),
    # Images.
    "good-images.npz": images(),
    "images-part.npz": images(test_labels=None),
    "images-fewer.npz": images(train_labels=np.arange(39) % 4),
    "images-flat.npz": images(train_images=np.ones((40, 64)), test_images=np.ones((20, 64))),
    "images-sizes.npz": images(test_images=np.ones((20, 9, 9), np.uint8)),
    "images-nan.npz": images(train_images=np.full((40, 8, 8), np.nan)),
    "images-none.npz": images(train_images=np.ones((0, 8, 8)), train_labels=np.arange(0)),
    "images-words.npz": images(train_images=np.full((40, 8, 8), "a")),
    "images-complex.npz": images(train_images=np.ones((40, 8, 8), complex)),
    "images-real-labels.npz": images(train_labels=np.linspace(0, 1, 40)),
    "images-negative-labels.npz": images(train_labels=np.arange(40) % 4 - 9),
    "images-colour.npz": images(train_images=np.ones((40, 8, 8, 3), np.uint8),
                                test_images=np.ones((20, 8, 8, 3), np.uint8)),
    "images.zip": b"no archive",
    "images-other.zip": zipped(readme=b"hello"),
    "images-broken.zip": zipped(**{"train/a/0.png": b"no image", "test/a/0.png": b"no image"}),
    "mnist/train-images-idx3-ubyte": b"\x00\x00",
    "mnist-short/train-images-idx3-ubyte": idx(np.zeros((2, 4, 4), np.uint8), shape=(99, 4, 4)),
    "mnist-huge/train-images-idx3-ubyte": idx(np.zeros((2, 4, 4), np.uint8), shape=(2**31, 2**31, 4)),
    "mnist-type/train-images-idx3-ubyte": idx(np.zeros((2, 4, 4), np.uint8), code=3),
    "cifar/data_batch_1.bin": b"short",
    "folder/train/a/0.png": b"no image",
    "folder/test/a/0.png": b"no image",
    "classes/train/a/0.png": b"",
    "nothing-inside/readme": b"",
    # Boltzmann machines.
    "empty.eqx": b"",
    "text.eqx": b"no machine\n",
    "other.eqx": b'{"kind": "something else"}\n',
    "brackets.eqx": b"[" * 100_000 + b"\n",
    "huge.eqx": machine(sizes=[10**6, 10**6]),
    "sizes.eqx": machine(sizes="many"),
    "type.eqx": machine(dtype="object"),
    "half.eqx": machine(dtype="float64"),
    "short.eqx": machine()[:-8],
    "pixels.eqx": machine(),
    # Rules of a user's own.
    "rules_broken.py": b"def rule(:\n",
    "rules_failing.py": b"raise OSError('no\\nluck')\n",
    "rules_needing.py": b"import a_package_that_is_not_there\n",
    "rules_quitting.py": b"raise SystemExit(0)\n",
    "rules_other.py": b"Number = 3\ndef Fails():\n    raise ValueError('x' * 5000)\n",
    # Files in the way.
    "there.npy": b"kept",
    "there.npz": b"kept",
    "there.eqx": b"kept",
    "there.json": b"kept",
    "beside.npy.certificate.json": b"{}",
    "beside.npz.report.json": b"{}",
    "beside.png": b"",
    "alone.eqx.checkpoint": b"damaged",
    "alone.npz.checkpoint": b"damaged",
    "notes.eqx.checkpoint": machine(),
    "notes.eqx.checkpoint.json": b'[{"session": 1',
    "notes.npz.checkpoint": b"",
    "notes.npz.checkpoint.json": b"\xff\xfe",
    "row.npz.checkpoint": b"",
    "row.npz.checkpoint.json": b'[{"loss": 1.0}]',
    "damaged.npz.checkpoint": b"damaged",
    "damaged.npz.checkpoint.json": b"[]",
}  # fmt: skip


FOLDERS = (
    "folder.npy",
    "folder.npz",
    "folder.mtx",
    "folder.csv",
    "folder.eqx",
    "folder.json",
    "folder.zarr",
    "empty-folder",
)
LONG = "n" * 300
BEYOND = str(2**63)
ON = ("--keep", ".5", "--out", "out.npy")
ON_RNN = ("--keep", ".5", "--out", "out.npz")
DIGITS = ("--hidden", "3", "--epochs", "1", "--batch", "500")


def prune(matrix, *options):
    return ("prune", matrix, *ON, *options)


def certify(a, b, *options):
    return ("certify", a, b, *options)


def prune_rnn(model, *options):
    return ("prune-rnn", model, *ON_RNN, *options)


def prune_boltzmann(*options):
    return ("prune-boltzmann", "--out", "out.eqx", *DIGITS, "--sessions", "1", *options)


def train_sparse(*options):
    return ("train-sparse", "--out", "out.npz", *DIGITS, "--no-compare", *options)


def sweep(*options):
    return ("sweep", "--out", "out.zarr", "--sizes", "6", "4", "--bridges", "4", "--networks", "1", "--keep", ".5", "--rules",
            "weight", *options)  # fmt: skip


def plot(*options):
    return ("plot", *options)


def outputs(command, suffix, beside):
    """Places where a command must not write."""
    out = f"out{suffix}"
    places = (
        ".", "..", "/", "", "out", "out.txt", f"nowhere/{out}", f"good.npy/{out}", f"there{suffix}", f"folder{suffix}", beside,
        LONG + suffix, "/dev/null",
    )  # fmt: skip
    return [command("--out", place) for place in places]


MATRICES = [
    *(prune(name) for name in FILES if name.endswith((".npy", ".mtx"))
      and not name.startswith(("good", "other", "there", "positive", "yes"))),
    *(prune(name) for name in FILES if name.endswith(".npz")
      and "/" not in name and not name.startswith(("good", "there", "rnn", "trials", "images"))),
    *(prune(name) for name in FILES if name.endswith(".csv") and not name.startswith(("good", "neurons"))),
    *(prune(name) for name in ("file.txt", "file.mat", "file.pkl", "file", "nowhere.npy", "nowhere.csv", "folder.npy",
                               "folder.npz", "folder.mtx", "folder.csv", "empty-folder", ".", "/", "", LONG + ".npy",
                               "good.npy/x.npy", "\udcff.npy", "a\nb\x1b[2J.npy")),
    prune("positive.npy"),
    prune("positive.npy", "--leak", "none"),
]  # fmt: skip
PRUNE = [
    *(prune("good.npy", "--keep", keep) for keep in ("0", "1.5", "nan", "-1", "inf", "1e-9", "1e-400", "much", "", "0x1", "1,5")),
    *(prune("good.npy", "--seed", seed) for seed in (BEYOND, f"-{BEYOND}1", "1" * 5000, "1.5", "one", "1e3", "")),
    *(prune("good.npy", "--rule", rule) for rule in (
        "nonsense", "", "noise+", "+keep", "noise+nonsense", "noise+keep+radius", "Noise", "noise^", "noise^-1", "noise^nan",
        "noise^x", "weight^2", "os:getcwd", ":Name", "json:", "a:b:c", "nowhere_to_be_found:Name", "rules_broken:Name",
        "rules_failing:Name", "rules_needing:Name", "rules_other:Name", "rules_other:Number", "rules_other:Fails",
        "../x:Name", "os.path:nothing", "n" * 5000, "a\nb",
    )),
    *(prune("good.npy", *options) for options in (
        ("--method", "nonsense"), ("--method", "top"), ("--diagonal", "original"), ("--cap", "2"),
        ("--rule", "noise", "--cap", "0"), ("--rule", "noise", "--cap", "-1"), ("--rule", "noise", "--cap", "nan"),
        ("--rule", "noise", "--cap", "big"), ("--rule", "noise", "--diagonal", "other"),
        ("--rule", "weight+keep", "--cap", "2"), ("--rule", "weight+keep", "--diagonal", "matched"),
        ("--leak", "nonsense"), ("--leak", "none", "--margin", ".1"), ("--leak", "scaled", "--margin", ".1"),
        ("--leak", "dominant", "--gain", ".1"), ("--leak", "scaled", "--gain", "nan"), ("--leak", "scaled", "--gain", "0"),
        ("--leak", "scaled", "--gain", "-1"), ("--leak", "scaled", "--gain", "inf"), ("--margin", "-1"), ("--margin", "nan"),
        ("--margin", "inf"), ("--leak", "stable", "--margin", "0"), ("--neurons", "nowhere.csv"), ("--neurons", "good.csv"),
        ("--nonsense",), ("--nonsense", "3"), ("--keep",), ("--seed",), ("--out",), ("--rule",), ("another.npy",),
        ("--overwrite", "yes"), ("--allow-unstable=1",), ("-x",), ("--no-keep",), ("--leak", "none"),
    )),
    *(prune("good.csv", "--neurons", table) for table in (
        "nowhere.csv", "folder.csv", "neurons-empty.csv", "neurons-header.csv", "neurons-few.csv", "neurons-twice.csv",
        "neurons-columns.csv", "neurons-latin.csv", "good.npy", "",
    )),
    *outputs(lambda *options: prune("good.npy", *options), ".npy", "beside.npy"),
    prune("good.npy", "--out", "/proc/out.npy"),
    ("prune",), ("prune", "good.npy"), ("prune", "good.npy", "--keep", ".5"), ("prune", "--keep", ".5", "--out", "out.npy"),
]  # fmt: skip
CERTIFY = [
    *(certify("good.npy", name) for name in (
        "empty.npy", "objects.npy", "nan.npy", "other.npy", "short.npz", "text.mtx", "word.csv", "file.txt", "nowhere.npy",
        "folder.npy", "good.csv", "huge.npy", "complex.npy", "names.npz", "",
    )),
    *(certify(name, "good.npy") for name in ("empty.npy", "zeros.npy", "folder.mtx", "positive.npy")),
    *(certify("good.npy", "good.npy", *options) for options in (
        ("--leak", "nonsense"), ("--gain", "2"), ("--margin", "-1"), ("--neurons", "nowhere.csv"), ("--keep", ".5"),
        ("third.npy",), ("--leak", "none", "--margin", "1"), ("--out",),
    )),
    *outputs(lambda *options: certify("good.npy", "good.npy", *options), ".json", "out.npy"),
    ("certify",), ("certify", "good.npy"),
]  # fmt: skip
RNN = [
    *(prune_rnn(name) for name in FILES if name.startswith("rnn")),
    *(prune_rnn(name) for name in (
        "empty.npz", "text.npz", "short.npz", "array.npz", "nothing.npz", "huge.npz", "good.npy", "nowhere.npz", "folder.npz",
        "file", "", LONG + ".npz", "good-trials.npz",
    )),
    *(prune_rnn("good-rnn.npz", "--trials", name) for name in FILES if name.startswith("trials")),
    *(prune_rnn("good-rnn.npz", "--trials", name) for name in ("nowhere.npz", "folder.npz", "text.npz", "good.npy", "")),
    *(prune_rnn("good-rnn.npz", "--keep", keep) for keep in ("0", "1.5", "nan", "-1", "inf", "1e-9", "much")),
    *(prune_rnn("good-rnn.npz", *options) for options in (
        ("--rule", "nonsense"), ("--rule", "nowhere_to_be_found:Name"), ("--activation", "sigmoid"), ("--loops", "-1"),
        ("--loops", "1.5"), ("--loops", "1", "--source", "linearised"), ("--source", "nonsense"),
        ("--source", "task"), ("--source", "task", "--trials", "good-trials.npz"), ("--sd", "1"), ("--sd", "2", "1"),
        ("--sd", "-1", "1"), ("--sd", "nan", "1"), ("--tau", "0", "1"), ("--tau", "1", "inf"), ("--tau", "a", "b"),
        ("--source", "neuron-noise", "--neuron-sd", "-1"), ("--source", "neuron-noise", "--neuron-sd", "nan"),
        ("--nonsense",), ("another.npz",), ("--seed", "one"),
    )),
    *outputs(lambda *options: prune_rnn("good-rnn.npz", *options), ".npz", "beside.npz"),
    ("prune-rnn",), ("prune-rnn", "good-rnn.npz"),
]  # fmt: skip
DATA = (
    *(name for name in FILES if name.startswith("images") and not name.endswith("colour.npz")),
    "mnist", "mnist-short", "mnist-huge", "mnist-type", "cifar", "folder", "classes", "nothing-inside", "empty-folder", "nowhere",
    "nowhere.npz", "nowhere.zip", "folder.npz", "text.npz", "huge.npz", "good.npy", "", "/", LONG,
)  # fmt: skip
BOLTZMANN = [
    *(prune_boltzmann("--data", name) for name in (*DATA, "images-colour.npz")),
    *(prune_boltzmann("--model", name) for name in FILES if name.endswith(".eqx") and not name.startswith("there")),
    *(prune_boltzmann("--model", name) for name in ("folder.eqx", "nowhere/m.eqx", "", "good.npy", LONG)),
    *(prune_boltzmann(*options) for options in (
        ("--hidden", "0"), ("--hidden", "-3"), ("--hidden", "a"), ("--hidden", "1.5"), ("--hidden",), ("--hidden", "3", "0"),
        ("--hidden", "1000000000000"), ("--size", "0"), ("--size", "9"), ("--size", "-1"), ("--size", "all"), ("--epochs", "0"),
        ("--epochs", "-1"), ("--epochs", "1.5"), ("--batch", "0"), ("--batch", "100000"), ("--rate", "0", "0"), ("--rate", "1"),
        ("--rate", "nan", "1"), ("--rate", "-1", "1"), ("--joint-rate", "inf", "1"), ("--criterion", "nonsense"),
        ("--criterion", ""), ("--remove", "1.5"), ("--remove", "nan"), ("--remove", "-1"),
        ("--sessions", "0"), ("--sessions", "-1"), ("--retrain-epochs", "-1"), ("--retrain-rate", "0"),
        ("--retrain-rate", "nan"), ("--temperatures", "0"), ("--temperatures", "-1"), ("--temperatures", "cold"),
        ("--bias-step", "perhaps"), ("--seed", "one"), ("--seed", BEYOND), ("--seed", f"-{BEYOND}1"), ("--nonsense",), ("extra",),
    )),
    *outputs(prune_boltzmann, ".eqx", "beside.eqx"),
    ("prune-boltzmann",), prune_boltzmann("--out", "alone.eqx"), prune_boltzmann("--out", "notes.eqx"),
]  # fmt: skip
DEEP = [
    *(train_sparse("--data", name) for name in DATA),
    *(train_sparse(*options) for options in (
        ("--network", "nonsense"), ("--network", "lenet5"), ("--hidden", "0"), ("--hidden", "-1"), ("--hidden", "a"),
        ("--hidden", "1000000000000"), ("--method", "nonsense"), ("--method", ""), ("--keep", "0"), ("--keep", "1.5"),
        ("--keep", "nan"), ("--keep", "-1"), ("--keep", "much"), ("--method", "counter", "--alpha", "-1"),
        ("--method", "counter", "--alpha", "nan"), ("--method", "counter", "--patience", "0"),
        ("--method", "counter", "--patience", "9"), ("--epochs", "0"), ("--epochs", "-1"), ("--epochs", "few"), ("--batch", "0"),
        ("--batch", "100000"), ("--rate", "0"), ("--rate", "nan"), ("--rate", "-1"), ("--rate", "inf"), ("--momentum", "-1"),
        ("--momentum", "nan"), ("--momentum", "1.5"), ("--decay", "-1"), ("--decay", "inf"), ("--seed", "one"),
        ("--seed", BEYOND), ("--seed", f"-{BEYOND}1"), ("--compare", "yes"), ("--nonsense",), ("extra",),
    )),
    *outputs(train_sparse, ".npz", "beside.npz"),
    ("train-sparse",), ("train-sparse", "--out", "net.pt"), ("train-sparse", "--out", "net.npy"),
    *(train_sparse("--out", name) for name in ("alone.npz", "notes.npz", "row.npz", "damaged.npz")),
]  # fmt: skip
PROGRAM = [("pruen",), ("",), ("--nonsense",), ("-x",), ("n" * 5000,), ("a\nb\x1b[2J\udcff",), ("PRUNE",), ("prune ",)]
SWEEP = [
    *(sweep(*options) for options in (
        ("--seed", BEYOND), ("--seed", f"-{BEYOND}1"), ("--seed", "one"), ("--bridges", "100000000"), ("--bridges", "-1"),
        ("--bridges", "many"), ("--sizes", "1"), ("--sizes", "0"), ("--sizes", "-3"), ("--sizes", "a"), ("--sizes",),
        ("--sizes", "1000000", "1000000"), ("--keep", "1e-9"), ("--keep", ".5", ".5"), ("--keep", "0"), ("--keep", "1.5"),
        ("--keep", "nan"), ("--keep", "much"), ("--keep",), ("--family", "nonsense"), ("--networks", "0"), ("--networks", "-1"),
        ("--networks", "all"), ("--chunk", "0"), ("--rules", "nonsense"), ("--rules", "weight", "weight"), ("--rules",),
        ("--rules", "nowhere_to_be_found:Name"), ("--rules", "noise+swaps"), ("--family", "dale", "--rules", "noise+form"),
        ("--density", "0"), ("--density", "1.5"), ("--density", "nan"), ("--gain", "nan"), ("--margin", "nan"),
        ("--margin", "-1"), ("--leak", "nonsense"), ("--scheduler", "nonsense:::"), ("--workers", "0"), ("--nonsense",),
        ("extra",), ("--out", "."), ("--out", ".."), ("--out", "/"), ("--out", ""), ("--out", "nowhere/out.zarr"),
        ("--out", "good.npy/out.zarr"), ("--out", "good.npy"), ("--out", "folder"), ("--out", LONG + ".zarr"),
    )),
    *(plot(*options) for options in (
        (), ("nowhere.zarr",), ("folder.zarr",), ("good.npy",), ("",), (".",), ("/",), ("nothing-inside",), (LONG,),
        ("nowhere.zarr", "--out"), ("nowhere.zarr", "--out", "x.png", "extra"), ("folder.zarr", "--out", "."),
    )),
]  # fmt: skip
CASES = [*MATRICES, *PRUNE, *CERTIFY, *RNN, *BOLTZMANN, *DEEP, *PROGRAM]


def shown(arguments):
    """A case as it is listed."""
    text = " ".join(arguments).encode("unicode_escape", "surrogatepass").decode()
    return text if len(text) < 100 else f"{text[:20]}...{text[-77:]}"


@pytest.fixture
def refused(run, tmp_path, monkeypatch):
    """Run a command line beside all the files, and check that it is refused."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def refused(*arguments):
        for name in (name for name in FILES if needed(name, arguments)):
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).write_bytes(FILES[name])
        for name in FOLDERS:
            if name in arguments:
                (tmp_path / name).mkdir()
        before = held(tmp_path)
        status, out, err = run(*arguments)
        assert (status, err.count("\n"), out) == (2, 1, ""), err
        assert err.startswith("error: ")
        assert len(err) <= 300
        assert held(tmp_path) == before

    return refused


def needed(name, arguments):
    """Whether a file is named: itself or its folder, as a module, or what it lies beside."""
    return any(
        part and (name.split("/")[0] == part.split("/")[0] or name.startswith(f"{part}.")
                  or name == f"{part.rpartition('.')[0]}.png"
                  or part.startswith(f"{name.removesuffix('.py')}:"))
        for part in arguments
    )  # fmt: skip


def held(folder):
    """All that a folder holds."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("arguments", CASES, ids=shown)
def test_bad_input(refused, arguments):
    refused(*arguments)


@pytest.mark.parametrize("arguments", SWEEP, ids=shown)
def test_bad_input_of_sweeps(refused, arguments):
    refused(*arguments)
