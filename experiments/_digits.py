"""Binary handwritten digits with what studies of Boltzmann machines compare with."""

import threading
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxprune import boltzmann
from jaxprune.data import binarise, crop, digits, load_images

LOADING = threading.Lock()
"""Held while one thread reads what the others wait for."""


class Digits(NamedTuple):
    """Images of zeros and ones, a classifier of their pixels, and the log likelihood under independent pixels.

    Attributes:
      train, labels: to learn from.
      test, test_labels: to measure on.
      judge: classifier of pixels: what codes are compared with, and what judges samples.
      independent: log likelihood of the test images under independent pixels, in nats: what a machine without synapses reaches.
    """

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    judge: boltzmann.Classifier
    independent: float


def load(path: Path | None, side: int, classified: int) -> Digits:
    """The middle of each image, binary at the mean of all training pixels; scikit-learn's small digits without a path.

    Args:
      path: see `load_images`.
      side: of the images, in pixels.
      classified: images that classifiers learn from.
    """
    with LOADING:
        return _load(path, side, classified)


@lru_cache(maxsize=1)
def _load(path, side, classified):
    found = digits() if path is None else load_images(path)
    train, test = (crop(part.images, side, side) for part in found)
    threshold = float(np.mean(train))
    train, test = binarise(train, threshold), binarise(test, threshold)
    judge = boltzmann.fit_classifier(train[:classified], found.train.labels[:classified], test, found.test.labels)
    independent = float(boltzmann.independent_log_likelihood(train, test).mean())
    return Digits(train, found.train.labels, test, found.test.labels, judge, independent)
