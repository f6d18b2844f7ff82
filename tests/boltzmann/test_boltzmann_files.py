"""Machines in files."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from machines import machine

import jaxprune
from jaxprune.boltzmann import load_machine, save_machine, start_chains


@pytest.mark.parametrize("kind", ["restricted", "deep"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_round_trip(tmp_path, kind, dtype):
    model = machine(kind).astype(dtype)
    chains = start_chains(jax.random.key(0), model, 7)
    save_machine(tmp_path / "m.eqx", model, chains=chains, facts={"a": [1, 2]})
    found, states, facts = load_machine(tmp_path / "m.eqx")
    for a, b in zip(jax.tree.leaves((model, chains)), jax.tree.leaves((found, states)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert facts == {"a": [1, 2]}
    assert [path.name for path in tmp_path.iterdir()] == ["m.eqx"]


def test_chains_take_the_precision_of_the_machine(tmp_path):
    model = machine().astype(jnp.float32)
    save_machine(tmp_path / "m.eqx", model, chains=start_chains(jax.random.key(0), machine(), 7))
    assert load_machine(tmp_path / "m.eqx")[1][0].dtype == jnp.float32


def test_no_pickle_and_a_readable_head(tmp_path):
    save_machine(tmp_path / "m.eqx", machine())
    content = (tmp_path / "m.eqx").read_bytes()
    head = json.loads(content.split(b"\n")[0])
    assert head["sizes"] == [6, 4]
    assert b"pickle" not in content


def test_errors(tmp_path):
    path = tmp_path / "m.eqx"
    with pytest.raises(jaxprune.InputError, match="does not exist"):
        load_machine(path)
    for content in (b"", b"{}", b"not json\n", b"[1]\n", b"\x93NUMPY\n"):
        path.write_bytes(content)
        with pytest.raises(jaxprune.InputError, match="is no stored Boltzmann machine"):
            load_machine(path)
    save_machine(path, machine())
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(jaxprune.InputError, match="is damaged"):
        load_machine(path)


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": [10**6, 10**6]},
        {"sizes": [6, 10**30]},
        {"sizes": [6]},
        {"sizes": []},
        {"sizes": "64"},
        {"sizes": None},
        {"sizes": [6, 4.0]},
        {"sizes": [6, -4]},
        {"sizes": [6, True]},
        {"dtype": "object"},
        {"dtype": ["float64"]},
        {"dtype": "complex128"},
        {"chains": 10**12},
        {"chains": -1},
        {"chains": "7"},
    ],
)
def test_a_head_that_lies_is_refused_before_anything_is_allocated(tmp_path, monkeypatch, change):
    path = tmp_path / "m.eqx"
    save_machine(path, machine())
    head, leaves = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps(json.loads(head) | change).encode() + b"\n" + leaves)
    monkeypatch.setattr(jnp, "zeros", lambda shape, *_: pytest.fail("allocated") if shape else np.zeros(()))
    with pytest.raises(jaxprune.InputError, match="is damaged") as found:
        load_machine(path)
    assert len(str(found.value)) < 300


@pytest.mark.parametrize("missing", ["sizes", "dtype"])
def test_a_head_without_what_it_must_say_is_refused(tmp_path, missing):
    path = tmp_path / "m.eqx"
    save_machine(path, machine())
    head, leaves = path.read_bytes().split(b"\n", 1)
    said = json.loads(head)
    del said[missing]
    path.write_bytes(json.dumps(said).encode() + b"\n" + leaves)
    with pytest.raises(jaxprune.InputError, match="does not say the sizes"):
        load_machine(path)
