"""Images as files, one folder for each class, in a folder or a .zip."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxprune._checks import InputError, quoted
from jaxprune.data._images import DataSet, LabelledImages, data_set
from jaxprune.files import check_archive, read_arrays, reason, write_arrays

SUFFIXES = (".jpg", ".jpeg", ".png")
DIGITS = 1000
"""Python converts no numbers of many more."""


def load_folder(path: str | Path, *, cache: str | Path | None = None) -> DataSet:
    """Read images from `train/CLASS/...` and `test/CLASS/...`, in a folder or a .zip; classes in alphabetical order.

    Args:
      path: the folder or .zip of .jpg or .png files, all of one size.
      cache: .npz file that the decoded images are kept in. It is used again as long as the source has the same checksum.

    Raises:
      InputError: a path that is not there, no images, images of different sizes (which), a class that only one half has,
        an archive that unpacks to more than the memory there is.

    Example:
      >>> import tempfile
      >>> from PIL import Image
      >>> with tempfile.TemporaryDirectory() as place:
      ...     for part in ("train", "test"):
      ...         Path(f"{place}/{part}/cat").mkdir(parents=True)
      ...         Image.new("L", (3, 2), 7).save(f"{place}/{part}/cat/0.png")
      ...     load_folder(place).train.images.tolist()
      [[[7, 7, 7], [7, 7, 7]]]
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: it must hold train/CLASS/*.jpg and test/CLASS/*.jpg.")
    checksum = _checksum(path)
    if cache is not None and Path(cache).is_file():
        kept = _kept(Path(cache), checksum)
        if kept is not None:
            return kept
    classes: dict[str, dict[str, list[np.ndarray]]] = {"train": {}, "test": {}}
    for name, content in _files(path):
        *_, part, label, _ = name.split("/")
        classes[part].setdefault(label, []).append(_decode(name, content))
    if not classes["train"] or sorted(classes["train"]) != sorted(classes["test"]):
        raise InputError(
            f"{path} has the classes {sorted(classes['train'])} in train and {sorted(classes['test'])} in test, but they must "
            "be the same, and some."
        )
    train, test = (_stack(path, classes[part]) for part in ("train", "test"))
    found = data_set(train, test, str(path))
    if cache is not None:
        _keep(Path(cache), found, checksum)
    return found


def load_npz(path: str | Path) -> DataSet:
    """Read a data set from an .npz file with the arrays train_images, train_labels, test_images and test_labels.

    Args:
      path: the file.

    Raises:
      InputError: a file that is not there or cannot be read, missing arrays, images and labels that do not fit.

    Example:
      >>> import tempfile
      >>> half = {"images": np.ones((2, 3, 3)), "labels": np.array([0, 1])}
      >>> with tempfile.TemporaryDirectory() as place:
      ...     np.savez(f"{place}/d.npz", **{f"{part}_{name}": x for part in ("train", "test") for name, x in half.items()})
      ...     load_npz(f"{place}/d.npz").test.labels
      array([0, 1])
    """
    path = Path(path)
    return _halves(path, read_arrays(path))


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names (ending part/class/file) and contents, in order of name; numbers count as numbers."""

    def order(name):
        head, _, file = name.rpartition("/")
        stem = file.rpartition(".")[0]
        return head, (0, int(stem), "") if stem.isdecimal() and len(stem) < DIGITS else (1, 0, stem)

    def wanted(name):
        parts = name.split("/")
        return len(parts) >= 3 and parts[-3] in ("train", "test") and Path(name).suffix.lower() in SUFFIXES

    if path.is_dir():
        names = sorted((str(file.relative_to(path).as_posix()) for file in path.rglob("*")), key=order)
        for name in filter(wanted, names):
            yield name, (path / name).read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(filter(wanted, archive.namelist()), key=order)
            check_archive(path, [archive.getinfo(name) for name in names])
            for name in names:
                yield name, archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # also those with a password
        raise InputError(f"{path} is no .zip, or a damaged one: {reason(error)}.") from error


def _decode(name, content):
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("reading images needs the package pillow: pip install 'jaxprune[experiments]'.") from error
    try:
        with Image.open(io.BytesIO(content)) as image:
            # Palettes hold numbers of colours, not brightness; transparency is none either.
            wanted = {"1": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB"}.get(image.mode, image.mode)
            if wanted not in ("L", "RGB", "I", "I;16", "F"):
                raise InputError(f"{name} is an image of the kind {image.mode}, but must be grey or RGB: convert it.")
            return np.asarray(image.convert(wanted))
    except InputError:
        raise
    except Exception as error:  # decoders raise what they like on damaged files
        raise InputError(f"{name} cannot be read as an image: {reason(error)}.") from error


def _stack(path, classes):
    images, labels = [], []
    shape = next(iter(classes.values()))[0].shape
    for number, label in enumerate(sorted(classes)):
        for image in classes[label]:
            if image.shape != shape:
                raise InputError(f"{path} has an image of {image.shape} in {label} beside others of {shape}.")
            images.append(image)
            labels.append(number)
    return LabelledImages(np.stack(images), np.asarray(labels))


def _checksum(path):
    """SHA-256 of an archive, or of a folder's names and contents."""
    digest = hashlib.sha256()
    if path.is_dir():
        for name, content in _files(path):
            digest.update(name.encode())
            digest.update(content)
    else:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _keep(cache, found, checksum):
    arrays = {
        f"{part}_{what}": getattr(getattr(found, part), what) for part in found._fields for what in ("images", "labels")
    }
    write_arrays(cache, {"checksum": np.frombuffer(checksum.encode(), np.uint8), **arrays})


def _kept(cache, checksum):
    """What the cache holds, if it is of this source."""
    try:
        arrays = read_arrays(cache)
        kept = arrays["checksum"].tobytes()
    except Exception as error:
        raise InputError(f"{cache} is no cache of images, and is not overwritten: choose another name.") from error
    return _halves(cache, arrays) if kept == checksum.encode() else None


def _halves(path, arrays):
    missing = [
        f"{part}_{what}"
        for part in ("train", "test")
        for what in ("images", "labels")
        if f"{part}_{what}" not in arrays
    ]
    if missing:
        raise InputError(f"{path} has no {missing[0]}; it has {quoted(', '.join(sorted(arrays)) or 'nothing')}.")
    train, test = (LabelledImages(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test"))
    return data_set(train, test, str(path))
