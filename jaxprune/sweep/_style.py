"""One look for all figures: what each rule is drawn with."""

from typing import Any

RULES = {
    "noise": {"color": "#0072B2", "marker": "o"},
    "weight": {"color": "#D55E00", "marker": "s"},
    "uniform": {"color": "#7F7F7F", "marker": "^"},
}
SUFFIXES = {"": "-", "+compensation": "--", "+refit": ":"}
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
    """Line style of a rule: colour and marker say what counts as important, the dashes how survivors adjust."""
    base, plus, rest = name.partition("+")
    fill = {"markerfacecolor": "white"} if plus else {}
    return {
        **RULES.get(base, {"color": "#000000", "marker": "x"}),
        "linestyle": SUFFIXES.get(plus + rest, "-."),
        **fill,
    }
