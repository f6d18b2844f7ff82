"""Eigenvalues of many matrices at once, one core to each."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import jax
import numpy as np
from jax import Array
from jaxtyping import Float, Inexact
from threadpoolctl import ThreadpoolController

from jaxprune._checks import on_host
from jaxprune.linalg import eigenvalues, host_eigenvalues

_LIMIT = threading.Lock()


def ensemble_eigenvalues(
    *ensembles: Float[Array, "_ post pre"], symmetric: bool
) -> list[Inexact[np.ndarray, "_ mode"]]:
    """`eigenvalues` of every member of one or more ensembles, outside `jit`; a member that is not finite gets NaN.

    On a CPU the members are dealt out to threads, each with its share of the cores: half of a tridiagonalisation moves memory,
    so two matrices on two cores are done sooner than one after the other on both.

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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Views, each many members for one call: small matrices taken one by one would wait for the interpreter.
    pieces = [np.array_split(np.asarray(A), min(len(A), -(-cores // len(ensembles)))) for A in ensembles]
    flat = [piece for ensemble in pieces for piece in ensemble]
    threads = min(cores, len(flat))
    # The limit is the whole process's: threads that computed chunks side by side would undo each other's.
    with _LIMIT, _blas().limit(limits=max(1, cores // threads)), ThreadPoolExecutor(threads) as pool:
        values = pool.map(partial(_of_finite, symmetric=symmetric), flat)
        return [np.concatenate([next(values) for _ in ensemble]) for ensemble in pieces]


def _of_finite(A, *, symmetric):
    finite = np.isfinite(A).all(axis=(1, 2))
    usable = A if finite.all() else np.where(finite[:, None, None], A, 0)
    return np.where(finite[:, None], host_eigenvalues(usable, symmetric=symmetric), np.nan)


@lru_cache(maxsize=1)
def _blas():
    # Looking for the libraries takes milliseconds.
    return ThreadpoolController()
