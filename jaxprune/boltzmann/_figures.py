"""Pictures of machines: receptive fields, samples, and what sessions left. Needs matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxprune._checks import InputError


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
    if images.shape[1] != shape[0] * shape[1]:
        raise InputError(f"images have {images.shape[1]} pixels, but {shape[0]} x {shape[1]} is {shape[0] * shape[1]}.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    found = np.full((rows * (shape[0] + 1) - 1, columns * (shape[1] + 1) - 1), np.nan)
    for number, image in enumerate(images):
        top, left = (number // columns) * (shape[0] + 1), (number % columns) * (shape[1] + 1)
        found[top : top + shape[0], left : left + shape[1]] = image.reshape(shape)
    return found


def plot_sessions(rows: Sequence[Mapping[str, Any]], axes: Any) -> Any:
    """Likelihood and error of a pruned machine over the synapses that are left.

    Args:
      rows: one a session, with weights, units, log_likelihood, log_partition_error and code_error; the first is unpruned.
      axes: two axes of matplotlib.

    Returns:
      The axes.
    """
    weights = [row["weights"] for row in rows]
    axes[0].errorbar(
        weights, [row["log_likelihood"] for row in rows], yerr=[row["log_partition_error"] for row in rows], marker="o"
    )
    axes[1].plot(weights, [100 * row["code_error"] for row in rows], marker="o")
    for row in rows:
        axes[0].annotate(f"{row['units']:.0f} units", (row["weights"], row["log_likelihood"]), fontsize=7, va="bottom")
    for ax, label in zip(axes, ("log likelihood of test data, nats", "test error of the code, %"), strict=True):
        ax.set(xscale="log", xlabel="synapses left", ylabel=label)
        ax.set_xticks(weights, [f"{number:.0f}" for number in weights])
        ax.minorticks_off()
        ax.invert_xaxis()
    return axes
