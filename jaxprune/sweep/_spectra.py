"""Eigenvalues and responses of many matrices at once, one core to each."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import jax
import numpy as np
import scipy.linalg
from jax import Array
from jaxtyping import Float, Inexact
from threadpoolctl import ThreadpoolController

from jaxprune._checks import on_host
from jaxprune.linalg import Modes, eigenvalues, host_eigenvalues, modes
from jaxprune.linalg.parts import h2_of_modes, reduce_symmetric, relative_h2


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


def ensemble_responses(
    original: Modes, *pruned: tuple[Float[Array, "_ post pre"], Float[Array, "_ post mode"]]
) -> list[tuple[Float[np.ndarray, "_ mode"], Float[np.ndarray, " _"]]]:
    """Eigenvalues and relative H2 errors of symmetric pruned networks, outside `jit`; a member that is not finite gets NaN.

    On a CPU the members are dealt out to threads, as in `ensemble_eigenvalues`.

    Args:
      original: modes of the originals, over members.
      pruned: ensembles of pruned matrices, member by member of the originals, each with its `Projection.residual`.

    Returns:
      For each ensemble: eigenvalues, slowest first, and errors.
    """
    if not on_host(original.eigenvalues):
        found = [jax.vmap(_response)(original, B) for B, _ in pruned]
        return [(np.asarray(values), np.asarray(errors)) for values, errors in found]
    rates = np.asarray(original.eigenvalues)
    tasks = [each for B, R in pruned for each in zip(rates, np.asarray(B), np.asarray(R), strict=True)]
    found = _deal_out(_response_on_host, tasks)
    parts = [found[start : start + len(rates)] for start in range(0, len(found), len(rates))]
    return [(np.stack([values for values, _ in part]), np.stack([error for _, error in part])) for part in parts]


def _response(original, B):
    pruned = modes(B, symmetric=True)
    return pruned.eigenvalues, h2_of_modes(original, pruned).relative


_reduce = jax.jit(reduce_symmetric)
_relative = jax.jit(relative_h2)


def _response_on_host(task):
    original, B, residual = task
    if not np.isfinite(B).all():
        return np.full_like(original, np.nan), original.dtype.type(np.nan)
    # JAX's precision may have been set for the caller's thread only.
    with jax.enable_x64(original.dtype == np.float64):
        reduced = _reduce(original, B, residual)
        T = np.asarray(reduced.diagonal), np.asarray(reduced.off)
        values = scipy.linalg.eigvalsh_tridiagonal(*T, lapack_driver="sterf", check_finite=False)[::-1]
        return values, np.asarray(_relative(original, reduced.squared, values))


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
