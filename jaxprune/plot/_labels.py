"""Labels beside the lines they name, in place of a legend."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text
from matplotlib.transforms import Bbox

GAP = 1.3
"""Distance of two labels, in heights of one."""
AWAY = 5
"""Points between the right-most line and the labels."""
NEAR = 0.15
"""Share of the width of the axes that counts as near their edge."""


def label_lines(ax: Axes, *, fontsize: float = 8, names: Mapping[str, str] | None = None) -> Axes:
    """Write the label of each line to the right of its end, in its colour; labels that would overlap move apart, up and down.

    Their places are found when the figure is drawn, so that the order of calls, the limits and the layout do not matter. A layout
    engine ("constrained") makes room for them. Lines without a label are left alone.

    Args:
      ax: axes with lines or error bars.
      fontsize: in points.
      names: other words for some labels; an empty one leaves a label out.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> ax = Figure().subplots()
      >>> for label in ("noise", "weight"):
      ...     _ = ax.plot([0, 1], [0, 1], label=label)
      >>> [text.get_text() for text in label_lines(ax).artists[0].texts]
      ['noise', 'weight']
    """
    words = names or {}
    ax.add_artist(_EndLabels(ax, [(line, words.get(label, label)) for line, label in _labelled(ax)], fontsize))
    return ax


class _EndLabels(Artist):
    """Labels at the ends of lines, placed anew whenever they are drawn or measured."""

    def __init__(self, ax, labelled, fontsize):
        super().__init__()
        self.drawn_in = ax
        self.set_clip_on(False)
        self.set_zorder(5)
        self.fontsize, self.lines = fontsize, [line for line, label in labelled if label]
        self.texts = [
            Text(0, 0, label, color=line.get_color(), fontsize=fontsize, va="center_baseline")
            for line, label in labelled
            if label
        ]
        for text in self.texts:
            text.set_figure(ax.figure)

    def draw(self, renderer: Any) -> None:
        """Place the labels, and draw those whose lines are seen."""
        for text in self._placed():
            text.draw(renderer)

    def get_window_extent(self, renderer: Any = None) -> Bbox:
        """The box around all labels."""
        boxes = [text.get_window_extent(renderer) for text in self._placed()]
        return Bbox.union(boxes) if boxes else Bbox.null()

    def get_tightbbox(self, renderer: Any = None) -> Bbox | None:
        """The same; None where there is no label."""
        box = self.get_window_extent(renderer)
        return box if np.isfinite(box.bounds).all() else None

    def _placed(self):
        ends = [(text, *_end(self.drawn_in, line)) for text, line in zip(self.texts, self.lines, strict=True)]
        ends = sorted((end for end in ends if np.isfinite(end[2])), key=lambda end: end[2])
        if not ends:
            return []
        pixels = self.drawn_in.figure.dpi / 72
        box = self.drawn_in.get_window_extent()
        places = apart(np.array([y for _, _, y in ends]), GAP * self.fontsize * pixels, box.y0, box.y1)
        right = max(x for _, x, _ in ends)
        # Lines that nearly reach the edge are named beyond it, where nothing else is drawn.
        right = (max(right, box.x1) if right > box.x1 - NEAR * box.width else right) + AWAY * pixels
        for (text, _, _), place in zip(ends, places, strict=True):
            text.set_position((right, place))
        return [text for text, _, _ in ends]


def _labelled(ax):
    """Lines with their labels, those of error bars, too, in order."""
    bars = {box.lines[0]: box.get_label() for box in ax.containers if isinstance(box, ErrorbarContainer) and box.lines}
    found = [(line, str(bars.get(line, line.get_label()))) for line in ax.get_lines()]
    return [(line, label) for line, label in found if label and not label.startswith("_")]


def _end(ax, line):
    """Where the last point that is shown lies on the page, in pixels."""
    points = np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)]).astype(float)
    with np.errstate(all="ignore"):
        places = line.get_transform().transform(points)
    box = ax.get_window_extent()
    shown = places[np.isfinite(places).all(axis=1) & (places[:, 0] <= box.x1 + 1) & (places[:, 0] >= box.x0 - 1)]
    if not len(shown):
        return np.nan, np.nan
    x, y = shown[np.argmax(shown[:, 0])]
    return float(x), float(np.clip(y, box.y0, box.y1))


def apart(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Places in order, at least `gap` from one another and as near to the wanted ones as least squares has it.

    Args:
      wanted: in rising order.
      gap: least distance.
      low: places stay above, if they all fit.
      high: places stay below.

    Example:
      >>> apart(np.array([1.0, 1.0, 9.0]), 2.0, 0.0, 10.0)
      array([0., 2., 9.])
    """
    steps = gap * np.arange(len(wanted))
    groups: list[tuple[float, int]] = []
    for value in wanted - steps:
        mean, count = float(value), 1
        while groups and groups[-1][0] > mean:
            other, size = groups.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        groups.append((mean, count))
    free = np.repeat([mean for mean, _ in groups], [count for _, count in groups])
    return np.maximum(np.minimum(free, high - steps[-1]), low) + steps
