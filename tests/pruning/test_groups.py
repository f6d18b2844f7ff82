"""Which synapses share a budget, over arrays of any shape and pytrees of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune.pruning._groups import by_groups, join, pattern, split

LAYERS = {
    "first": jnp.arange(24.0).reshape(3, 8),
    "then": jnp.arange(32.0).reshape(2, 4, 2, 2),
    "last": jnp.arange(4.0),
}


def groups_by_hand(array, groups):
    """The groups of one array, as lists of flat positions."""
    place = np.arange(array.size)
    if groups == "layer":
        return [place]
    rows = place.reshape(len(array), -1) if array.ndim > 1 else place[None]
    return list(rows if groups == "row" else rows.reshape(-1, 4))


@pytest.mark.parametrize("groups", ["layer", "row", "2:4"])
def test_groups_lie_within_arrays_and_neurons(groups):
    done = by_groups(lambda group: group - group[0], groups, LAYERS)
    for name, array in LAYERS.items():
        expected = np.array(array).ravel()
        for group in groups_by_hand(array, groups):
            # What stands alone comes as it is: the function sees a layer's own shape there, and a flat group elsewhere.
            expected[group] = expected[group] - expected[group][0]
        np.testing.assert_array_equal(done[name], expected.reshape(array.shape))


def test_the_global_group_holds_all():
    done = by_groups(lambda group: jnp.full_like(group, group.sum()), "global", LAYERS)
    total = sum(float(array.sum()) for array in LAYERS.values())
    assert all(bool(jnp.all(array == total)) for array in done.values())
    assert {name: array.shape for name, array in done.items()} == {name: array.shape for name, array in LAYERS.items()}


@pytest.mark.parametrize("groups", ["global", "layer", "row", "2:4"])
def test_what_is_split_can_be_joined(groups):
    leaves = list(LAYERS.values())
    for got, expected in zip(join(split(leaves, groups), leaves, groups), leaves, strict=True):
        np.testing.assert_array_equal(got, expected)


def rows_of(array):
    return len(array) if array.ndim > 1 else 1


def test_every_group_has_a_key_of_its_own():
    numbers = by_groups(
        lambda key, group: group * 0 + jax.random.key_data(key)[1], "row", LAYERS, key=jax.random.key(0)
    )
    rows = [row for array in numbers.values() for row in np.asarray(array).reshape(rows_of(array), -1)]
    assert all((row == row[0]).all() for row in rows)
    assert len({row[0] for row in rows}) == len(rows) == 6
    # One array as it stands takes the key itself.
    alone = by_groups(
        lambda key, group: jax.random.uniform(key, group.shape), "layer", LAYERS["last"], key=jax.random.key(0)
    )
    np.testing.assert_array_equal(alone, jax.random.uniform(jax.random.key(0), (4,)))


def test_patterns():
    assert pattern("2:4") == (2, 4)
    assert pattern("1:16") == (1, 16)
    for groups in ("global", "layer", "row"):
        assert pattern(groups) is None
    for groups in ("5:4", "0:4"):
        with pytest.raises(jaxprune.InputError, match=f"groups is '{groups}', but of every m synapses n stay"):
            pattern(groups)
    for groups in ("", "column", "2:4:8", "-1:4", "2.5:4"):
        with pytest.raises(
            jaxprune.InputError, match=r"groups is .*, but must be one of 'global', 'layer', 'row', '2:4'"
        ):
            pattern(groups)


def test_errors():
    with pytest.raises(jaxprune.InputError, match=r"a neuron has 8 inputs, which 3 does not divide.*groups='row'"):
        split([LAYERS["first"]], "2:3")
    with pytest.raises(jaxprune.InputError, match="different structures"):
        by_groups(jnp.add, "layer", LAYERS, list(LAYERS.values()))
    with pytest.raises(jaxprune.InputError, match=r"shapes \(4,\) and \(5,\), but must agree"):
        by_groups(jnp.add, "layer", jnp.ones(4), jnp.ones(5))
