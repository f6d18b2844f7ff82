"""The surgeon against a plain loop that solves every least-squares problem anew."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIZE, driven, untyped

import jaxprune
from jaxprune.dynamics import activity_of
from jaxprune.pruning import (
    apply_rule,
    compensate,
    drive_error,
    named_rule,
    prune,
    removal_importance,
    surgeon_importance,
    synapse_count,
)

W, _, H, MASK = driven()
RIDGE = 1e-6
HELD = np.asarray(H) + RIDGE * np.trace(np.asarray(H)) / SIZE * np.eye(SIZE)


def cost(w, chosen):
    """Half the drive lost by a row that keeps the chosen inputs and refits them, and pays for moving weights."""
    s = np.zeros(SIZE)
    s[chosen] = np.linalg.solve(HELD[np.ix_(chosen, chosen)], (HELD @ w)[chosen])
    return 0.5 * (w - s) @ HELD @ (w - s)


def greedy(W, least=1, *, leak=True):
    """Order of removal by trying every single one: of all rows the cheapest, as long as a row has more than `least`.

    The diagonal is never removed where it is a leak, but refitted.
    """
    W = np.asarray(W)
    rows = [list(np.flatnonzero(w)) for w in W]

    def cheapest(i):
        if len(rows[i]) <= least:
            return np.inf, None
        candidates = [q for q in rows[i] if not (leak and q == i)]
        tries = [cost(W[i], [k for k in rows[i] if k != q]) - cost(W[i], rows[i]) for q in candidates]
        best = int(np.argmin(tries))
        return tries[best], candidates[best]

    price, order = [cheapest(i) for i in range(len(W))], []
    while min(price)[0] < np.inf:
        i = min(range(len(W)), key=lambda i: price[i][0])
        order.append((i, int(price[i][1])))
        rows[i].remove(price[i][1])
        price[i] = cheapest(i)
    return order


@pytest.mark.parametrize("least", [1, 4])
def test_rank_is_the_order_of_exhaustive_greedy_removal(least):
    ranked = np.asarray(removal_importance(W, H) if least == 1 else removal_importance(W[:3], H, least=least))
    weights = np.asarray(W)[: len(ranked)]
    order = greedy(weights, least)
    synapses = (weights != 0).sum(axis=1)
    assert len(order) == np.maximum(synapses - least, 0).sum()
    found = [tuple(place) for place in np.argwhere(ranked > 0)[np.argsort(ranked[ranked > 0], kind="stable")]]
    assert found[: len(order)] == order
    # Zeros have no rank, and the last of each row, which nobody removes, share the highest.
    np.testing.assert_array_equal(ranked == 0, weights == 0)
    np.testing.assert_array_equal((ranked == ranked.max()).sum(axis=1), np.minimum(synapses, least))


@pytest.mark.parametrize("leak", [True, False])
def test_leaks_are_refitted_and_not_removed(leak):
    own = W - jnp.diag(jnp.linspace(0.02, 3.0, SIZE)).at[5, 5].set(0.0)
    ranked = np.asarray(removal_importance(own, H, leak=leak))
    order = greedy(own, leak=leak)
    found = [tuple(place) for place in np.argwhere(ranked > 0)[np.argsort(ranked[ranked > 0], kind="stable")]]
    assert found[: len(order)] == order
    np.testing.assert_array_equal(ranked == 0, np.asarray(own * (1 - jnp.eye(SIZE)) if leak else own) == 0)
    for kind in ("recurrent", "layer"):
        pruned = prune(jax.random.key(0), own, "greedy+keep", keep=0.5, kind=kind, activity=activity_of(H))
        if (kind == "recurrent") == leak:
            np.testing.assert_array_equal(pruned.importance, ranked)


@pytest.mark.parametrize("count", [70, 100, 130])
def test_top_of_it_is_what_greedy_removal_leaves(count):
    synapses = int((W != 0).sum())
    left = (np.asarray(W) != 0).astype(float)
    for place in greedy(W)[: synapses - count]:
        left[place] = 0
    pruned = prune(jax.random.key(0), W, "greedy+keep", keep=count / synapses, kind="layer", activity=activity_of(H))
    np.testing.assert_array_equal(pruned.mask, left)
    # Cheaper, all rows together, than the same number from each row.
    own = np.argsort(np.argsort(np.asarray(removal_importance(W, H)), axis=1), axis=1) >= SIZE - count // SIZE
    own = jnp.asarray(own & (np.asarray(W) != 0), float)

    def lost(mask):
        return float(drive_error(W, compensate(W, mask, H, leak=False, ridge=RIDGE, solver="cholesky"), H))

    assert lost(pruned.mask) <= lost(own) * 1.02


def test_ranks_computed_before_serve_many_fractions():
    rule = named_rule("greedy+compensation")
    once = removal_importance(W, H)
    options = {"symmetric": False, "kind": "recurrent"}
    for keep in (0.2, 0.5):
        count = synapse_count(W, keep, symmetric=False, kind="recurrent")
        served = apply_rule(jax.random.key(0), W, activity_of(H), rule, count=count, importance=once, **options)
        anew = prune(jax.random.key(0), W, rule, keep=keep, activity=activity_of(H), **options)
        for got, expected in zip(served, anew, strict=True):
            np.testing.assert_array_equal(got, expected)
        fitted = compensate(W, served.mask, H, leak=False, ridge=RIDGE, solver="cholesky")
        np.testing.assert_allclose(served.matrix, fitted, atol=1e-12)


def test_importance_is_the_cost_of_a_single_removal():
    importance = surgeon_importance(W, H, damping=RIDGE * jnp.trace(H) / SIZE)
    for i, j in ((0, 3), (7, 2), (9, 15)):
        w = np.asarray(W[i])
        every = list(range(SIZE))
        np.testing.assert_allclose(importance[i, j], cost(w, [k for k in every if k != j]) - cost(w, every), rtol=1e-6)
    np.testing.assert_array_equal(np.diag(importance), 0)


def test_the_diagonal_is_a_synapse_where_it_is_no_leak():
    own = W + jnp.eye(SIZE)
    importance = surgeon_importance(own, H, leak=False)
    np.testing.assert_array_equal(importance > 0, own != 0)
    np.testing.assert_array_equal(surgeon_importance(own, H), importance * (1 - jnp.eye(SIZE)))
    np.testing.assert_array_equal(surgeon_importance(own[:5], H), importance[:5])


def test_errors():
    for call in (surgeon_importance, removal_importance):
        with untyped(), pytest.raises(jaxprune.InputError, match="second moment of the presynaptic neurons"):
            call(W, H[:3, :3])
        with pytest.raises(jaxprune.InputError, match=r"H\[1, 2\] is nan"):
            call(W, H.at[1, 2].set(jnp.nan))
    for least in (0, 17):
        with pytest.raises(jaxprune.InputError, match=f"least is {least}, but must be between 1 and the 16 inputs"):
            removal_importance(W, H, least=least)
        with pytest.raises(jaxprune.InputError, match="no diagonal of leaks"):
            call(W[:5], H, leak=True)
