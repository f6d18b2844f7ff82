"""Figures of training: accuracy and density over epochs, and which inputs keep their synapses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxprune._checks import InputError


def plot_accuracy(curves: Mapping[str, Sequence[float]], ax: Any) -> Any:
    """Draw accuracy over epochs.

    Args:
      curves: by label, in fractions, after every epoch.
      ax: axes of matplotlib.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_accuracy({"dense": [0.5, 0.9], "sparse": [0.4, 0.9]}, Figure().subplots()).get_ylabel()
      'accuracy, %'
    """
    for label, curve in curves.items():
        ax.plot(range(1, len(curve) + 1), 100 * np.asarray(curve), label=label)
    ax.set(xlabel="epoch", ylabel="accuracy, %")
    ax.legend(frameon=False)
    return ax


def plot_density(layers: Mapping[str, Sequence[float]], ax: Any) -> Any:
    """Draw the fraction of synapses in every layer over epochs.

    Args:
      layers: by name, in fractions, after every epoch.
      ax: axes of matplotlib.

    Example:
      >>> from matplotlib.figure import Figure
      >>> len(plot_density({"layers[0]": [1.0, 0.2]}, Figure().subplots()).lines)
      1
    """
    for label, curve in layers.items():
        ax.plot(range(1, len(curve) + 1), 100 * np.asarray(curve), label=label)
    ax.set(xlabel="epoch", ylabel="synapses kept, %", yscale="log")
    ax.yaxis.set_major_formatter("{x:g}")
    if len(layers) < 8:
        ax.legend(frameon=False)
    return ax


def plot_inputs(mask: Any, shape: tuple[int, ...], ax: Any) -> Any:
    """Draw how many synapses each pixel keeps.

    Args:
      mask: ones where the first layer has synapses, (unit, pixel).
      shape: rows and columns of the image, and channels if it has them (which are added up).
      ax: axes of matplotlib.

    Raises:
      InputError: a mask of another number of pixels.

    Example:
      >>> from matplotlib.figure import Figure
      >>> plot_inputs(np.ones((5, 4)), (2, 2), Figure().subplots()).get_title()
      'synapses of each pixel'
    """
    mask = np.asarray(mask)
    if mask.shape[1:] != (int(np.prod(shape)),):
        raise InputError(f"the mask has shape {mask.shape}, but images of {shape} have {int(np.prod(shape))} pixels.")
    count = mask.sum(axis=0).reshape(*shape[:2], -1).sum(axis=2)
    image = ax.imshow(count, cmap="viridis", vmin=0)
    ax.figure.colorbar(image, ax=ax, shrink=0.8)
    ax.set(title="synapses of each pixel", xticks=[], yticks=[])
    return ax
