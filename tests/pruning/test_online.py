"""Pruning while the network runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, dominant, quick_jit, untyped

import jaxprune
from jaxprune.linalg import spectral_abscissa, stationary_covariance
from jaxprune.pruning import OnlinePrune, compensate

CASES = {"clustered": True, "dale": False}


def online(family, **options):
    return OnlinePrune(**({"dt": 0.1, "observe": 8, "adapt": 40, "symmetric": CASES[family]} | options))


@pytest.fixture(scope="module", params=CASES)
def round_one(request):
    family = request.param
    A = dominant(family)
    config = online(family)
    count = int(config.schedule(A, 0.5, 1)[0])
    return family, A, count, *config.step(jax.random.key(0), config.init(A), count)


def test_exact_count_support_and_symmetry(round_one):
    family, A, count, state, info = round_one
    S, mask = np.asarray(state.matrix), np.asarray(info.mask)
    assert mask.sum() == count
    assert np.all((S - np.diag(np.diag(S)) != 0) <= (mask > 0))
    assert np.all(mask <= (np.asarray(A) != 0))
    if CASES[family]:
        np.testing.assert_array_equal(mask, mask.T)
        np.testing.assert_allclose(S, S.T, atol=1e-14)
    assert int(info.code) == 0
    assert float(spectral_abscissa(state.matrix)) < 0


def test_the_least_important_went(round_one):
    _, A, _, _, info = round_one
    importance, mask = np.asarray(info.importance), np.asarray(info.mask) > 0
    present = np.asarray(A * (1 - jnp.eye(SIZE))) != 0
    assert importance[mask].min() >= importance[present & ~mask].max()


def test_learning_reaches_what_compensation_computes(round_one):
    family, A, _, state, info = round_one
    C = stationary_covariance(state.matrix)
    best = compensate(A, info.mask, C, symmetric=CASES[family])

    def drive(S):
        missing = np.asarray(A - S)
        return np.mean(np.sum(missing @ np.asarray(C) * missing, axis=1))

    removed = A * (info.mask + jnp.eye(SIZE))
    # Of what the removal took and compensation can give back, learning gives back nearly all.
    assert drive(best) < 0.9 * drive(removed)
    assert drive(state.matrix) - drive(best) < 0.05 * (drive(removed) - drive(best))
    assert float(info.left) < float(info.lost)


def test_vmap_is_a_loop_and_the_key_decides():
    config = online("dale", adapt=6, observe=2)
    matrices = jnp.stack([dominant("dale", seed) for seed in range(2)])
    keys = jax.random.split(jax.random.key(1), 2)

    def one(key, A):
        return config.step(key, config.init(A), 40)

    together, single = quick_jit(jax.vmap(one))(keys, matrices), quick_jit(one)
    for i in range(2):
        alone = single(keys[i], matrices[i])
        np.testing.assert_array_equal(together[1].mask[i], alone[1].mask)
        np.testing.assert_allclose(together[0].matrix[i], alone[0].matrix, atol=1e-9)
    assert not np.array_equal(single(keys[0], matrices[1])[1].mask, alone[1].mask)


def test_schedule_falls_by_the_same_factor():
    A = dominant("clustered")
    counts = np.asarray(online("clustered").schedule(A, 0.2, 4))
    total = int((A != 0).sum()) - SIZE
    np.testing.assert_allclose(counts, total * 0.2 ** (np.arange(1, 5) / 4), atol=1)
    assert np.all(counts % 2 == 0)


def test_errors():
    A = dominant("dale")
    with untyped():
        for options, match in (
            ({"dt": 0.0}, "dt is 0"),
            ({"observe": 0}, "observe is 0"),
            ({"rate": 2.0}, "rate is 2"),
            ({"sigma": -1.0}, "sigma is -1"),
        ):
            with pytest.raises(jaxprune.InputError, match=match):
                online("dale", **options)
        with pytest.raises(jaxprune.InputError, match="must be below"):
            online("dale", dt=50.0).init(A)
        with pytest.raises(jaxprune.InputError, match="rounds is 0"):
            online("dale").schedule(A, 0.5, 0)
        with pytest.raises(jaxprune.InputError, match="keep is 0"):
            online("dale").schedule(A, 0.0, 1)
