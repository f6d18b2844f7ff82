"""The colours of all figures: one for each rule, the same wherever it is drawn."""

import zlib

PALETTE = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "pink": "#CC79A7",
    "sky": "#56B4E9",
    "orange": "#E69F00",
    "wine": "#882255",
    "brown": "#8B4513",
    "olive": "#999933",
    "teal": "#44AA99",
    "forest": "#117733",
    "purple": "#AA4499",
    "grey": "#7F7F7F",
    "black": "#000000",
}
"""Colours by name: those of Okabe and Ito, which most colour-blind people tell apart, and more for where they do not suffice."""

NAMES = {
    "noise": "blue",
    "noise^1.5": "sky",
    "noise^2": "wine",
    "weight": "vermilion",
    "uniform": "grey",
    "activity": "green",
    "surgeon": "pink",
    "greedy": "brown",
    "empty": "black",
    # One network beside another.
    "original": "grey",
    "pruned": "blue",
    "mask only": "orange",
    "one factor": "teal",
    "no synapse": "black",
    "before": "grey",
    "after": "blue",
    # Networks that learn.
    "dense": "black",
    "sparse": "blue",
    "counter": "green",
    "survival": "teal",
    "magnitude": "vermilion",
    "exchange": "blue",
    "use": "olive",
    "use-exchange": "forest",
    "information-exchange": "sky",
    "random-exchange": "grey",
    "bcm": "purple",
    "fisher": "pink",
    "set": "orange",
    "rigl": "brown",
    "static-uniform": "grey",
    "static-erdos-renyi": "black",
    "narrow": "black",
    # Boltzmann machines.
    "variance": "blue",
    "heuristic": "green",
    "information": "sky",
    "heuristic-information": "teal",
    "residual-information": "pink",
    "eigenvector": "orange",
    "units": "brown",
    "anti-variance": "black",
    "trained small": "black",
    # Where activity comes from.
    "online": "black",
    "input-noise": "blue",
    "neuron-noise": "sky",
    "linearised": "orange",
    "task": "green",
    "task-and-noise": "black",
    "input noise": "blue",
    "coloured input noise": "wine",
    "broadband input noise": "pink",
    "neuron noise": "sky",
    "strong neuron noise": "brown",
    "linearised at rest": "orange",
    "linearised at task slopes, input noise": "olive",
    "task and noise": "black",
}
OTHERS = ("orange", "purple", "forest", "olive", "teal")
"""For names from outside, one for each as far as they reach."""


def colour(name: str) -> str:
    """The colour of a rule, a criterion, a method or a control, as `#rrggbb`; the same in every figure.

    What comes after a plus or a comma, which says how survivors adjust, changes dashes and not the colour.

    Args:
      name: "noise", "weight+compensation", "counter", "original", ...; any other name has a colour of its own.

    Example:
      >>> colour("noise"), colour("noise+compensation"), colour("weight")
      ('#0072B2', '#0072B2', '#D55E00')

    Reference: Okabe2008.
    """
    base = name.partition(",")[0].partition("+")[0].strip()
    known = NAMES.get(name) or NAMES.get(base)
    return PALETTE[known or OTHERS[zlib.crc32(base.encode()) % len(OTHERS)]]
