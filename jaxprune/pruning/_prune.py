"""Pruning a network: importance, probabilities, mask, adjustment, in this order."""

import warnings
from typing import Any, NamedTuple, overload

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_fraction, check_key, check_leak, check_matrix, is_concrete
from jaxprune._types import Count, Mask, Matrix, PRNGKey, Real
from jaxprune.dynamics import Activity, activity_of, check_activity, need_activity
from jaxprune.linalg import is_symmetric, resolve_symmetry, stability, stationary_covariance, symmetrise
from jaxprune.linalg.sparse import LARGE, SampledCovariance, SparseMatrix, as_sparse, is_sparse, rows_of, with_data
from jaxprune.networks import count_components
from jaxprune.pruning._groups import check_pairs, pattern
from jaxprune.pruning._kinds import Kind, check_kind, fixed_entries, synapse_count, synapses
from jaxprune.pruning._mask import sample_mask
from jaxprune.pruning._names import named_rule
from jaxprune.pruning._probabilities import check_importance, keep_probabilities
from jaxprune.pruning._rules import Rule, is_plain, score_of
from jaxprune.pruning.adjust import Adjust, Survivors
from jaxprune.pruning.sparse import SparsePruned, prune_sparse


class Pruned(NamedTuple):
    """A pruned network.

    Attributes:
      matrix: the pruned matrix.
      mask: ones where a synapse stays.
      probabilities: the probability with which each could stay.
      importance: of each synapse, by the rule; zero where there is none.
    """

    matrix: Matrix
    mask: Mask
    probabilities: Matrix
    importance: Matrix


class FragmentationWarning(UserWarning):
    """The pruned network falls apart into more pieces than the original."""


class UnstableWarning(UserWarning):
    """Activity of the pruned network grows without limit, or decays to nothing only by rounding."""


@overload
def prune(
    key: PRNGKey,
    A: Matrix,
    rule: Rule | str,
    *,
    keep: Real | None = None,
    kind: Kind | None = None,
    symmetric: bool | None = None,
    activity: Activity | None = None,
    groups: str = "global",
    importance: Matrix | None = None,
    warn: bool = True,
) -> Pruned: ...
@overload
def prune(
    key: PRNGKey,
    A: SparseMatrix,
    rule: Rule | str,
    *,
    keep: Real | None = None,
    kind: Kind | None = None,
    symmetric: bool | None = None,
    activity: Activity | SampledCovariance | None = None,
    groups: str = "global",
    importance: SparseMatrix | None = None,
    warn: bool = True,
) -> SparsePruned: ...
def prune(
    key: PRNGKey,
    A: Any,
    rule: Rule | str,
    *,
    keep: Real | None = None,
    kind: Kind | None = None,
    symmetric: bool | None = None,
    activity: Any = None,
    groups: str = "global",
    importance: Any = None,
    warn: bool = True,
) -> Pruned | SparsePruned:
    """Prune a network, or a layer, by a rule.

    Importance r by the rule; probabilities `p = min(1, K r)` that add up to `keep` times the number of synapses,
    rounded to whole synapses (whole pairs when symmetric); a mask; then the rule's adjustment.

    Args:
      key: random key. The same key draws the same coins for every rule and fraction.
      A: stable dynamics matrix `A = W − diag(leak)`, in 1/time; or, as `kind` says, other weights. A sparse
        matrix (BCSR, or of SciPy) is a linear network; one of more than 3,000 neurons is pruned without a dense matrix, from
        samples of its activity (`linalg.sampled_covariance`).
      rule: for example `NoisePrune()`, your own `Rule`, or a name such as "weight+compensation" (`RULES`).
      keep: fraction of the synapses to keep, in (0, 1]; left out with a pattern such as groups="2:4", which says it.
      kind: what the weights belong to: a "linear" network with its leak on the diagonal (by default, of square matrices), a
        "recurrent" network without a leak, whose self-synapses stay and are not counted, or a "layer" between different
        neurons, whose diagonal is nothing special (by default, of other matrices).
      symmetric: decide once per pair; by default when A is symmetric.
      activity: of the presynaptic neurons, where the rule looks at it; by default, of a linear network, that under white noise
        of unit intensity (`linalg.stationary_covariance`; of a large sparse one, samples of it).
      groups: which synapses share a budget, as in `keep_probabilities`.
      importance: of each synapse, measured or computed before, in place of the rule's own; as large as A.
      warn: whether to look at the pruned network and warn as below, which takes time in a large one.

    Returns:
      The pruned matrix with its mask, probabilities and importances; of a sparse network all of them sparse, and the samples that
      the rule looked at.

    Raises:
      InputError: A empty or not finite, or with no synapse; a linear network that is not square, has a positive diagonal, or is
        singular or unstable; traced without `symmetric`; keep outside (0, 1] or too small for a single synapse; a rule that is
        none, or whose importance is of another shape, negative, not finite, or not symmetric for a symmetric network; activity
        that is missing or of other neurons; an adjustment that is not for this kind of network; a key that is no typed key.

    Warns:
      FragmentationWarning: the pruned network has more connected components than A.
      UnstableWarning: a linear network is not stable any more. What is left of it then says nothing of the original's activity.

    Example:
      >>> import jaxprune
      >>> W = jaxprune.networks.clustered(jax.random.key(0), (30, 20), bridges=40)
      >>> A = jaxprune.networks.dominant_leak(W)
      >>> pruned = jaxprune.prune(jax.random.key(1), A, "noise", keep=0.5)
      >>> bool(jaxprune.linalg.spectral_abscissa(pruned.matrix) < 0)
      True

    Reference: Moore2020.
    """
    check_key("key", key)
    rule = named_rule(rule)
    if is_sparse(A):
        return _prune_sparse(key, as_sparse("A", A), rule, keep, kind, symmetric, activity, groups, importance, warn)
    check_matrix("A", A)
    kind = check_kind(A, kind)
    if kind == "linear":
        check_leak("A", A)
    if kind == "layer":
        if symmetric:
            raise InputError("symmetric is True, but kind is 'layer': only pairs of one population mirror each other.")
        symmetric = False
    symmetric = resolve_symmetry(symmetric, A=A)
    if symmetric:
        A = symmetrise(A)
    count = _count(A, keep, groups, symmetric, kind)
    if activity is not None:
        check_activity(activity, A.shape[1])
    elif kind == "linear":
        activity = activity_of(stationary_covariance(A, structure="symmetric" if symmetric else "general"))
    elif rule.needs_activity:
        need_activity(None)
    if importance is not None:
        check_matrix("importance", importance, like=("A", A))
    pruned = apply_rule(
        key,
        A,
        activity,
        rule,
        count=count,
        keep=keep,
        symmetric=symmetric,
        kind=kind,
        groups=groups,
        importance=importance,
    )
    if warn and is_concrete(pruned.matrix) and kind != "layer":
        warn_of_fragments(A, pruned.mask, kind)
        if kind == "linear":
            _warn_of_growth(pruned.matrix)
    return pruned


def _prune_sparse(key, A, rule, keep, kind, symmetric, activity, groups, importance, warn):
    if kind not in (None, "linear") or groups != "global":
        what = f"kind is {kind!r}" if groups == "global" else f"groups is {groups!r}"
        raise InputError(
            f"{what}, but A is sparse: only linear networks with one global budget are pruned as sparse ones."
        )
    if keep is None:
        raise InputError("keep is not given: pass the fraction of synapses to keep, in (0, 1].")
    if A.shape[0] <= LARGE and not isinstance(activity, SampledCovariance):
        dense = None if importance is None else importance.todense()
        pruned = prune(
            key, A.todense(), rule, keep=keep, symmetric=symmetric, activity=activity, importance=dense, warn=warn
        )
        rows, columns = rows_of(A), A.indices
        return SparsePruned(
            as_sparse("matrix", pruned.matrix),
            as_sparse("mask", pruned.mask),
            with_data(A, pruned.probabilities[rows, columns]),
            with_data(A, pruned.importance[rows, columns]),
            None,
        )
    pruned = prune_sparse(key, A, rule, keep=keep, symmetric=symmetric, covariance=activity, importance=importance)
    if warn:
        warn_of_fragments(A, pruned.mask)
        _warn_of_growth(pruned.matrix)
    return pruned


def apply_rule(
    key: PRNGKey,
    A: Matrix,
    activity: Activity | None,
    rule: Rule,
    *,
    symmetric: bool,
    count: Count | None = None,
    keep: Real | None = None,
    kind: Kind = "linear",
    groups: str = "global",
    importance: Matrix | None = None,
) -> Pruned:
    """Prune by a rule without checking the network: `prune` as a pure function of arrays, for `jit` and `vmap`; `rule` is static.

    Args:
      key: random key.
      A: weights.
      activity: of the presynaptic neurons; None for a rule that does not look at it.
      rule: the rule.
      symmetric: decide once per pair.
      count: number of entries to keep, from `synapse_count`, for a global budget.
      keep: fraction to keep, for the other budgets.
      kind: as in `prune`.
      groups: as in `prune`.
      importance: if computed before (for many fractions), instead of the rule's own.

    Returns:
      As `prune`; the matrix is NaN where the importance, or the activity that the rule needs, is not finite (an unstable
      network), or where the importance is negative, or not symmetric for a symmetric network.

    Raises:
      InputError: what `prune` refuses of the importance, as far as its values are known.
    """
    if symmetric:
        check_pairs(groups)
    where = synapses(A, kind)
    known = jnp.ones((), bool)
    if rule.needs_activity and activity is None:
        need_activity(None)
    if activity is not None:
        activity = activity.astype(A.dtype)
        # A covariance that failed must not pass for "nothing is important".
        known = jnp.all(jnp.isfinite(activity.covariance)) | (not rule.adjust.needs_activity)
    if importance is None:
        importance = score_of(rule, A, activity, kind)
    importance, right = _checked(importance, A, where, symmetric, rule)
    probabilities = keep_probabilities(
        importance,
        count=count,
        keep=keep if count is None and pattern(groups) is None else None,
        where=where,
        groups=groups,
    )
    # Importance that is not finite makes all probabilities of its budget NaN.
    right &= jnp.isfinite(probabilities[0, 0] if groups in ("global", "layer") else jnp.sum(probabilities))
    mask = sample_mask(key, probabilities, symmetric=symmetric, method=rule.method, groups=groups)
    survivors = Survivors(A, mask, fixed_entries(A, kind), probabilities, activity, kind, symmetric, groups)
    matrix, mask = rule.adjust(survivors)
    return Pruned(jnp.where(known & right, matrix, jnp.nan), mask, probabilities, importance)


def readjust(
    A: Matrix,
    pruned: Pruned,
    adjust: Adjust,
    activity: Activity,
    *,
    kind: Kind,
    symmetric: bool = False,
    groups: str = "global",
) -> Pruned:
    """Adjust the weights of a pruned network once more, for another activity or in another way.

    Args:
      A: the original weights.
      pruned: from `prune` or `apply_rule`.
      adjust: what survivors do now.
      activity: of the presynaptic neurons.
      kind, symmetric, groups: as in `prune`.

    Example:
      >>> from jaxprune.dynamics import activity_of
      >>> from jaxprune.pruning import Compensate
      >>> W = jnp.array([[1.0, 1.0]])
      >>> pruned = prune(jax.random.key(0), W, "weight+keep", keep=0.5)
      >>> together = activity_of(jnp.ones((2, 2)))
      >>> readjust(W, pruned, Compensate(), together, kind="layer").matrix.sum().round(3)
      Array(2., dtype=float64)
    """
    fixed = fixed_entries(A, kind)
    activity = activity.astype(A.dtype)
    survivors = Survivors(A, pruned.mask, fixed, pruned.probabilities, activity, kind, symmetric, groups)
    matrix, mask = adjust(survivors)
    return pruned._replace(matrix=matrix, mask=mask)


def _checked(importance, A, where, symmetric, rule):
    """Importance of the synapses alone, and whether it can be used, where only a running program can tell."""
    if jnp.shape(importance) != A.shape:
        raise InputError(
            f"the rule's importance has shape {jnp.shape(importance)}, but the weights have {A.shape}: it must say one number "
            "for each entry."
        )
    importance = jnp.where(where, jnp.asarray(importance, A.dtype), 0)
    if symmetric and rule.pairs == "mean":
        importance = symmetrise(importance)
    if is_concrete(importance):
        check_importance(importance, where)
        if symmetric and not is_symmetric(importance):
            raise InputError(
                "the rule's importance is not symmetric, but the network is, and both ends of a pair share one weight: make "
                "it Rule(..., pairs='mean'), or pass symmetric=False to decide each direction by itself."
            )
    elif is_plain(rule.importance):
        return importance, jnp.array(True)
    if not symmetric:
        return importance, jnp.min(importance) >= 0
    # As few passes over the matrix as it takes: a sweep does this for every rule, fraction and network.
    even = symmetrise(importance)
    off = jnp.max(jnp.where(importance >= 0, jnp.abs(importance - even), jnp.inf))
    return even, 2 * off <= len(A) * jnp.finfo(A.dtype).eps * jnp.max(even)


def _count(A, keep, groups, symmetric, kind):
    """The number to keep of a global budget, checked; None for the other budgets."""
    numbers = pattern(groups)
    if numbers is not None:
        if keep is not None:
            raise InputError(f"keep is {keep}, but groups is {groups!r}, which says how many stay: leave keep out.")
        return None
    if keep is None:
        raise InputError("keep is not given: pass the fraction of synapses to keep, in (0, 1].")
    check_fraction("keep", keep)
    if groups != "global":
        return None
    count = synapse_count(A, keep, symmetric=symmetric, kind=kind)
    if is_concrete(count) and int(count) == 0:
        there = int(synapses(A, kind).sum())
        if there == 0:
            raise InputError("A has no synapse: there is nothing to prune.")
        raise InputError(
            f"keep is {float(keep):g}, which of this network's {there} synapses keeps none: raise it until one stays."
        )
    return count


def _warn_of_growth(B):
    found = stability(B)
    if not found.stable:
        how = "is unstable" if found.abscissa > found.rounding else "is marginal: it decays to nothing only by rounding"
        how = how if found.known else "may be unstable: the search for its slowest mode did not converge"
        warnings.warn(
            f"the pruned network {how} (spectral abscissa {found.abscissa:.3g}): keep more, strengthen with diagonal='matched', "
            "or take a rule that adjusts the survivors, such as 'noise+compensation'.",
            UnstableWarning,
            stacklevel=3,
        )


def warn_of_fragments(A: Any, mask: Any, kind: Kind = "linear") -> None:
    """Warn if a network falls apart when only the synapses of a mask stay; `prune` does.

    Args:
      A: the original; dense, or sparse.
      mask: ones where a synapse stays; sparse if A is.
      kind: as in `prune`.

    Warns:
      FragmentationWarning: with the numbers of components, and what it takes to have fewer.

    Example:
      >>> warn_of_fragments(jnp.array([[-2.0, 1.0], [1.0, -2.0]]), jnp.array([[0.0, 1.0], [1.0, 0.0]]))
    """
    before, after = count_components(A if is_sparse(A) else synapses(A, kind)), count_components(mask)
    if after > before:
        kept, neurons = int((mask.data if is_sparse(mask) else np.asarray(mask)).sum()), A.shape[0]
        warnings.warn(
            f"the pruned network falls apart into {after} connected components ({before} before): {kept} synapses stay, and "
            f"{neurons} neurons need at least {neurons - before} connected pairs to hold together; raise keep if modes across "
            "components matter.",
            FragmentationWarning,
            stacklevel=3,
        )
