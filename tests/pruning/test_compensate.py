"""Compensation and refit against least squares written out in full."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SYMMETRIC, dominant, quick_jit, stationary, untyped

import jaxprune
from jaxprune.linalg import certify
from jaxprune.pruning import compensate, refit

by_rows = quick_jit(lambda A, mask, C: compensate(A, mask, C, symmetric=False))
in_pairs = quick_jit(lambda A, mask, C: compensate(A, mask, C, symmetric=True))
blended = quick_jit(lambda A, mask, C, blend: refit(A, mask, C, blend=blend))

TOLERANCE = float(np.finfo(float).eps ** (2 / 3))
"""Relative residual at which the conjugate gradients stop; the error is that times the condition number."""


def random_mask(A, keep=0.4, symmetric=False, seed=0):
    kept = (jax.random.uniform(jax.random.key(seed), A.shape) < keep) & (A != 0) & ~jnp.eye(len(A), dtype=bool)
    kept = jnp.triu(kept, 1) | jnp.triu(kept, 1).T if symmetric else kept
    return kept.astype(A.dtype)


def closeness(A, C, power=1):
    """Error to allow for a metric of the condition number of C, or of its square."""
    return 100 * TOLERANCE * np.linalg.cond(C) ** power * float(np.abs(A).max())


def rows_by_hand(A, mask, C):
    A, C = np.asarray(A), np.asarray(C)
    S = np.zeros_like(A)
    for i in range(len(A)):
        support = np.flatnonzero(np.asarray(mask)[i])
        support = np.union1d(support, [i])
        S[i, support] = np.linalg.solve(C[np.ix_(support, support)], C[support] @ A[i])
    return S


def pairs_by_hand(A, mask, C, blend):
    """Least squares over one number per kept pair and one per leak, the objective written out as in the docstring."""
    A, C, n = np.asarray(A), np.asarray(C), len(A)
    C = C / (np.trace(C) / n)
    root = np.linalg.cholesky(C)
    # tr E C E = |E L|^2 and tr E C E C = |L' E L|^2 for C = L L'.
    parts = [(1 - blend) ** 0.5, blend**0.5]

    def residuals(E):
        return np.concatenate([(parts[0] * E @ root).ravel(), (parts[1] * root.T @ E @ root).ravel()])

    free = [(i, j) for i in range(n) for j in range(i, n) if i == j or np.asarray(mask)[i, j]]
    columns = []
    for i, j in free:
        E = np.zeros((n, n))
        E[i, j] = E[j, i] = 1
        columns.append(residuals(E))
    solution = np.linalg.lstsq(np.array(columns).T, residuals(A), rcond=None)[0]
    S = np.zeros((n, n))
    for (i, j), value in zip(free, solution, strict=True):
        S[i, j] = S[j, i] = value
    return S


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_solve_their_least_squares(family):
    A = dominant(family)
    C = stationary(A)
    mask = random_mask(A)
    np.testing.assert_allclose(by_rows(A, mask, C), rows_by_hand(A, mask, C), rtol=0, atol=closeness(A, C))


@pytest.mark.parametrize("family", SYMMETRIC)
def test_pairs_solve_theirs(family):
    A = dominant(family)
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    S = in_pairs(A, mask, C)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_allclose(S, pairs_by_hand(A, mask, C, 0.0), rtol=0, atol=closeness(A, C))


@pytest.mark.parametrize("family", SYMMETRIC)
@pytest.mark.parametrize("blend", [0.0, 0.5, 1.0])
def test_refit_solves_its_own(family, blend):
    A = dominant(family)
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    S = blended(A, mask, C, blend)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_allclose(S, pairs_by_hand(A, mask, C, blend), rtol=0, atol=closeness(A, C, 2))


def test_refit_without_blend_is_symmetric_compensation():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    np.testing.assert_allclose(blended(A, mask, C, 0.0), in_pairs(A, mask, C), rtol=0, atol=closeness(A, C))


def test_the_optimum_is_one():
    """Nothing on the support does better than what is returned, to first and second order."""
    A = dominant("dale")
    C = np.asarray(stationary(A))
    mask = random_mask(A)
    S = np.asarray(by_rows(A, mask, C=jnp.asarray(C)))

    def loss(S):
        return np.trace((A - S) @ C @ (A - S).T)

    support = np.asarray(mask) + np.eye(len(A))
    assert not S[support == 0].any()
    assert loss(S) < loss(np.asarray(A) * support)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert loss(S + 1e-3 * support * rng.normal(size=A.shape)) > loss(S)


def test_nothing_removed_nothing_changed():
    A = dominant("clustered")
    C = stationary(A)
    whole = (A != 0).astype(float) * (1 - jnp.eye(len(A)))
    for S in (by_rows(A, whole, C), in_pairs(A, whole, C), blended(A, whole, C, 1.0)):
        np.testing.assert_array_equal(S, A)


def test_nothing_kept_but_the_leak():
    A = dominant("gaussian")
    C = stationary(A)
    S = by_rows(A, jnp.zeros_like(A), C)
    np.testing.assert_allclose(S, np.diag(np.einsum("ij,ji->i", A, C) / np.diagonal(C)), rtol=1e-9)


def test_the_symmetric_form_is_taken_when_everything_is_symmetric():
    A = dominant("clustered")
    C = stationary(A)
    even, odd = random_mask(A, symmetric=True), random_mask(A)
    np.testing.assert_allclose(compensate(A, even, C), in_pairs(A, even, C), rtol=0, atol=closeness(A, C))
    np.testing.assert_allclose(compensate(A, odd, C), by_rows(A, odd, C), rtol=0, atol=closeness(A, C))
    assert np.abs(by_rows(A, even, C) - in_pairs(A, even, C)).max() > 1e-3


def test_rows_of_very_different_size_are_all_solved():
    scale = jnp.logspace(-6, 6, 16)
    A = dominant("gaussian") * scale[:, None]
    C = stationary(dominant("gaussian"))
    mask = random_mask(A)
    expected = rows_by_hand(A, mask, C)
    np.testing.assert_allclose(
        by_rows(A, mask, C) / scale[:, None], expected / scale[:, None], rtol=0, atol=closeness(A / scale[:, None], C)
    )


def test_refit_improves_the_certificate():
    """The blend trades drives for the quadratic form: at 1 the whitened error is least."""
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    whitened = []
    for blend in (0.0, 0.5, 1.0):
        E = np.asarray(A - blended(A, mask, C, blend))
        whitened.append(np.trace(E @ C @ E @ C))
    assert whitened[0] > whitened[1] > whitened[2]
    assert float(certify(A, blended(A, mask, C, 1.0)).epsilon) < float(certify(A, A * (mask + jnp.eye(16))).epsilon)


def test_steps_can_be_bounded():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    start = A * (mask + jnp.eye(16))
    np.testing.assert_array_equal(compensate(A, mask, C, max_iterations=0), start)
    np.testing.assert_array_equal(refit(A, mask, C, max_iterations=0), start)
    E = [np.asarray(A - compensate(A, mask, C, max_iterations=steps)) for steps in (0, 1, 2, 4)]
    losses = [np.trace(e @ np.asarray(C) @ e.T) for e in E]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_vmap_is_a_loop():
    A = dominant("clustered")
    C = stationary(A)
    masks = jnp.stack([random_mask(A, keep, symmetric=True, seed=1) for keep in (0.05, 0.5, 1.0)])
    for one in (by_rows, in_pairs):
        batch = jax.vmap(one, (None, 0, None))(A, masks, C)
        for mask, S in zip(masks, batch, strict=True):
            np.testing.assert_allclose(S, one(A, mask, C), rtol=0, atol=closeness(A, C))


def test_single_precision():
    A = dominant("clustered").astype(jnp.float32)
    C = (-jnp.linalg.inv(A) / 2).astype(jnp.float32)
    mask = random_mask(A, symmetric=True)
    for S, exact in (
        (by_rows(A, mask, C), rows_by_hand(A, mask, C)),
        (in_pairs(A, mask, C), pairs_by_hand(A, mask, C, 0.0)),
        (blended(A, mask, C, 1.0), pairs_by_hand(A, mask, C, 1.0)),
    ):
        assert S.dtype == jnp.float32
        tolerance = 10 * np.finfo(np.float32).eps ** (2 / 3) * np.linalg.cond(C)
        np.testing.assert_allclose(S, exact, rtol=0, atol=tolerance)


def test_errors():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    for adjust in (compensate, refit):
        with untyped(), pytest.raises(jaxprune.InputError, match=r"mask has shape \(2, 2\) and A has \(16, 16\)"):
            adjust(A, jnp.eye(2), C)
        with untyped(), pytest.raises(jaxprune.InputError, match=r"C has shape \(2, 2\)"):
            adjust(A, mask, jnp.eye(2))
        with pytest.raises(jaxprune.InputError, match=r"C\[0, 0\] is nan"):
            adjust(A, mask, C.at[0, 0].set(jnp.nan))
    with pytest.raises(jaxprune.InputError, match="not symmetric"):
        refit(A.at[0, 1].add(0.1), mask, C)
    with pytest.raises(jaxprune.InputError, match="not symmetric"):
        refit(A, jnp.triu(mask), C)
    for blend in (-0.1, 1.1, float("nan")):
        with pytest.raises(jaxprune.InputError, match="blend is"):
            refit(A, mask, C, blend=blend)
