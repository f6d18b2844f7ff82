"""Swaps at a constant number against sorting."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune.pruning import exchange

ROWS, COLUMNS = 6, 8


def by_sorting(mask, loss, gain, count, where=None):
    """Least loss goes, greatest gain comes, the first of equals; as many as there are."""
    mask, loss, gain = (np.asarray(value).copy() for value in (mask, loss, gain))
    where = np.ones_like(mask) if where is None else np.asarray(where)
    present, absent = np.flatnonzero(mask), np.flatnonzero((mask == 0) & (where > 0))
    count = min(int(count), len(present), len(absent))
    goes = present[np.argsort(loss.ravel()[present], kind="stable")[:count]]
    comes = absent[np.argsort(-gain.ravel()[absent], kind="stable")[:count]]
    mask.ravel()[goes] = 0
    mask.ravel()[comes] = 1
    return mask


def case(seed, shape=(ROWS, COLUMNS), ties=False):
    """A mask, and scores of which many are equal."""
    rng = np.random.default_rng(seed)
    mask = (rng.random(shape) < 0.4).astype(float)
    loss, gain = (rng.integers(0, 3, shape) - 1.0 if ties else rng.normal(size=shape) for _ in range(2))
    where = ((rng.random(shape) < 0.7) | (mask > 0)).astype(float)
    return tuple(map(jnp.asarray, (mask, loss, gain, where)))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [0, 1, 7, 7.9, 1000])
def test_the_least_goes_and_the_best_comes(ties, count):
    for seed in range(5):
        mask, loss, gain, where = case(seed, ties=ties)
        for limit in (None, where):
            new = exchange(mask, loss, gain, count, where=limit)
            np.testing.assert_array_equal(new, by_sorting(mask, loss, gain, count, limit))
            assert float(new.sum()) == float(mask.sum())


def test_nothing_to_remove_or_to_grow():
    mask, loss, gain, _ = case(0)
    for full in (jnp.zeros_like(mask), jnp.ones_like(mask)):
        np.testing.assert_array_equal(exchange(full, loss, gain, 5), full)
    np.testing.assert_array_equal(exchange(mask, loss, gain, 5, where=mask), mask)


def test_infinite_scores_are_scores():
    """What must never go goes last, and what must never come comes last, but neither is confused with what is not there."""
    mask, loss, *_ = case(1)
    present = int(mask.sum())
    never = jnp.full_like(loss, jnp.inf)
    for count in (3, present):
        new = exchange(mask, never, -never, count)
        np.testing.assert_array_equal(new, by_sorting(mask, jnp.zeros_like(mask), jnp.zeros_like(mask), count))


def test_pairs_are_swapped_as_pairs():
    for seed, count in ((0, 4), (1, 5), (2, 100)):
        mask, loss, gain, where = (jnp.triu(value, 1) for value in case(seed, (COLUMNS, COLUMNS), ties=True))
        mirrored = [value + value.T for value in (mask, loss, gain, where)]
        # What stands on the diagonal of the mask is no synapse: it stays.
        own = jnp.diag(jnp.arange(COLUMNS) % 2.0)
        new = exchange(mirrored[0] + own, *mirrored[1:3], count, where=mirrored[3], symmetric=True) - own
        np.testing.assert_array_equal(new, new.T)
        upper = np.triu_indices(COLUMNS, 1)
        pairs = by_sorting(*(value[upper] for value in (mask, loss, gain)), count // 2, where[upper])
        np.testing.assert_array_equal(new[upper], pairs)


def test_every_row_swaps_its_own():
    mask, loss, gain, where = case(3)
    counts = jnp.array([0.0, 1.0, 2.0, 3.0, 1.0, 100.0])[:, None]
    for count in (2, counts):
        new = exchange(mask, loss, gain, count, where=where, groups="row")
        for i in range(ROWS):
            number = count if isinstance(count, int) else count[i, 0]
            np.testing.assert_array_equal(new[i], by_sorting(mask[i], loss[i], gain[i], number, where[i]))


def test_patterns_stay_patterns():
    mask = jnp.tile(jnp.array([1.0, 1.0, 0.0, 0.0]), (ROWS, COLUMNS // 4))
    _, loss, gain, _ = case(4)
    new = exchange(mask, loss, gain, 1, groups="2:4")
    for before, after, less, more in zip(
        *(np.asarray(value).reshape(-1, 4) for value in (mask, new, loss, gain)), strict=True
    ):
        np.testing.assert_array_equal(after, by_sorting(before, less, more, 1))


@pytest.mark.parametrize("groups", ["layer", "global"])
def test_layers_of_a_pytree(groups):
    shapes = {"a": (ROWS, COLUMNS), "b": (3, 4, 2, 2)}
    layers = {name: case(number, shape) for number, (name, shape) in enumerate(shapes.items())}
    mask, loss, gain, where = ({name: layers[name][part] for name in shapes} for part in range(4))
    new = exchange(mask, loss, gain, 6, where=where, groups=groups)
    if groups == "layer":
        for name in shapes:
            np.testing.assert_array_equal(new[name], by_sorting(*layers[name][:3], 6, layers[name][3]))
        each = exchange(mask, loss, gain, {"a": 2, "b": 9}, where=where, groups="layer")
        for name, count in (("a", 2), ("b", 9)):
            np.testing.assert_array_equal(each[name], by_sorting(*layers[name][:3], count, layers[name][3]))
    else:
        flat = [np.concatenate([np.ravel(tree[name]) for name in shapes]) for tree in (mask, loss, gain, where)]
        together = np.concatenate([np.ravel(new[name]) for name in shapes])
        np.testing.assert_array_equal(together, by_sorting(*flat[:3], 6, flat[3]))


def test_counts_may_be_traced_and_networks_stacked():
    cases = [case(seed) for seed in range(3)]
    stacked = [jnp.stack(parts) for parts in zip(*cases, strict=True)]
    counts = jnp.array([0.0, 3.0, 50.0])
    swap = jax.jit(jax.vmap(lambda mask, loss, gain, where, count: exchange(mask, loss, gain, count, where=where)))
    for new, (mask, loss, gain, where), count in zip(swap(*stacked, counts), cases, counts, strict=True):
        np.testing.assert_array_equal(new, by_sorting(mask, loss, gain, count, where))


def test_errors():
    mask, loss, gain, _ = case(0, (COLUMNS, COLUMNS))
    swap = functools.partial(exchange, mask, loss, gain)
    for call, words in (
        (lambda: swap(-1), "count is -1"),
        (lambda: swap({"a": 1}), "structure"),
        (lambda: exchange(mask, loss[:3], gain, 1), "but must agree"),
        (lambda: exchange(mask, [loss], gain, 1), "different structures"),
        (lambda: swap(1, groups="column"), "groups is 'column'"),
        (lambda: swap(1, groups="3:5"), "5 does not divide"),
        (lambda: swap(2, symmetric=True), "mask is not symmetric"),
        (lambda: swap(2, symmetric=True, groups="row"), "pairs of a symmetric network belong to two rows"),
        (lambda: exchange([mask, mask], [loss, loss], [gain, gain], 2, symmetric=True), "one square matrix"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
