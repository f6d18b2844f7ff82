"""The doubling solver against Bartels and Stewart, its residual, its result codes and its derivatives."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
import scipy.linalg
from helpers import FAMILIES, SIZE, dominant, quick_jit, untyped, weights

import jaxprune
from jaxprune.linalg import LyapunovCode, lyapunov, sylvester
from jaxprune.linalg._lyapunov import _solve, _squared_norm_of_square
from jaxprune.networks import stable_leak

solve = quick_jit(lyapunov)
ROTATION = jnp.array([[0.0, 1.0], [-1.0, 0.0]])


def backward_error(A, X, Q):
    """Normwise backward error in NumPy."""
    A, X, Q = (np.asarray(value) for value in (A, X, Q))
    norm = np.linalg.norm
    return norm(A @ X + X @ A.T + Q) / (norm(Q) + 2 * norm(A) * norm(X))


def right_hand_side(n=SIZE, seed=9):
    return jax.random.normal(jax.random.key(seed), (n, n))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("abscissa", [-1.0, -0.05])
def test_agrees_with_scipy(family, abscissa):
    A = stable_leak(weights(family), abscissa)
    Q = right_hand_side()
    solution = solve(A, Q)
    expected = scipy.linalg.solve_continuous_lyapunov(np.asarray(A), -np.asarray(Q))
    # Both are backward stable, so they differ by at most rounding times the condition number of the Lyapunov operator.
    identity = np.eye(SIZE)
    operator = np.kron(A, identity) + np.kron(identity, A)
    tolerance = 10 * SIZE * np.finfo(float).eps * np.linalg.cond(operator)
    assert tolerance < 1e-3
    assert np.linalg.norm(solution.value - expected) < tolerance * np.linalg.norm(expected)
    assert int(solution.code) == LyapunovCode.SUCCESSFUL
    assert solution.residual < SIZE * np.finfo(float).eps


def test_residual_is_that_of_the_solution_given():
    A, Q = dominant("dale"), right_hand_side()
    solution = solve(A, Q)
    assert backward_error(A, solution.value, Q) < SIZE * np.finfo(float).eps
    # One doubling is far from a solution: the value is withheld, and the residual is that of the withheld value.
    early = lyapunov(A, Q, max_doublings=1)
    assert int(early.code) == LyapunovCode.NOT_CONVERGED
    assert int(early.doublings) == 1
    withheld, _, _ = _solve(1, False, (A,), Q)
    np.testing.assert_allclose(early.residual, backward_error(A, withheld, Q), rtol=1e-12)
    assert float(early.residual) > 1e-3
    assert bool(jnp.all(jnp.isnan(early.value)))


@pytest.mark.parametrize("family", FAMILIES)
def test_sylvester(family):
    A, B, Q = stable_leak(weights(family), -0.3), stable_leak(weights("gaussian"), -0.05), right_hand_side()
    X = quick_jit(sylvester)(A, B, Q)
    expected = scipy.linalg.solve_sylvester(np.asarray(A), np.asarray(B).T, -np.asarray(Q))
    np.testing.assert_allclose(X, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(sylvester(A, A, Q), lyapunov(A, Q).value, rtol=1e-9, atol=1e-12)
    # One grows as fast as the other decays: there is no such covariance.
    assert bool(jnp.all(jnp.isnan(sylvester(A, -A, Q))))


def test_derivatives_of_sylvester():
    A, B, Q = stable_leak(weights("dale"), -0.5), stable_leak(weights("gaussian"), -0.4), right_hand_side()
    jax.test_util.check_grads(
        lambda A, B: sylvester(jnp.asarray(A), jnp.asarray(B), Q)[0], (A, B), order=1, modes=("fwd", "rev"), eps=1e-5
    )


def test_single_precision():
    A, Q = dominant("gaussian").astype(jnp.float32), right_hand_side().astype(jnp.float32)
    solution = solve(A, Q)
    assert solution.value.dtype == solution.residual.dtype == jnp.float32
    assert backward_error(np.asarray(A, float), solution.value, np.asarray(Q, float)) < SIZE * np.finfo(np.float32).eps
    exact = scipy.linalg.solve_continuous_lyapunov(np.asarray(A, float), -np.asarray(Q, float))
    np.testing.assert_allclose(solution.value, exact, rtol=0, atol=1e-4 * np.abs(exact).max())


def test_badly_scaled_modes():
    A = -jnp.diag(jnp.logspace(-5, 5, SIZE))
    solution = solve(A, jnp.eye(SIZE))
    assert int(solution.code) == LyapunovCode.SUCCESSFUL
    np.testing.assert_allclose(jnp.diagonal(solution.value), np.logspace(5, -5, SIZE) / 2, rtol=1e-10)


def test_one_neuron():
    solution = lyapunov(jnp.array([[-4.0]]), jnp.array([[2.0]]))
    np.testing.assert_allclose(solution.value, [[0.25]], rtol=1e-15)


@pytest.mark.parametrize(
    "A",
    [
        -jnp.eye(2) + 3 * jnp.array([[0.0, 1.0], [1.0, 0.0]]),
        jnp.eye(2),
        0.1 * jnp.eye(2) + ROTATION,
        jnp.array([[-1.0, 0.0], [0.0, 1e-3]]),
    ],
    ids=["saddle", "growing", "spiral", "slow"],
)
def test_unstable(A):
    solution = lyapunov(A, jnp.eye(2))
    assert LyapunovCode(int(solution.code)) is LyapunovCode.UNSTABLE
    assert bool(jnp.all(jnp.isnan(solution.value)))


@pytest.mark.parametrize(
    "A",
    [ROTATION, jnp.diag(jnp.array([-1.0, 0.0])), jnp.array([[-1.0, 1.0], [1.0, -1.0]]), jnp.zeros((2, 2))],
    ids=["oscillation", "zero", "laplacian", "nothing"],
)
def test_an_eigenvalue_on_the_axis_is_no_success(A):
    solution = lyapunov(A, jnp.eye(2))
    assert int(solution.code) in (LyapunovCode.NOT_CONVERGED, LyapunovCode.UNSTABLE)
    assert bool(jnp.all(jnp.isnan(solution.value)))


def test_eigenvalues_on_the_axis_that_cannot_grow_are_called_not_converged():
    assert LyapunovCode(int(lyapunov(ROTATION, jnp.eye(2)).code)) is LyapunovCode.NOT_CONVERGED


def test_an_unstable_member_does_not_disturb_the_others():
    stable = [dominant("gaussian"), dominant("dale"), stable_leak(weights("feedforward"), -1e-3)]
    members = jnp.stack(
        [stable[0], dominant("gaussian") + 2 * jnp.eye(SIZE), stable[1], jnp.full_like(stable[0], jnp.nan), stable[2]]
    )
    Q = right_hand_side()
    solutions = quick_jit(jax.vmap(lyapunov, (0, None)))(members, Q)
    assert [LyapunovCode(int(code)).name for code in solutions.code] == [
        "SUCCESSFUL",
        "UNSTABLE",
        "SUCCESSFUL",
        "UNSTABLE",
        "SUCCESSFUL",
    ]
    assert bool(jnp.all(jnp.isnan(solutions.value[jnp.array([1, 3])])))
    for position in (0, 2, 4):
        alone = solve(members[position], Q)
        np.testing.assert_allclose(solutions.value[position], alone.value, rtol=1e-9, atol=1e-12)
        assert int(solutions.doublings[position]) == int(alone.doublings)


def test_jit_and_eager_agree():
    A, Q = dominant("gaussian"), right_hand_side()
    np.testing.assert_allclose(lyapunov(A, Q).value, solve(A, Q).value, rtol=1e-11, atol=1e-13)


class TestDerivatives:
    """Against central differences, of relative error h^2 + rounding / h = 1e-10 for h = 1e-5."""

    A = dominant("dale", slack=0.5)
    Q = right_hand_side()
    towards = (right_hand_side(seed=11), right_hand_side(seed=12))

    def difference(self, h=1e-5):
        dA, dQ = self.towards
        ahead, behind = (solve(self.A + s * h * dA, self.Q + s * h * dQ).value for s in (1, -1))
        return (ahead - behind) / (2 * h)

    def test_forward(self):
        _, tangent = quick_jit(lambda *args: jax.jvp(lambda A, Q: lyapunov(A, Q).value, args[:2], args[2:]))(
            self.A, self.Q, *self.towards
        )
        expected = self.difference()
        np.testing.assert_allclose(tangent, expected, rtol=0, atol=1e-7 * float(jnp.abs(expected).max()))

    @staticmethod
    def slope(A, Q):
        return jnp.vdot(right_hand_side(seed=10), lyapunov(A, Q).value)

    def test_reverse(self):
        gradient = quick_jit(jax.grad(self.slope, argnums=(0, 1)))
        ours = gradient(self.A, self.Q)
        along = sum(jnp.vdot(g, d) for g, d in zip(ours, self.towards, strict=True))
        np.testing.assert_allclose(along, jnp.vdot(right_hand_side(seed=10), self.difference()), rtol=1e-6)
        # Of an ensemble, too.
        other = dominant("gaussian", slack=0.5)
        batched = quick_jit(jax.vmap(jax.grad(self.slope, argnums=(0, 1)), (0, None)))(
            jnp.stack([self.A, other]), self.Q
        )
        for got, one, two in zip(batched, ours, gradient(other, self.Q), strict=True):
            np.testing.assert_allclose(got, jnp.stack([one, two]), rtol=1e-9, atol=1e-12)

    def test_second(self):
        def value(t):
            return lyapunov(self.A + t * self.towards[0], self.Q).value[0, 1]

        second = quick_jit(jax.grad(jax.grad(value)))(0.0)
        h = 1e-3
        before, here, after = (solve(self.A + t * self.towards[0], self.Q).value[0, 1] for t in (-h, 0.0, h))
        expected = (before - 2 * here + after) / h**2
        np.testing.assert_allclose(second, expected, rtol=1e-3)


def test_errors():
    with pytest.raises(jaxprune.InputError, match=r"A has shape \(2, 3\)"):
        lyapunov(jnp.ones((2, 3)), jnp.ones((2, 3)))
    with pytest.raises(jaxprune.InputError, match=r"Q\[1, 0\] is nan"):
        lyapunov(-jnp.eye(2), jnp.eye(2).at[1, 0].set(jnp.nan))
    with untyped(), pytest.raises(jaxprune.InputError, match=r"Q has shape \(3, 3\).*\(2, 2\)"):
        lyapunov(-jnp.eye(2), jnp.eye(3))


def test_the_stopping_test_sees_smooth_modes():
    """A constant left eigenvector, that of the slowest mode of many excitatory networks."""
    n = 400
    M = 0.1 * jnp.outer(jax.random.normal(jax.random.key(0), (n,)), jnp.ones(n) / n)
    true = float(jnp.sum((M @ M) ** 2))
    assert true / 4 < float(_squared_norm_of_square(M)) < 4 * true
