"""Result codes are numbers for compiled code and sentences for people."""

import jax
import jax.numpy as jnp

from jaxprune import boltzmann, deep, linalg
from jaxprune._codes import Code


def test_number_and_words():
    for kind in (boltzmann.LearnCode, boltzmann.MeanFieldCode, deep.TrainCode, linalg.Guarantee):
        assert issubclass(kind, Code)
        members = list(kind)
        assert [int(member) for member in members] == list(range(len(members)))
        assert len({member.words for member in members}) == len(members)
        assert all(kind(int(member)) is member and member.words.endswith(".") for member in members)


def test_codes_go_through_compiled_code():
    found = jax.jit(lambda x: jnp.where(x > 0, int(linalg.Guarantee.STABLE), int(linalg.Guarantee.NONE)))(1.0)
    assert linalg.Guarantee(int(found)) is linalg.Guarantee.STABLE
