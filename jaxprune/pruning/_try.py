"""Which rule suits a network: try the few sensible ones, the best stable one first."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax

from jaxprune.linalg import Stability, stability
from jaxprune.pruning._names import named_rule
from jaxprune.pruning._prune import Pruned, prune
from jaxprune.pruning._rules import NoisePrune, Rule
from jaxprune.pruning.adjust import Strengthen
from jaxprune.pruning.sparse import SparsePruned

AUTO: dict[str, Rule] = {
    "noise": NoisePrune(),
    "noise, leak as it was": NoisePrune(adjust=Strengthen(diagonal="original")),
    "noise+keep": named_rule("noise+keep"),
    "noise+compensation": named_rule("noise+compensation"),
    "weight+compensation": named_rule("weight+compensation"),
}
"""What is tried, by the name of the rule and, after a comma, what is not as its name says."""


class Tried(NamedTuple):
    """A rule that was tried: its name, what it made of the network, how well by which criterion, and whether it is stable."""

    name: str
    rule: Rule
    pruned: Pruned | SparsePruned
    criterion: str
    score: float
    stability: Stability


def try_rules(
    key: jax.Array,
    A: Any,
    activity: Any,
    keep: float,
    *,
    symmetric: bool,
    criterion: str,
    score: Callable[[Any], float],
) -> list[Tried]:
    """Prune by every rule of `AUTO`: stable ones first, by their score, then the others by their abscissa.

    Args:
      key: random key, the same for all.
      A: dynamics matrix, dense or sparse.
      activity: as `prune` takes it.
      keep: fraction of synapses to keep.
      symmetric: whether A is.
      criterion: what the score is, in words.
      score: of a pruned matrix; lower is better.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> found = try_rules(
      ...     jax.random.key(0), A, None, 1.0, symmetric=True, criterion="difference", score=lambda B: float(jnp.abs(B - A).max())
      ... )
      >>> found[0].name, found[0].score
      ('noise', 0.0)
    """
    found = []
    for name, rule in AUTO.items():
        pruned: Any = prune(key, A, rule, keep=keep, symmetric=symmetric, activity=activity, warn=False)
        value = score(pruned.matrix)
        found.append(Tried(name, rule, pruned, criterion, value, stability(pruned.matrix)))
    return sorted(found, key=lambda tried: (not tried.stability.stable, tried.score, tried.stability.abscissa))


def stable_ones(tried: Iterable[Tried], said: Callable[[str], str] = str) -> str:
    """Which of the rules that were tried are stable, in words, with their scores; nothing if none is.

    Args:
      tried: from `try_rules`.
      said: how a name is said.
    """
    return ", ".join(f"{said(one.name)} ({one.criterion} {one.score:.3g})" for one in tried if one.stability.stable)
