"""Ensembles: each family is the function of its name with a leak, a network is a function of its key, and the rest is refused."""

import dataclasses
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import quick_jit, row_slack, untyped

import jaxprune
from jaxprune import networks
from jaxprune.networks import Ensemble

KEY = jax.random.key(2)
SETTINGS = {"density": 0.5, "gain": 0.7, "bridges": 10}
SIZES = (6, 6, 4)
FAMILIES = {
    "clustered": lambda key: networks.clustered(key, SIZES, density=0.5, bridges=10),
    "clustered-directed": lambda key: networks.clustered(key, SIZES, density=0.5, bridges=10, directed=True),
    "gaussian": lambda key: networks.gaussian(key, 16, gain=0.7, density=0.5),
    "gaussian-symmetric": lambda key: networks.gaussian(key, 16, gain=0.7, density=0.5, symmetric=True),
    "dale": lambda key: networks.dale(key, 16, gain=0.7, density=0.5),
    "feedforward": lambda key: networks.feedforward(key, 4, 4, density=0.5),
    "low-rank": lambda key: networks.low_rank(key, 16, gain=0.7),
}


def ensemble(family, **changes):
    sizes = (4,) * 4 if family == "feedforward" else SIZES
    return Ensemble(**({"family": family, "sizes": sizes} | SETTINGS | changes))


def test_every_family_is_here():
    assert set(FAMILIES) == set(typing.get_args(typing.get_type_hints(Ensemble)["family"]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("leak", "margin"), [("dominant", 0.0), ("dominant", 0.2), ("stable", 0.2)])
def test_a_network_is_that_of_its_family_with_its_leak(family, leak, margin):
    many = ensemble(family, leak=leak, margin=margin)
    A, W = np.asarray(many.network(KEY)), FAMILIES[family](KEY)
    expected = networks.dominant_leak(W, margin) if leak == "dominant" else networks.stable_leak(W, -margin)
    np.testing.assert_array_equal(A, expected)
    assert A.shape == (many.neurons, many.neurons) == (16, 16)
    assert many.symmetric == np.array_equal(A, A.T)
    if leak == "dominant":
        np.testing.assert_allclose(row_slack(A), margin, atol=1e-14)
    elif family != "feedforward":  # whose eigenvalues are all one, and found to the 16th root of rounding
        np.testing.assert_allclose(np.linalg.eigvals(A).real.max(), -margin, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_is_a_function_of_its_key(family):
    many = ensemble(family, leak="stable", margin=0.2)
    keys = jax.random.split(KEY, 3)
    batch = quick_jit(jax.vmap(many.network))(keys)
    for key, A in zip(keys, batch, strict=True):
        np.testing.assert_allclose(many.network(key), A, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(many.network(keys[0]), dataclasses.replace(many).network(keys[0]))
    assert not np.allclose(batch[0], batch[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_expected_number_of_synapses(family):
    many = ensemble(family, bridges=0)
    drawn = quick_jit(jax.vmap(many.network))(jax.random.split(KEY, 200))
    counts = np.sum((np.asarray(drawn) != 0) & ~np.eye(16, dtype=bool), axis=(1, 2))
    assert abs(counts.mean() - many.expected_synapses) <= 5 * counts.std() / np.sqrt(200)
    assert ensemble("gaussian", gain=0.0).expected_synapses == 0
    assert dataclasses.replace(many, bridges=4).expected_synapses - many.expected_synapses == (
        4 if family.startswith("clustered") else 0
    )


def test_equal_settings_are_one_ensemble():
    assert len({Ensemble(sizes=(4, 2)), Ensemble(sizes=(4, 2)), Ensemble(sizes=(4, 3))}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ensemble().gain = 1.0  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_smallest_networks_are_made(family):
    sizes = {"feedforward": (1, 1), "dale": (1, 2)}.get(family, (1,))
    many = Ensemble(family, sizes=sizes, bridges=0, margin=0.1)
    many.check()
    assert bool(jnp.all(jnp.isfinite(many.network(KEY))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "gausian"}, "family is 'gausian', but must be one of 'clustered', "),
        ({"leak": "strong"}, "leak is 'strong', but must be one of 'dominant', 'stable'"),
        ({"density": 0.0}, "density is 0"),
        ({"density": 1.5}, r"density is 1\.5"),
        ({"gain": -1.0}, "gain is -1"),
        ({"gain": float("nan")}, "gain is nan"),
        ({"margin": -0.1}, r"margin is -0\.1, but must be finite and not negative"),
        ({"margin": float("inf")}, "margin is inf"),
        ({"leak": "stable", "margin": 0.0}, "margin is 0, but must be finite and positive"),
        ({"sizes": ()}, r"sizes is \(\), but must list at least one size"),
        ({"sizes": (3, 0)}, r"sizes is \(3, 0\)"),
        ({"family": "feedforward", "sizes": (4,)}, "at least two layers of equal size"),
        ({"family": "feedforward", "sizes": (4, 3)}, "at least two layers of equal size"),
        ({"family": "dale", "sizes": (1, 1)}, r"sizes is \(1, 1\), but a dale network needs at least 3"),
        ({"bridges": -2}, "bridges is -2"),
        ({"sizes": (1,), "bridges": 2}, "bridges is 2, but a single neuron"),
        ({"bridges": 100_000_000}, "bridges is 100000000, but 16 neurons have only 240 places for synapses"),
    ],
)
def test_settings_that_no_network_can_be_made_from_are_refused(changes, message):
    with untyped():
        many = Ensemble(**({"sizes": SIZES, "bridges": 10} | changes))
        for call in (many.check, lambda: many.network(KEY)):
            with pytest.raises(jaxprune.InputError, match=message):
                call()
