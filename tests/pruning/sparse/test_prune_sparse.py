"""Large networks, pruned without dense matrices, against the dense way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from jaxprune import InputError, linalg, networks, prune, pruning
from jaxprune.linalg import sparse
from jaxprune.pruning import Compensate, MatchRadius, NoisePrune, Rule, Strengthen, compensate, noise_importance
from jaxprune.pruning.sparse import SparsePruned

KEY = jax.random.key(1)
PROBES = 64


def network(directed):
    W = networks.clustered(jax.random.key(0), (120, 60, 20), bridges=300, directed=directed)
    return networks.dominant_leak(W, 0.05 * float(jnp.abs(W).sum()) / len(W))


DENSE = {"symmetric": network(False), "directed": network(True)}
SPARSE = {name: sparse.as_sparse("A", A) for name, A in DENSE.items()}
SAMPLED = {name: linalg.sampled_covariance(jax.random.key(2), A, probes=PROBES) for name, A in SPARSE.items()}
EXACT = {name: linalg.stationary_covariance(A) for name, A in DENSE.items()}
both = pytest.mark.parametrize("name", DENSE)


def pruned(name, rule, keep=0.3, **options):
    """By the way of large networks: samples are given."""
    return prune(KEY, SPARSE[name], rule, keep=keep, activity=SAMPLED[name], warn=False, **options)


@both
def test_importance_is_that_of_the_dense_way_within_its_error(name):
    A, found = DENSE[name], noise_importance(SPARSE[name], SAMPLED[name])
    exact = noise_importance(A, EXACT[name])[sparse.rows_of(found), found.indices]
    there = exact > 0
    np.testing.assert_array_equal(found.data > 0, there)
    relative = (found.data / exact - 1)[there]
    assert float(jnp.sqrt(jnp.mean(relative**2))) < 2 * float(SAMPLED[name].error)
    if name == "symmetric":
        np.testing.assert_array_equal(found.todense(), found.todense().T)


@both
@pytest.mark.parametrize("rule", ["noise", "weight+keep", "uniform", "noise^1.5", "activity+compensation", "empty"])
def test_what_every_pruned_network_has(name, rule):
    found, A = pruned(name, rule), np.asarray(DENSE[name])
    matrix, mask, p = (np.asarray(part.todense()) for part in (found.matrix, found.mask, found.probabilities))
    off = 1 - np.eye(len(A))
    np.testing.assert_array_equal(mask * off, mask)
    np.testing.assert_array_equal(mask * (A == 0), 0)
    np.testing.assert_array_equal((matrix * off != 0), mask)
    wanted = 0.3 * np.sum(A * off != 0)
    assert p.sum() == pytest.approx(wanted, abs=2)
    if rule == "empty":
        assert mask.sum() == 0
    elif "+" in rule:
        assert mask.sum() == pytest.approx(wanted, abs=2)
    else:
        assert abs(mask.sum() - wanted) < 5 * np.sqrt(2 * np.sum(p * (1 - p)))
        np.testing.assert_allclose(matrix[mask > 0], (A / np.where(p > 0, p, 1))[mask > 0], rtol=1e-12)

        def slack(X):
            return -np.diagonal(X) - np.abs(X * off).sum(axis=1)

        np.testing.assert_allclose(slack(matrix), slack(A), atol=1e-10)
    if name == "symmetric":
        np.testing.assert_array_equal(matrix, matrix.T)


@both
@pytest.mark.parametrize("keep", [0.1, 0.3])
def test_compensation_is_nearly_that_of_the_exact_covariance(name, keep):
    """Of what a fit can gain over untouched weights, little is lost to the samples."""
    A, C = DENSE[name], EXACT[name]
    untouched, found = (pruned(name, f"weight+{end}", keep) for end in ("keep", "compensation"))
    best = compensate(A, untouched.mask.todense(), C, symmetric=name == "symmetric")

    def lost(S):
        return float(jnp.vdot((A - S) @ C, A - S))

    start, ours, exact = lost(untouched.matrix.todense()), lost(found.matrix.todense()), lost(best)
    assert exact <= ours < start
    # A row regresses some keep x 60 inputs on as many samples as there are.
    assert (ours - exact) / (start - exact) < {"symmetric": 0.35, "directed": 0.8}[name]


@both
def test_a_network_of_which_everything_stays_is_not_changed_by_a_fit(name):
    found = pruned(name, "weight+compensation", 1.0)
    np.testing.assert_allclose(found.matrix.todense(), DENSE[name], atol=1e-3 if name == "symmetric" else 1e-9)


def test_a_small_network_is_pruned_exactly_and_comes_back_sparse():
    A = DENSE["symmetric"]
    dense = prune(KEY, A, "noise+compensation", keep=0.3)
    for given in (SPARSE["symmetric"], scipy.sparse.csr_array(np.asarray(A))):
        found = prune(KEY, given, "noise+compensation", keep=0.3)
        assert isinstance(found, SparsePruned)
        for ours, theirs in zip(found[:4], dense, strict=True):
            np.testing.assert_array_equal(ours.todense(), theirs)


def test_settings_of_strengthening_are_followed():
    A = np.asarray(DENSE["symmetric"])
    capped = pruned("symmetric", NoisePrune(adjust=Strengthen(cap=2.0)))
    ratio = np.asarray(capped.matrix.todense())[A != 0] / A[A != 0]
    assert np.max(np.abs(ratio * (1 - np.eye(len(A)))[A != 0])) == pytest.approx(2.0)
    original = pruned("symmetric", NoisePrune(adjust=Strengthen(diagonal="original")))
    np.testing.assert_array_equal(np.diagonal(original.matrix.todense()), np.diagonal(A))


def test_importance_of_ones_own_in_place_of_the_rules():
    A = SPARSE["directed"]
    given = sparse.with_data(A, jnp.where(sparse.rows_of(A) == A.indices, 0, A.indices + 1.0))
    found = pruned("directed", "weight+keep", importance=given)
    order = np.sort(np.asarray(given.data))[::-1]
    assert np.asarray(found.mask.indices).min() + 1 == order[int(found.mask.data.sum()) - 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": "surgeon"}, "'surgeon' is a function of dense matrices"),
        ({"rule": Rule(lambda W: jnp.abs(W), "top", Compensate())}, "function of dense matrices"),
        ({"rule": "weight+regrow"}, "Regrow looks at dense matrices"),
        ({"rule": Rule(pruning.RULES["weight"].importance, "top", MatchRadius())}, "MatchRadius looks at dense"),
        ({"rule": Rule(pruning.RULES["weight"].importance, "top", Compensate(ridge=0.1))}, "settings of dense fits"),
        ({"groups": "row"}, "groups is 'row'"),
        ({"kind": "recurrent"}, "kind is 'recurrent'"),
        ({"keep": None}, "keep is not given"),
        ({"keep": 1e-9}, "keeps none"),
        ({"importance": SPARSE["symmetric"]}, "in A's places"),
    ],
)
def test_what_sparse_networks_do_not_have_is_refused(options, words):
    options = {"rule": "weight", "keep": 0.3, "activity": SAMPLED["directed"]} | options
    with pytest.raises(InputError, match=words):
        prune(KEY, SPARSE["directed"], options.pop("rule"), **options)


def test_dense_and_sampled_covariances_are_not_mixed_up():
    with pytest.raises(InputError, match="pass linalg\\.sampled_covariance"):
        noise_importance(SPARSE["symmetric"], EXACT["symmetric"])
    with pytest.raises(InputError, match="of 200 neurons and A of 2"):
        noise_importance(sparse.as_sparse("A", -jnp.eye(2)), SAMPLED["symmetric"])


def test_a_fit_to_few_samples_does_no_harm():
    """Rows of more inputs than half the samples keep their weights; nothing is fitted to chance."""
    A, C = DENSE["directed"], EXACT["directed"]
    few = linalg.sampled_covariance(jax.random.key(6), SPARSE["directed"], probes=16)
    found, untouched = (
        prune(KEY, SPARSE["directed"], f"weight+{end}", keep=0.5, activity=few, warn=False).matrix.todense()
        for end in ("compensation", "keep")
    )
    lost = [float(jnp.vdot((A - S) @ C, A - S)) for S in (found, untouched)]
    assert lost[0] <= 1.02 * lost[1]


def test_samples_of_another_kind_are_not_fitted_as_if_they_were_of_this_one():
    """Solves of a symmetric network leave out what is known; simulated samples do not."""
    A, C = DENSE["symmetric"], EXACT["symmetric"]
    with pytest.raises(InputError, match="samples are of a symmetric network's solves"):
        prune(KEY, SPARSE["symmetric"], "weight+compensation", keep=0.3, symmetric=False, activity=SAMPLED["symmetric"])
    simulated = linalg.sampled_covariance(jax.random.key(7), SPARSE["symmetric"], probes=256, method="simulation")
    found, untouched = (
        prune(KEY, SPARSE["symmetric"], f"weight+{end}", keep=0.1, activity=simulated, warn=False).matrix.todense()
        for end in ("compensation", "keep")
    )
    lost = [float(jnp.vdot((A - S) @ C, A - S)) for S in (found, untouched)]
    best = compensate(A, (untouched != 0) * (1 - jnp.eye(len(A))), C, symmetric=True)
    gain = lost[1] - float(jnp.vdot((A - best) @ C, A - best))
    assert lost[1] - lost[0] > 0.5 * gain


def test_ones_own_importance_is_looked_at():
    A = SPARSE["symmetric"]
    rows, own = sparse.rows_of(A), sparse.rows_of(A) == A.indices
    skewed = sparse.with_data(A, jnp.where(own, 0, 1.0 + rows))
    with pytest.raises(InputError, match="importance is not symmetric"):
        pruned("symmetric", "weight+keep", importance=skewed)
    mean = pruned("symmetric", "activity+keep", importance=skewed).importance.todense()
    np.testing.assert_array_equal(mean, mean.T)
    elsewhere = sparse.to_scipy(A)[::-1][:, ::-1].tocsr()
    elsewhere.sort_indices()
    moved = sparse.with_data(sparse.as_sparse("A", elsewhere), jnp.abs(jnp.asarray(elsewhere.data)))
    with pytest.raises(InputError, match="in A's places"):
        pruned("symmetric", "weight+keep", importance=moved)


def test_entries_without_a_mirror_image_are_no_trouble():
    """A network that is symmetric but for an entry of the size of rounding."""
    entries = np.array(DENSE["symmetric"])
    post, pre = np.argwhere(np.triu(entries == 0, 1))[0]
    entries[post, pre] = 1e-18
    A = sparse.as_sparse("A", entries)
    found = prune(KEY, A, "weight+compensation", keep=0.3, activity=SAMPLED["symmetric"], warn=False).matrix.todense()
    np.testing.assert_array_equal(found, found.T)
