"""Speed of pruning trained networks: 512 neurons, 512 trials of 40 steps; ours beside NumPy in the same run.

The network and its trials are random: time does not depend on what they are.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.linalg
import xarray as xr

from experiments import _study
from jaxprune import pruning, rnn


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of the network.
      trials: trials that it is measured on.
      keep: fraction kept.
      repeats: timed runs, after one that is not counted.
      seed: seed of the network.
    """

    neurons: int = 512
    trials: int = 512
    keep: float = 0.1
    repeats: int = 5
    seed: int = 0


CASES = ("fit of all rows", "evaluation", "surgeon, row by row", "all rules at one level")


def run(config: Config, journal: Path) -> xr.Dataset:
    """Seconds of ours and of the peer: (benchmark)."""
    points = [{"benchmark": name} for name in CASES]
    rows = _study.compute(points, lambda point: [_case(config, point["benchmark"])], journal, config)
    return _study.dataset(rows, ("benchmark",))


def _case(config, name):
    model_key, input_key, noise_key, prune_key = jax.random.split(jax.random.key(config.seed), 4)
    model = rnn.ctrnn(model_key, inputs=33, neurons=config.neurons, outputs=17, gain=1.5)
    inputs = jax.random.normal(input_key, (40, config.trials, 33))
    labels = jnp.argmax(rnn.run(model, inputs), axis=-1)
    if name == "evaluation":
        return _study.compare(
            lambda: rnn.accuracy(model, inputs, labels), lambda: _numpy_accuracy(model, inputs, labels), config.repeats
        )
    H = rnn.InputNoise(1.5).activity(noise_key, model).second_moment
    W = model.recurrent
    if name == "fit of all rows":
        mask = rnn.prune_weights(prune_key, W, rnn.RECURRENT_RULES["magnitude"], keep=config.keep).mask
        host = np.asarray(W), np.asarray(mask), np.asarray(H)
        return _study.compare(lambda: pruning.fit_rows(W, mask, H), lambda: _numpy_fit(*host), config.repeats)
    if name == "surgeon, row by row":
        return _study.compare(lambda: pruning.surgeon_order(W, H, keep=config.neurons // 20), None, 1)
    return _study.compare(lambda: _all_rules(config, model, inputs, labels, noise_key, prune_key), None, 1)


def _all_rules(config, model, inputs, labels, noise_key, prune_key):
    """Every rule at one level, with its covariances, its loops and its evaluation; the surgeon's order serves its two rules."""

    def observe(S):
        return rnn.InputNoise(1.5).activity(noise_key, dataclasses.replace(model, W_rec=S))

    W = model.recurrent
    activity = observe(W)
    least = max(pruning.synapse_count(W, config.keep, symmetric=False) // (2 * len(W)), 1)
    removals = pruning.surgeon_order(W - jnp.diag(jnp.diagonal(W)), activity.second_moment, keep=int(least))
    found = []
    for rule in rnn.RECURRENT_RULES.values():
        order = removals if rule.score == "greedy surgeon" else None
        S = rnn.prune_weights(
            prune_key, W, rule, keep=config.keep, activity=activity, observe=observe, removals=order
        ).matrix
        found.append(rnn.accuracy(dataclasses.replace(model, W_rec=S), inputs, labels))
    return jnp.stack(found)


def _numpy_fit(W, mask, H, ridge=1e-6):
    S, hold = np.zeros_like(W), ridge * np.trace(H) / len(H)
    target = W @ H + hold * W
    for i in range(len(W)):
        place = np.flatnonzero(mask[i])
        if len(place):
            held = H[np.ix_(place, place)] + hold * np.eye(len(place))
            S[i, place] = scipy.linalg.solve(held, target[i, place], assume_a="pos")
    return S


def _numpy_accuracy(model, inputs, labels):
    names = ("W_in", "b_in", "W_rec", "b_rec", "W_out", "b_out")
    W_in, b_in, W_rec, b_rec, W_out, b_out = (np.asarray(getattr(model, name)) for name in names)
    alpha, v = float(model.alpha), np.zeros((inputs.shape[1], len(b_rec)))
    right = 0
    for u, label in zip(np.asarray(inputs), np.asarray(labels), strict=True):
        v = (1 - alpha) * v + alpha * (u @ W_in.T + b_in + np.tanh(v) @ W_rec.T + b_rec)
        right += np.sum(np.argmax(np.tanh(v) @ W_out.T + b_out, axis=1) == label)
    return right / labels.size


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table("benchmark", "ours, s", "NumPy, s", "NumPy / ours", "first run, s")
    for name in results.benchmark.values:
        at = results.sel(benchmark=name)
        cells = (float(at[column]) for column in ("ours_s", "peer_s", "ratio", "first_s"))
        table.add_row(str(name), *("" if np.isnan(cell) else f"{cell:.3g}" for cell in cells))
    rich.console.Console(width=100).print(table)


if __name__ == "__main__":
    _study.main(Config, run, None, show)
