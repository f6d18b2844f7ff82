"""Short names of settings."""

import dataclasses
import functools
import os
import subprocess
import sys

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


def test_names_are_the_same_in_every_process():
    program = """
import jax, equinox as eqx, jaxprune
class Settings:
    def __init__(self): self.rate, self.kinds = 0.1, {"a", "b", "c"}
class Step(Settings):
    def __call__(self, x): return x
model = eqx.nn.MLP(2, 2, 4, 1, jax.nn.gelu, key=jax.random.key(0))
print(jaxprune.fingerprint(model, lambda x: x in {"a", "b", "c"}, Settings(), Step(), object(), jax.nn.relu))
"""
    names = set()
    for seed in "12":
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        names.add(done.stdout)
    assert len(names) == 1


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
