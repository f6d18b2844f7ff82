"""Which rule suits a network: try the few sensible ones, and take the best stable one."""

import dataclasses
from typing import Any

import jax
import rich.table

from jaxprune import linalg
from jaxprune.cli._common import print_table, recorded
from jaxprune.cli._large import score
from jaxprune.dynamics import Activity
from jaxprune.linalg.parts import Probes, h2_of_probes
from jaxprune.linalg.sparse import SampledCovariance
from jaxprune.pruning import Rule, Strengthen, parts
from jaxprune.pruning.parts import Tried

JUDGE = 1 << 21
"""What makes a key of its own for the samples by which rules are judged."""


def try_rules(
    key: jax.Array,
    A: Any,
    activity: Activity | SampledCovariance,
    keep: float,
    probes: Probes | None,
) -> list[Tried]:
    """Prune by every rule of `--rule auto`, the best first: stable ones by their H2 error, then the others by their abscissa.

    Large sparse networks that are not symmetric are judged by the information lost of trajectories instead, as nothing estimates
    their H2 error.

    Args:
      key: random key, the same for all.
      A: dynamics matrix, dense or sparse.
      activity: under unit white noise; of a sparse network, samples of it.
      keep: fraction of synapses to keep.
      probes: of a large dense network, whose H2 error is estimated.
    """
    sparse = isinstance(activity, SampledCovariance)
    symmetric = linalg.sparse.asymmetry(A) is None if sparse else linalg.is_symmetric(A)
    unseen = sparse and not symmetric
    criterion = "information lost" if unseen else "H2 error"
    # Samples that no rule has been fitted to.
    judge = None
    if unseen and isinstance(activity, SampledCovariance):
        judge = linalg.sampled_covariance(jax.random.fold_in(key, JUDGE), A, probes=activity.probes)

    def judged(B):
        return score(key, A, B, judge) if sparse else _h2(A, B, symmetric, probes)

    return parts.try_rules(key, A, activity, keep, symmetric=bool(symmetric), criterion=criterion, score=judged)


def options(name: str) -> dict[str, str]:
    """The options that stand for a rule that was tried.

    Args:
      name: as `pruning.parts.AUTO` has it.
    """
    rule, _, original = name.partition(", ")
    return {"--rule": rule} | ({"--diagonal": "original"} if original else {})


def said(name: str) -> str:
    """The same as they are typed."""
    return " ".join(f"{option} {value}" for option, value in options(name).items())


def facts(tried: Tried) -> dict[str, Any]:
    """A rule that was tried, as it is recorded."""
    return {
        "options": said(tried.name),
        tried.criterion.lower().replace(" ", "_"): recorded(tried.score),
        "abscissa": tried.stability.abscissa,
        "stability": tried.stability.words,
    }


def show(tried: list[Tried]) -> None:
    """Print what was tried, in order."""
    criterion = tried[0].criterion
    view = rich.table.Table("tried", criterion, "spectral abscissa", "", box=None)
    for number, one in enumerate(tried):
        taken = (
            f"taken: stable, with the least {criterion}"
            if number == 0 and one.stability.stable
            else one.stability.words
        )
        view.add_row(said(one.name), f"{one.score:.4g}", f"{one.stability.abscissa:.4g}", taken)
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
    return float(h2_of_probes(probes, B.astype(probes.resolvent.dtype)).relative)
