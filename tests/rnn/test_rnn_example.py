"""The packaged network does its task, and its trials are new to it and to each other."""

import numpy as np

from jaxprune import rnn


def test_the_example_does_its_task():
    model, trials, calibration = rnn.example()
    assert model.W_rec.dtype == trials.inputs.dtype == np.float32
    assert (trials.labels.shape, calibration.labels.shape) == ((32, 200), (32, 100))
    task = rnn.ring_sequence()
    assert (model.W_in.shape[1], len(model.b_out)) == (task.inputs, task.outputs)
    assert float(rnn.accuracy(model, *trials)) > 0.95
    assert float(rnn.chance_level(trials.labels)) < 0.2
    rnn.check_axes(model, *calibration)
    assert not (np.asarray(trials.inputs[:, :100]) == np.asarray(calibration.inputs)).all(axis=(0, 2)).any()
