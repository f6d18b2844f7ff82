"""Sampled covariances against exact ones, and networks that have none."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import InputError, linalg, networks
from jaxprune.linalg import sparse
from jaxprune.linalg.sparse import _sampled, _simulate

KEY = jax.random.key(3)


def mean_input(W):
    return float(jnp.abs(W).sum()) / len(W)


def symmetric(slack=0.01):
    W = networks.clustered(jax.random.key(0), (120, 60, 20), bridges=300)
    return networks.dominant_leak(W, slack * mean_input(W))


def directed():
    return networks.stable_leak(networks.dale(jax.random.key(1), 120, density=0.2), -0.3)


NETWORKS = {"symmetric": symmetric, "directed": directed}


def exact(A):
    """Variance that each entry sees, and its error by the samples."""
    C, S = np.asarray(linalg.stationary_covariance(A)), sparse.as_sparse("A", A)
    i, j = np.asarray(sparse.rows_of(S)), np.asarray(S.indices)
    s = np.sign(np.asarray(S.data))
    return S, C, np.where(i == j, 0, C[i, i] + C[j, j] - 2 * s * C[i, j])


@pytest.mark.parametrize("name", NETWORKS)
def test_what_synapses_see_is_right_within_its_errors(name):
    S, C, variance = exact(NETWORKS[name]())
    covariance = linalg.sampled_covariance(KEY, S, probes=256)
    assert covariance.method == ("solve" if name == "symmetric" else "simulation")
    found = sparse.differences(covariance, S)
    apart, there = np.asarray(found.variance) - variance, variance > 0
    assert np.all(np.asarray(found.variance)[~there] == 0)
    scaled = apart[there] / np.asarray(found.error)[there]
    # Synapses share samples, so that their errors are no independent numbers; their size is right, and no one is far off.
    assert 0.5 < np.sqrt(np.mean(scaled**2)) < 1.6
    assert np.abs(scaled).max() < 8
    relative = np.sqrt(np.mean((apart[there] / variance[there]) ** 2))
    assert relative < 2 * float(covariance.error)
    spread = np.diagonal(C) * np.sqrt(2 / 256)
    assert np.all(np.abs(np.asarray(covariance.variances) - np.diagonal(C)) < 6 * spread)
    assert str(covariance.probes) in covariance.words


def test_bridges_of_slow_modes_are_known_as_well_as_the_number_of_samples_allows():
    """All but a few per cent of a network's synapses are known better; these decide what is kept of it."""
    W = jnp.abs(networks.clustered(jax.random.key(4), (100, 60, 40), bridges=20))
    S, _, variance = exact(networks.dominant_leak(W, 1e-6 * mean_input(W)))
    covariance = linalg.sampled_covariance(KEY, S, probes=400)
    found, cluster = np.asarray(sparse.differences(covariance, S).variance), np.repeat(np.arange(3), (100, 60, 40))
    i, j = np.asarray(sparse.rows_of(S)), np.asarray(S.indices)
    bridges = cluster[i] != cluster[j]
    assert bridges.sum() >= 10
    assert np.all(np.abs(found[bridges] / variance[bridges] - 1) < 6 * np.sqrt(2 / 400))


def test_samples_are_as_many_as_the_error_asks_for():
    S = sparse.as_sparse("A", directed())
    few, many = (linalg.sampled_covariance(KEY, S, error=error) for error in (0.2, 0.05))
    assert few.probes < many.probes
    assert float(many.error) < 0.06 < float(few.error) < 0.25


def test_the_same_key_gives_the_same_samples():
    S = sparse.as_sparse("A", symmetric())
    first, second, other = (linalg.sampled_covariance(key, S).samples for key in (KEY, KEY, jax.random.key(4)))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_no_slack_at_all_is_fine_while_inhibition_frustrates_the_network():
    S, _, variance = exact(symmetric(slack=0.0))
    covariance = linalg.sampled_covariance(KEY, S, probes=64)
    assert not covariance.guaranteed
    assert "about" in covariance.words
    there = variance > 0
    found = np.asarray(sparse.differences(covariance, S).variance)[there]
    assert np.median(np.abs(found / variance[there] - 1)) < 0.05


def slow_clusters():
    """Four excitatory clusters, weakly joined, whose patterns are five hundred times slower than a neuron alone."""
    W = jnp.abs(networks.clustered(jax.random.key(4), (40, 30, 20, 20), bridges=12))
    return networks.dominant_leak(W, 2e-3 * mean_input(W))


def test_a_simulation_loses_nothing_of_slow_modes():
    """Under the same noise, a loose tolerance of the steps gives the slow patterns that a strict one gives."""
    A = slow_clusters()
    S, patterns = sparse.as_sparse("A", A), np.linalg.eigh(np.asarray(A))[1][:, -4:]
    leak = -sparse.diagonal_of(S)
    begun = _simulate.begin_pairs(KEY, S, leak, width=16)
    loose, strict = (_simulate.simulate_pairs(S, leak, begun, blocks=1, lost=lost) for lost in (1e-2, 1e-7))
    assert strict[1].error < 1e-6 < loose[1].error <= 1e-2
    sizes = [np.mean((patterns.T @ np.asarray(run.states)) ** 2, axis=1) for run, _ in (loose, strict)]
    np.testing.assert_allclose(*sizes, rtol=1e-3)


def test_a_simulation_goes_on_from_where_it_was():
    S = sparse.as_sparse("A", directed() - 3 * jnp.eye(120))
    leak = -sparse.diagonal_of(S)
    begun = _simulate.begin_pairs(KEY, S, leak, width=4)
    whole, _ = _simulate.simulate_pairs(S, leak, begun, blocks=3)
    first, now = _simulate.simulate_pairs(S, leak, begun, blocks=1)
    rest, _ = _simulate.simulate_pairs(S, leak, now, blocks=2)
    np.testing.assert_array_equal(whole.states, jnp.concatenate([first.states, rest.states], axis=1))


def test_errors_are_judged_by_independent_replicas():
    """Snapshots of one replica that are all the same tell no more than one of them; and chance leaves no variance below zero."""
    S = sparse.as_sparse("A", directed())
    covariance = linalg.sampled_covariance(KEY, S, probes=16)
    thrice = eqx.tree_at(
        lambda C: (C.samples, C.alone), covariance, (jnp.tile(covariance.samples, 3), jnp.tile(covariance.alone, 3))
    )
    once, again = (sparse.differences(C, S) for C in (covariance, thrice))
    for name in ("variance", "error"):
        np.testing.assert_allclose(getattr(again, name), getattr(once, name), rtol=1e-9)
    # Of a part of the last snapshot as well: 40 samples of 16 replicas.
    assert np.isclose(*(np.sum(part) for part in covariance.mean_over(jnp.ones((2, 40)))[1:]), 0)
    assert "16 independent replicas" in covariance.words
    louder = eqx.tree_at(lambda C: C.alone, covariance, 2 * covariance.alone)
    found, off = sparse.differences(louder, S), np.asarray(sparse.rows_of(S) != S.indices)
    np.testing.assert_allclose(np.min((found.variance / found.error)[off]), 0.25)
    assert float(_sampled._relative_error(louder, S, KEY)) > 1
    assert float(louder.variances.min()) > 0


def test_samples_come_in_blocks_and_fit_into_memory(monkeypatch):
    S = sparse.as_sparse("A", symmetric())
    assert linalg.sampled_covariance(KEY, S, error=0.5, fewest=17).probes == 32
    assert linalg.sampled_covariance(KEY, S, probes=17).probes == 17
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 4 * 8 * (S.data.size + 200 * 64))
    for options, count in (({"fewest": 100}, 100), ({"probes": 80}, 80), ({"error": 0.001}, 1024)):
        with pytest.raises(InputError, match=f"{count} samples of 200 neurons needs"):
            linalg.sampled_covariance(KEY, S, **options)


def test_clusters_are_looked_for_once(monkeypatch):
    """Also where there are none."""
    calls = []
    monkeypatch.setattr(_sampled, "PATIENCE", 1)
    known = _sampled.condition

    def counted(key, A, *, clusters):
        calls.append(clusters)
        return known(key, A, clusters=clusters)

    monkeypatch.setattr(_sampled, "condition", counted)
    linalg.sampled_covariance(KEY, sparse.as_sparse("A", symmetric()), probes=48)
    assert calls == [False, True]


def camps(slack, frustrated):
    """A component of two camps with inhibition between them, beside another that leaks."""
    W = np.zeros((9, 9))
    W[:6, :6] = np.kron([[1.0, -1.0], [-1.0, 1.0]], np.ones((3, 3)))
    W[6:, 6:] = 1.0
    if frustrated:
        W[0, 4] = W[4, 0] = 1.0
    A = np.array(networks.dominant_leak(jnp.asarray(W)))
    A[6, 6] -= 1.0
    A[0, 0] -= slack
    return sparse.as_sparse("A", A)


def test_a_balanced_component_without_slack_is_refused():
    with pytest.raises(InputError, match=r"component of neuron 0 \(6 of 9 neurons\) has no slack and is balanced"):
        linalg.sampled_covariance(KEY, camps(0.0, False))
    rounded = camps(-60 * np.finfo(float).eps, False)  # 12 units of rounding of the leak: told from zero by nobody
    with pytest.raises(InputError, match="has no slack and is balanced"):
        linalg.sampled_covariance(KEY, rounded)
    for well in (camps(1e-3, False), camps(0.0, True)):
        assert linalg.sampled_covariance(KEY, well, probes=4).probes == 4


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda: directed() + 0.5 * jnp.eye(120), {}, "singular or unstable"),
        (lambda: directed() * (1 - jnp.eye(120)), {}, "has no leak"),
        (lambda: directed() + jnp.diag(jnp.zeros(120).at[3].set(99.0)), {}, r"A\[3, 3\] is 9"),
        (directed, {"symmetric": True}, "differ by"),
        (directed, {"method": "solve"}, "not symmetric"),
        (directed, {"probes": 1}, "probes is 1"),
        (symmetric, {"error": 0.0}, "error is 0"),
        (symmetric, {"solve_error": 0.0}, "solve_error is 0"),
        (symmetric, {"fewest": 0}, "fewest is 0"),
        (symmetric, {"max_iterations": 0}, "max_iterations is 0"),
        (symmetric, {"max_iterations": 2}, r"after 2 iterations .* 0.025 is wanted"),
    ],
)
def test_what_cannot_be_sampled_is_refused(make, options, words):
    with pytest.raises(InputError, match=words):
        linalg.sampled_covariance(KEY, sparse.as_sparse("A", make()), **options)
