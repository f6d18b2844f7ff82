"""Products that are known to be symmetric."""

import jax
import numpy as np
import pytest

from jaxprune.linalg._products import SMALLEST, symmetric_product


@pytest.mark.parametrize("n", [1, 5, SMALLEST - 1, SMALLEST, SMALLEST + 1])
def test_equals_the_whole_product(n):
    M = jax.random.normal(jax.random.key(0), (n, n))
    X = M + M.T
    product = symmetric_product(M @ X, M.T)
    np.testing.assert_allclose(product, M @ X @ M.T, atol=1e-12 * n**2)
