"""A small trained network that comes with the package, and its trials."""

from jaxprune._examples import RNN
from jaxprune.rnn._ctrnn import CTRNN
from jaxprune.rnn._files import TrialSet, load_rnn, load_trials


def example() -> tuple[CTRNN, TrialSet, TrialSet]:
    """A network of 128 tanh neurons that has learnt the task `ring_sequence`, and trials of this task.

    The study `examples` of the repository trained it.

    Returns:
      The network; 200 trials to measure accuracy on; 100 others to calibrate on, as a source of activity for example.

    Example:
      >>> model, trials, calibration = example()
      >>> model.W_rec.shape, trials.inputs.shape
      ((128, 128), (32, 200, 9))
    """
    return load_rnn(RNN), load_trials(RNN), load_trials(RNN, prefix="calibration_")
