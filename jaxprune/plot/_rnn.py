"""A trained recurrent network beside what pruning made of it: accuracy, recurrent weights, their spectrum, outputs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from jaxprune import linalg, rnn
from jaxprune.plot._scores import plot_scores
from jaxprune.plot._spectrum import plot_spectrum
from jaxprune.plot._style import figure_settings
from jaxprune.plot._time_course import plot_time_course
from jaxprune.plot._weights import plot_weights, weight_limit
from jaxprune.rnn import CTRNN

PULSE = 20
"""Steps that an input is on, and then off, where no trial is given."""
OUTPUTS = 8
"""Outputs that are drawn at most."""
REST = 1.0
"""Real part of an eigenvalue of the recurrent weights from which a network at rest is unstable, at a slope of one."""


class RNNView(NamedTuple):
    """What there is to see of a pruned recurrent network beside its original; made by `rnn_view`.

    Attributes:
      weights: recurrent weights by label.
      spectra: their eigenvalues.
      scores: accuracy by label; empty where it was not measured.
      chance: accuracy of one constant answer; None where it was not measured.
      outputs: of one trial by label, (step, output).
      trial: what was shown, in words.
    """

    weights: dict[str, np.ndarray]
    spectra: dict[str, np.ndarray]
    scores: dict[str, float]
    chance: float | None
    outputs: dict[str, np.ndarray]
    trial: str

    @property
    def kept(self) -> float:
        """Share of the original's recurrent synapses that the pruned network has."""
        before, after = (_synapses(W) for W in self.weights.values())
        return after / max(before, 1)


def rnn_view(
    model: CTRNN,
    pruned: CTRNN,
    *,
    trial: Float[Any, "time input"] | None = None,
    scores: Mapping[str, float] | None = None,
    chance: float | None = None,
    labels: tuple[str, str] = ("original", "pruned"),
) -> RNNView:
    """Look at a trained network and at its pruned version: recurrent weights, spectra, outputs of one trial.

    Args:
      model: the original.
      pruned: the pruned network.
      trial: inputs to show both; by default each input in turn, on and off.
      scores: accuracies by label, if they were measured.
      chance: accuracy of one constant answer.
      labels: what figures call the two.

    Raises:
      InputError: a trial of another number of inputs.

    Example:
      >>> model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=5, outputs=3)
      >>> rnn_view(model, model).outputs["pruned"].shape
      (80, 3)
    """
    inputs = _pulses(model.W_in.shape[1]) if trial is None else np.asarray(trial)
    shown = jnp.asarray(inputs, model.W_rec.dtype)[:, None, :]
    both = dict(zip(labels, (model, pruned), strict=True))
    return RNNView(
        weights={label: np.asarray(one.recurrent) for label, one in both.items()},
        spectra={label: np.asarray(linalg.eigenvalues(one.recurrent)) for label, one in both.items()},
        scores=dict(scores or {}),
        chance=chance,
        outputs={label: np.asarray(rnn.run(one, shown)[:, 0]) for label, one in both.items()},
        trial="each input in turn, on and off" if trial is None else "one trial",
    )


def rnn_figure(view: RNNView, *, title: str | None = None) -> Figure:
    """Draw a pruned recurrent network beside its original: weights, spectra, accuracy and outputs.

    Args:
      view: from `rnn_view`.
      title: of the figure; by default what was found.

    Returns:
      The figure.

    Example:
      >>> model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=5, outputs=3)
      >>> len(rnn_figure(rnn_view(model, model)).axes)
      4
    """
    below: list[Any] = ["scores", "outputs", "outputs"] if view.scores else ["outputs"] * 3
    panels: list[Any] = [["first", "second", "spectrum"], below]
    with mpl.rc_context(figure_settings()):
        figure = Figure(figsize=(12, 7.2), layout="constrained")
        axes = figure.subplot_mosaic(panels)
        limit = weight_limit(*view.weights.values(), diagonal=True)
        for place, (label, W) in zip(("first", "second"), view.weights.items(), strict=True):
            counted = f"{label}: {_synapses(W):,} recurrent synapses"
            plot_weights(W, axes[place], limit=limit, diagonal=True).set_title(counted)
        plot_spectrum(view.spectra, axes["spectrum"], edge=REST).set_title(_radius_title(view))
        if view.scores:
            plot_scores(view.scores, axes["scores"], chance=view.chance).set_title(_score_title(view))
        _draw_outputs(view, axes["outputs"])
        figure.suptitle(title or _title(view), fontsize=11)
    return figure


def _draw_outputs(view, ax):
    """The first outputs, one above the other."""
    steps, count = next(iter(view.outputs.values())).shape
    shown = min(count, OUTPUTS)
    plot_time_course(np.arange(steps), view.outputs, ax, neurons=range(shown))
    ax.set(xlabel="step", ylabel="output, around its mean")
    ax.set_title(f"{'outputs' if shown == count else f'{shown} of {count} outputs'}: {view.trial}", loc="left")


def _pulses(inputs):
    """Each input by itself, on and off."""
    steps = np.zeros((2 * PULSE * inputs, inputs))
    for number in range(inputs):
        steps[2 * PULSE * number : 2 * PULSE * number + PULSE, number] = 1
    return steps


def _synapses(W):
    return int(np.count_nonzero(W) - np.count_nonzero(np.diagonal(W)))


def _title(view):
    kept = f"{view.kept:.1%} of the recurrent synapses are kept"
    if not view.scores:
        return kept
    before, after = view.scores.values()
    return f"{kept}, and accuracy goes from {before:.1%} to {after:.1%}"


def _score_title(view):
    before, after = view.scores.values()
    return f"{after / before:.0%} of the accuracy is kept" if before else "the original is never right"


def _radius_title(view):
    before, after = (float(np.abs(values).max()) for values in view.spectra.values())
    return f"spectral radius {before:.3g} before, {after:.3g} after"
