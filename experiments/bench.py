"""Speed and memory, as ratios against a peer in the same run.

Lyapunov solves against SciPy's Bartels-Stewart; a whole symmetric sweep, from the making of the networks to the stored
measures, against NumPy, once as one would first write it and once as well as we know how; simulations with running covariance
against the same loop in NumPy (of which a part is run, and scaled: every step costs the same) and against the rate of a plain
matrix product; peak memory of the default `jaxprune sweep` in a process of its own. Times are medians after a warm-up of ours,
ours and the peer's in turn; the plain peer and the simulations run once.
"""

import dataclasses
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

from experiments import _study
from jaxprune import dynamics, linalg, networks, sweep


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of the large problems.
      batch: networks of the batched solve, of a tenth as many neurons.
      repeats: timed runs, after one that is not counted.
      keep: fractions of the sweep.
      networks: networks of the sweep.
      simulated: networks that are simulated, of half as many neurons as the large problems.
      steps: steps of the simulation.
      memory: measure the peak memory of the default sweep, too.
    """

    neurons: int = 1000
    batch: int = 64
    repeats: int = 3
    keep: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
    networks: int = 4
    simulated: int = 64
    steps: int = 20_000
    memory: bool = True


DIMS = ("benchmark",)


def points(config: Config) -> list[_study.Row]:
    """Benchmarks by their names."""
    return [{"benchmark": name} for name in _cases(config)]


def _cases(config):
    n, batch = config.neurons, f"{config.batch} x N = {config.neurons // 10}"
    simulation = f"{config.simulated} x N = {n // 2}, {config.steps} steps"
    # Memory first: the kernel counts the memory of the process that starts another as the other's.
    return ({"default sweep, whole process": "memory"} if config.memory else {}) | {
        f"Lyapunov gaussian, N = {n}": "gaussian",
        f"Lyapunov clustered-directed, N = {n}": "clustered-directed",
        f"Lyapunov dale, N = {n}": "dale",
        f"Lyapunov feedforward, N = {n}": "feedforward",
        f"Lyapunov {batch}": "batch",
        f"sweep N = {n}, against plain NumPy": "plain",
        f"sweep N = {n}, against the best NumPy": "best",
        f"simulation {simulation}": "simulation",
        f"simulation {simulation}, share of the product rate": "ceiling",
    }


def evaluate(config: Config, benchmark: str) -> list[_study.Row]:
    """Seconds of ours and of the peer, their ratio, and what else matters."""
    return [_case(config, _cases(config)[benchmark])]


def _case(config, name):
    if name == "memory":
        return _memory()
    if name in ("plain", "best"):
        return _sweep(config, name)
    if name in ("simulation", "ceiling"):
        return _simulation(config, name)
    return _lyapunov(config, name)


def _compare(ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> dict[str, float]:
    return _study.compare(ours, peer, repeats) | dict.fromkeys(("residual", "doublings", "memory_gb"), np.nan)


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
    return result | {"residual": float(solution.residual.max()), "doublings": float(solution.doublings.max())}


def _sweep(config, name):
    n = config.neurons
    ensemble = networks.Ensemble(sizes=(n // 2, n // 10, 2 * n // 5), bridges=5 * n // 2)
    settings = sweep.SweepConfig(
        ensemble, rules=("noise", "weight", "uniform"), keep=config.keep, networks=config.networks, chunk=1
    )
    peer = {"plain": _plain_numpy, "best": _best_numpy}[name]

    def ours():
        with tempfile.TemporaryDirectory() as place:
            sweep.run(settings, f"{place}/sweep.zarr")

    def theirs():
        return [peer(_numpy_network(ensemble, seed), config.keep) for seed in range(config.networks)]

    return _compare(ours, theirs, 1 if name == "plain" else config.repeats)


def _numpy_network(ensemble, seed):
    rng, n = np.random.default_rng(seed), ensemble.neurons
    cluster = np.repeat(np.arange(len(ensemble.sizes)), ensemble.sizes)
    joined = (cluster[:, None] == cluster[None, :]) & (rng.random((n, n)) < ensemble.density)
    upper = np.triu(np.where(joined, rng.normal(1, 1, (n, n)), 0), 1)
    first = rng.integers(0, n, ensemble.bridges // 2)
    second = (first + rng.integers(1, n, ensemble.bridges // 2)) % n
    np.add.at(upper, (np.minimum(first, second), np.maximum(first, second)), rng.random(ensemble.bridges // 2))
    W = upper + upper.T
    W /= 1.1 * np.linalg.eigvalsh(W)[-1]
    return W - np.diag(np.abs(W).sum(1) + ensemble.margin)


def _importances(A, C):
    variance = np.diag(C)
    weight = np.abs(A - np.diag(np.diag(A)))
    return {
        "noise": weight * (variance[:, None] + variance[None, :] - 2 * np.sign(A) * C),
        "weight": weight,
        "uniform": 1.0 * (weight > 0),
    }


def _plain_numpy(A, keep):
    """Point by point: covariance, probabilities, sample, eigenvalues of the pruned matrix, errors along modes, H2 error and
    information lost, all from the equations as they stand in the documentation."""
    rng = np.random.default_rng(0)
    out = []
    for fraction in keep:
        for rule in ("noise", "weight", "uniform"):
            values, vectors = np.linalg.eigh(A)
            C = -np.linalg.inv(A) / 2
            r = _importances(A, C)[rule]
            count = fraction * np.count_nonzero(r)
            scale = count / r.sum()
            for _ in range(50):
                full = scale * r >= 1
                refilled = (count - full.sum()) / max(r[~full].sum(), 1e-300)
                if refilled <= scale:
                    break
                scale = refilled
            p = np.minimum(1, scale * r)
            mask = np.triu(rng.random(A.shape) < p, 1)
            mask = mask | mask.T
            S = np.where(mask, A / np.where(p > 0, p, 1), 0)
            np.fill_diagonal(S, np.diag(A) + np.abs(A - np.diag(np.diag(A))).sum(1) - np.abs(S).sum(1))
            pruned = np.sort(np.linalg.eigvals(S).real)
            image = S @ vectors
            form = (vectors * image).sum(0)
            pruned_C = -np.linalg.inv(S) / 2
            rates, pruned_vectors = np.linalg.eigh(S)
            between = np.sum((vectors.T @ pruned_vectors) ** 2 / -(values[:, None] + rates[None, :]))
            h2 = np.sqrt((np.trace(C) + np.trace(pruned_C) - 2 * between) / np.trace(C))
            logarithms = np.linalg.slogdet(pruned_C)[1] - np.linalg.slogdet(C)[1]
            stationary = (np.trace(np.linalg.solve(pruned_C, C)) - len(A) + logarithms) / 2 / len(A)
            path = np.trace((A - S) @ C @ (A - S).T) / 2 / len(A)
            out.append(
                (
                    np.abs(pruned / values - 1),
                    np.abs(form / values - 1),
                    np.abs(form) / np.linalg.norm(image, axis=0),
                    h2,
                    stationary,
                    path,
                )
            )
    return out


def _best_numpy(A, keep):
    """The same measures and the certificate's epsilon: everything of one network computed once, only the upper triangle
    sampled, symmetric solvers, the eigenvectors as whitening, the H2 error from a tridiagonal form and without eigenvectors of
    the pruned matrix (`linalg.parts.reduce_symmetric`), no temporary that can be spared."""
    rng = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(A)
    C = -(vectors / values) @ vectors.T / 2
    upper = np.triu_indices(len(A), 1)
    present = np.flatnonzero(A[upper])
    rows, columns = upper[0][present], upper[1][present]
    weights = A[rows, columns]
    importances = {name: r[rows, columns] for name, r in _importances(A, C).items()}
    total = np.abs(A).sum(1) + np.diag(A)
    whitening = 1 / np.sqrt(-values)
    out = []
    for r in importances.values():
        coins = rng.random(len(r))
        for fraction in keep:
            count = fraction * len(r)
            scale = count / r.sum()
            while True:
                full = scale * r >= 1
                refilled = (count - np.count_nonzero(full)) / max(r[~full].sum(), 1e-300)
                if refilled <= scale:
                    break
                scale = refilled
            p = np.minimum(1, scale * r)
            kept = np.flatnonzero(coins < p)
            S = np.zeros_like(A)
            S[rows[kept], columns[kept]] = S[columns[kept], rows[kept]] = weights[kept] / p[kept]
            np.fill_diagonal(S, np.diag(A) + total - np.abs(S).sum(1))
            image = S @ vectors
            residual = image - vectors * values
            pruned, h2 = _numpy_h2(S, -values, residual)
            form = np.einsum("ij,ij->j", vectors, image)
            deviation = np.linalg.eigvalsh(-(vectors.T @ image) * whitening[:, None] * whitening[None, :])
            epsilon = max(abs(deviation[0] - 1), abs(deviation[-1] - 1))
            out.append(
                (
                    np.abs(pruned / values - 1),
                    np.abs(form / values - 1),
                    np.abs(form) / np.linalg.norm(image, axis=0),
                    epsilon,
                    h2,
                    np.mean(deviation - 1 - np.log(deviation)) / 2,
                    np.mean((residual**2).sum(0) / -values) / 4,
                )
            )
    return out


def _numpy_h2(S, rates, residual):
    """Eigenvalues of a symmetric matrix and its relative H2 error, with one tridiagonalisation."""
    n = len(S)
    sytrd, ormqr = scipy.linalg.get_lapack_funcs(("sytrd", "ormqr"), (S,))
    reflectors, diagonal, off, scales, _ = sytrd(S, lower=1)
    turned, _, _ = ormqr("L", "T", reflectors[1:, :-1], scales, residual[1:], 64 * n)
    residual = np.concatenate([residual[:1], turned])
    pivot, shifted_pivot, above = np.inf, np.inf, 0.0
    passed = shifted_passed = np.zeros(n)
    form, shifted_form = np.zeros(n), np.zeros(n)
    for row in range(n):
        left, shifted_left = residual[row] - above * passed, residual[row] - above * shifted_passed
        pivot = -diagonal[row] - above**2 / pivot
        shifted_pivot = -diagonal[row] + rates - above**2 / shifted_pivot
        form += left**2 / pivot
        shifted_form += shifted_left**2 / shifted_pivot
        passed, shifted_passed = left / pivot, shifted_left / shifted_pivot
        above = -off[row] if row < n - 1 else 0.0
    squared = np.sum((form - shifted_form) / (2 * rates**2))
    return scipy.linalg.eigvalsh_tridiagonal(diagonal, off), np.sqrt(squared / np.sum(1 / (2 * rates)))


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
    return measured | {"ratio": measured["peer_s"] / measured["ours_s"]}


def _memory():
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "jaxprune.cli", "sweep", "--out", f"{place}/sweep.zarr"],
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
        "residual": np.nan,
        "doublings": np.nan,
        "memory_gb": peak,
    }


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table(
        "benchmark", "ours, s", "peer, s", "peer / ours", "first run, s", "residual", "doublings", "peak, GB"
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
        ]
        table.add_row(name, *["" if np.isnan(float(value)) else format(float(value), spec) for value, spec in numbers])
    rich.console.Console(width=140).print(table)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show)
