"""Trained recurrent networks: tasks, training, operating points, sources of activity, and pruning that keeps the task."""

from jaxprune.rnn._ctrnn import CTRNN, ctrnn, run
from jaxprune.rnn._evaluate import accuracy, chance_level, check_axes
from jaxprune.rnn._example import example
from jaxprune.rnn._files import TrialSet, load_rnn, load_trials, save_rnn
from jaxprune.rnn._linearise import FixedPoint, Linearised, fixed_point, jacobian, mean_gain
from jaxprune.rnn._neurogym import neurogym_trials
from jaxprune.rnn._online import learn_online
from jaxprune.rnn._prune import PrunedBlocks, PrunedRNN, Report, prune_recurrent, prune_rnn, recurrent_blocks
from jaxprune.rnn._sources import CellInputs, InputNoise, NeuronNoise, TaskInputs, input_lasts
from jaxprune.rnn._tasks import (
    TASKS,
    Task,
    batch,
    delayed_match,
    flip_flop,
    perceptual_decision,
    ring_sequence,
)
from jaxprune.rnn._train import Trained, train

__all__ = [
    "CTRNN",
    "TASKS",
    "CellInputs",
    "FixedPoint",
    "InputNoise",
    "Linearised",
    "NeuronNoise",
    "PrunedBlocks",
    "PrunedRNN",
    "Report",
    "Task",
    "TaskInputs",
    "Trained",
    "TrialSet",
    "accuracy",
    "batch",
    "chance_level",
    "check_axes",
    "ctrnn",
    "delayed_match",
    "example",
    "fixed_point",
    "flip_flop",
    "input_lasts",
    "jacobian",
    "learn_online",
    "load_rnn",
    "load_trials",
    "mean_gain",
    "neurogym_trials",
    "perceptual_decision",
    "prune_recurrent",
    "prune_rnn",
    "recurrent_blocks",
    "ring_sequence",
    "run",
    "save_rnn",
    "train",
]
