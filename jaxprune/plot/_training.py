"""Networks that lose synapses while they learn: accuracy and density over epochs, and which inputs keep their synapses."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxprune._checks import InputError
from jaxprune.plot._axes import label_decades
from jaxprune.plot._colours import colour
from jaxprune.plot._labels import label_lines
from jaxprune.plot._plain import plain
from jaxprune.plot._style import figure_settings

NAMED = 8
"""Layers that are named beside their lines, at most."""


def plot_accuracy(curves: Mapping[str, Sequence[float]], ax: Any) -> Any:
    """Draw accuracy over epochs; higher is better.

    Args:
      curves: by label, in fractions, after every epoch.
      ax: axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> plot_accuracy({"dense": [0.5, 0.9], "sparse": [0.4, 0.9]}, Figure().subplots()).get_ylabel()
      'accuracy, % (higher is better)'
    """
    for label, curve in curves.items():
        ax.plot(range(1, len(curve) + 1), 100 * np.asarray(curve), color=colour(label), label=plain(label))
    ax.set(xlabel="epoch", ylabel="accuracy, % (higher is better)")
    return label_lines(ax)


def plot_density(layers: Mapping[str, Sequence[float]], ax: Any) -> Any:
    """Draw the fraction of synapses in every layer over epochs; from dark, the first layer, to bright.

    Args:
      layers: by name, in fractions, after every epoch.
      ax: axes of matplotlib.

    Returns:
      The axes.

    Example:
      >>> len(plot_density({"layers[0]": [1.0, 0.2]}, Figure().subplots()).lines)
      1
    """
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(layers)))
    for shade, (label, curve) in zip(shades, layers.items(), strict=True):
        ax.plot(range(1, len(curve) + 1), 100 * np.asarray(curve), color=shade, label=plain(label))
    ax.set(xlabel="epoch", ylabel="synapses kept, %", yscale="log")
    label_decades(ax.yaxis)
    return label_lines(ax) if len(layers) <= NAMED else ax


def plot_inputs(mask: Any, shape: tuple[int, ...], ax: Any) -> Any:
    """Draw how many synapses each pixel keeps; pixels that have none are black.

    Args:
      mask: ones where the first layer has synapses, (unit, pixel).
      shape: rows and columns of the image, and channels if it has them (which are added up).
      ax: axes of matplotlib.

    Returns:
      The axes; the title says how many pixels have gone dark.

    Raises:
      InputError: a mask of another number of pixels.

    Example:
      >>> plot_inputs(np.eye(4)[:3], (2, 2), Figure().subplots()).get_title()
      '1 of 4 pixels have gone dark'
    """
    mask = np.asarray(mask)
    if mask.shape[1:] != (int(np.prod(shape)),):
        raise InputError(f"the mask has shape {mask.shape}, but images of {shape} have {int(np.prod(shape))} pixels.")
    count = mask.sum(axis=0).reshape(*shape[:2], -1).sum(axis=2)
    dark = int((count == 0).sum())
    colours = mpl.colormaps["viridis"].with_extremes(bad="black")
    image = ax.imshow(np.where(count > 0, count, np.nan), cmap=colours, vmin=0, vmax=max(count.max(), 1))
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label="synapses of the pixel")
    ax.set(title=f"{dark} of {count.size} pixels have gone dark", xticks=[], yticks=[])
    ax.grid(False)
    return ax


def training_figure(
    curves: Mapping[str, Sequence[float]],
    layers: Mapping[str, Sequence[float]],
    inputs: tuple[Any, tuple[int, ...]] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw a network that lost synapses while it learnt: accuracy, density of each layer, and inputs that went dark.

    Args:
      curves: accuracy by label, in fractions, after every epoch; the pruned network's comes first.
      layers: fraction of the synapses by layer, after every epoch.
      inputs: mask and shape as `plot_inputs` takes them, of a network that sees pixels one by one.
      title: of the figure; by default what was found.

    Returns:
      The figure.

    Example:
      >>> len(training_figure({"sparse": [0.4, 0.9], "dense": [0.5, 0.9]}, {"layers[0]": [1.0, 0.2]}).axes)
      2
    """
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12 if inputs else 8.5, 3.8), layout="constrained")
        axes = figure.subplots(1, 3 if inputs else 2)
        plot_accuracy(curves, axes[0])
        ends = {label: float(curve[-1]) for label, curve in curves.items()}
        axes[0].set_title(", ".join(f"{label} {end:.1%}" for label, end in ends.items()))
        last = min(layers, key=lambda name: layers[name][-1])
        plot_density(layers, axes[1]).set_title(f"sparsest layer: {last}, {layers[last][-1]:.1%} kept")
        if inputs:
            plot_inputs(*inputs, axes[2])
        figure.suptitle(title or _title(ends), fontsize=11)
    return figure


def _title(ends):
    first, *others = ends.items()
    if not others:
        return f"accuracy on test images {first[1]:.1%} while synapses go"
    difference = 100 * (first[1] - others[0][1])
    what = "more" if difference > 0 else "less"
    return f"{first[0]} network: {abs(difference):.1f} points {what} accurate than the {others[0][0]} one"
