"""Dense factorisations that may be vmapped.

jaxlib's CPU kernels split a *batched* factorisation over the thread pool that also runs the program, and wait for it. As many
independent batched calls as there are threads, two on a small machine, then wait for each other for ever. Under `vmap` on a
CPU these functions therefore loop over the batch; LAPACK does so in any case, and uses the cores inside each matrix. On
accelerators they batch.

Where they run. `eig` and `eigvals`, of general matrices, do not exist on TPUs; on GPUs, JAX by default asks the host's LAPACK.
They are behind `modes`, `reference`, `eigenvalues`, `spectral_abscissa`, `spectral_errors` and `certify` of networks that are not
symmetric, `departure_from_normality`, and sweeps of directed families. `tridiagonal`, behind the symmetric sweeps of a CPU alone,
exists on CPUs and GPUs. All others are safe on TPUs: everything of symmetric networks (with `symmetric=True` inside `jit`),
and of others the Lyapunov and Sylvester equations (doubling, products and solves), covariances, importance, pruning and its
adjustments, H2 error, information lost, simulation. A TPU has no double precision in hardware: spectra and certificates of
ill-conditioned networks belong on a CPU.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import jax.scipy.linalg
from jax import lax
from jax.custom_batching import sequential_vmap

Outcome = TypeVar("Outcome")


def _loop_on_cpu(
    function: Callable[..., Outcome], on_cpu: Callable[..., Outcome] | None = None
) -> Callable[..., Outcome]:
    looped = sequential_vmap(on_cpu or function)

    @jax.custom_jvp
    def call(*arguments):
        return lax.platform_dependent(*arguments, cpu=looped, default=function)

    @call.defjvp
    def _(primals, tangents):
        # sequential_vmap has no reverse mode; derivatives take JAX's own rules, batched or not.
        return jax.jvp(function, primals, tangents)

    return call


eigh = _loop_on_cpu(lambda A: tuple(jnp.linalg.eigh(A)))


def _eig_by_inverse(A):
    values, vectors = jnp.linalg.eig(A)
    return values, vectors, jnp.linalg.inv(vectors)


def _eig_of_both_sides(A):
    values, left, right = lax.linalg.eig(A, compute_left_eigenvectors=True, compute_right_eigenvectors=True)
    return values, right, left.conj().T


eig = _loop_on_cpu(_eig_by_inverse, on_cpu=_eig_of_both_sides)
"""Eigenvalues, right eigenvectors as columns, and left ones as conjugated rows of any size. On a CPU the left ones are found by
themselves: the inverse is wrong in all rows where any two modes are one, as in a network with feed-forward parts."""
eigvalsh = _loop_on_cpu(lambda A: jnp.linalg.eigvalsh(A))
eigvals = _loop_on_cpu(lambda A: jnp.linalg.eigvals(A))
inv = _loop_on_cpu(lambda A: jnp.linalg.inv(A))
lu_factor = _loop_on_cpu(lambda A: jax.scipy.linalg.lu_factor(A))
solve = _loop_on_cpu(lambda A, b: jnp.linalg.solve(A, b))
expm = _loop_on_cpu(lambda A: jax.scipy.linalg.expm(A))
lu_solve = _loop_on_cpu(lambda lu, pivots, b: jax.scipy.linalg.lu_solve((lu, pivots), b))
cho_inverse = _loop_on_cpu(
    lambda A: jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(A), jnp.eye(len(A), dtype=A.dtype))
)
cholesky = _loop_on_cpu(lambda A: jnp.linalg.cholesky(A))
solve_triangular = _loop_on_cpu(lambda L, b: jax.scipy.linalg.solve_triangular(L, b, lower=True))
tridiagonal = _loop_on_cpu(lambda A: tuple(lax.linalg.tridiagonal(A, lower=True)))
apply_reflectors = _loop_on_cpu(
    # From the right, which leaves rows where they are: LAPACK's matrices are columns, one after the other.
    lambda reflectors, scales, X: lax.linalg.ormqr(reflectors, scales, X.T, left=False, transpose=False).T
)
"""The product `Qᵀ X` with the orthogonal matrix of `tridiagonal`."""
