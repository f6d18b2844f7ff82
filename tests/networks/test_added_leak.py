"""The leak that a network has, or is given: which, how large, and said in words that belong to no program."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import InputError
from jaxprune.linalg.sparse import as_sparse, to_scipy
from jaxprune.networks import NamedNetwork, dominant_leak, scaled_inputs, stable_leak
from jaxprune.networks.parts import choose_leak, count_synapses, with_leak

W = jnp.array([[0.0, 2.0, 0.0], [1.0, 0.0, 1.0], [0.0, -2.0, 0.0]])
OWN = W - 4 * jnp.eye(3)
KINDS = {
    "none": OWN,
    "scaled": scaled_inputs(W, 0.9),
    "dominant": dominant_leak(W, 0.2),
    "stable": stable_leak(W, -0.2),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("leak", KINDS)
def test_dense_or_sparse_it_is_the_leak_that_was_asked_for(leak, sparse):
    matrix = as_sparse("A", np.asarray(OWN)) if sparse else OWN
    found = with_leak(NamedNetwork(matrix, ("a", "b", "c"), 2), leak, name="A")
    A = to_scipy(found.matrix).toarray() if sparse else found.matrix
    np.testing.assert_allclose(A, KINDS[leak], rtol=1e-9)
    own, line = found.lines("as asked")
    assert own == "2 synapses of a neuron onto itself are left out"
    if leak == "none":
        assert line == "leak: as in the file"
        assert found.settings == found.facts == {}
    else:
        assert line.endswith(" (as asked); the diagonal of the file (3 entries) is not used")
        assert list(found.settings) == ["gain" if leak == "scaled" else "margin"]
    assert "--" not in line
    assert count_synapses(matrix) == 4


def test_by_default_the_leak_is_the_matrix_s_own_or_suits_its_weights():
    assert choose_leak(OWN, "auto", counts=True) == "none"
    assert choose_leak(W, "auto", counts=True) == "scaled"
    assert choose_leak(W, "auto", counts=False) == "dominant"
    assert choose_leak(OWN, "stable", counts=False) == "stable"


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("matrix", "leak", "numbers", "said"),
    [
        (-jnp.eye(2), "none", {}, "it has no synapse: there is nothing to prune"),
        (-jnp.eye(1), "dominant", {}, "it has no synapse"),
        (W + jnp.eye(3), "none", {}, "it.0, 0. is 1, but the diagonal .* must not be positive: mend it"),
        (W, "stable", {"margin": 0.0}, "^margin is 0"),
        (W, "scaled", {"gain": 1.0}, "^gain is 1"),
        (W, "auto", {}, "leak is 'auto'"),
    ],
)
def test_what_has_no_such_leak_is_refused(matrix, leak, numbers, said, sparse):
    matrix = as_sparse("it", np.asarray(matrix)) if sparse else matrix
    with pytest.raises(InputError, match=said):
        with_leak(NamedNetwork(matrix, ()), leak, name="it", remedy="mend it.", **numbers)
