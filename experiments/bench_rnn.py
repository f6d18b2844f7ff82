"""Speed of pruning trained networks: 512 neurons, 512 trials of 40 steps; ours beside NumPy in the same run.

The network and its trials are random: time does not depend on what they are.
"""

import dataclasses

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
DIMS = ("benchmark",)
RULES = (
    *("uniform+keep", "weight+keep", "noise+keep", "weight+radius", "noise+radius", "uniform", "weight", "noise"),
    pruning.NoisePrune(adjust=pruning.Strengthen(cap_quantile=0.5)),
    *("uniform+compensation", "weight+compensation", "noise+compensation", "activity+compensation"),
    *("surgeon+once", "activity+regrow", "greedy+compensation"),
)
LOOPED = {"activity+regrow": 8, "greedy+compensation": 8}
"""Rules that are run once more, in a closed loop."""


def points(config: Config) -> list[_study.Row]:
    """Benchmarks by their names."""
    del config
    return [{"benchmark": name} for name in CASES]


def evaluate(config: Config, benchmark: str) -> list[_study.Row]:
    """Seconds of ours and of the peer."""
    return [_case(config, benchmark)]


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
        mask = pruning.prune(prune_key, W, "weight+keep", keep=config.keep, kind="recurrent", symmetric=False).mask
        host = np.asarray(W), np.asarray(mask), np.asarray(H)
        return _study.compare(
            lambda: pruning.compensate(W, mask, H, leak=False, ridge=1e-6, solver="cholesky"),
            lambda: _numpy_fit(*host),
            config.repeats,
        )
    if name == "surgeon, row by row":
        return _study.compare(lambda: pruning.removal_importance(W, H, least=config.neurons // 20), None, 1)
    return _study.compare(lambda: _all_rules(config, model, inputs, labels, noise_key, prune_key), None, 1)


def _all_rules(config, model, inputs, labels, noise_key, prune_key):
    """Every rule at one level, with its covariances, its loops and its evaluation; the surgeon's order serves its two rules."""
    (W,) = rnn.recurrent_blocks(model)
    source = rnn.InputNoise(1.5)
    activity = source.activity(noise_key, model)
    least = max(round(config.keep * len(W) / 2), 1)
    ranks = pruning.removal_importance(W, activity.second_moment, least=least)
    found = []
    for rule, loops in (*((rule, 0) for rule in RULES), *LOOPED.items()):
        pruned = rnn.prune_recurrent(
            prune_key, model, rule, keep=config.keep, activity=activity, source=source, loops=loops,
            importances=[ranks] if str(rule).startswith("greedy") else None,
        )  # fmt: skip
        found.append(rnn.accuracy(pruned.model, inputs, labels))
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
    _study.main(Config, points, evaluate, DIMS, show)
