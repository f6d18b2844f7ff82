"""Rules from a module of the user's own."""

import hashlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import dominant, untyped

import jaxprune
from jaxprune import prune
from jaxprune.pruning import Compensate, NoisePrune, Rule, named_rule, rule_source

MODULE = """
import jax.numpy as jnp
from jaxprune.pruning import Compensate, Rule, WeightPrune

def squared(W):
    return W**2

Squared = Rule(squared, "top", Compensate())
number = 3

class Mine(WeightPrune):
    pass

def make():
    return Squared

class Picky(Rule):
    pass

def fails():
    raise RuntimeError("two\\nlines")

def refuses():
    return Rule(squared, method="luck")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A folder with a module of its own, forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_rules.py").write_text(MODULE)
    (tmp_path / "my_broken.py").write_text("import not_there_at_all\n")
    (tmp_path / "my_typo.py").write_text("def squared(W:\n")
    (tmp_path / "my_refused.py").write_text("from jaxprune import pruning\nBad = pruning.Rule(abs, method='luck')\n")
    yield tmp_path / "my_rules.py"
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.mark.usefixtures("module")
def test_it_is_a_rule_like_any_other():
    A, key = dominant("dale"), jax.random.key(0)
    named = prune(key, A, "my_rules:Squared", keep=0.5)
    given = prune(key, A, Rule(lambda W: W**2, "top", Compensate()), keep=0.5)
    for got, expected in zip(named, given, strict=True):
        np.testing.assert_array_equal(got, expected)
    rule = named_rule("my_rules:Squared")
    assert named_rule("my_rules:Squared") is rule
    assert named_rule("my_rules:make") is rule
    # A class that makes one.
    mine = named_rule("my_rules:Mine")
    assert isinstance(mine, Rule)
    assert mine.method == "bernoulli"
    assert named_rule("jaxprune.pruning:NoisePrune") == NoisePrune()
    jitted = jax.jit(lambda key, A: prune(key, A, "my_rules:Squared", keep=0.5, symmetric=False).mask)(key, A)
    np.testing.assert_array_equal(jitted, named.mask)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_nowhere:Rule", "module 'my_nowhere' cannot be imported on .* put it into this folder or on PYTHONPATH"),
        ("my_broken:Rule", r"module 'my_broken' cannot be imported on .*ModuleNotFoundError.*not_there_at_all"),
        ("my_typo:Rule", r"module 'my_typo' cannot be imported on .*SyntaxError"),
        ("my_refused:Bad", "method is 'luck'"),
        ("my_rules:Other", "my_rules has no Other; its rules are Squared"),
        ("my_broken.py:Rule", "cannot be imported"),
        ("my_rules:number", r"is a int and no pruning\.Rule: define number ="),
        ("my_rules:squared", r"squared\(\) does not make a rule .*TypeError"),
        ("my_rules:Picky", r"Picky\(\) does not make a rule .*TypeError"),
        ("my_rules:fails", r"fails\(\) does not make a rule \(RuntimeError: two lines\)"),
        ("my_rules:refuses", "method is 'luck'"),
        ("my_rules:jnp", r"is a module and no pruning\.Rule"),
        ("my_rules:", "is named module:Name"),
        (":Squared", "is named module:Name"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(name, words):
    for call in (named_rule, rule_source, lambda name: prune(jax.random.key(0), dominant("dale"), name, keep=0.5)):
        with untyped(), pytest.raises(jaxprune.InputError, match=words) as refusal:
            call(name)
        assert "\n" not in str(refusal.value)


def test_the_source_of_a_rule_is_its_file(module):
    source = rule_source("my_rules:Squared")
    content = module.read_bytes()
    assert source == {"module": "my_rules", "name": "Squared", "sha256": hashlib.sha256(content).hexdigest()}
    module.write_bytes(content + b"# another line\n")
    changed = rule_source("my_rules:Squared")
    assert changed["sha256"] == hashlib.sha256(content + b"# another line\n").hexdigest() != source["sha256"]
    for name in ("noise", "weight+compensation"):
        assert rule_source(name) is None


def test_an_importance_is_checked_as_any_other(module):
    module.with_name("my_wrong.py").write_text(
        "from jaxprune.pruning import Rule\nHalf = Rule(lambda W: W[:2])\nSigned = Rule(lambda W: W)\n"
    )
    A = dominant("dale")
    assert bool(jnp.any(A * (1 - jnp.eye(16)) < 0))
    for name, words in (("Half", r"importance has shape \(2, 16\)"), ("Signed", "negative entries")):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            prune(jax.random.key(0), A, f"my_wrong:{name}", keep=0.5)
