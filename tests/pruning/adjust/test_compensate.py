"""Compensation against least squares written out in full, by both solvers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, driven, quick_jit, stationary, untyped

import jaxprune
from jaxprune.dynamics import activity_of
from jaxprune.pruning import Compensate, compensate, drive_error
from jaxprune.pruning.adjust import Survivors

by_rows = quick_jit(lambda A, mask, C: compensate(A, mask, C, symmetric=False))
in_pairs = quick_jit(lambda A, mask, C: compensate(A, mask, C, symmetric=True))
by_factors = quick_jit(
    lambda A, mask, C, ridge: compensate(A, mask, C, ridge=ridge, solver="cholesky", symmetric=False)
)

TOLERANCE = float(np.finfo(float).eps ** (2 / 3))
"""Relative residual at which the conjugate gradients stop; the error is that times the condition number."""

W, RATES, H, MASK = driven()
exactly = functools.partial(compensate, solver="cholesky")
fit = functools.partial(exactly, leak=False, ridge=1e-6)


def random_mask(A, keep=0.4, symmetric=False, seed=0):
    kept = (jax.random.uniform(jax.random.key(seed), A.shape) < keep) & (A != 0) & ~jnp.eye(*A.shape, dtype=bool)
    kept = jnp.triu(kept, 1) | jnp.triu(kept, 1).T if symmetric else kept
    return kept.astype(A.dtype)


def closeness(A, C, power=1):
    """Error to allow for a metric of the condition number of C, or of its square."""
    return 100 * TOLERANCE * np.linalg.cond(C) ** power * float(np.abs(A).max())


def rows_by_hand(A, support, C, ridge=0.0):
    """Every row's normal equations on its own support, with the ridge that the docstring states."""
    A, support, C = np.asarray(A), np.asarray(support), np.asarray(C)
    C = C + ridge * np.trace(C) / len(C) * np.eye(len(C))
    S = np.zeros_like(A)
    for i in range(len(A)):
        chosen = np.flatnonzero(support[i])
        S[i, chosen] = np.linalg.solve(C[np.ix_(chosen, chosen)], C[chosen] @ A[i])
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
def test_rows_solve_their_least_squares_by_both_solvers(family):
    A = dominant(family)
    C = stationary(A)
    mask = random_mask(A)
    expected = rows_by_hand(A, mask + jnp.eye(SIZE), C)
    np.testing.assert_allclose(by_rows(A, mask, C), expected, rtol=0, atol=closeness(A, C))
    np.testing.assert_allclose(by_factors(A, mask, C, 0.0), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", SYMMETRIC)
def test_pairs_solve_theirs(family):
    A = dominant(family)
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    S = in_pairs(A, mask, C)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_allclose(S, pairs_by_hand(A, mask, C, 0.0), rtol=0, atol=closeness(A, C))


@pytest.mark.parametrize("ridge", [1e-3, 0.5])
def test_a_ridge_means_the_same_to_both_solvers(ridge):
    A = dominant("gaussian")
    C = stationary(A)
    mask = random_mask(A)
    expected = rows_by_hand(A, mask + jnp.eye(SIZE), C, ridge)
    descended = compensate(A, mask, C, ridge=ridge)
    np.testing.assert_allclose(descended, expected, rtol=0, atol=closeness(A, C))
    np.testing.assert_allclose(by_factors(A, mask, C, ridge), expected, rtol=1e-9, atol=1e-9)
    # It holds: the firmer, the nearer to the weights that were there.
    untouched = A * (mask + jnp.eye(SIZE))
    moved = [float(jnp.linalg.norm(by_factors(A, mask, C, rho) - untouched)) for rho in (0.0, ridge, 100.0)]
    assert moved[0] > moved[1] > moved[2]


def test_a_ridge_for_pairs():
    """The optimum of the stated objective with a ridge: a ridge is more covariance on the diagonal."""
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    held = C + 0.1 * jnp.trace(C) / SIZE * jnp.eye(SIZE)
    S = compensate(A, mask, C, ridge=0.1, symmetric=True)
    np.testing.assert_allclose(S, pairs_by_hand(A, mask, held, 0.0), rtol=0, atol=closeness(A, C))


def test_least_squares_of_what_neurons_did():
    """Not from moments but from rates: what each row's regression on its surviving inputs gives."""
    S = np.asarray(fit(W, MASK, H, ridge=1e-12))
    for i in range(SIZE):
        chosen = np.asarray(MASK[i]) > 0
        wanted = RATES @ np.asarray(W[i])
        expected = np.linalg.lstsq(RATES[:, chosen], wanted, rcond=None)[0] if chosen.any() else []
        np.testing.assert_allclose(S[i, chosen], expected, rtol=1e-6)
        np.testing.assert_array_equal(S[i, ~chosen], 0)


def test_layers_of_any_shape():
    """Fewer neurons than inputs, and more (more also than are solved at one size): no diagonal stays unasked."""
    C = stationary(dominant("dale"))
    for rows, solvers in ((5, (by_rows, functools.partial(by_factors, ridge=0.0))), (100, (exactly,))):
        layer = jax.random.normal(jax.random.key(1), (rows, SIZE))
        mask = (jax.random.uniform(jax.random.key(2), layer.shape) < 0.4).astype(float)
        for solve in solvers:
            expected = rows_by_hand(layer, mask, C)
            np.testing.assert_allclose(solve(layer, mask, C), expected, rtol=0, atol=closeness(layer, C))


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_the_leak_stays_and_a_diagonal_that_is_none_goes(solver):
    A = dominant("gaussian")
    C = stationary(A)
    mask = random_mask(A)
    options = {"solver": solver, "symmetric": False}
    for leak, support in ((None, mask + jnp.eye(SIZE)), (True, mask + jnp.eye(SIZE)), (False, mask)):
        S = compensate(A, mask, C, leak=leak, **options)
        np.testing.assert_allclose(S, rows_by_hand(A, support, C), rtol=0, atol=closeness(A, C))
    np.testing.assert_array_equal(jnp.diagonal(S), 0)
    # Asked for by the mask it stays in any case, and no differently.
    whole = mask + jnp.eye(SIZE)
    both = [compensate(A, whole, C, leak=leak, **options) for leak in (True, False)]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_an_input_that_never_fires_keeps_its_weight(solver):
    silent = H.at[5].set(0).at[:, 5].set(0)
    mask = jnp.ones_like(MASK).at[:, 0].set(0).at[2].set(0).at[2, 5].set(1)
    S = compensate(W, mask, silent, leak=False, ridge=1e-6 if solver == "cholesky" else 0.0, solver=solver)
    assert bool(jnp.all(jnp.isfinite(S)))
    np.testing.assert_allclose(S[:, 5], W[:, 5], rtol=1e-9)
    # All else is fitted as if that input were not there.
    heard = mask.at[:, 5].set(0)
    expected = rows_by_hand(W, heard, silent, 1e-9) + np.asarray(W) * np.eye(SIZE)[5]
    best, start = (float(drive_error(W, jnp.asarray(X), silent)) for X in (expected, W * mask))
    assert abs(float(drive_error(W, S, silent)) - best) < 1e-4 * (start - best)
    # The third neuron has only that input left, so it can do nothing.
    np.testing.assert_allclose(S[2], jnp.zeros(SIZE).at[5].set(W[2, 5]), rtol=1e-9)


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
    for S in (by_rows(A, whole, C), in_pairs(A, whole, C)):
        np.testing.assert_array_equal(S, A)
    np.testing.assert_allclose(by_factors(A, whole, C, 0.0), A, atol=1e-12)
    np.testing.assert_allclose(fit(W, jnp.ones_like(W), H), W, atol=1e-9)


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
    expected = rows_by_hand(A, mask + jnp.eye(SIZE), C)
    np.testing.assert_allclose(
        by_rows(A, mask, C) / scale[:, None], expected / scale[:, None], rtol=0, atol=closeness(A / scale[:, None], C)
    )


def test_steps_can_be_bounded():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    start = A * (mask + jnp.eye(16))
    np.testing.assert_array_equal(compensate(A, mask, C, max_iterations=0), start)
    E = [np.asarray(A - compensate(A, mask, C, max_iterations=steps)) for steps in (0, 1, 4)]
    losses = [np.trace(e @ np.asarray(C) @ e.T) for e in E]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_vmap_is_a_loop_and_a_member_that_is_not_finite_is_nan_and_alone():
    A = dominant("clustered")
    C = stationary(A)
    masks = jnp.stack([random_mask(A, keep, symmetric=True, seed=1) for keep in (0.05, 0.5, 1.0)])
    covariances = jnp.stack([C, C.at[3, 3].set(jnp.nan), 2 * C])
    for one in (by_rows, in_pairs, functools.partial(by_factors, ridge=1e-6)):
        batch = jax.vmap(lambda mask, C, one=one: one(A, mask, C))(masks, covariances)
        assert bool(jnp.all(jnp.isnan(batch[1])))
        for member in (0, 2):
            alone = one(A, masks[member], covariances[member])
            np.testing.assert_allclose(batch[member], alone, rtol=0, atol=closeness(A, C))
        for bad in (jnp.nan, jnp.inf):
            assert bool(jnp.all(jnp.isnan(one(A, masks[0], C.at[0, 1].set(bad)))))


def test_single_precision():
    A = dominant("clustered").astype(jnp.float32)
    C = (-jnp.linalg.inv(A) / 2).astype(jnp.float32)
    mask = random_mask(A, symmetric=True)
    by_hand = rows_by_hand(A, mask + jnp.eye(SIZE, dtype=A.dtype), C)
    for S, exact in (
        (by_rows(A, mask, C), by_hand),
        (by_factors(A, mask, C, 0.0), by_hand),
        (in_pairs(A, mask, C), pairs_by_hand(A, mask, C, 0.0)),
    ):
        assert S.dtype == jnp.float32
        tolerance = 10 * np.finfo(np.float32).eps ** (2 / 3) * np.linalg.cond(C)
        np.testing.assert_allclose(S, exact, rtol=0, atol=tolerance)


def test_two_patterns_of_activity_have_a_fit_in_single_precision():
    """Trials without noise have few patterns, and rounding makes the moment of many inputs indefinite."""
    rng = np.random.default_rng(0)
    states = 3 * rng.normal(size=(60, 2)) @ rng.normal(size=(2, 300))
    W, mask = rng.normal(size=(20, 300)), rng.random((20, 300)) < 0.5
    W, mask, H = (jnp.asarray(array, jnp.float32) for array in (W, mask, states.T @ states / len(states)))
    S = compensate(W, mask, H, leak=False, ridge=1e-6, solver="cholesky", symmetric=False)
    assert S.dtype == jnp.float32
    assert float(drive_error(W, S, H)) < 1e-3
    assert float(drive_error(W, W * mask, H)) > 0.1


def test_fits_by_rows_have_a_derivative():
    A = dominant("clustered")
    C, mask = -jnp.linalg.inv(A) / 2, random_mask(A, symmetric=True)

    def total(scale):
        S = compensate(scale * A, mask, C, leak=True, ridge=1e-6, solver="cholesky", symmetric=False)
        return jnp.sum(S**2)

    assert float(jax.grad(total)(1.5)) == pytest.approx(3 * float(total(1.0)), rel=1e-9)


def test_fit_never_loses_more_than_leaving_survivors_alone():
    assert float(drive_error(W, fit(W, MASK, H), H)) < float(drive_error(W, W * MASK, H))


def test_drive_error_is_the_lost_share_of_the_drive():
    drive, kept = RATES @ np.asarray(W).T, RATES @ np.asarray(W * MASK).T
    np.testing.assert_allclose(drive_error(W, W * MASK, H), ((drive - kept) ** 2).sum() / (drive**2).sum(), rtol=1e-10)


def test_the_adjustment_chooses_its_solver_by_the_kind_of_network():
    """Conjugate gradients without a ridge where there is a leak, Cholesky with one where there is none; or as it is told."""
    A = dominant("gaussian")
    C = stationary(A)
    mask, identity, none = random_mask(A), jnp.eye(SIZE), jnp.zeros_like(A)
    linear = Survivors(A, mask, identity, mask, activity_of(C), "linear")
    S, same = Compensate()(linear)
    assert same is mask
    np.testing.assert_allclose(S, rows_by_hand(A, mask + identity, C), rtol=0, atol=closeness(A, C))

    layer = Survivors(W, MASK, none, MASK, activity_of(H), "layer")
    np.testing.assert_array_equal(Compensate()(layer)[0], fit(W, MASK, H))
    np.testing.assert_array_equal(Compensate(ridge=0.1)(layer)[0], fit(W, MASK, H, ridge=0.1))
    rough, exact = (Compensate(solver=solver)(linear)[0] for solver in ("cg", "cholesky"))
    assert float(jnp.abs(exact - rows_by_hand(A, mask + identity, C, 1e-6)).max()) < 1e-12
    assert float(jnp.abs(exact - rough).max()) > 1e-12
    assert Compensate(ridge=0.1).again() == Compensate(ridge=0.1)


def test_self_synapses_of_a_recurrent_network_are_refitted_and_stay():
    own = W + jnp.diag(jnp.linspace(0.1, 0.5, SIZE).at[4].set(0))
    fixed = jnp.diag((jnp.diagonal(own) != 0).astype(float))
    S, _ = Compensate()(Survivors(own, MASK, fixed, MASK, activity_of(H), "recurrent"))
    np.testing.assert_allclose(S, rows_by_hand(own, MASK + fixed, H, 1e-6), rtol=0, atol=1e-9)
    assert int((jnp.diagonal(S) != 0).sum()) == SIZE - 1


def test_errors():
    A = dominant("clustered")
    C = stationary(A)
    mask = random_mask(A, symmetric=True)
    layer, kept = jnp.ones((3, SIZE)), jnp.ones((3, SIZE))
    for call, words in (
        (lambda: compensate(A, jnp.eye(2), C), r"mask has shape \(2, 2\) and A has \(16, 16\)"),
        (lambda: compensate(A, mask, jnp.eye(2)), r"C has shape \(2, 2\)"),
        (lambda: compensate(layer, kept, jnp.eye(3)), "second moment of the presynaptic neurons"),
        (lambda: compensate(A, mask, C.at[0, 0].set(jnp.nan)), r"C\[0, 0\] is nan"),
        (lambda: compensate(A, mask, C, ridge=-1e-3), "ridge is -0.001"),
        (lambda: compensate(A, mask, C, solver="lu"), "solver is 'lu', but must be one of 'cg', 'cholesky'"),
        (lambda: compensate(A, mask, C, solver="cholesky", symmetric=True), "two rows share each weight"),
        (lambda: compensate(A.at[0, 1].add(0.1), mask, C, symmetric=True), "A is not symmetric"),
        (lambda: compensate(A, jnp.triu(mask), C, symmetric=True), "mask is not symmetric"),
        (lambda: compensate(layer, kept, C, symmetric=True), "only a square matrix can be symmetric"),
        (lambda: compensate(layer, kept, C, leak=True), "no diagonal of leaks"),
        (lambda: jax.jit(compensate)(A, mask, C), "is traced, so that its symmetry cannot be looked up"),
        (lambda: Compensate(solver="lu"), "solver is 'lu'"),
        (lambda: Compensate(ridge=-1.0), "ridge is -1"),
        (lambda: Compensate()(Survivors(A, mask, jnp.eye(SIZE), mask, None, "linear")), "the rule looks at activity"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words) as refusal:
            call()
        assert "\n" not in str(refusal.value)
