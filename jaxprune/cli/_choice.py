"""Which rule suits a network: try the few sensible ones, and take the best stable one."""

import dataclasses
from typing import Any, NamedTuple

import jax
import rich.table

from jaxprune import linalg, pruning
from jaxprune._types import Matrix
from jaxprune.cli._common import print_table, recorded
from jaxprune.dynamics import Activity
from jaxprune.linalg import parts
from jaxprune.linalg.parts import Probes
from jaxprune.pruning import NoisePrune, Pruned, Rule, Strengthen

AUTO: dict[str, Rule] = {
    "--rule noise": NoisePrune(),
    "--rule noise --diagonal original": NoisePrune(adjust=Strengthen(diagonal="original")),
    "--rule noise+keep": pruning.named_rule("noise+keep"),
    "--rule noise+compensation": pruning.named_rule("noise+compensation"),
    "--rule weight+compensation": pruning.named_rule("weight+compensation"),
}
"""What `--rule auto` tries, by the options that name it."""


class Tried(NamedTuple):
    """A rule that was tried: its options, what it made of the network, its H2 error, and whether the result is stable."""

    options: str
    rule: Rule
    pruned: Pruned
    h2: float
    stability: linalg.Stability

    def facts(self) -> dict[str, Any]:
        """As it is recorded."""
        return {
            "options": self.options,
            "h2_error": recorded(self.h2),
            "abscissa": self.stability.abscissa,
            "stability": self.stability.words,
        }


def try_rules(key: jax.Array, A: Matrix, activity: Activity, keep: float, probes: Probes | None) -> list[Tried]:
    """Prune by every rule of `AUTO`, the best first: stable ones by their H2 error, then the others by their abscissa.

    Args:
      key: random key, the same for all.
      A: dynamics matrix.
      activity: under unit white noise.
      keep: fraction of synapses to keep.
      probes: of a large network, whose H2 error is estimated.
    """
    symmetric = linalg.is_symmetric(A)
    found = []
    for options, rule in AUTO.items():
        pruned = pruning.prune(key, A, rule, keep=keep, symmetric=symmetric, activity=activity, warn=False)
        found.append(
            Tried(options, rule, pruned, _h2(A, pruned.matrix, symmetric, probes), linalg.stability(pruned.matrix))
        )
    return sorted(found, key=lambda tried: (not tried.stability.stable, tried.h2, tried.stability.abscissa))


def show(tried: list[Tried]) -> None:
    """Print what was tried, in order."""
    view = rich.table.Table("tried", "H2 error", "spectral abscissa", "", box=None)
    for number, one in enumerate(tried):
        taken = (
            "taken: stable, with the least H2 error" if number == 0 and one.stability.stable else one.stability.words
        )
        view.add_row(one.options, f"{one.h2:.4g}", f"{one.stability.abscissa:.4g}", taken)
    print_table(view)


def with_options(rule: Rule, *, method: str | None, diagonal: str | None, cap: float | None) -> Rule:
    """A rule with other ways to draw and to strengthen; only what is not None changes, and the rule must strengthen."""
    changes = {key: value for key, value in (("diagonal", diagonal), ("cap", cap)) if value is not None}
    if changes and isinstance(rule.adjust, Strengthen):
        rule = dataclasses.replace(rule, adjust=dataclasses.replace(rule.adjust, **changes))
    return rule if method is None else dataclasses.replace(rule, method=method)


def _h2(A, B, symmetric, probes):
    if probes is None:
        return float(linalg.h2_error(A, B, symmetric=symmetric).relative)
    return float(parts.h2_of_probes(probes, B.astype(probes.resolvent.dtype)).relative)
