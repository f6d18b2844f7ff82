"""How far a pruned network's activity strays from the original's, under the same noise.

The reference ensemble: Euler-Maruyama from random first states, 20 runs, the same noise for the original and every pruned
network; the error is the distance of the two states relative to the size of the original's, as it changes with time.
"""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _measures, _study
from jaxprune import dynamics, linalg, plot, pruning

RULES = {
    "noise": pruning.NoisePrune(),
    "noise, original leak": pruning.NoisePrune(adjust=pruning.Strengthen(diagonal="original")),
    "weight": pruning.WeightPrune(),
    "uniform": pruning.UniformPrune(),
    "noise+compensation": pruning.named_rule("noise+compensation"),
} | {name: pruning.named_rule(name) for name in _measures.CONTROLS}
REFERENCE = {"noise": (0.052, 0.053, 0.071), "weight": (0.067, 0.150, 0.247), "uniform": (0.065, 0.119, 0.169)}
"""An independent NumPy implementation's mean of 2 networks at times 5, 20 and 40 (N = 2000, 20 % kept)."""
REFERENCE_TIMES = (5.0, 20.0, 40.0)


DIMS = ("rule", "network", "time")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration; the defaults are the reference case.

    Attributes:
      keep: fraction kept.
      runs: first states and noises for each network.
      dt: step.
      duration: time simulated.
      sigma: noise intensity.
      drive: constant input to every neuron.
      record: time between records.
    """

    sizes: tuple[int, ...] = (1000, 200, 800)
    bridges: int = 5000
    slack: float = 0.0
    networks: int = 2
    keep: float = 0.2
    runs: int = 20
    dt: float = 5e-3
    duration: float = 40.0
    sigma: float = 0.01
    drive: float = 2e-4
    record: float = 1.0


points = _study.each_network


def evaluate(config: Config, network: int) -> Iterator[_study.Row]:
    """Relative error of the state over time, its mean and deviation over runs."""
    network_key, mask_key, start_key, noise_key = config.keys(network, 4)
    A = config.matrix(network_key)
    activity = dynamics.activity_of(linalg.stationary_covariance(A))
    starts = jax.random.uniform(start_key, (config.runs, len(A)))
    original = _simulate(config, A, starts, noise_key)
    for label, rule in RULES.items():
        S = pruning.prune(mask_key, A, rule, keep=config.keep, activity=activity, symmetric=True).matrix
        strayed = jnp.linalg.norm(_simulate(config, S, starts, noise_key) - original, axis=2)
        error = np.asarray(strayed / jnp.linalg.norm(original, axis=2))
        for record, errors in enumerate(error.T, start=1):
            yield {
                "rule": label,
                "time": record * config.record,
                "error": float(errors.mean()),
                "deviation": float(errors.std(ddof=1)),
            }


def _simulate(config, A, starts, key):
    """Records of all runs, (run, record, neuron)."""
    keys = jax.random.split(key, config.runs)
    return _program(config)(A, starts, keys)


@functools.lru_cache(maxsize=1)
def _program(config):
    @jax.jit
    def program(A, starts, keys):
        drift = dynamics.Linear(A, jnp.full(len(A), config.drive))

        def one(start, key):
            return dynamics.simulate(
                key,
                drift,
                start,
                dt=config.dt,
                steps=round(config.duration / config.dt),
                sigma=config.sigma,
                record_every=round(config.record / config.dt),
            ).trajectory

        return jax.vmap(one)(starts, keys)

    return program


def show(results: xr.Dataset) -> None:
    """Print the errors at the reference's times beside the reference's."""
    times = [time for time in REFERENCE_TIMES if time in results.time.values]
    table = rich.table.Table(
        "rule",
        *(f"t = {time:g}" for time in times),
        *(f"reference, {time:g}" for time in times),
        title=f"N = {results.attrs['neurons']}, {results.attrs['keep']:.0%} kept, {results.attrs['runs']} runs: "
        "mean over networks (lowest and highest network)",
    )
    for rule in results.rule.values:
        errors = results.error.sel(rule=rule)
        cells = [
            f"{float(at.mean()):.3f} ({float(at.min()):.3f}, {float(at.max()):.3f})"
            for at in (errors.sel(time=time) for time in times)
        ]
        known = REFERENCE.get(rule)
        table.add_row(rule, *cells, *(f"{known[REFERENCE_TIMES.index(time)]:.3f}" if known else "" for time in times))
    rich.console.Console(width=150).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Error against time, a line for each rule; the reference's numbers as crosses."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    ax = figure.subplots()
    for rule in results.rule.values:
        errors = results.error.sel(rule=rule)
        style = _study.line_style(rule)
        ax.plot(results.time, errors.mean("network"), label=rule, **style)
        ax.fill_between(
            results.time,
            errors.min("network"),
            errors.max("network"),
            color=style["color"],
            alpha=0.15,
            linewidth=0,
        )
        if rule in REFERENCE:
            ax.plot(REFERENCE_TIMES, REFERENCE[rule], "x", color=style["color"], markersize=7)
    (cross,) = ax.plot([], [], "kx")
    ax.legend([cross], ["independent code, 2 networks"], loc="upper right", bbox_to_anchor=(1, 0.93))
    ax.set(xlabel="time", ylabel=f"distance / size of the original's state {_study.LOWER}", yscale="log")
    plot.label_decades(ax.yaxis)
    size = f"{results.attrs['neurons']} neurons, {results.attrs['keep']:.0%} of synapses kept"
    _study.finding(figure, "Under the same noise, noise pruning stays closest to the original's state", size)
    _study.label_ends(figure, ax, names={"empty": "no synapse"})
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("keep", "neurons", "runs"))
