"""A little noise beside the task: how the retention of trained networks depends on what share of H is noise at the inputs.

The task alone visits few states; a pruned network that strays from them meets directions that nobody asked it to keep. Here H is
(1 - share) of the task's second moment and `share` of that under white noise at the inputs, as if so much of the time were
spent on noise; synapses by local turnover (`activity+regrow`). Share 0 is the task alone.
"""

import dataclasses
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from experiments.trained_rnn import TASKS
from jaxprune import rnn
from jaxprune.sweep import figure_settings


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: directory with the networks and trials, one .npz for each task.
      tasks: which of them.
      shares: shares of noise in H.
      pruned: fractions pruned.
      sd: standard deviation of the noise, a step.
      seeds: seeds of the noise.
      seed: seed of everything.
    """

    data: Path
    tasks: tuple[str, ...] = TASKS
    shares: tuple[float, ...] = (0.0, 0.03, 0.1)
    pruned: tuple[float, ...] = (0.9, 0.95)
    sd: float = 1.5
    seeds: int = 1
    seed: int = 1


def run(config: Config, journal: Path) -> xr.Dataset:
    """Retention: (task, share, pruned, seed)."""
    points = [{"task": task, "seed": seed} for task in config.tasks for seed in range(config.seeds)]
    rows = _study.compute(points, lambda point: _network(config, **point), journal, config)
    return _study.dataset(rows, ("task", "share", "pruned", "seed"))


def _network(config, task, seed):
    path = config.data / f"{task}.npz"
    model, trials = rnn.load_rnn(path), rnn.load_trials(path)
    shown = rnn.load_trials(path, prefix="calibration_").inputs
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), TASKS.index(task)), seed)
    noise_key, prune_key = jax.random.split(key)
    wanted = rnn.task_activity(model, shown, weights=rnn.input_lasts(shown))
    noise = rnn.InputNoise(config.sd).activity(noise_key, model)
    whole = float(rnn.accuracy(model, trials.inputs, trials.labels))
    W = model.recurrent.astype(wanted.second_moment.dtype)
    for share in config.shares:
        mixed = wanted._replace(
            second_moment=(1 - share) * wanted.second_moment + share * noise.second_moment,
            mean=(1 - share) * wanted.mean + share * noise.mean,
        )
        for fraction in config.pruned:
            S = rnn.prune_weights(
                prune_key, W, rnn.RECURRENT_RULES["activity+regrow"], keep=1 - fraction, activity=mixed
            ).matrix
            pruned = dataclasses.replace(model, W_rec=S.astype(model.W_rec.dtype))
            yield {
                "share": share,
                "pruned": fraction,
                "retention": float(rnn.accuracy(pruned, trials.inputs, trials.labels)) / whole,
            }


def show(results: xr.Dataset) -> None:
    """Print retention, mean over networks with standard errors, and the lowest network."""
    table = rich.table.Table(
        "share of noise", *(f"{fraction:.0%} pruned (lowest network)" for fraction in results.pruned.values),
        title=f"activity+regrow, {results.sizes['task']} networks, {results.sizes['seed']} seeds: retention",
    )  # fmt: skip
    for share in results.share.values:
        cells = []
        for fraction in results.pruned.values:
            at = results.retention.sel(share=share, pruned=fraction).mean("seed")
            mean, error = (float(x) for x in _study.mean_and_error(at, "task"))
            cells.append(f"{mean:.3f} ± {error:.3f} ({float(at.min()):.3f})")
        table.add_row(f"{share:g}", *cells)
    rich.console.Console(width=100).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Retention of every network by share, a panel for each fraction."""
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        axes = figure.subplots(1, results.sizes["pruned"], sharey=True, squeeze=False)[0]
        places = np.arange(results.sizes["share"])
        for ax, fraction in zip(axes, results.pruned.values, strict=True):
            at = results.retention.sel(pruned=fraction).mean("seed")
            for task in at.task.values:
                ax.plot(places, at.sel(task=task), "o-", alpha=0.6, label=str(task))
            ax.plot(places, at.mean("task"), "k_", markersize=25, label="mean")
            ax.set_xticks(places, [f"{share:g}" for share in results.share.values])
            ax.set(xlabel="share of noise in H", title=f"{fraction:.0%} pruned", ylim=(-0.03, 1.08))
        axes[0].set_ylabel("retention")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=7)
    return figure


if __name__ == "__main__":
    _study.main(Config, run, draw, show)
