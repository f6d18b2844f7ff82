"""Measures of many matrices at once that need their eigenvalues, one core to each."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax import Array
from jaxtyping import Float, Inexact
from threadpoolctl import ThreadpoolController

from jaxprune._checks import on_host
from jaxprune.linalg import Reference, eigenvalues, host_eigenvalues, modes, project
from jaxprune.linalg.lapack import eigvalsh
from jaxprune.linalg.parts import (
    divergence_of_spectra,
    h2_of_modes,
    path_divergence,
    proven_epsilon,
    realised_divergence,
    reduce_symmetric,
    relative_h2,
    stationary_divergence,
)

LARGE = 200
"""Neurons from which epsilon and information lost are found without all deviations: there, that takes half of the time."""
NEGLIGIBLE = 1e-9
"""Relative error by rounding that information lost may have; it takes all deviations to have less where it is near zero."""


def ensemble_eigenvalues(
    *ensembles: Float[Array, "_ post pre"], symmetric: bool
) -> list[Inexact[np.ndarray, "_ mode"]]:
    """`eigenvalues` of every member of one or more ensembles, outside `jit`; a member that is not finite gets NaN.

    On a CPU the members are dealt out to threads of one core each: half of a tridiagonalisation moves memory, so two matrices on
    two cores are done sooner than one after the other on both, and the bits do not depend on the number of cores.

    Args:
      ensembles: matrices, in ensembles of any size.
      symmetric: as in `eigenvalues`.

    Example:
      >>> A = jnp.array([[[-1.0, 0.0], [0.0, -2.0]], [[jnp.nan, 0.0], [0.0, -1.0]]])
      >>> ensemble_eigenvalues(A, symmetric=True)
      [array([[-1., -2.],
             [nan, nan]])]
    """
    if not all(on_host(A) for A in ensembles):
        return [np.asarray(jax.vmap(partial(eigenvalues, symmetric=symmetric))(A)) for A in ensembles]
    # Views, each many members for one call: small matrices taken one by one would wait for the interpreter.
    pieces = [np.array_split(np.asarray(A), min(len(A), -(-_cores() // len(ensembles)))) for A in ensembles]
    values = iter(_deal_out(partial(_of_finite, symmetric=symmetric), [piece for each in pieces for piece in each]))
    return [np.concatenate([next(values) for _ in each]) for each in pieces]


class Response(NamedTuple):
    """Measures of one pruned network; what is not listed, as `linalg.Projection` and the measures are called.

    Attributes:
      eigenvalues: of the pruned matrix, slowest first.
      epsilon: largest deviation of a generalised eigenvalue from one; without a meaning where the original has no whitening.
    """

    eigenvalues: Any
    mode_error: Any
    angle: Any
    epsilon: Any
    h2_error: Any
    stationary: Any
    path: Any


def response(original: Reference, B: Array) -> Response:
    """Measures of a symmetric pruned network in compiled code, on any device."""
    seen, pruned = project(original, B), modes(B, symmetric=True)
    deviations = eigvalsh(seen.deviation)
    return Response(
        eigenvalues=pruned.eigenvalues,
        mode_error=seen.quadratic,
        angle=seen.angle,
        epsilon=jnp.max(jnp.abs(deviations)),
        h2_error=h2_of_modes(original.modes, pruned).relative,
        stationary=realised_divergence(original.whitening, deviations),
        path=path_divergence(original.modes.eigenvalues, seen.residual),
    )


def response_on_host(original: Reference, C: np.ndarray, B: np.ndarray) -> Response:
    """Measures of a symmetric pruned network by LAPACK and on one core: `response` in half of the time.

    Args:
      original: the original's arrays, in this machine's memory.
      C: its stationary covariance at unit noise.
      B: the pruned matrix; one that is not finite gets NaN.
    """
    rates, unknown = original.modes.eigenvalues, B.dtype.type(np.nan)
    if not np.isfinite(B).all():
        nothing = np.full_like(rates, np.nan)
        return Response(nothing, nothing, nothing, unknown, unknown, unknown, unknown)
    # JAX's precision may have been set for the caller's thread only.
    with jax.enable_x64(B.dtype == np.float64):
        reduced = jax.tree.map(np.asarray, _reduce(original.modes, B))
        values = scipy.linalg.eigvalsh_tridiagonal(
            reduced.diagonal, reduced.off, lapack_driver="sterf", check_finite=False
        )[::-1]
        h2_error, path = map(np.asarray, _measures(rates, reduced, values))
        epsilon, stationary = _deviations(original, C, B, reduced, values)
        return Response(
            eigenvalues=values,
            mode_error=np.abs(reduced.along / rates),
            angle=np.abs(rates + reduced.along) / reduced.image,
            epsilon=epsilon,
            h2_error=h2_error,
            stationary=stationary,
            path=path,
        )


def responses(pool: ThreadPoolExecutor, original: Reference, C: Array, pruned: Array) -> Callable[[], Response]:
    """Begin to measure an ensemble of symmetric pruned networks on the cores of this machine.

    Args:
      pool: from `cores`.
      original: of every member.
      C: stationary covariances of the originals at unit noise.
      pruned: the pruned matrices, member by member.

    Returns:
      A function that waits, and returns the measures of all members.
    """
    host, covariances, matrices = jax.tree.map(np.asarray, (original, C, pruned))
    tasks = [
        pool.submit(response_on_host, jax.tree.map(lambda leaf, i=i: leaf[i], host), covariances[i], B)
        for i, B in enumerate(matrices)
    ]
    return lambda: jax.tree.map(lambda *each: np.stack(each), *[task.result() for task in tasks])


_reduce = jax.jit(reduce_symmetric)
_divergence = jax.jit(divergence_of_spectra)
_stationary = jax.jit(stationary_divergence)


@jax.jit
def _measures(rates, reduced, values):
    return relative_h2(rates, reduced.squared, values), path_divergence(rates, reduced.residual[None, :])


def _deviations(original, C, B, reduced, values):
    """Epsilon and information lost."""
    A, F = original.matrix, original.whitening
    if not np.isfinite(F[0, 0]):
        return A.dtype.type(np.nan), A.dtype.type(np.nan)
    if len(A) >= LARGE and A.dtype == np.float64:
        lost, error = map(float, _divergence(reduced.along, original.modes.eigenvalues, values))
        if error <= NEGLIGIBLE * lost:
            epsilon = proven_epsilon(A, B, C, stable=bool(np.isfinite(lost)))
            if epsilon is not None:
                return np.asarray(epsilon), np.asarray(lost)
    deviation = F.T @ (A - B) @ F
    deviations = host_eigenvalues((deviation + deviation.T) / 2, symmetric=True)
    return np.abs(deviations).max(), np.asarray(_stationary(deviations))


class _OneThread:
    """The libraries of linear algebra use one thread, from the first entrance to the last exit: theirs is the whole process's."""

    def __init__(self):
        self._lock, self._inside, self._limit = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self):
        with self._lock:
            if not self._inside:
                self._limit.enter_context(_blas().limit(limits=1))
            self._inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.close()


one_thread = _OneThread()
"""A context in which results do not depend on the number of cores. Threads of the libraries also wait for those of JAX: with one,
a chunk of 200 neurons is made in a tenth of the time on two cores."""


@contextlib.contextmanager
def cores() -> Iterator[ThreadPoolExecutor]:
    """Threads for `responses`, one to each core; what has not begun when the context ends is dropped."""
    with one_thread, ThreadPoolExecutor(_cores()) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _deal_out(function, tasks):
    """Results of a function over tasks, computed in threads of one core each."""
    with one_thread, ThreadPoolExecutor(min(_cores(), len(tasks))) as pool:
        return list(pool.map(function, tasks))


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _of_finite(A, *, symmetric):
    finite = np.isfinite(A).all(axis=(1, 2))
    usable = A if finite.all() else np.where(finite[:, None, None], A, 0)
    return np.where(finite[:, None], host_eigenvalues(usable, symmetric=symmetric), np.nan)


@lru_cache(maxsize=1)
def _blas():
    # Looking for the libraries takes milliseconds.
    return ThreadpoolController()
