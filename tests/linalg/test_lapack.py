"""Factorisations that may be vmapped: a batch is a loop, and derivatives are JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import dominant, quick_jit

from jaxprune.linalg import lapack

DIRECTED = jnp.stack([dominant("gaussian", seed) for seed in range(3)])
SYMMETRIC = jnp.stack([dominant("clustered", seed) for seed in range(3)])
B = jax.random.normal(jax.random.key(0), (3, 16))


def rebuilt(A):
    """A from its eigenvectors: these are unique up to their phases."""
    values, vectors, left = lapack.eig(A)
    overlap = jnp.sum(left.T * vectors, axis=0)
    return (vectors @ jnp.diag(values / overlap) @ left).real


def rebuilt_symmetric(A):
    values, vectors = lapack.eigh(A)
    return vectors @ jnp.diag(values) @ vectors.T


def ordered(values):
    return jnp.sort_complex(values.astype(complex))


CASES = {
    "eigh": (rebuilt_symmetric, (SYMMETRIC,), lambda A: A),
    "eig": (rebuilt, (DIRECTED,), lambda A: A),
    "eigvalsh": (lapack.eigvalsh, (SYMMETRIC,), np.linalg.eigvalsh),
    "eigvals": (lambda A: ordered(lapack.eigvals(A)), (DIRECTED,), lambda A: np.sort_complex(np.linalg.eigvals(A))),
    "inv": (lapack.inv, (DIRECTED,), np.linalg.inv),
    "solve": (lapack.solve, (DIRECTED, B), np.linalg.solve),
    "expm": (lapack.expm, (DIRECTED,), scipy.linalg.expm),
    "lu": (lambda A, b: lapack.lu_solve(*lapack.lu_factor(A), b), (DIRECTED, B), np.linalg.solve),
    "cho_inverse": (lambda A: lapack.cho_inverse(-A), (SYMMETRIC,), lambda A: np.linalg.inv(-A)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_batch_is_a_loop(name):
    function, arguments, expected = CASES[name]
    together = quick_jit(jax.vmap(function))(*arguments)
    for position, alone in enumerate(zip(*arguments, strict=True)):
        np.testing.assert_allclose(together[position], expected(*map(np.asarray, alone)), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(function(*alone), together[position], rtol=1e-10, atol=1e-10)


def test_what_is_not_positive_definite_has_no_inverse_by_cholesky():
    assert bool(jnp.all(jnp.isnan(lapack.cho_inverse(SYMMETRIC[0]))))


def test_gradients_of_a_batch():
    slopes = quick_jit(jax.vmap(jax.grad(lambda A: jnp.sum(lapack.inv(A)))))(DIRECTED)
    for A, slope in zip(DIRECTED, slopes, strict=True):
        inverse = np.linalg.inv(A)
        # d sum(X^-1) = -sum(X^-1 dX X^-1).
        expected = -np.outer(inverse.sum(axis=0), inverse.sum(axis=1))
        np.testing.assert_allclose(slope, expected, rtol=1e-9, atol=1e-12)
