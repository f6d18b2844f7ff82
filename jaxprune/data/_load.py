"""One reader for all ways in which images are stored."""

from pathlib import Path

from jaxprune._checks import InputError
from jaxprune.data._cifar import BATCHES, load_cifar
from jaxprune.data._folder import load_folder, load_npz
from jaxprune.data._idx import load_idx
from jaxprune.data._images import DataSet


def load_images(path: str | Path, *, cache: str | Path | None = None) -> DataSet:
    """Read a data set, whichever way it is stored: IDX files or CIFAR-10's in a folder, images in a
    folder or .zip, or an .npz.

    Args:
      path: where it is.
      cache: as in `load_folder`.

    Raises:
      InputError: what the reader for it refuses.

    Example:
      >>> load_images("mnist").test.labels.shape  # doctest: +SKIP
      (10000,)
    """
    path = Path(path)
    if path.suffix == ".npz":
        return load_npz(path)
    if path.suffix == ".zip" or (path / "train").is_dir():
        return load_folder(path, cache=cache)
    if not path.is_dir():
        raise InputError(f"{path} must be a folder of IDX files or images, a .zip of images, or an .npz.")
    if any((folder / BATCHES[0]).is_file() for folder in (path, path / "cifar-10-batches-bin")):
        return load_cifar(path)
    return load_idx(path)
