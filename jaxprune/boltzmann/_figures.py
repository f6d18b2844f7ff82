"""Pictures of machines: receptive fields, samples, and what sessions left. Needs matplotlib."""

from collections.abc import Mapping, Sequence
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
    r"""What can be shown of a machine whose visible units are the pixels of an image.

    The information of pixel j is $\sum_i F_{ij}$ with F the `variance_information` of the synapses that are there.

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


def plot_pictures(shown: Pictures, axes: Any) -> Any:
    """Draw the pictures of a machine: weights of hidden units, information of pixels, samples.

    Args:
      shown: from `pictures`.
      axes: three axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> from jaxprune.boltzmann import enumerate_machine, rbm, start_chains
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3)
      >>> shown = pictures(machine, start_chains(jax.random.key(1), machine, 5), enumerate_machine(machine).moments, (2, 2))
      >>> len(plot_pictures(shown, Figure().subplots(1, 3)))
      3
    """
    from matplotlib.colors import PowerNorm

    limit = float(np.nanmax(np.abs(shown.fields))) or 1.0
    axes[0].imshow(shown.fields, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[1].imshow(shown.information, cmap="viridis", norm=PowerNorm(0.5, 0, float(shown.information.max()) or 1.0))
    axes[2].imshow(shown.samples, cmap="gray_r", vmin=0, vmax=1)
    titles = ("weights of hidden units, red excites", "Fisher information of each pixel", "samples")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    return axes


def plot_sessions(rows: Sequence[Mapping[str, Any]], axes: Any) -> Any:
    """Likelihood and error of a pruned machine over the synapses that are left.

    Args:
      rows: one a session, with weights, units, log_likelihood, log_partition_error and code_error; the first is unpruned.
      axes: two axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> row = {"weights": 80, "units": 9, "log_likelihood": -5.0, "log_partition_error": 0.1, "code_error": 0.2}
      >>> len(plot_sessions([row], Figure().subplots(1, 2)))
      2
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
