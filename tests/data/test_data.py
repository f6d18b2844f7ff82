"""Images from files of every kind, and the binary data made from them."""

import gzip
import struct
import zipfile

import jax
import numpy as np
import pytest
from helpers import untyped
from PIL import Image

import jaxprune
from jaxprune import data

RNG = np.random.default_rng(0)


def idx(array, kind=8):
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype({8: ">u1", 0x0D: ">f4"}[kind]).tobytes()


def mnist_like(folder, pack=False):
    """Four files in the layout of MNIST; what they hold."""
    made = []
    for part, count in (("train", 20), ("t10k", 10)):
        images = RNG.integers(0, 256, (count, 4, 5))
        labels = np.arange(count) % 3
        made.append((images, labels))
        for name, content in ((f"{part}-images-idx3-ubyte", idx(images)), (f"{part}-labels-idx1-ubyte", idx(labels))):
            path = folder / (name + (".gz" if pack else ""))
            path.write_bytes(gzip.compress(content) if pack else content)
    return made


def image_folder(folder, sizes=(3, 2)):
    made = {}
    for part, count in zip(("train", "test"), sizes, strict=True):
        for label in ("cat", "ant"):
            place = folder / part / label
            place.mkdir(parents=True)
            for number in range(count):
                pixels = RNG.integers(0, 256, (4, 4, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
                made[part, label, number] = pixels
    return made


@pytest.mark.parametrize("pack", [True, False])
def test_idx(tmp_path, pack):
    train, test = mnist_like(tmp_path, pack)
    for found in (data.load_idx(tmp_path), data.load_images(tmp_path)):
        np.testing.assert_array_equal(found.train.images, train[0])
        np.testing.assert_array_equal(found.test.labels, test[1])
    floats = RNG.normal(size=(2, 3)).astype(np.float32)
    (tmp_path / "f.idx").write_bytes(idx(floats, 0x0D))
    np.testing.assert_array_equal(data.read_idx(tmp_path / "f.idx"), floats)


def test_idx_errors(tmp_path):
    with pytest.raises(jaxprune.InputError, match=r"has no train-images-idx3-ubyte .*download the four files"):
        data.load_idx(tmp_path)
    mnist_like(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    whole = path.read_bytes()
    for content, message in (
        (whole[:-1], "head promises"),
        (whole[:6], "head promises"),
        (b"PK" + whole, "is no IDX file"),
        (b"", "is no IDX file"),
        (bytes([0, 0, 8, 255]) + b"\xff" * 1020, "is no IDX file"),
        (bytes([0, 0, 8, 8]) + b"\xff" * 32, "train-images-idx3-ubyte needs at least"),
        (whole + b"more", "has more bytes of values"),
    ):
        path.write_bytes(content)
        with pytest.raises(jaxprune.InputError, match=message):
            data.load_idx(tmp_path)
    path.unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole)[:-9])
    with pytest.raises(jaxprune.InputError, match="cannot be unpacked"):
        data.load_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((19, 4, 5)))))
    with pytest.raises(jaxprune.InputError, match="19 images but labels of shape \\(20,\\)"):
        data.load_idx(tmp_path)
    path.write_bytes(idx(np.zeros((20, 4, 5))))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.full(20, 2)))
    with pytest.raises(jaxprune.InputError, match="no image of class 0"):
        data.load_idx(tmp_path)
    with pytest.raises(jaxprune.InputError, match="does not exist"):
        data.read_idx(tmp_path / "nothing")


def test_no_more_is_unpacked_than_a_head_promises(tmp_path, monkeypatch):
    path = tmp_path / "values.gz"
    path.write_bytes(gzip.compress(idx(np.zeros(3)) + bytes(10**7)))
    with pytest.raises(jaxprune.InputError, match="more bytes of values, but its head promises 3"):
        data.read_idx(path)
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 10**6)
    path.write_bytes(gzip.compress(idx(np.zeros(10**7))))
    with pytest.raises(jaxprune.InputError, match=r"values\.gz needs at least 0\.00931 GiB of memory"):
        data.read_idx(path)


@pytest.mark.parametrize("packed", [True, False])
def test_folder_and_zip(tmp_path, packed):
    made = image_folder(tmp_path / "images")
    path = tmp_path / "images"
    if packed:
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (tmp_path / "images").rglob("*.png"):
                archive.write(file, f"top/{file.relative_to(tmp_path / 'images')}")
    found = data.load_images(path)
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(found.train.images[4], made["train", "cat", 1])
    np.testing.assert_array_equal(found.test.images[0], made["test", "ant", 0])


def test_numbers_count_as_numbers(tmp_path):
    made = image_folder(tmp_path / "images", (12, 1))
    found = data.load_folder(tmp_path / "images")
    np.testing.assert_array_equal(found.train.images[10], made["train", "ant", 10])


def test_cache_serves_as_long_as_the_source_is_the_same(tmp_path, monkeypatch):
    from jaxprune.data import _folder

    image_folder(tmp_path / "images")
    cache = tmp_path / "cache.npz"
    first = data.load_folder(tmp_path / "images", cache=cache)
    decoded = []
    real = _folder._decode
    monkeypatch.setattr(_folder, "_decode", lambda *a: (decoded.append(a[0]), real(*a))[1])
    again = data.load_folder(tmp_path / "images", cache=cache)
    assert decoded == []
    np.testing.assert_array_equal(first.train.images, again.train.images)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "images" / "train" / "cat" / "0.png")
    changed = data.load_folder(tmp_path / "images", cache=cache)
    assert len(decoded) == 10
    np.testing.assert_array_equal(changed.train.images[3], 0)
    cache.write_bytes(b"something of the user's")
    with pytest.raises(jaxprune.InputError, match="is no cache of images, and is not overwritten"):
        data.load_folder(tmp_path / "images", cache=cache)
    assert cache.read_bytes() == b"something of the user's"


def test_folder_errors(tmp_path):
    with pytest.raises(jaxprune.InputError, match="does not exist: it must hold train/CLASS"):
        data.load_folder(tmp_path / "nothing")
    (tmp_path / "train").mkdir()
    with pytest.raises(jaxprune.InputError, match=r"classes \[\] in train"):
        data.load_images(tmp_path)
    image_folder(tmp_path / "images")
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(tmp_path / "images" / "train" / "cat" / "9.png")
    with pytest.raises(jaxprune.InputError, match=r"\(5, 5, 3\) in cat beside others of \(4, 4, 3\)"):
        data.load_folder(tmp_path / "images")
    (tmp_path / "images" / "train" / "cat" / "9.png").write_bytes(b"no image")
    with pytest.raises(jaxprune.InputError, match=r"train/cat/9\.png cannot be read as an image"):
        data.load_folder(tmp_path / "images")
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(jaxprune.InputError, match=r"is no \.zip"):
        data.load_images(tmp_path / "bad.zip")
    with pytest.raises(jaxprune.InputError, match="must be a folder of IDX files or images"):
        data.load_images(tmp_path / "bad.txt")


def test_archives_that_do_not_fit_or_open(tmp_path, monkeypatch):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/cat/1.png", bytes(10**7))
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 10**6)
    with pytest.raises(jaxprune.InputError, match=r"images\.zip, unpacked, needs at least 0\.00931 GiB"):
        data.load_images(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/cat/1.png", b"secret")
    locked = bytearray(path.read_bytes())
    locked[6] |= 1
    locked[locked.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(jaxprune.InputError, match=r"images\.zip is no \.zip, or a damaged one: .*encrypted"):
        data.load_images(path)


def test_images_that_decoders_stumble_over(tmp_path, monkeypatch):
    image_folder(tmp_path / "images")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(jaxprune.InputError, match=r"0\.png cannot be read as an image: .*exceeds limit"):
        data.load_folder(tmp_path / "images")


def test_names_with_digits_that_are_no_numbers(tmp_path):
    image_folder(tmp_path / "images")
    (tmp_path / "images" / "train" / "cat" / "0.png").rename(tmp_path / "images" / "train" / "cat" / "\u00b2.png")
    assert len(data.load_folder(tmp_path / "images").train.images) == 6


def test_python_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "d.npz", train_images=np.array([{}], dtype=object))
    with pytest.raises(
        jaxprune.InputError, match=r"d\.npz cannot be read as \.npz: it holds Python objects, which are n"
    ):
        data.load_npz(tmp_path / "d.npz")


def test_npz(tmp_path):
    part = {"train_images": np.ones((4, 2, 2)), "train_labels": np.array([0, 1, 0, 1])}
    rest = {"test_images": np.zeros((2, 2, 2)), "test_labels": np.array([1, 0])}
    np.savez(tmp_path / "d.npz", **part, **rest)
    found = data.load_images(tmp_path / "d.npz")
    np.testing.assert_array_equal(found.train.images, part["train_images"])
    np.testing.assert_array_equal(found.test.labels, [1, 0])
    np.savez(tmp_path / "d.npz", **part)
    with pytest.raises(jaxprune.InputError, match="has no test_images; it has 'train_images, train_labels'"):
        data.load_images(tmp_path / "d.npz")
    (tmp_path / "d.npz").write_bytes(b"PK")
    with pytest.raises(jaxprune.InputError, match=r"cannot be read as \.npz"):
        data.load_images(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.full((4, 2, 2), np.nan)}, r"\(train\) has pixels that are not finite"),
        ({"train_images": np.ones(4)}, r"images of shape \(4,\) and type float64"),
        ({"train_images": np.full((4, 2, 2), "a")}, "images of shape"),
        ({"train_labels": np.array([0.5, 1, 0, 1])}, "must be whole numbers from 0"),
        ({"train_labels": np.array([-1, 1, 0, 1])}, "must be whole numbers from 0"),
        ({"train_labels": np.array(["a", "b", "a", "b"])}, "must be whole numbers from 0"),
        ({"train_labels": np.array([[0], [1], [0], [1]])}, r"labels of shape \(4, 1\)"),
        ({"test_images": np.zeros((2, 3, 3))}, r"images of \(2, 2\) to learn from, but of \(3, 3\)"),
        ({"test_labels": np.array([0, 0])}, "classes up to 1 to learn from, but up to 0"),
    ],
)
def test_arrays_that_are_no_data_set(tmp_path, changes, message):
    part = {"train_images": np.ones((4, 2, 2)), "train_labels": np.array([0, 1, 0, 1])}
    rest = {"test_images": np.zeros((2, 2, 2)), "test_labels": np.array([1, 0])}
    np.savez(tmp_path / "d.npz", **(part | rest | changes))
    with pytest.raises(jaxprune.InputError, match=message):
        data.load_npz(tmp_path / "d.npz")


def test_palettes_and_transparency(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part / "a").mkdir(parents=True)
        image = Image.new("P", (2, 1))
        image.putpalette([255, 255, 255, 0, 0, 0] + [7] * 750)
        image.putpixel((1, 0), 1)
        image.save(tmp_path / part / "a" / "0.png")
        Image.fromarray(np.array([[[9, 8, 7, 0], [1, 2, 3, 255]]], np.uint8)).save(tmp_path / part / "a" / "1.png")
    found = data.load_folder(tmp_path).train.images
    np.testing.assert_array_equal(found, [[[[255] * 3, [0] * 3]], [[[9, 8, 7], [1, 2, 3]]]])


@pytest.mark.parametrize("inside", [True, False])
def test_cifar(tmp_path, inside):
    folder = tmp_path / "cifar-10-batches-bin" if inside else tmp_path
    folder.mkdir(exist_ok=True)
    made = {}
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        labels, images = np.arange(4) % 2, RNG.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
        records = [
            bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip(labels, images, strict=True)
        ]
        (folder / name).write_bytes(b"".join(records))
        made[name] = images
    found = data.load_images(tmp_path)
    assert found.train.images.shape == (20, 32, 32, 3)
    np.testing.assert_array_equal(found.train.images[8:12], made["data_batch_3.bin"])
    np.testing.assert_array_equal(found.test.images, made["test_batch.bin"])
    assert found.train.labels.tolist() == [0, 1] * 10
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(jaxprune.InputError, match="no whole images of 3073"):
        data.load_images(tmp_path)
    path.unlink()
    with pytest.raises(jaxprune.InputError, match=r"has no data_batch_2\.bin: download cifar-10-binary"):
        data.load_images(tmp_path)


def test_digits():
    found = data.digits(test=300)
    assert found.train.images.shape == (1497, 8, 8)
    assert found.test.labels.shape == (300,)
    assert found.train.images.max() == 16
    assert set(found.test.labels) == set(range(10))
    with pytest.raises(jaxprune.InputError, match="test is 1797"):
        data.digits(test=1797)


def test_openml_goes_through_scikit_learn(monkeypatch):
    import types

    import sklearn.datasets

    def fetch(name, **options):
        if name == "nothing":
            raise OSError("no connection")
        pixels = 9 if name == "squares" else 8
        return types.SimpleNamespace(data=np.ones((12, pixels)), target=np.array(list("012345" * 2)))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    found = data.openml("squares", test=6)
    assert found.train.images.shape == (6, 3, 3)
    assert found.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(jaxprune.InputError, match="no square image"):
        data.openml("stripes", test=6)
    with pytest.raises(jaxprune.InputError, match=r"could not be fetched from OpenML: no connection\. Download it"):
        data.openml("nothing")


def test_crop_binarise_and_grey():
    images = RNG.integers(0, 256, (5, 7, 6))
    np.testing.assert_array_equal(data.crop(images, 3, 2), images[:, 2:5, 2:4])
    with pytest.raises(jaxprune.InputError, match="8 x 2 at least"):
        data.crop(images, 8, 2)
    found = data.binarise(images)
    np.testing.assert_array_equal(found, (images > images.mean()).reshape(5, -1))
    np.testing.assert_array_equal(data.binarise(images, 200), (images > 200).reshape(5, -1))
    coloured = RNG.integers(0, 256, (2, 3, 3, 3)).astype(np.uint8)
    np.testing.assert_array_equal(data.grey(coloured), coloured.astype(int).sum(-1))


def test_patches_are_discs_of_the_images():
    assert len(data.disc(2.1)) == 13
    assert len(data.disc(1.0)) == 5
    images = np.arange(3 * 9 * 8).reshape(3, 9, 8)
    found = data.patches(jax.random.key(0), images, radius=1.0, centres=(1, 3, 6), count=500)
    middle = found[:, 2]
    picture, row, column = np.unravel_index(middle, images.shape)
    assert set(row) == set(column) == {1, 3, 6}
    assert set(picture) == {0, 1, 2}
    for patch, p, r, c in zip(found, picture, row, column, strict=True):
        np.testing.assert_array_equal(
            patch, [images[p, r - 1, c], images[p, r, c - 1], images[p, r, c], images[p, r, c + 1], images[p, r + 1, c]]
        )
    with pytest.raises(jaxprune.InputError, match="must lie within 0 to 7"):
        data.patches(jax.random.key(0), images, radius=2.1, centres=(3, 6), count=5)
    with untyped(), pytest.raises(jaxprune.InputError, match="count is 0"):
        data.patches(jax.random.key(0), images, radius=1.0, centres=(3,), count=0)
