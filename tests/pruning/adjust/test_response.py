"""The best weights on a mask: a minimum of the H2 error, with the gradient that theory says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SYMMETRIC, dominant, untyped

import jaxprune
from jaxprune import linalg
from jaxprune.pruning import prune
from jaxprune.pruning.adjust import match_response
from jaxprune.pruning.adjust._response import _value_and_gradient

pytestmark = pytest.mark.filterwarnings("ignore::jaxprune.pruning.FragmentationWarning")
FAMILIES = ("clustered", "dale")


def case(family, keep=0.4):
    A = dominant(family)
    pruned = prune(jax.random.key(1), A, "noise+compensation", keep=keep)
    return A, pruned.mask, pruned.matrix


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_is_that_of_the_squared_error(family):
    A, _, S = case(family)
    symmetric = family in SYMMETRIC
    original = jnp.linalg.eigh(A) if symmetric else A
    value, gradient = _value_and_gradient(original, S, symmetric)
    error = linalg.h2_error(A, S)
    np.testing.assert_allclose(value + error.norm**2, error.difference**2, rtol=1e-6)
    general = jax.grad(lambda S: linalg.h2_error(A, S, symmetric=False).difference ** 2)(S)
    np.testing.assert_allclose(gradient, (general + general.T) / 2 if symmetric else general, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_a_minimum_on_the_mask(family):
    A, mask, start = case(family)
    found = match_response(A, mask, start)
    assert found.converged
    error = linalg.h2_error(A, found.matrix)
    np.testing.assert_allclose(found.relative, error.relative, rtol=1e-6)
    assert float(error.relative) < 0.999 * float(linalg.h2_error(A, start).relative)
    support = np.asarray(mask) + np.eye(len(A))
    assert not np.asarray(found.matrix)[support == 0].any()
    for seed in range(5):
        step = jax.random.normal(jax.random.key(seed), A.shape) * support
        step = (step + step.T) / 2 if family in SYMMETRIC else step
        near = float(linalg.h2_error(A, found.matrix + 1e-3 * step).relative)
        assert near > found.relative - 1e-9


def test_refusals():
    A, mask, start = case("clustered")
    with untyped():
        with pytest.raises(jaxprune.InputError, match="start is not stable"):
            match_response(A, mask, start + 10 * jnp.eye(len(A)))
        # Stable as it is, but not without the inhibition that is not on the mask.
        held = jnp.array([[0.1, 1.0], [-1.0, -1.0]])
        with pytest.raises(jaxprune.InputError, match="start is not stable on the mask"):
            match_response(-jnp.eye(2), jnp.zeros((2, 2)), held)
        with pytest.raises(jaxprune.InputError, match="nearly unstable"):
            match_response(-jnp.eye(2), jnp.zeros((2, 2)), -1e-8 * jnp.eye(2))
        with pytest.raises(jaxprune.InputError, match="A is not stable"):
            match_response(A + 10 * jnp.eye(len(A)), mask, start)
        with pytest.raises(jaxprune.InputError, match="mask"):
            match_response(A, mask[:3], start)
