"""Activity of the same neurons in several networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxprune.plot._colours import colour
from jaxprune.plot._plain import plain

SHOWN = 5
"""Neurons that are drawn."""
ROOM = 4.0
"""Distance of two neurons, in standard deviations of the one that varies most."""


def plot_time_course(
    times: Any, courses: Mapping[str, Any], ax: Axes, *, neurons: Sequence[int] | None = None, names: Sequence[str] = ()
) -> Axes:
    """Draw the activity of some neurons over time, one above the other, in each network; the first network is a broad line.

    A neuron is drawn around its mean in the first network, so that one that rests far from zero is seen as well as any.
    The course of a neuron ends where it leaves the axes for good, as in a network that is not stable.

    Args:
      times: of the records.
      courses: activity by label, (time, neuron).
      ax: axes of matplotlib.
      neurons: which neurons; by default five, evenly over all of them.
      names: of all neurons; by default their numbers.

    Returns:
      The axes.

    Example:
      >>> from matplotlib.figure import Figure
      >>> course = np.sin(np.arange(30.0)).reshape(10, 3)
      >>> ax = plot_time_course(np.arange(10), {"original": course, "pruned": course}, Figure().subplots())
      >>> [label.get_text() for label in ax.get_yticklabels()]
      ['0', '1', '2']
    """
    first = np.asarray(next(iter(courses.values())))
    size = first.shape[1]
    chosen = (
        np.unique(np.linspace(0, size - 1, min(SHOWN, size)).astype(int)) if neurons is None else np.asarray(neurons)
    )
    room = ROOM * float(np.nanmax(np.nanstd(first[:, chosen], axis=0))) or 1.0
    offsets, rest = room * np.arange(len(chosen))[::-1], np.nanmean(first[:, chosen], axis=0)
    for number, (label, course) in enumerate(courses.items()):
        drawn = _until_gone(np.asarray(course)[:, chosen] - rest, room * len(chosen)) + offsets
        width = 2.6 if number == 0 else 0.9
        lines = ax.plot(times, drawn, color=colour(label), linewidth=width, zorder=2 + number)
        lines[0].set_label(plain(label))
    ax.set(xlabel="time", ylabel="activity of neuron, around its mean", xlim=(times[0], times[-1]))
    ax.set(ylim=(-room, offsets[0] + room))
    ax.set_yticks(offsets, [plain(names[place] if names else place) for place in chosen])
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(courses), fontsize=8, borderaxespad=0.2)
    return ax


def _until_gone(course, far):
    """NaN from where a course is farther off than all of the axes are high."""
    gone = np.logical_or.accumulate(~(np.abs(course) < far), axis=0)
    return np.where(gone, np.nan, course)
