"""Data sets that scikit-learn has or fetches."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxprune._checks import InputError
from jaxprune.data._images import DataSet, LabelledImages, data_set
from jaxprune.files import reason


def digits(*, test: int = 360) -> DataSet:
    """Handwritten digits of 8 x 8 pixels, 0 to 16 bright, that come with scikit-learn: 1,797 images.

    Args:
      test: the last so many images are for tests.

    Raises:
      InputError: without scikit-learn; a test set that leaves nothing to learn from.

    Example:
      >>> digits().train.images.shape
      (1437, 8, 8)

    Reference: Alpaydin1998.
    """
    found: Any = _datasets().load_digits()
    if not 0 < test < len(found.images):
        raise InputError(f"test is {test}, but must leave some of the {len(found.images)} images on either side.")
    images, labels = found.images.astype(np.uint8), found.target.astype(np.int64)
    return DataSet(LabelledImages(images[:-test], labels[:-test]), LabelledImages(images[-test:], labels[-test:]))


def openml(name: str, *, test: int = 10_000, folder: str | Path | None = None) -> DataSet:
    """Fetch a data set of square images from OpenML, for example "mnist_784" or "Fashion-MNIST".

    Args:
      name: on OpenML.
      test: the last so many images are for tests.
      folder: where scikit-learn keeps what it fetched; by default its own.

    Raises:
      InputError: without scikit-learn, or without a connection; images that are not square; a test set that leaves nothing to
        learn from.

    Example:
      >>> openml("mnist_784").train.images.shape  # doctest: +SKIP
      (60000, 28, 28)
    """
    try:
        found: Any = _datasets().fetch_openml(
            name, version=1, as_frame=False, parser="liac-arff", data_home=None if folder is None else str(folder)
        )
    except OSError as error:
        raise InputError(
            f"{name} could not be fetched from OpenML: {reason(error)}. Download it, and pass its path."
        ) from error
    side = round(found.data.shape[1] ** 0.5)
    if side**2 != found.data.shape[1]:
        raise InputError(f"{name} has {found.data.shape[1]} values to a row, which is no square image.")
    images = found.data.reshape(-1, side, side)
    if not 0 < test < len(images):
        raise InputError(f"test is {test}, but must leave some of the {len(images)} images on either side.")
    labels = np.unique(found.target, return_inverse=True)[1].astype(np.int64)
    return data_set(
        LabelledImages(images[:-test], labels[:-test]), LabelledImages(images[-test:], labels[-test:]), name
    )


def _datasets():
    try:
        import sklearn.datasets
    except ImportError as error:
        raise InputError(
            "this data set needs the package scikit-learn: pip install 'jaxprune[experiments]'."
        ) from error
    return sklearn.datasets
