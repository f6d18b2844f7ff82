"""The mask alone."""

import jax.numpy as jnp
import numpy as np
from helpers import SIZE, dominant, weights

from jaxprune.pruning import Keep
from jaxprune.pruning.adjust import Survivors


def test_survivors_and_leaks_stay_as_they_are():
    A = dominant("dale")
    mask = (weights("dale") > 0).astype(float)
    S, same = Keep()(Survivors(A, mask, jnp.eye(SIZE), mask / 2, None, "linear"))
    assert same is mask
    expected = np.where(np.asarray(mask) > 0, A, 0) + np.diag(np.diagonal(A))
    np.testing.assert_array_equal(S, expected)
    layer = Survivors(A[:4], mask[:4], jnp.zeros((4, SIZE)), mask[:4], None, "layer")
    np.testing.assert_array_equal(Keep()(layer)[0], np.where(np.asarray(mask[:4]) > 0, A[:4], 0))
    assert Keep().again() is None
