"""Noise importance estimated from a finite time of activity, with a confidence interval."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxprune._checks import InputError, check_positive, check_square, is_concrete
from jaxprune._types import Matrix, Real
from jaxprune.pruning._importance import weight_importance


class MeasuredImportance(NamedTuple):
    """Importance with a confidence interval.

    Attributes:
      value: the estimate, to be used as any importance.
      low: lower end of the interval, not below zero.
      high: upper end.
    """

    value: Matrix
    low: Matrix
    high: Matrix


def measured_importance(
    A: Matrix,
    variance: Matrix,
    error: Matrix,
    *,
    batches: Real | None = None,
    confidence: Real = 0.95,
    precision: Real | None = None,
    observed: Real | None = None,
) -> MeasuredImportance:
    """Noise importance and its confidence interval, from the measured variance of the difference of two neurons.

        rᵢⱼ = |aᵢⱼ| v̂ᵢⱼ ± t |aᵢⱼ| se(v̂ᵢⱼ),   v̂ᵢⱼ the measured variance of xᵢ − sᵢⱼ xⱼ

    with t the quantile of Student's distribution with one degree of freedom less than there are batches: a standard error from
    few batches is itself uncertain.

    Args:
      A: the network, in 1/time.
      variance: v̂, in activity squared, as from `dynamics.Differences`; zero or anything where there is no synapse.
      error: its standard error, as from `dynamics.BatchMeans`.
      batches: how many the standard error is from, `Estimate.batches`; without it, enough that the normal quantile will do.
      confidence: probability that an interval covers its true value.
      precision: if given, the half width of the interval relative to the importance that the median synapse must reach.
      observed: time of observation behind `variance`; with `precision`, to say how much would be enough.

    Returns:
      Importance and interval; zero where there is no synapse.

    Raises:
      InputError: arguments not square or of different shapes, fewer than two batches, confidence outside (0, 1), precision not
        positive, a negative standard error, precision asked inside `jit` or `vmap`, or an observation too short for it (with the
        time that would do).

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> v = jnp.full((2, 2), 0.3)
      >>> low, high = measured_importance(A, v, 0.1 * v)[1:]
      >>> low[0, 1].round(3), high[0, 1].round(3)
      (Array(0.241, dtype=float64), Array(0.359, dtype=float64))

    Reference: Moore2020 (the rule); the interval is Student's for batch means, Flegal2010.
    """
    for name, value in (("A", A), ("variance", variance)):
        check_square(name, value)
    if not A.shape == variance.shape == error.shape:
        raise InputError(
            f"A, variance and error have shapes {A.shape}, {variance.shape} and {error.shape}, but must belong to one network."
        )
    if is_concrete(confidence) and not 0 < float(confidence) < 1:
        raise InputError(f"confidence is {float(confidence):g}, but must be between 0 and 1.")
    weight = weight_importance(A)
    value = weight * jnp.maximum(variance, 0)
    if batches is not None and is_concrete(batches) and float(batches) < 2:
        raise InputError(f"batches is {float(batches):g}, but a standard error takes two or more: observe longer.")
    error = jnp.where(weight > 0, error, 0)
    _check_error(error)
    half = _quantile(confidence, batches) * weight * error
    if precision is not None:
        if not is_concrete(precision, value, half):
            raise InputError(
                "precision is compared with numbers that are not known inside jit or vmap: call measured_importance outside of "
                "them, or leave precision out."
            )
        check_positive("precision", precision)
        _check_precision(np.asarray(value), np.asarray(half), float(precision), observed)
    return MeasuredImportance(value, jnp.maximum(value - half, 0), value + half)


def _quantile(confidence, batches):
    """How many standard errors an interval reaches to either side."""
    if batches is None:
        return jax.scipy.stats.norm.ppf((1 + confidence) / 2)
    # Student's: the probability outside +-t is the incomplete beta function at x = n / (n + t^2).
    degrees = jnp.asarray(batches, float) - 1

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        inside = jax.scipy.special.betainc(degrees / 2, 0.5, middle) < 1 - confidence
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    low, high = lax.fori_loop(0, 60, halve, (jnp.zeros_like(degrees), jnp.ones_like(degrees)))
    x = (low + high) / 2
    return jnp.sqrt(degrees * (1 - x) / x)


def _check_error(error):
    if is_concrete(error) and bool(jnp.any(error < 0)):
        i, j = (int(index) for index in np.argwhere(np.asarray(error) < 0)[0])
        raise InputError(
            f"error[{i}, {j}] is {float(error[i, j]):g}, but no standard error is negative: pass that of the variance."
        )


def _check_precision(value, half, precision, observed):
    present = value > 0
    reached = float(np.median(half[present] / value[present])) if present.any() else np.inf
    if reached <= precision:
        return
    if not np.isfinite(reached):
        raise InputError(
            "the observation is too short: there is no standard error yet, which takes two batches or more."
        )
    # Standard errors fall with the square root of the time.
    factor = (reached / precision) ** 2
    needed = f"{factor:.3g} times as long" if observed is None else f"for {factor * float(observed):.4g} units of time"
    raise InputError(
        f"the observation is too short: the median synapse knows its importance to {reached:.2g} of its value, but precision is "
        f"{precision:g}: observe {needed}."
    )
