"""Stationary covariances: closed forms against the solver and SciPy, scaling with the noise, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import FAMILIES, SIZE, SYMMETRIC, dominant, quick_jit, rounding, stationary, untyped, weights

import jaxprune
from jaxprune.linalg import coloured_covariance, modes, stationary_covariance
from jaxprune.networks import dominant_leak, stable_leak


def scipy_covariance(A, sigma=1.0):
    return scipy.linalg.solve_continuous_lyapunov(np.asarray(A), -(sigma**2) * np.eye(len(A)))


def circulant():
    """A normal matrix that is not symmetric: a ring in which each neuron drives the next two."""
    ring = scipy.linalg.circulant(np.eye(SIZE)[1] - 0.5 * np.eye(SIZE)[2])
    return dominant_leak(jnp.asarray(ring), 0.2)


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_scipy(family):
    A = dominant(family)
    C = stationary_covariance(A, 0.3)
    np.testing.assert_allclose(C, scipy_covariance(A, 0.3), rtol=0, atol=rounding(C, factor=1000))
    np.testing.assert_array_equal(C, C.T)
    assert np.linalg.eigvalsh(C).min() > 0


@pytest.mark.parametrize("family", SYMMETRIC)
@pytest.mark.parametrize("structure", ["auto", "symmetric", "normal", "general"])
def test_every_path_agrees_for_symmetric_networks(family, structure):
    A = dominant(family)
    C = stationary_covariance(A, structure=structure)
    np.testing.assert_allclose(C, -np.linalg.inv(A) / 2, rtol=0, atol=rounding(C, factor=1000))


@pytest.mark.parametrize("structure", ["auto", "normal", "general"])
def test_every_path_agrees_for_a_normal_network(structure):
    A = circulant()
    np.testing.assert_allclose(A @ A.T, A.T @ A, rtol=0, atol=rounding(A))
    C = stationary_covariance(A, structure=structure)
    np.testing.assert_allclose(C, scipy_covariance(A), rtol=0, atol=rounding(C, factor=1000))


def test_the_normal_form_is_the_caller_s_word():
    A = jnp.array([[-1.0, 0.5], [0.0, -1.0]])
    C = stationary_covariance(A, structure="normal")
    np.testing.assert_allclose(C, -np.linalg.inv(A + A.T), rtol=1e-14)
    assert np.abs(C - scipy_covariance(A)).max() > 1e-2


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_inside_jit_the_structure_must_be_said(family):
    A = dominant(family)
    with pytest.raises(jaxprune.InputError, match=r'A is traced.*pass structure="symmetric" or structure="general"'):
        quick_jit(stationary_covariance)(A)
    C = stationary(A)
    np.testing.assert_allclose(C, scipy_covariance(A), rtol=0, atol=rounding(C, factor=1000))


@pytest.mark.parametrize("structure", ["general", "symmetric"])
def test_inside_vmap_an_unstable_member_is_nan_and_alone(structure):
    A = dominant("clustered")
    members = jnp.stack([A, A + 3 * jnp.eye(SIZE), A - jnp.eye(SIZE)])
    C = jax.vmap(lambda member: stationary_covariance(member, structure=structure))(members)
    assert bool(jnp.all(jnp.isnan(C[1])))
    for position in (0, 2):
        np.testing.assert_allclose(
            C[position], scipy_covariance(members[position]), rtol=0, atol=rounding(C[0], factor=1000)
        )


@pytest.mark.parametrize("family", ["clustered", "gaussian"])
def test_single_precision(family):
    A = dominant(family, slack=0.5).astype(jnp.float32)
    C = stationary_covariance(A, 0.5)
    assert C.dtype == jnp.float32
    expected = scipy_covariance(np.asarray(A, float), 0.5)
    np.testing.assert_allclose(C, expected, rtol=0, atol=rounding(C, factor=10))


def test_no_noise_no_variance():
    np.testing.assert_array_equal(stationary_covariance(dominant("gaussian"), 0.0), np.zeros((SIZE, SIZE)))


@pytest.mark.parametrize("family", ["clustered", "gaussian", "dale"])
def test_unstable_networks_are_refused(family):
    A = stable_leak(weights(family), -0.1) + 0.2 * jnp.eye(SIZE)
    with pytest.raises(jaxprune.InputError, match=r"singular or unstable.*increase the leak"):
        stationary_covariance(A)


@pytest.mark.parametrize("family", ["gaussian", "gaussian symmetric"])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_singular_networks_are_refused(family, seed):
    # Excitatory weights and no slack: the uniform pattern of activity does not decay at all.
    A = dominant_leak(jnp.abs(weights(family, seed)))
    with pytest.raises(jaxprune.InputError, match="singular or unstable"):
        stationary_covariance(A)


def test_symmetric_is_not_taken_on_trust():
    with pytest.raises(jaxprune.InputError, match="A is not symmetric"):
        stationary_covariance(jnp.array([[-1.0, 0.5], [0.0, -2.0]]), structure="symmetric")


def test_errors():
    A = dominant("gaussian")
    with pytest.raises(jaxprune.InputError, match=r"A\[1, 1\] is 1.*dominant_leak"):
        stationary_covariance(jnp.array([[-1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(jaxprune.InputError, match="sigma is -1"):
        stationary_covariance(A, -1.0)
    with pytest.raises(jaxprune.InputError, match="sigma is nan"):
        stationary_covariance(A, float("nan"))
    with pytest.raises(jaxprune.InputError, match="square"):
        stationary_covariance(jnp.ones((2, 3)))
    with pytest.raises(jaxprune.InputError, match=r"A\[0, 0\] is nan"):
        stationary_covariance(A.at[0, 0].set(jnp.nan))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("time", [0.0, 0.3, 20.0])
def test_coloured_noise_is_a_second_linear_process(family, time):
    A, identity = np.asarray(dominant(family)), np.eye(SIZE)
    C = coloured_covariance(jnp.asarray(A), time, sigma=2.0)
    if time == 0:
        np.testing.assert_allclose(C, stationary_covariance(jnp.asarray(A), 2.0), rtol=1e-9, atol=1e-12)
        return
    both = np.block([[A, identity], [np.zeros_like(A), -identity / time]])
    drive = np.zeros_like(both)
    drive[SIZE:, SIZE:] = (2.0 / time) ** 2 * identity
    expected = scipy.linalg.solve_continuous_lyapunov(both, -drive)[:SIZE, :SIZE]
    np.testing.assert_allclose(C, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())


def test_slow_noise_moves_slow_modes():
    A = dominant("clustered")
    found = modes(A)
    variances = jnp.diagonal(found.vectors.T @ coloured_covariance(A, 5.0) @ found.vectors)
    rates = -found.eigenvalues
    np.testing.assert_allclose(variances, 1 / (2 * rates * (1 + 5 * rates)), rtol=1e-9)


def test_coloured_noise_of_what_cannot_be():
    with untyped(), pytest.raises(jaxprune.InputError, match="correlation_time is -1"):
        coloured_covariance(-jnp.eye(2), -1.0)
    with pytest.raises(jaxprune.InputError, match="singular or unstable"):
        coloured_covariance(jnp.eye(2), 0.5)
    assert bool(jnp.isnan(jax.jit(coloured_covariance)(jnp.eye(2), 0.5)).all())
