"""Public networks of 512 tanh units, each trained on one Mod-Cog task (Khona2022), and what one may see of their activity."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jax import Array

from jaxprune import InputError, plot, rnn
from jaxprune.dynamics import Activity, mix

TASKS = (
    "ctxdlydm1intseq",
    "ctxdlydm2intseq",
    "dlydm1intseq",
    "dlydm2intseq",
    "dm1seqr",
    "dm2seql",
    "dmsintseq",
    "multidlydmintseq",
)
INPUT, COLOURED, BROAD, NEURON, STRONG, LINEAR, LINEAR_INPUT, TASK, MIXED = (
    "input noise",
    "coloured input noise",
    "broadband input noise",
    "neuron noise",
    "strong neuron noise",
    "linearised at rest",
    "linearised at task slopes, input noise",
    "task",
    "task and noise",
)
COLOURS = {
    source: plot.colour(source)
    for source in (INPUT, COLOURED, BROAD, NEURON, STRONG, LINEAR, LINEAR_INPUT, TASK, MIXED)
}
DRAWN = 5
"""Number of sources with noise: each takes a key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources:
    """Networks, and the activity that is looked at.

    Attributes:
      data: directory with the networks and trials, one .npz for each task.
      tasks: which of them.
      sd: standard deviation of white noise at the inputs, a step.
      coloured_sd: of coloured noise.
      tau: its correlation time, in steps.
      broad_sd, broad_tau: ranges of both for broadband noise.
      share: share of steps of broadband noise beside the task.
      neuron_sd: standard deviation of the noise in every neuron's current, a step; weak and strong.
      margin: rate that the leak shift leaves to the slowest mode of the network linearised at rest.
      seed: seed of everything.
    """

    data: Path
    tasks: tuple[str, ...] = TASKS
    sd: float = 1.5
    coloured_sd: float = 1.0
    tau: float = 2.0
    broad_sd: tuple[float, float] = (1.0, 6.0)
    broad_tau: tuple[float, float] = (0.3, 3.0)
    share: float = 0.03
    neuron_sd: tuple[float, float] = (1.0, 4.0)
    margin: float = 1.0
    seed: int = 0

    def check(self) -> None:
        """Refuse a place without networks before anything is computed.

        Raises:
          InputError: an unknown task, or no directory.
        """
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown:
            raise InputError(f"--tasks has {unknown[0]!r}, but a task is one of {', '.join(TASKS)}.")
        if not self.data.is_dir():
            raise InputError(
                f"--data is {self.data}, which is not a directory: it must hold {self.tasks[0]}.npz and others."
            )

    def load(self, task: str) -> tuple[rnn.CTRNN, rnn.TrialSet, rnn.TrialSet]:
        """The network of a task, trials to test it on, and trials to calibrate on."""
        path = self.data / f"{task}.npz"
        return rnn.load_rnn(path), rnn.load_trials(path), rnn.load_trials(path, prefix="calibration_")

    def broadband(self, trials: int = 64) -> rnn.InputNoise:
        """Broadband noise at the inputs."""
        return rnn.InputNoise(self.broad_sd, self.broad_tau, trials=trials)

    def activities(self, keys: Sequence[Array], model: rnn.CTRNN, calibration: rnn.TrialSet) -> dict[str, Activity]:
        """Moments by every source of activity; `DRAWN` keys."""
        task = task_inputs(calibration)
        weak, strong = self.neuron_sd
        drawn = {
            INPUT: rnn.InputNoise(self.sd),
            COLOURED: rnn.InputNoise(self.coloured_sd, tau=self.tau),
            BROAD: self.broadband(trials=128),
            NEURON: rnn.NeuronNoise(weak),
            STRONG: rnn.NeuronNoise(strong),
        }
        seen = {name: source.activity(key, model) for key, (name, source) in zip(keys, drawn.items(), strict=True)}
        undrawn = {
            LINEAR: rnn.Linearised(margin=self.margin),
            LINEAR_INPUT: rnn.Linearised(rnn.mean_gain(model, task.inputs, weights=task.weights), through="inputs"),
            TASK: task,
        }
        seen |= {name: source.activity(keys[0], model) for name, source in undrawn.items()}
        return seen | {MIXED: mix(seen[TASK], seen[BROAD], share=self.share)}


def task_inputs(trials: rnn.TrialSet, after: int = 0) -> rnn.TaskInputs:
    """The task as a source of activity, up to some steps after the last input; padding is left out."""
    return rnn.TaskInputs(trials.inputs, rnn.input_lasts(trials.inputs, after=after))
