"""Speed and memory of the linear part, as ratios against a peer in the same run.

Lyapunov solves against SciPy's Bartels-Stewart; simulations with running covariance against the same loop in NumPy (of which a
part is run, and scaled: every step costs the same) and against the rate of a plain matrix product; peak memory of the default
`jaxprune sweep` in a process of its own, without compiled programs of an earlier one and with them. Times are medians after a
warm-up of ours, ours and the peer's in turn; the simulations run once. First of all, what the device can do at best: a matrix
product and a copy of memory. A share is the time that the product would take for as many operations.
"""

import dataclasses
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.linalg
import xarray as xr

from experiments import _ceilings, _study
from jaxprune import dynamics, linalg, networks


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of the large problems.
      batch: networks of the batched solve, of a tenth as many neurons.
      repeats: timed runs, after one that is not counted.
      simulated: networks that are simulated, of half as many neurons as the large problems.
      steps: steps of the simulation.
      memory: measure the peak memory of the default sweep, too.
    """

    neurons: int = 1000
    batch: int = 64
    repeats: int = 3
    simulated: int = 64
    steps: int = 20_000
    memory: bool = True

    @property
    def device(self) -> str:
        """Where it runs."""
        return _ceilings.device()


DIMS = ("benchmark",)
OTHERS = ("residual", "doublings", "memory_gb", "rate", "share")
"""What only some benchmarks measure."""


def points(config: Config) -> list[_study.Row]:
    """Benchmarks by their names."""
    return [{"benchmark": name} for name in _cases(config)]


def _cases(config):
    n, batch = config.neurons, f"{config.batch} x N = {config.neurons // 10}"
    simulation = f"{config.simulated} x N = {n // 2}, {config.steps} steps"
    # Memory first: the kernel counts the memory of the process that starts another as the other's.
    memory = {"default sweep, whole process": "memory", "the same, when compiled before": "again"}
    return (memory if config.memory else {}) | {
        f"matrix product, N = {n}": "product",
        f"copy of {_ceilings.COPIED * 8 // 10**6} MB": "copy",
        f"Lyapunov gaussian, N = {n}": "gaussian",
        f"Lyapunov clustered-directed, N = {n}": "clustered-directed",
        f"Lyapunov dale, N = {n}": "dale",
        f"Lyapunov feedforward, N = {n}": "feedforward",
        f"Lyapunov {batch}": "batch",
        f"simulation {simulation}": "simulation",
        f"simulation {simulation}, share of the product rate": "ceiling",
    }


def evaluate(config: Config, benchmark: str) -> list[_study.Row]:
    """Seconds of ours and of the peer, their ratio, and what else matters."""
    return [_case(config, _cases(config)[benchmark])]


def _case(config, name):
    if name in ("memory", "again"):
        return _memory(name == "again")
    if name in ("product", "copy"):
        return dict.fromkeys(OTHERS, np.nan) | (
            _ceilings.product(config.neurons) if name == "product" else _ceilings.copy()
        )
    if name in ("simulation", "ceiling"):
        return _simulation(config, name)
    return _lyapunov(config, name)


def _compare(ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> dict[str, float]:
    return _study.compare(ours, peer, repeats) | dict.fromkeys(OTHERS, np.nan)


def _lyapunov(config, name):
    n, key = config.neurons, jax.random.key(0)
    if name == "batch":
        keys = jax.random.split(key, config.batch)
        A = jax.vmap(lambda k: networks.stable_leak(networks.gaussian(k, n // 10), -0.2, symmetric=False))(keys)
    elif name == "gaussian":
        A = networks.stable_leak(networks.gaussian(key, n), -0.2)
    elif name == "clustered-directed":
        A = networks.dominant_leak(
            networks.clustered(key, (n // 2, n // 10, 2 * n // 5), bridges=5 * n // 2, directed=True)
        )
    elif name == "dale":
        A = networks.dominant_leak(networks.dale(key, n), 0.1)
    else:
        A = networks.stable_leak(networks.feedforward(key, 10, n // 10, gain=0.5), -0.5)

    def one(A):
        return linalg.lyapunov(A, jnp.eye(len(A)), symmetric=True)

    solve = jax.jit(jax.vmap(one) if name == "batch" else one)
    host = np.asarray(A).reshape(-1, *A.shape[-2:])
    result = _compare(
        lambda: solve(A),
        lambda: [scipy.linalg.solve_continuous_lyapunov(a, -np.eye(len(a))) for a in host],
        config.repeats,
    )
    solution = solve(A)
    doublings, size = float(solution.doublings.max()), A.shape[-1]
    # An inverse, and in every doubling two products of any matrices and one whose result is symmetric.
    operations = len(host) * size**3 * (2 + doublings * (4 + 1.5))
    return result | {
        "residual": float(solution.residual.max()),
        "doublings": doublings,
        "share": _ceilings.share(n, operations, result["ours_s"]),
    }


def _simulation(config, name):
    n, dt = config.neurons // 2, 0.05
    keys = jax.random.split(jax.random.key(0), config.simulated)
    A = jax.jit(jax.vmap(lambda key: networks.stable_leak(networks.gaussian(key, n), -0.2, symmetric=False)))(keys)

    def one(inputs):
        key, A = inputs
        drift = dynamics.Linear(A)
        observed = dynamics.simulate(
            key, drift, jnp.zeros(n), dt=dt, steps=config.steps, observe=dynamics.Moments()
        ).observed
        return observed.covariance

    # One network after the other: its matrices then stay in the cache.
    ours = jax.jit(lambda keys, A: jax.lax.map(one, (keys, A)))
    part, rng = max(config.steps // 100, 1), np.random.default_rng(0)

    def loop():
        for matrix in np.asarray(A):
            x, second = np.zeros(n), np.zeros((n, n))
            for _ in range(part):
                x = x + dt * (matrix @ x) + np.sqrt(dt) * rng.standard_normal(n)
                second += np.outer(x, x)

    def product():
        return square(A[0], A[0])

    square = jax.jit(jnp.matmul)
    measured = _compare(lambda: ours(keys, A), loop if name == "simulation" else product, 1)
    steps = config.simulated * config.steps
    if name == "simulation":
        measured["peer_s"] *= config.steps / part
        print(f"{steps * n / measured['ours_s']:.3g} neuron updates per second", file=sys.stderr)
    else:
        # Up, down, and covariance: three products of one column with an n x n matrix for every step.
        rate = min(_compare(product, product, 20)["ours_s"] for _ in range(3))
        measured["peer_s"] = steps * 3 / n * rate
    ratio = measured["peer_s"] / measured["ours_s"]
    return measured | {"ratio": ratio} | ({"share": ratio} if name == "ceiling" else {})


def _memory(again):
    with tempfile.TemporaryDirectory() as place:
        for turn in range(1 + again):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "jaxprune.cli", "sweep", "--out", f"{place}/{turn}.zarr"],
                env=os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{place}/compiled"},
                check=True,
                capture_output=True,
            )
            seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    return {
        "ours_s": seconds,
        "peer_s": np.nan,
        "ratio": np.nan,
        "first_s": seconds,
        **dict.fromkeys(OTHERS, np.nan),
        "memory_gb": peak,
    }


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table(
        "benchmark",
        "ours, s",
        "peer, s",
        "peer / ours",
        "first, s",
        "residual",
        "doublings",
        "peak, GB",
        "G / s",
        "share",
    )
    for name in results.benchmark.values:
        at = results.sel(benchmark=name)
        numbers = [
            (at.ours_s, ".3f"),
            (at.peer_s, ".3f"),
            (at.ratio, ".2f"),
            (at.first_s, ".1f"),
            (at.residual, ".1e"),
            (at.doublings, ".0f"),
            (at.memory_gb, ".2f"),
            (at.rate, ".0f"),
            (at.share, ".2f"),
        ]
        table.add_row(name, *["" if np.isnan(float(value)) else format(float(value), spec) for value, spec in numbers])
    rich.console.Console(width=170).print(table)
    print(f"{results.attrs['device']}; G / s: 10^9 operations or bytes a second; share: of the rate of the product")


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, attributes=("device",))
