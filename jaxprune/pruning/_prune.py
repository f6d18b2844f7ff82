"""Pruning a network: importance, probabilities, mask, adjustment, in this order."""

import warnings
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.sparse.csgraph
from jax import Array
from jaxtyping import Bool, Num

from jaxprune._checks import InputError, check_fraction, check_leak, check_square, is_concrete
from jaxprune._types import Count, Mask, Matrix, PRNGKey, Real
from jaxprune.linalg import resolve_symmetry, stationary_covariance
from jaxprune.pruning._compensate import compensate, refit
from jaxprune.pruning._mask import sample_mask
from jaxprune.pruning._probabilities import keep_probabilities
from jaxprune.pruning._rules import Rule
from jaxprune.pruning._strengthen import matched_diagonal, strengthen


class Pruned(NamedTuple):
    """A pruned network.

    Attributes:
      matrix: the pruned dynamics matrix.
      mask: ones where a synapse stays.
      probabilities: the probability with which each could stay.
      importance: of each synapse, by the rule.
    """

    matrix: Matrix
    mask: Mask
    probabilities: Matrix
    importance: Matrix


class FragmentationWarning(UserWarning):
    """The pruned network falls apart into more pieces than the original."""


def prune(
    key: PRNGKey, A: Matrix, rule: Rule, *, keep: Real, symmetric: bool | None = None, C: Matrix | None = None
) -> Pruned:
    r"""Prune a network by a rule.

    Importance $r$ by the rule; probabilities $p = \min(1, K r)$ with $\sum p = \text{keep} \times$ the number of synapses,
    rounded to whole synapses (whole pairs when symmetric); a mask; then strengthening with its diagonal, or compensation.

    Args:
      key: random key. The same key draws the same coins for every rule and fraction.
      A: stable dynamics matrix $A = W - \operatorname{diag}(\text{leak})$, in 1/time.
      rule: for example `NoisePrune()`.
      keep: fraction of A's nonzero off-diagonal entries to keep, in (0, 1].
      symmetric: decide once per pair; by default when A is symmetric (inside `jit`, where that is unknown, no).
      C: stationary covariance, if known already; else computed.

    Returns:
      The pruned matrix with its mask, probabilities and importances.

    Raises:
      InputError: A not square, empty, not finite, with a positive diagonal, without synapses, singular or unstable; keep
        outside (0, 1] or too small for a single synapse; `refit` for a network that is not symmetric.

    Warns:
      FragmentationWarning: the pruned network has more connected components than A.

    Example:
      >>> import jaxprune
      >>> W = jaxprune.networks.clustered(jax.random.key(0), (30, 20), bridges=40)
      >>> A = jaxprune.networks.dominant_leak(W)
      >>> pruned = jaxprune.prune(jax.random.key(1), A, jaxprune.pruning.NoisePrune(), keep=0.5)
      >>> bool(jaxprune.linalg.spectral_abscissa(pruned.matrix) < 0)
      True

    Reference: Moore2020.
    """
    check_square("A", A)
    check_leak("A", A)
    check_fraction("keep", keep)
    symmetric = resolve_symmetry(symmetric, A=A)
    if rule.adjust == "refit" and not symmetric:
        raise InputError("rule has adjust='refit', which needs a symmetric network: use adjust='compensate'.")
    count = synapse_count(A, keep, symmetric=symmetric)
    if is_concrete(count) and int(count) == 0:
        raise InputError(
            f"keep is {float(keep):g}, which of this network's {int(_synapses(A).sum())} synapses keeps none: "
            "raise it until one stays."
        )
    if C is None:
        C = stationary_covariance(A, structure="symmetric" if symmetric else "general")
    pruned = apply_rule(key, A, C, rule, count=count, symmetric=symmetric)
    if is_concrete(pruned.mask):
        _warn_of_fragments(A, pruned.mask)
    return pruned


def apply_rule(key: PRNGKey, A: Matrix, C: Matrix, rule: Rule, *, count: Count, symmetric: bool) -> Pruned:
    """`prune` without its checks and covariance: a pure function of arrays, for `jit` and `vmap`; `rule` is static.

    Args:
      key: random key.
      A: dynamics matrix.
      C: its stationary covariance.
      rule: the rule.
      count: number of entries to keep, from `synapse_count`.
      symmetric: decide once per pair.

    Returns:
      As `prune`; the matrix is NaN where the rule needs a covariance that is not finite (an unstable network).
    """
    importance = rule.importance(A, C)
    probabilities = keep_probabilities(importance, count=count)
    mask = sample_mask(key, probabilities, symmetric=symmetric, method=rule.method)
    if rule.adjust == "compensate":
        matrix = compensate(A, mask, C, symmetric=symmetric)
    elif rule.adjust == "refit":
        matrix = refit(A, mask, C)
    else:
        matrix = strengthen(A, mask, probabilities, cap=rule.cap)
        if rule.diagonal == "matched":
            matrix = matched_diagonal(A, matrix)
    # A covariance that failed must not pass for "nothing is important".
    used = (importance,) if rule.adjust == "strengthen" else (importance, C)
    known = jnp.array([jnp.all(jnp.isfinite(value)) for value in used]).all()
    return Pruned(jnp.where(known, matrix, jnp.nan), mask, probabilities, importance)


def synapse_count(A: Matrix, keep: Real, *, symmetric: bool) -> Count:
    """Number of off-diagonal entries that a kept fraction means, rounded to whole synapses (whole pairs if symmetric)."""
    unit = 2 if symmetric else 1
    return unit * jnp.round(keep * jnp.sum(_synapses(A)) / unit).astype(jnp.int32)


def count_components(mask: Num[Array, "post pre"] | Bool[Array, "post pre"]) -> int:
    """Number of connected components, directions ignored, of the network whose synapses are the nonzero entries."""
    return int(
        scipy.sparse.csgraph.connected_components(scipy.sparse.csr_array(np.asarray(mask)), connection="weak")[0]
    )


def _synapses(A):
    return (A != 0) & ~jnp.eye(len(A), dtype=bool)


def _warn_of_fragments(A, mask):
    before, after = count_components(_synapses(A)), count_components(mask)
    if after > before:
        warnings.warn(
            f"the pruned network falls apart into {after} connected components ({before} before): {int(mask.sum())} "
            f"synapses stay, and {len(A)} neurons need at least {len(A) - before} connected pairs to hold together; raise keep "
            "if modes across components matter.",
            FragmentationWarning,
            stacklevel=3,
        )
