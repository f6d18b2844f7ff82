"""One look for all figures: what each rule is drawn with."""

from typing import Any

from jaxprune.plot._colours import PALETTE, colour

MARKED = {
    "noise": "o",
    "noise^1.5": "o",
    "noise^2": "o",
    "weight": "s",
    "uniform": "^",
    "activity": "D",
    "surgeon": "v",
    "greedy": "P",
    "empty": "",
}
OTHER = "x"
"""Marker of rules from outside."""
ADJUSTMENTS = {
    "": "-",
    "+keep": (0, (1, 3)),
    "+radius": (0, (3, 1, 1, 1)),
    "+abscissa": (0, (5, 1, 1, 1, 1, 1)),
    "+compensation": "--",
    "+form": ":",
    "+regrow": (0, (6, 2)),
    "+once": "-.",
    "+swaps": (0, (1, 1)),
}
MARKERS = {"+keep": {"marker": "x"}, "+abscissa": {"marker": "+", "markersize": 6}}
"""Of controls."""
SETTINGS = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.which": "major",
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.markersize": 4,
    "lines.linewidth": 1.4,
}


def figure_settings() -> dict[Any, Any]:
    """Matplotlib settings that all figures share.

    Example:
      >>> figure_settings()["font.size"]
      9
    """
    return SETTINGS | {"axes.prop_cycle": f"cycler('color', {list(PALETTE.values())})"}


def rule_style(name: str) -> dict[str, Any]:
    """Line style of a rule: the colour says what counts as important, dashes and marker how survivors adjust.

    Args:
      name: a rule as `--rule` takes it.

    Example:
      >>> rule_style("weight")
      {'color': '#D55E00', 'marker': 's', 'linestyle': '-'}
    """
    base, plus, rest = name.partition("+")
    style = {
        "color": colour(base),
        "marker": MARKED.get(base, OTHER),
        "linestyle": ADJUSTMENTS.get(plus + rest, "-"),
    }
    return style | ({"markerfacecolor": "white"} if plus else {}) | MARKERS.get(plus + rest, {})
