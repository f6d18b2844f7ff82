"""One recurrent network with its task, which several tests prune."""

import jax

from jaxprune import pruning, rnn

KEY = jax.random.key(0)
N = 20
MODEL = rnn.ctrnn(KEY, inputs=3, neurons=N, outputs=2, gain=1.4)
INPUTS = jax.random.normal(jax.random.key(1), (60, 8, 3))
TASK = rnn.TaskInputs(INPUTS)
ACTIVITY = TASK.activity(KEY, MODEL)
W = MODEL.recurrent


def fit(W, mask, H):
    """What compensation of a trained network is."""
    return pruning.compensate(W, mask, H, leak=False, ridge=1e-6, solver="cholesky")
