"""Leaks put the discs, or the slowest mode, exactly where they are asked to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, quick_jit, rounding, row_slack, untyped, weights

import jaxprune
from jaxprune.networks import dominant_leak, stable_leak


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("slack", [0.0, 0.25])
def test_dominant_leak_gives_every_row_its_slack(family, slack):
    W = weights(family)
    A = dominant_leak(W, slack)
    np.testing.assert_allclose(row_slack(A), slack, rtol=0, atol=rounding(A))
    off_diagonal = ~np.eye(len(W), dtype=bool)
    np.testing.assert_array_equal(np.asarray(A)[off_diagonal], np.asarray(W)[off_diagonal])
    assert np.linalg.eigvals(A).real.max() <= -slack + rounding(A, factor=100)


@pytest.mark.parametrize("family", FAMILIES)
def test_stable_leak_puts_the_slowest_mode(family):
    W = weights(family)
    A = np.asarray(stable_leak(W, -0.3))
    np.testing.assert_allclose(np.linalg.eigvals(A).real.max(), -0.3, atol=1e-10)
    np.testing.assert_array_equal(A - np.diag(np.diag(A)), W)
    np.testing.assert_array_equal(np.diag(A), A[0, 0])


@pytest.mark.parametrize("leak", [lambda W: dominant_leak(W, 0.5), lambda W: stable_leak(W, -0.5)])
def test_diagonal_of_the_weights_is_ignored(leak):
    W = weights("gaussian")
    np.testing.assert_array_equal(leak(W + 7 * jnp.eye(len(W))), leak(W))


@pytest.mark.parametrize("leak", [lambda W: dominant_leak(W, 0.5), lambda W: stable_leak(W, -0.5)])
def test_precision_follows_the_weights(leak):
    assert leak(weights("clustered").astype(jnp.float32)).dtype == jnp.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_inside_jit_the_symmetry_must_be_said(family):
    W = weights(family)
    with pytest.raises(jaxprune.InputError, match="W is traced"):
        jax.eval_shape(lambda W: stable_leak(W, -0.3), W)
    symmetric = family in SYMMETRIC
    inside = quick_jit(lambda W: stable_leak(W, -0.3, symmetric=symmetric))(W)
    np.testing.assert_allclose(inside, stable_leak(W, -0.3), rtol=0, atol=1e-10)
    with pytest.raises(jaxprune.InputError, match="W is not symmetric"):
        stable_leak(weights("dale"), -0.3, symmetric=True)


def test_errors():
    with pytest.raises(jaxprune.InputError, match=r"shape \(2, 3\).*square"):
        dominant_leak(jnp.zeros((2, 3)))
    with pytest.raises(jaxprune.InputError, match="0 x 0"):
        dominant_leak(jnp.zeros((0, 0)))
    with pytest.raises(jaxprune.InputError, match=r"W\[0, 1\] is nan \(1 such"):
        stable_leak(jnp.array([[0.0, jnp.nan], [0.0, 0.0]]), -1.0)
    with pytest.raises(jaxprune.InputError, match="slack is -1"):
        dominant_leak(jnp.zeros((2, 2)), -1)
    with pytest.raises(jaxprune.InputError, match="slack is inf"):
        dominant_leak(jnp.zeros((2, 2)), float("inf"))
    for abscissa in (0.0, 0.5, float("nan")):
        with pytest.raises(jaxprune.InputError, match="abscissa is"):
            stable_leak(jnp.zeros((2, 2)), abscissa)
    with untyped(), pytest.raises(jaxprune.InputError, match="dtype int"):
        dominant_leak(jnp.zeros((2, 2), int))
