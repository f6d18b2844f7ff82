"""Numbers beside logarithmic axes."""

from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullLocator

FEW = 100
"""Ratio of the ends of an axis below which there are more numbers than powers of ten."""


def label_decades(axis: Axis, *, percent: bool = False) -> None:
    """Plain numbers on a logarithmic axis: powers of ten, and 2 and 5 between them where there are few.

    Args:
      axis: `ax.xaxis` or `ax.yaxis`, with its limits.
      percent: show shares in per cent.

    Example:
      >>> from matplotlib.figure import Figure
      >>> ax = Figure().subplots()
      >>> _ = ax.set(yscale="log", ylim=(0.09, 1.1))
      >>> label_decades(ax.yaxis, percent=True)
      >>> ax.yaxis.get_major_formatter()(0.2)
      '20%'
    """
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < FEW * low else (1,)))
    axis.set_minor_locator(NullLocator())
    if percent:
        axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    else:
        axis.set_major_formatter("{x:g}")
