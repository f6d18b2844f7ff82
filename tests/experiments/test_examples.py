"""The study that makes the packaged examples writes files of the same form as are packaged."""

import itertools

import jax
import numpy as np

from experiments import examples
from jaxprune import boltzmann, rnn
from jaxprune._examples import EXAMPLES


def test_what_the_study_makes_is_of_the_form_that_is_packaged(tmp_path):
    config = examples.Config(files=tmp_path, steps=2, epochs=1)
    key = jax.random.key(0)
    examples.make_network(key, config, tmp_path / "rnn.npz")
    with np.load(tmp_path / "rnn.npz") as made, np.load(EXAMPLES / "rnn.npz") as packaged:
        forms = [{name: (stored[name].shape, stored[name].dtype) for name in stored} for stored in (made, packaged)]
    assert forms[0] == forms[1]
    # Its trials are drawn from the task as they were, whatever the training.
    assert rnn.load_trials(tmp_path / "rnn.npz").inputs.shape == rnn.example()[1].inputs.shape
    examples.make_machine(key, config, tmp_path / "rbm.eqx")
    made, packaged = (boltzmann.load_machine(folder / "rbm.eqx") for folder in (tmp_path, EXAMPLES))
    for ours, theirs in itertools.pairwise(map(jax.tree.leaves, (made[:2], packaged[:2]))):
        assert [(leaf.shape, leaf.dtype) for leaf in ours] == [(leaf.shape, leaf.dtype) for leaf in theirs]
