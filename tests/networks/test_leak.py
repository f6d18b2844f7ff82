"""Leaks put the discs, or the slowest mode, exactly where they are asked to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from helpers import FAMILIES, SYMMETRIC, quick_jit, rounding, row_slack, untyped, weights

import jaxprune
from jaxprune.linalg.sparse import as_sparse, to_scipy
from jaxprune.networks import dominant_leak, perron_bound, scaled_inputs, sparse_clustered, stable_leak

LEAKS = [lambda W: dominant_leak(W, 0.5), lambda W: stable_leak(W, -0.5), lambda W: scaled_inputs(W, 0.5)]


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


@pytest.mark.parametrize("leak", LEAKS)
def test_diagonal_of_the_weights_is_ignored(leak):
    W = weights("gaussian")
    np.testing.assert_array_equal(leak(W + 7 * jnp.eye(len(W))), leak(W))


@pytest.mark.parametrize("leak", LEAKS)
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


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gain", [0.2, 0.9])
def test_scaled_inputs_are_stable_with_any_signs(family, gain):
    """One factor for all weights, one time constant, and no eigenvalue above gain - 1, however signs are dealt."""
    W = np.asarray(weights(family))
    A = np.asarray(scaled_inputs(jnp.asarray(W), gain))
    np.testing.assert_array_equal(np.diag(A), -1)
    factors = (A + np.eye(len(W)))[W != 0] / W[W != 0]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-12)
    rng = np.random.default_rng(0)
    for signs in (1, -1, rng.choice([-1, 1], W.shape)):
        turned = np.abs(A + np.eye(len(W))) * signs - np.eye(len(W))
        assert np.linalg.eigvals(turned).real.max() <= gain - 1 + 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_perron_bound_is_above_the_radius_and_near_it(family):
    W = np.asarray(weights(family))
    radius = np.abs(np.linalg.eigvals(np.abs(W))).max()
    bound = float(perron_bound(jnp.asarray(W)))
    assert bound >= radius * (1 - 1e-12)
    if family != "feedforward":
        assert bound <= 1.02 * radius
    assert float(perron_bound(jnp.asarray(W), steps=1)) >= radius * (1 - 1e-12)


def test_a_chain_has_no_eigenvalue_to_scale_by():
    """Its mean input is the scale: its weights do not grow without limit."""
    W = jnp.diag(jnp.full(4, 3.0), -1)
    np.testing.assert_allclose(jnp.diagonal(scaled_inputs(W, 0.9), -1), 0.9 * 5 / 4)


def test_errors():
    with pytest.raises(jaxprune.InputError, match="W has no synapse"):
        scaled_inputs(jnp.eye(3))
    for gain in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(jaxprune.InputError, match="gain is"):
            scaled_inputs(jnp.ones((2, 2)), gain)
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


@pytest.mark.parametrize("family", ["clustered", "dale"])
@pytest.mark.parametrize("leak", LEAKS)
def test_sparse_networks_get_the_same_leak(family, leak):
    """As arrays of JAX and of SciPy, with a diagonal that is ignored; entries nobody has stay unlisted."""
    W = weights(family)
    expected = leak(W)
    for given in (as_sparse("W", W + jnp.eye(len(W))), scipy.sparse.csc_matrix(W)):
        found = leak(given)
        rows = to_scipy(found)
        assert rows.has_canonical_format
        assert np.all(rows.data)
        assert rows.nnz == np.count_nonzero(expected)
        np.testing.assert_allclose(rows.toarray(), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(perron_bound(as_sparse("W", W)), perron_bound(W), rtol=1e-12)
    single = leak(as_sparse("W", W.astype(jnp.float32)))
    assert single.dtype == jnp.float32


@pytest.mark.parametrize("directed", [False, True])
def test_large_networks_get_their_slowest_mode(directed):
    """Where iterations find it: a cluster that excites itself, and one whose slowest modes turn."""
    W = sparse_clustered(
        jax.random.key(0), (300, 100), degree=12, bridges=40, mean=-0.3 if directed else 1.0, directed=directed
    )
    A = to_scipy(stable_leak(W, -0.25)).toarray()
    found = np.linalg.eigvals(A).real.max() if directed else np.linalg.eigvalsh(A).max()
    np.testing.assert_allclose(found, -0.25, rtol=0, atol=1e-8)


def test_sparse_networks_are_checked_like_others():
    W = as_sparse("W", weights("dale"))
    with pytest.raises(jaxprune.InputError, match=r"symmetric is True, but W\["):
        stable_leak(W, -0.3, symmetric=True)
    with pytest.raises(jaxprune.InputError, match=r"shape \(2, 3\).*square"):
        dominant_leak(scipy.sparse.csr_array(np.ones((2, 3))))
    with pytest.raises(jaxprune.InputError, match="W has no synapse"):
        scaled_inputs(scipy.sparse.eye_array(3).tocsr())
    with pytest.raises(jaxprune.InputError, match="slack is -1"):
        dominant_leak(W, -1)
    for call in (stable_leak, scaled_inputs):
        with pytest.raises(jaxprune.InputError, match=r"is 1\.5, but must be"):
            call(W, 1.5)
    # Without input, and without slack: nothing to list.
    assert dominant_leak(scipy.sparse.csr_array((3, 3))).nse == 0


def test_iterations_that_do_not_converge_are_refused(monkeypatch):
    def fails(*_, **__):
        raise scipy.sparse.linalg.ArpackNoConvergence("not yet", np.zeros(0), np.zeros(0))

    monkeypatch.setattr(scipy.sparse.linalg, "eigsh", fails)
    W = sparse_clustered(jax.random.key(0), (300,), degree=12, bridges=0)
    with pytest.raises(jaxprune.InputError, match=r"did not converge: take dominant_leak or scaled_inputs"):
        stable_leak(W, -0.25)
