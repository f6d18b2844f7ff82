"""Labelled images, and what turns them into binary data: crop, binarise, patches."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int, Num, Shaped

from jaxprune._checks import InputError, check_key, check_positive, check_whole
from jaxprune._types import PRNGKey, Real

Images = Num[np.ndarray, "image row column"]


class LabelledImages(NamedTuple):
    """Images and the class of each.

    Attributes:
      images: (image, row, column), or (image, row, column, channel); numbers from 0.
      labels: whole numbers from 0.
    """

    images: Shaped[np.ndarray, "image ..."]
    labels: Int[np.ndarray, " image"]


class DataSet(NamedTuple):
    """Images to learn from, and others to test with."""

    train: LabelledImages
    test: LabelledImages


def data_set(train: LabelledImages, test: LabelledImages, where: str) -> DataSet:
    """Two checked halves; labels become whole numbers.

    Raises:
      InputError: images that are no finite numbers, none at all, or of different shapes; labels that are no whole numbers from 0,
        or of another number; a class without images, in either half.
    """
    found = DataSet(_checked(train, f"{where} (train)"), _checked(test, f"{where} (test)"))
    shapes, classes = (
        [f(half) for half in found] for f in (lambda x: x.images.shape[1:], lambda x: int(x.labels.max()))
    )
    if shapes[0] != shapes[1]:
        raise InputError(f"{where} has images of {shapes[0]} to learn from, but of {shapes[1]} to test with.")
    if classes[0] != classes[1]:
        raise InputError(f"{where} has classes up to {classes[0]} to learn from, but up to {classes[1]} to test with.")
    return found


def _checked(found, where):
    images, labels = map(np.asarray, found)
    if images.ndim < 3 or images.dtype.kind not in "biuf":
        raise InputError(
            f"{where} has images of shape {images.shape} and type {images.dtype}, but they must be numbers: (image, row, column)."
        )
    if not images.size:
        raise InputError(f"{where} holds no image.")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise InputError(f"{where} has pixels that are not finite: remove or repair them.")
    if labels.shape != images.shape[:1]:
        raise InputError(
            f"{where} holds {len(images)} images but labels of shape {labels.shape}: one is needed for each."
        )
    if labels.dtype.kind not in "biuf" or not (labels == np.floor(labels)).all() or labels.min() < 0:
        raise InputError(f"{where} has labels like {labels[0]!r}, but they must be whole numbers from 0.")
    labels = labels.astype(np.int64)
    counts = np.bincount(labels)
    if not counts.all():
        raise InputError(f"{where} has no image of class {int(np.flatnonzero(counts == 0)[0])} (of {len(counts)}).")
    return LabelledImages(images, labels)


def inputs(images: Shaped[np.ndarray, "..."], brightest: Real) -> Num[np.ndarray, "image _ _ _"]:
    """Images as networks take them: channels first, in single precision, as fractions of the brightest pixel.

    Args:
      images: (image, row, column) or (image, row, column, channel).
      brightest: what becomes 1, such as the largest pixel of the training images.

    Raises:
      InputError: another number of axes; a brightest pixel that is not positive.

    Example:
      >>> inputs(np.full((2, 8, 8, 3), 255, np.uint8), 255).shape
      (2, 3, 8, 8)
    """
    check_positive("brightest", brightest)
    if images.ndim not in (3, 4):
        raise InputError(
            f"images have shape {images.shape}, but must be (image, row, column) with or without (channel)."
        )
    images = images[..., None] if images.ndim == 3 else images
    return np.ascontiguousarray(np.moveaxis(images, 3, 1), np.float32) / np.float32(brightest)


def crop(images: Images, rows: int, columns: int) -> Num[np.ndarray, "image _ _"]:
    """The middle of images.

    Args:
      images: (image, row, column).
      rows, columns: size of what is left.

    Raises:
      InputError: images smaller than that.

    Example:
      >>> crop(np.arange(16).reshape(1, 4, 4), 2, 2).tolist()
      [[[5, 6], [9, 10]]]
    """
    if images.ndim != 3 or images.shape[1] < rows or images.shape[2] < columns:
        raise InputError(
            f"images have shape {images.shape}, but must be (image, row, column), {rows} x {columns} at least."
        )
    top, left = (images.shape[1] - rows) // 2, (images.shape[2] - columns) // 2
    return images[:, top : top + rows, left : left + columns]


def binarise(images: Images, threshold: float | int | None = None) -> Num[np.ndarray, "image pixel"]:
    """Images as rows of zeros and ones: one where a pixel is brighter than the threshold.

    Args:
      images: (image, row, column).
      threshold: by default the mean of all pixels of all images. For test images pass that of the training images.

    Example:
      >>> binarise(np.array([[[0, 9], [8, 1]]])).tolist()
      [[0, 1, 1, 0]]
    """
    threshold = float(np.mean(images)) if threshold is None else threshold
    return (images > threshold).reshape(len(images), -1).astype(np.uint8)


def disc(radius: float) -> Int[np.ndarray, "pixel two"]:
    """Offsets (row, column) of the pixels of a disc around its middle.

    Args:
      radius: in pixels.

    Example:
      >>> len(disc(2.1))
      13
    """
    reach = np.arange(-int(radius), int(radius) + 1)
    offsets = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    return offsets[(offsets**2).sum(axis=1) <= radius**2]


def patches(
    key: PRNGKey, images: Images, *, radius: float, centres: Sequence[int], count: int
) -> Num[np.ndarray, "patch pixel"]:
    """Discs cut out of images, at random images and places of a grid.

    Args:
      key: random key.
      images: (image, row, column).
      radius: of the disc, in pixels (`disc`).
      centres: rows, and columns, that a disc may be around.
      count: number of patches.

    Returns:
      One patch a row, in the images' type.

    Raises:
      InputError: a radius that is negative, no centre, discs that reach over the border; a count below 1.

    Example:
      >>> patches(jax.random.key(0), np.ones((5, 7, 7)), radius=1.0, centres=(1, 3), count=4).shape
      (4, 5)
    """
    check_key("key", key)
    check_whole("count", count, least=1)
    check_positive("radius", radius, zero=True)
    if not len(centres):
        raise InputError("centres is empty, but discs need a place to be around.")
    offsets = disc(radius)
    reach, most = int(np.abs(offsets).max()), min(images.shape[1:3]) - 1
    if min(centres) < reach or max(centres) > most - reach:
        raise InputError(
            f"centres reach from {min(centres)} to {max(centres)}, but discs of radius {radius:g} must lie within 0 to {most}."
        )
    picture_key, row_key, column_key = jax.random.split(key, 3)
    where = np.asarray(centres)
    picture = np.asarray(jax.random.randint(picture_key, (count,), 0, len(images)))
    row, column = (where[np.asarray(jax.random.randint(k, (count,), 0, len(where)))] for k in (row_key, column_key))
    return images[picture[:, None], row[:, None] + offsets[None, :, 0], column[:, None] + offsets[None, :, 1]]


def grey(images: Num[np.ndarray, "image row column channel"]) -> Images:
    """Sum of the channels of coloured images.

    Args:
      images: the channels last.

    Example:
      >>> grey(np.full((1, 2, 2, 3), 100, np.uint8)).tolist()
      [[[300, 300], [300, 300]]]
    """
    return images.sum(axis=-1, dtype=np.int64)
