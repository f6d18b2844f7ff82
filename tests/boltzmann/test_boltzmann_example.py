"""The packaged machine has learnt the digits."""

import jax
import numpy as np

from jaxprune import boltzmann
from jaxprune.data import binarise, digits


def test_the_example_has_learnt_the_digits():
    model, chains = boltzmann.example()
    assert model.sizes == (64, 100)
    assert model.weights[0].dtype == np.float32
    found = digits()
    threshold = float(np.mean(found.train.images))
    train, test = (binarise(part.images, threshold) for part in found)
    independent = float(boltzmann.independent_log_likelihood(train, test).mean())
    learnt = boltzmann.mean_log_likelihood(jax.random.key(0), model, test, temperatures=300)
    assert learnt.value > independent + 5
    np.testing.assert_allclose(chains[0].mean(0), train.mean(0), atol=0.3)
