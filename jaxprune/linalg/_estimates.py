"""Measures of a large pruned network, in seconds: extremes of spectra by iteration, the H2 error from probes."""

from typing import Any, NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError, check_pair, check_square
from jaxprune._types import Matrix, PRNGKey
from jaxprune.linalg._certificate import certificate_from
from jaxprune.linalg._extremes import slow_modes, stability
from jaxprune.linalg._lyapunov import has_covariance, lyapunov
from jaxprune.linalg._measures import SLOW, Measures
from jaxprune.linalg._probes import H2Estimate, Probes, estimate_h2, h2_of_probes, probe
from jaxprune.linalg._reference import Modes, mode_errors
from jaxprune.linalg._spectrum import is_symmetric
from jaxprune.linalg.sparse import (
    AnySparse,
    Estimate,
    SlowModes,
    SparseCertificate,
    check_sparse_pair,
    is_sparse,
    resolve_pair_symmetry,
    sampled_covariance,
)
from jaxprune.linalg.sparse.parts import certificate_of, modes_of, response_of

DENSE = 3000
"""Neurons up to which a sparse network that is not symmetric is made dense for its H2 error."""
SAMPLES = 32
"""Samples of the activity of such a network."""


class Estimates(NamedTuple):
    """Measures of a large pruned network, and how well its H2 error is known.

    Attributes:
      measures: as from `measure`, but for `h2`, which is estimated, and for `sorted_median` and `sorted_slow`, which need all
        eigenvalues and are NaN.
      h2: the estimate of the H2 error with its standard error.
    """

    measures: Measures
    h2: H2Estimate


class SparseEstimates(NamedTuple):
    """Measures of a large pruned network, each with how it was found and how well it is known.

    Attributes:
      h2, slow_modes, worst_mode, stationary, path: as of `Measures`; NaN where there is no estimator for the network.
      certificate: as from `certify`.
    """

    h2: Estimate
    slow_modes: Estimate
    worst_mode: Estimate
    stationary: Estimate
    path: Estimate
    certificate: SparseCertificate

    @property
    def words(self) -> str:
        """One line for each measure."""
        lines = [f"{name}: {value.words}" for name, value in self._asdict().items() if isinstance(value, Estimate)]
        return "\n".join([*lines, f"certificate: {self.certificate.words}"])


@overload
def estimate_measures(
    key: PRNGKey | Probes,
    A: Matrix,
    B: Matrix,
    *,
    C: Matrix | None = None,
    modes: Modes | None = None,
    slow: int = SLOW,
) -> Estimates: ...
@overload
def estimate_measures(
    key: PRNGKey, A: AnySparse, B: AnySparse, *, modes: SlowModes | None = None, slow: int = SLOW
) -> SparseEstimates: ...
def estimate_measures(
    key: PRNGKey | Probes,
    A: Any,
    B: Any,
    *,
    C: Matrix | None = None,
    modes: Any = None,
    slow: int = SLOW,
) -> Estimates | SparseEstimates:
    """Measure a large pruned network as `measure` does, without any decomposition that takes minutes.

    The H2 error is estimated from probes (`estimate_h2`). The slowest modes, the abscissa and epsilon are found by iteration, to
    rounding. The information lost is exact for the covariances that are given and computed; in single precision it has some
    three digits.

    Of sparse matrices no dense matrix is made: the response and the information lost are estimated from probes (as by
    `sparse.sparse_response`), and each measure says by what, and how well it is known. Those of a sparse network that is not
    symmetric are fewer: the H2 error up to 3,000 neurons, by a dense inverse, and of the information lost only that of
    trajectories, from simulated activity.

    Args:
      key: random key of the probes; or A prepared for many estimates, by `parts.probe`, in single precision if that will do.
      A: the original dynamics matrix, in 1/time, stable; its entries must be known. BCSR or SciPy sparse as well.
      B: the pruned one, of the same kind.
      C: stationary covariance of A at unit noise; its precision is that in which B's is computed. Without it, the information
        lost is not computed, and NaN.
      modes: slowest modes of A, from `slow_modes`, if known.
      slow: number of slowest modes looked at.

    Returns:
      The measures, and the H2 error with its standard error; of sparse matrices `SparseEstimates`.

    Raises:
      InputError: a matrix not square, empty, not finite or traced, or of different sizes.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> estimate_measures(jax.random.key(0), A, jnp.diag(jnp.diagonal(A)), slow=2).measures.slow_modes.round(3)
      Array(0.667, dtype=float64)

    Reference: Lehoucq1998 (ARPACK); those of `estimate_h2` and `information_lost`.
    """
    if is_sparse(A) or is_sparse(B):
        if C is not None or isinstance(key, Probes):
            raise InputError("C and prepared probes are for dense matrices: leave C out, and pass a random key.")
        return _of_sparse(key, A, B, modes, slow)
    check_pair(A, B)
    if modes is None:
        modes = slow_modes(A, slow)
    found = stability(B)
    prepared = key if isinstance(key, Probes) else probe(key, A)
    h2 = h2_of_probes(prepared, B.astype(prepared.resolvent.dtype))
    # The slowest mode decides; a series that is cut off would not see a growth that is slow enough.
    h2 = H2Estimate(jnp.where(jnp.isnan(h2.relative) | found.stable, h2.relative, jnp.inf), h2.error)
    along = mode_errors(modes, B)[0]
    unknown = jnp.full((), jnp.nan, A.dtype)
    stationary = path = unknown
    if C is not None:
        check_square("C", C, like=("A", A))
        stationary, path = _information(A, B, C, stable=found.stable)
    epsilons, definite = _deviations(np.asarray(A), np.asarray(B))
    certificate = _certified(
        A, B, jnp.full_like(A, 1 if definite else jnp.nan), deviations=jnp.asarray(epsilons),
        abscissa=jnp.asarray(found.abscissa), symmetric=is_symmetric(A) and is_symmetric(B),
    )  # fmt: skip
    measures = Measures(h2.relative, jnp.mean(along), jnp.max(along), stationary, path, unknown, unknown, certificate)
    return Estimates(measures, h2)


def _of_sparse(key: PRNGKey, A: Any, B: Any, found: Any, slow: int) -> SparseEstimates:
    A, B = check_sparse_pair(A, B)
    symmetric = resolve_pair_symmetry(None, A, B)
    known = modes_of(A, slow, symmetric) if found is None else found
    along = np.asarray(mode_errors(known, B)[0])
    how = f"{len(along)} slowest modes, by iteration"
    # What a mode is off by changes the form along it by about the same share.
    off = np.asarray(known.residuals / jnp.abs(known.eigenvalues))
    h2, stationary, path = response_of(key, A, B)[:3] if symmetric else _of_directed(key, A, B)
    return SparseEstimates(
        h2=h2,
        slow_modes=Estimate(float(along.mean()), 0.0, float(off.mean()), how),
        worst_mode=Estimate(float(along.max()), 0.0, float(off.max()), how),
        stationary=stationary,
        path=path,
        certificate=certificate_of(A, B, symmetric),
    )


def _of_directed(key, A, B):
    """What can be had of a sparse network that is not symmetric."""
    h2_key, sample_key = jax.random.split(key)
    none = Estimate(np.nan, np.nan, np.nan, "none: only symmetric networks of this size have an estimator")
    h2 = none
    if A.shape[0] <= DENSE:
        found = estimate_h2(h2_key, A.todense(), B.todense())
        h2 = Estimate(float(found.relative), float(found.error), 0.0, "32 patterns, by a dense inverse")
    sampled = sampled_covariance(sample_key, A, method="simulation", probes=SAMPLES)
    activity = sampled.samples
    each = jnp.sum((A @ activity - B @ activity) ** 2, axis=0) / (2 * len(activity))
    mean, error = (float(part[0]) for part in sampled.mean_over(each[None, :]))
    how = f"{SAMPLES} samples of simulated activity in {sampled.replicas} independent replicas"
    # What a mode's standard deviation is off by counts twice in its variance.
    return h2, none, Estimate(mean, error, 2 * float(sampled.solve_error) * mean, how)


# Compiled: its many passes over large matrices become one.
_certified = jax.jit(certificate_from, static_argnames="symmetric")


def _information(A, B, C, *, stable):
    """Divergences from two covariances, by determinants: `information_lost` without eigenvalues."""
    import scipy.linalg

    n, change = len(A), np.asarray(B - A)
    own = np.asarray(C, dtype=np.float64)
    path = jnp.asarray(np.sum((change @ own) * change) / (2 * n))
    if not stable:
        return jnp.asarray(np.inf), path
    theirs = lyapunov(B.astype(C.dtype), jnp.eye(n, dtype=C.dtype), symmetric=True).value
    if not bool(has_covariance(B.astype(C.dtype), theirs)):
        return jnp.asarray(np.nan), path
    theirs = np.asarray(theirs, dtype=np.float64)
    try:
        factors = [scipy.linalg.cholesky((X + X.T) / 2, lower=True) for X in (own, theirs)]
    except scipy.linalg.LinAlgError:  # nearly singular: the covariance is not known to enough digits
        return jnp.asarray(np.nan), path
    mixed = scipy.linalg.solve_triangular(factors[1], factors[0], lower=True)
    logs = [np.log(np.diagonal(L)).sum() for L in factors]
    return jnp.asarray((np.sum(mixed**2) / 2 - n / 2 + logs[1] - logs[0]) / n), path


def _deviations(A, B):
    """The two extreme relative deviations of the quadratic form, and whether the original's is definite."""
    import scipy.linalg
    import scipy.sparse.linalg as iterative

    try:
        L = scipy.linalg.cholesky(-(A + A.T) / 2, lower=True)
    except scipy.linalg.LinAlgError:
        return np.zeros(2), False
    change = (A - B + A.T - B.T) / 2
    if len(A) < 4 or not change.any():
        half = scipy.linalg.solve_triangular(L, change, lower=True)
        values = np.linalg.eigvalsh(scipy.linalg.solve_triangular(L, half.T, lower=True))
        return values[[0, -1]], True

    def apply(x):
        return scipy.linalg.solve_triangular(L, change @ scipy.linalg.solve_triangular(L.T, x), lower=True)

    operator: Any = iterative.LinearOperator(A.shape, matvec=apply, dtype=A.dtype)  # pyright: ignore[reportCallIssue]
    ends = iterative.eigsh(operator, 2, which="BE", v0=np.ones(len(A)), ncv=min(60, len(A)), return_eigenvectors=False)
    return np.sort(ends), True
