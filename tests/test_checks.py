"""What is handed in from outside is refused in one line that names it, not in the words of another library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from helpers import untyped

import jaxprune
from jaxprune import _checks, dynamics, linalg, networks, pruning

A = np.array([[-2.0, 1.0], [1.0, -2.0]])
CALLS = {
    "prune": lambda A: pruning.prune(jax.random.key(0), A, "noise", keep=0.5),
    "certify": lambda A: linalg.certify(A, A),
    "stationary_covariance": lambda A: linalg.stationary_covariance(A),
    "stability": lambda A: linalg.stability(A),
    "dominant_leak": lambda A: networks.dominant_leak(A),
    "scaled_inputs": lambda A: networks.scaled_inputs(A),
    "noise_importance": lambda A: pruning.noise_importance(A, A),
    "Linear": lambda A: dynamics.Linear(A),
}
SPARSE = ("prune", "certify", "stability", "dominant_leak", "scaled_inputs", "noise_importance")
"""Those that take sparse matrices, too."""
BAD = {
    "a list": (lambda: A.tolist(), "is a list, but must be an array: convert it with jnp.asarray("),
    "a sparse matrix": (lambda: scipy.sparse.csr_array(A), ".toarray()"),
    "half precision": (lambda: jnp.asarray(A, jnp.float16), "dtype float16"),
    "whole numbers": (lambda: A.astype(int), "dtype int64"),
    "complex numbers": (lambda: A + 0j, "dtype complex128"),
}


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_matrix_is_refused(function, kind):
    if kind == "a sparse matrix" and function in SPARSE:
        return
    make, message = BAD[kind]
    with untyped(), pytest.raises(jaxprune.InputError) as refused:
        CALLS[function](make())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("function", CALLS)
def test_double_precision_where_jax_has_none(function):
    """It would be cut to single precision, with a warning in other words."""
    with jax.enable_x64(False), untyped(), pytest.raises(jaxprune.InputError, match="jax_enable_x64"):
        CALLS[function](A)


def test_keys_are_typed():
    with untyped(), pytest.raises(jaxprune.InputError, match=r"key is 0, but must be a typed random key"):
        pruning.prune(0, jnp.asarray(A), "noise", keep=0.5)


def test_seeds_of_which_no_key_can_be_made():
    for seed in (0, -1, 2**63 - 1, -(2**63)):
        _checks.check_seed("seed", seed)
    for seed in (2**63, -(2**63) - 1, 10**400):
        with pytest.raises(jaxprune.InputError, match=r"^seed is -?\d.* must be below 2\^63") as refused:
            _checks.check_seed("seed", seed)
        assert len(str(refused.value)) < 300


def test_quoted_is_one_line_and_short():
    for value in ("a\nb", "x" * 10_000, list(range(1000)), 10**300, "\u202e\x00" * 100):
        assert "\n" not in _checks.quoted(value)
        assert len(_checks.quoted(value)) < 100


@pytest.mark.parametrize("text", ["1_000", "١٢", "x", "", "1,5", "0x10"])
def test_numbers_in_files_are_plain(text):
    with pytest.raises(ValueError, match=r".*"):
        _checks.plain_number(text)


def test_numbers_in_files():
    assert [_checks.plain_number(text) for text in ("1", " -1.5e3 ", "+.5")] == [1, -1500, 0.5]
