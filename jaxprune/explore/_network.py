"""One network and its pruned copy: what a page shows of them, as numbers and words."""

from functools import lru_cache
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxprune import linalg, networks, pruning
from jaxprune._checks import InputError, check_choice
from jaxprune._types import Matrix
from jaxprune.dynamics import Activity, activity_of
from jaxprune.linalg import Measures, Reference, Stability
from jaxprune.linalg.parts import measure_names
from jaxprune.pruning import Pruned, adjust

FAMILIES = {
    "clusters, symmetric": "clustered",
    "clusters, directed": "clustered-directed",
    "Gaussian, directed": "gaussian",
    "Gaussian, symmetric": "gaussian-symmetric",
    "excitatory and inhibitory (Dale)": "dale",
    "chain of layers": "feedforward",
    "low rank and noise": "low-rank",
}
"""Families of random networks, by what the page calls them."""
SIZES = (50, 100, 200, 400)
"""Neurons; few sizes, as each is compiled once."""
RULES = {
    "noise: weight × variance of the difference": "noise",
    "weight: size of the weight": "weight",
    "uniform: at random": "uniform",
    "activity: what the synapse passes on": "activity",
    "surgeon: what its removal costs": "surgeon",
}
"""What makes a synapse important, by what the page calls it."""
ADJUSTMENTS = {
    "the most important, each neuron's input refitted": "+compensation",
    "chance, survivors grow by 1/p": "",
    "the most important, weights as they are": "+keep",
    "the most important, one factor for all": "+abscissa",
    "the most important, quadratic form refitted": "+form",
}
"""Who stays and what survivors do, by what the page calls it."""
SYMMETRIC_ONLY = ("+form",)
FRACTIONS = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Stops of the slider."""
BRIDGES, CLUSTERS = 2.5, (0.5, 0.1, 0.4)
"""Of the clustered families: long-range entries for each neuron, and the share of neurons in each cluster."""
LAYERS = 5
"""Of a chain."""


class Original(eqx.Module):
    """A network, looked at once: its modes, its activity under white noise, and what is left of it without any synapse."""

    reference: Reference
    activity: Activity
    empty: Measures
    stability: Stability = eqx.field(static=True)

    @property
    def matrix(self) -> Matrix:
        """A."""
        return self.reference.matrix

    @property
    def symmetric(self) -> bool:
        """Whether it is symmetric."""
        return self.reference.symmetric


class Outcome(NamedTuple):
    """A pruned network beside its original.

    Attributes:
      pruned: from `prune`.
      stability: of the pruned network.
      measures: of the pruned network.
      mask_only: of the original's weights under the same mask.
      pieces: connected components, before and after.
    """

    pruned: Pruned
    stability: Stability
    measures: Measures
    mask_only: Measures
    pieces: tuple[int, int]


@lru_cache(maxsize=16)
def draw(family: str, neurons: int, seed: int) -> Original:
    """Draw a network of a family, and look at it.

    Args:
      family: one of the values of `FAMILIES`.
      neurons: one of `SIZES`.
      seed: of the draw.

    Raises:
      InputError: no such family or size.
    """
    check_choice("family", family, FAMILIES.values())
    check_choice("neurons", str(neurons), map(str, SIZES))
    sizes = tuple(round(share * neurons) for share in CLUSTERS)
    if family == "feedforward":
        sizes = (neurons // LAYERS,) * LAYERS
    ensemble = networks.Ensemble(family, sizes, bridges=round(BRIDGES * neurons))  # pyright: ignore[reportArgumentType]
    return look_at(ensemble.network(jax.random.key(seed)))


def look_at(A: Matrix) -> Original:
    """Look at a network once, for all that is asked of it.

    Raises:
      InputError: it is not stable, so that its activity says nothing.
    """
    stability = linalg.stability(A)
    if not stability.stable:
        raise InputError(
            f"the network is {stability.words} (spectral abscissa {stability.abscissa:.4g}): its activity never comes to rest, "
            "and says nothing. Give it another leak."
        )
    symmetric = bool(linalg.is_symmetric(A))
    reference = _reference(A, symmetric=symmetric)
    A = reference.matrix
    activity = activity_of(linalg.stationary_covariance(reference))
    empty = _measure(reference, jnp.diag(jnp.diagonal(A)), symmetric=symmetric)
    return Original(reference, activity, empty, stability)


def prune(original: Original, rule: str, keep: float, seed: int) -> Outcome:
    """Prune a network, and measure what is left of it.

    Args:
      original: from `draw` or `look_at`.
      rule: its name, as in `pruning.RULES`.
      keep: fraction of synapses to keep.
      seed: of the draw of survivors.

    Raises:
      InputError: the rule is not for this network; the fraction keeps no synapse.
    """
    if rule.endswith(SYMMETRIC_ONLY) and not original.symmetric:
        raise InputError(
            "the quadratic form is refitted in symmetric networks only: choose another adjustment or family."
        )
    found = pruning.prune(
        jax.random.key(seed),
        original.matrix,
        rule,
        keep=keep,
        symmetric=original.symmetric,
        activity=original.activity,
        warn=False,
    )
    return outcome_of(original, found)


def outcome_of(original: Original, pruned: Pruned) -> Outcome:
    """Measure a pruned network beside its original and beside its mask alone."""
    alone = pruning.readjust(
        original.matrix, pruned, adjust.Keep(), original.activity, kind="linear", symmetric=original.symmetric
    ).matrix
    pieces = networks.count_components(_synapses(original.matrix)), networks.count_components(pruned.mask)
    return Outcome(
        pruned, linalg.stability(pruned.matrix), _measured(original, pruned.matrix), _measured(original, alone), pieces
    )


def verdict(original: Original, outcome: Outcome) -> str:
    """Whether the pruned network is stable, in one line."""
    now, before = outcome.stability, original.stability
    line = f"{now.words.upper()}: spectral abscissa {now.abscissa:.4g} (original {before.abscissa:.4g})."
    return line if now.stable else f"{line} Nothing below says what the pruned network will do."


def certificate(original: Original, outcome: Outcome) -> tuple[str, ...]:
    """What is certain of this one pruned network, in sentences."""
    found = outcome.measures.certificate
    epsilon, kept = float(found.epsilon), int(found.kept)
    growth = float(found.max_amplification)
    grew = f"none grew by more than {growth:.3g} times" if growth > 1 else "none grew"
    there = int(jnp.sum(_synapses(original.matrix)))
    lines = [f"{kept:,} of {there:,} synapses are kept ({float(found.kept_fraction):.1%}); {grew}."]
    if jnp.isnan(found.epsilon):
        lines.append("There is no epsilon: the symmetric part of the original is not negative definite.")
    else:
        end = "" if epsilon < 1 else ", above 1, which promises nothing"
        lines.append(f"No quadratic form is off by more than {epsilon:.1%} (epsilon {epsilon:.3g}{end}).")
    lines.append(f"Guarantee: {linalg.Guarantee(int(found.guarantee)).words}")
    before, after = outcome.pieces
    if after > before:
        lines.append(f"It falls apart into {after} pieces ({before} before): modes across pieces are lost.")
    return tuple(lines)


ROUNDING = 1e-9
"""Measures below this are shown as zero."""
LEADING = ("h2", "slow_modes", "worst_mode", "stationary")
"""Measures of the table, a row each."""


def table(original: Original, outcome: Outcome) -> list[dict[str, str]]:
    """The leading measures of the pruned network beside the controls, a row each; lower is better."""
    columns = {"pruned": outcome.measures, "mask alone": outcome.mask_only, "no synapse": original.empty}
    names = measure_names()
    return [
        {"lower is better": names[measure].title}
        | {name: _shown(getattr(found, measure)) for name, found in columns.items()}
        for measure in LEADING
    ]


_reference = jax.jit(linalg.reference, static_argnames="symmetric")
_measure = jax.jit(linalg.measure, static_argnames="symmetric")


def _measured(original, B):
    symmetric = original.symmetric and bool(linalg.is_symmetric(B))
    return _measure(original.reference, B, symmetric=symmetric)


def _synapses(A):
    return (A != 0) & ~jnp.eye(len(A), dtype=bool)


def _shown(value):
    """A number to three digits, or zero where rounding is all it is; a word where there is none."""
    number = float(value)
    if number < ROUNDING:
        return "0"
    return "none" if jnp.isnan(number) else "infinite" if jnp.isinf(number) else f"{number:.3g}"
