"""What can be shown of machines whose visible units are pixels: receptive fields, samples, information."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune.boltzmann._importance import variance_information
from jaxprune.boltzmann._machine import BoltzmannMachine, States
from jaxprune.boltzmann._moments import Moments


def tile(
    images: Float[Any, "image pixel"], shape: tuple[int, int], columns: int = 10
) -> Float[np.ndarray, "row column"]:
    """Many small images side by side in one array, a pixel of NaN between them.

    Args:
      images: one a row: samples, or the weights of hidden units.
      shape: rows and columns of each.
      columns: images beside each other.

    Raises:
      InputError: images of another size.

    Example:
      >>> tile(np.ones((3, 4)), (2, 2), columns=2).shape
      (5, 5)
    """
    images = np.asarray(images)
    if not len(images):
        raise InputError("there is no image to show.")
    if images.shape[1] != shape[0] * shape[1]:
        raise InputError(f"images have {images.shape[1]} pixels, but {shape[0]} x {shape[1]} is {shape[0] * shape[1]}.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    found = np.full((rows * (shape[0] + 1) - 1, columns * (shape[1] + 1) - 1), np.nan)
    for number, image in enumerate(images):
        top, left = (number // columns) * (shape[0] + 1), (number % columns) * (shape[1] + 1)
        found[top : top + shape[0], left : left + shape[1]] = image.reshape(shape)
    return found


class Pictures(NamedTuple):
    """A machine's first layer and its samples, as arrays of pixels; NaN between images.

    Attributes:
      samples: side by side.
      fields: weights of hidden units to the visible ones, side by side: all of the image, or what the largest receptive field
        spans.
      information: Fisher information of all synapses of each visible unit, summed.
    """

    samples: Float[np.ndarray, "row column"]
    fields: Float[np.ndarray, "row column"]
    information: Float[np.ndarray, "row column"]


def pictures(
    model: BoltzmannMachine,
    chains: States,
    moments: Moments,
    shape: tuple[int, int],
    *,
    samples: int = 50,
    units: int = 50,
    columns: int = 10,
) -> Pictures:
    """What can be shown of a machine whose visible units are the pixels of an image.

    The information of pixel j is Σᵢ Fᵢⱼ with F the `variance_information` of the synapses that are there.

    Args:
      model: the machine.
      chains: of its free activity; the first ones are shown.
      moments: of its free activity.
      shape: rows and columns of the image.
      samples, units: how many at most; those units of the first hidden layer come first that have most synapses.
      columns: images beside each other.

    Raises:
      InputError: a shape that does not fit the visible units.

    Example:
      >>> from jaxprune.boltzmann import enumerate_machine, rbm, start_chains
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> chains = start_chains(jax.random.key(1), machine, 20)
      >>> pictures(machine, chains, enumerate_machine(machine).moments, (2, 2)).information.shape
      (2, 2)

    Reference: Scholl2021.
    """
    W, mask = np.asarray(model.weights[0]), np.asarray(model.masks[0])
    shown = tile(np.asarray(chains[0])[:samples], shape, columns)
    order = np.argsort(-mask.sum(axis=1), kind="stable")[:units]
    images, there = (x[order].reshape(-1, *shape) for x in (W, mask))
    windows = [_window(unit) for unit in there]
    height, width = (int(max(window[1][axis] - window[0][axis] for window in windows)) for axis in (0, 1))
    parts = []
    for image, ((top, left), _) in zip(images, windows, strict=True):
        top, left = min(top, shape[0] - height), min(left, shape[1] - width)
        parts.append(image[top : top + height, left : left + width].ravel())
    known = np.asarray(variance_information(model, moments)[0] * model.masks[0]).sum(axis=0).reshape(shape)
    return Pictures(shown, tile(np.stack(parts), (height, width), columns), known)


def _window(there):
    """First and last row and column (exclusive) of what a unit sees."""
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return (0, 0), (1, 1)
    return (rows[0], columns[0]), (rows[-1] + 1, columns[-1] + 1)
