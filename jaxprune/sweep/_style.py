"""One look for all figures: what each rule is drawn with."""

import zlib
from typing import Any

SCORES = {
    "noise": {"color": "#0072B2", "marker": "o"},
    "noise^1.5": {"color": "#56B4E9", "marker": "o"},
    "noise^2": {"color": "#882255", "marker": "o"},
    "weight": {"color": "#D55E00", "marker": "s"},
    "uniform": {"color": "#7F7F7F", "marker": "^"},
    "activity": {"color": "#009E73", "marker": "D"},
    "surgeon": {"color": "#CC79A7", "marker": "v"},
    "greedy": {"color": "#8B4513", "marker": "P"},
    "empty": {"color": "#000000", "marker": ""},
}
OTHERS = ("#E69F00", "#AA4499", "#117733", "#999933", "#44AA99")
"""Colours of rules from outside, one for each name as far as they reach."""
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
    """Matplotlib settings that all figures share."""
    return dict(SETTINGS)


def rule_style(name: str) -> dict[str, Any]:
    """Line style of a rule: the colour says what counts as important, dashes and marker how survivors adjust."""
    base, plus, rest = name.partition("+")
    other = {"color": OTHERS[zlib.crc32(base.encode()) % len(OTHERS)], "marker": "x"}
    style = {**SCORES.get(base, other), "linestyle": ADJUSTMENTS.get(plus + rest, "-")}
    return style | ({"markerfacecolor": "white"} if plus else {}) | MARKERS.get(plus + rest, {})
