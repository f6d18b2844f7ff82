"""The k largest against sorting."""

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import quick_jit

from jaxprune.pruning._select import kth_largest, largest

SIZE = 12
both = quick_jit(lambda values, k: (kth_largest(values, k), largest(values, k)))


def numbers(dtype):
    """Of every size and sign, with many ties, both zeros and infinities."""
    width = np.dtype(dtype).itemsize * 8
    few = st.sampled_from([0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf")])
    any_number = st.floats(width=width, allow_nan=False, allow_subnormal=False)
    return hypothesis.extra.numpy.arrays(dtype, SIZE, elements=st.one_of(few, any_number))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@hypothesis.settings(derandomize=True, deadline=None, max_examples=100)
@hypothesis.given(data=st.data())
def test_agrees_with_sorting(dtype, data):
    values = data.draw(numbers(dtype))
    k = data.draw(st.integers(0, SIZE))
    threshold, chosen = both(jnp.asarray(values), float(k))
    assert threshold.dtype == dtype
    assert float(threshold) == (np.sort(values)[::-1][k - 1] if k else np.inf)
    # Of equal ones, and of the two zeros, the first in order.
    first = np.argsort(-(values + 0.0), kind="stable")[:k]
    np.testing.assert_array_equal(np.flatnonzero(chosen), np.sort(first))


def test_any_shape_in_the_order_of_its_entries():
    values = jnp.array([[[1.0, 2.0], [2.0, 0.0]], [[2.0, 3.0], [2.0, -1.0]]])
    chosen = largest(values, 3)
    np.testing.assert_array_equal(chosen, np.array([[[0, 1], [1, 0]], [[0, 1], [0, 0]]], bool))
    assert float(kth_largest(values, 3)) == 2
