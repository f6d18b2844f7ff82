"""Short names of settings."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import optax

from jaxprune import fingerprint


@dataclasses.dataclass(frozen=True)
class Settings:
    rate: float
    optimiser: object


def power(exponent):
    return lambda x: x**exponent


def test_settings_that_do_the_same_have_one_name():
    for make in (
        lambda: Settings(0.1, optax.sgd),
        lambda: functools.partial(optax.sgd, momentum=0.5),
        lambda: power(2),
        lambda: lambda x: x + 1,
        lambda: {"a": [np.arange(3), None, "b"]},
    ):
        assert fingerprint(make()) == fingerprint(make())


def test_settings_that_differ_have_different_names():
    settings = [
        Settings(0.1, optax.sgd),
        Settings(0.2, optax.sgd),
        Settings(0.1, optax.adam),
        functools.partial(optax.sgd, momentum=0.5),
        functools.partial(optax.sgd, momentum=0.9),
        power(2),
        power(3),
        lambda x: x + 1,
        lambda x: x + 2,
        lambda x: [y + 1 for y in x],
        lambda x: [y + 2 for y in x],
        np.arange(3),
        jnp.arange(3.0),
        np.arange(4),
        "3",
        3,
        {"a": 1},
        {"a": 2},
    ]
    assert len({fingerprint(one) for one in settings}) == len(settings)
