"""Orders of convergence, measured against diffrax on the same Brownian paths."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant

from jaxprune.dynamics import Linear, Rectified, Tanh, White
from jaxprune.dynamics._simulate import _advancer

END, FINEST = 1.0, 256
COARSE = (8, 16, 32, 64)
PATHS = 200
A = dominant("gaussian", slack=0.5)
B = jax.random.normal(jax.random.key(6), (SIZE,))
DRIFTS = {"linear": Linear(A, B), "rectified": Rectified(A, B), "tanh": Tanh(A, B, form="input")}


def increments():
    """Brownian increments of all paths on the finest grid, (path, time, neuron)."""
    return jax.random.normal(jax.random.key(1), (PATHS, FINEST, SIZE)) * np.sqrt(END / FINEST)


class GivenPath(diffrax.AbstractBrownianPath):
    """The Brownian path of given increments, for diffrax."""

    values: jax.Array
    levy_area: type = diffrax.BrownianIncrement

    @property
    def t0(self):
        """Begin."""
        return 0.0

    @property
    def t1(self):
        """End."""
        return END

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        """Increment between two points of the grid."""
        where = [jnp.round(t * FINEST / END).astype(int) for t in (t0, t1)]
        return self.values[where[1]] - self.values[where[0]]


def ours(drift, steps):
    """States at the end of our integrator, whose draws are the increments of the same paths."""
    dt = END / steps
    coarse = increments().reshape(PATHS, steps, FINEST // steps, SIZE).sum(axis=2)

    def one(kicks):
        return _advancer(drift, White(1.0), "euler", dt)(jnp.zeros(SIZE), None, kicks / np.sqrt(dt), 0)[1][-1]

    return jax.jit(jax.vmap(one))(coarse)


def theirs(drift, steps, solver):
    """States at the end of a diffrax solver."""

    def one(kicks):
        path = GivenPath(jnp.concatenate([jnp.zeros((1, SIZE)), jnp.cumsum(kicks, axis=0)]))
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, x, args: drift(t, x)),
            diffrax.ControlTerm(lambda t, x, args: jnp.eye(SIZE), path),
        )
        solution = diffrax.diffeqsolve(
            terms, solver, 0.0, END, END / steps, jnp.zeros(SIZE), adjoint=diffrax.DirectAdjoint()
        )
        return solution.ys[-1]

    return jax.jit(jax.vmap(one))(increments())


def order(errors):
    return -np.polyfit(np.log(COARSE), np.log(errors), 1)[0]


@pytest.fixture(scope="module", params=DRIFTS)
def case(request):
    drift = DRIFTS[request.param]
    return drift, theirs(drift, FINEST, diffrax.Heun()), {steps: ours(drift, steps) for steps in COARSE}


def test_the_same_euler_steps_as_diffrax(case):
    drift, _, found = case
    np.testing.assert_allclose(found[32], theirs(drift, 32, diffrax.Euler()), atol=1e-12)


def test_strong_order_is_one(case):
    """Additive noise: Euler-Maruyama converges path by path with order one."""
    _, reference, found = case
    errors = [float(jnp.sqrt(jnp.mean((x - reference) ** 2))) for x in found.values()]
    assert 0.85 < order(errors) < 1.2, errors


def test_weak_order_is_one(case):
    """The error of a mean, over the same paths so that most of the noise cancels."""
    _, reference, found = case
    errors = [float(jnp.linalg.norm(jnp.mean(x**2 - reference**2, axis=0))) for x in found.values()]
    assert 0.8 < order(errors) < 1.25, errors
