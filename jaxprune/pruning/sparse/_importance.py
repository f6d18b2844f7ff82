"""Importance of the synapses of a large network."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError
from jaxprune.linalg.sparse import (
    SampledCovariance,
    SparseMatrix,
    rows_of,
    with_data,
)
from jaxprune.pruning._importance import need_samples, noise_importance
from jaxprune.pruning._rules import NoisePower, Rule, noise, passed_on, uniform, weight


def sparse_importance(rule: Rule, A: SparseMatrix, covariance: SampledCovariance | None) -> SparseMatrix:
    """The importance of a rule for each entry of a large network; zero on the diagonal.

    Args:
      rule: one whose importance is uniform, weight, noise (with any exponent) or activity.
      A: the network.
      covariance: of its activity, where the rule looks at it.

    Raises:
      InputError: another importance, which is a function of dense matrices.
    """
    score = rule.importance
    if score is uniform:
        return with_data(A, _off_diagonal(A, jnp.ones_like(A.data)))
    if score is weight:
        return with_data(A, _off_diagonal(A, jnp.abs(A.data)))
    if score is noise or isinstance(score, NoisePower):
        exponent = score.exponent if isinstance(score, NoisePower) else 1.0
        return noise_importance(A, need_samples(covariance), exponent=exponent)
    if score is passed_on:
        return with_data(A, _passed_on(A, need_samples(covariance), rule.pairs == "mean"))
    raise InputError(
        f"the importance {getattr(score, '__name__', score)!r} is a function of dense matrices, and this network is sparse and "
        "large: take uniform, weight, noise, noise^EXPONENT or activity, or pass importance=, a sparse matrix of A's places."
    )


@jax.jit
def _off_diagonal(A, values):
    return jnp.where(rows_of(A) == A.indices, 0, values)


@jax.jit
def _passed_on(A, covariance, mean):
    sd = jnp.sqrt(covariance.variances)
    rows = rows_of(A)
    ends = jnp.where(mean & covariance.symmetric, (sd[rows] + sd[A.indices]) / 2, sd[A.indices])
    return _off_diagonal(A, jnp.abs(A.data) * ends)
