"""Speed and memory, as ratios against a peer in the same run.

Lyapunov solves against SciPy's Bartels-Stewart; a whole symmetric sweep, from the making of the networks to the stored
measures, against NumPy, once as one would first write it and once as well as we know how; simulations with running covariance
against the same loop in NumPy (of which a part is run, and scaled: every step costs the same) and against the rate of a plain
matrix product; peak memory of the default `jaxprune sweep` in a process of its own, without compiled programs of an earlier
one and with them. Times are medians after a warm-up of ours, ours and the peer's in turn; the plain peer and the simulations run
once. First of all, what the device can do at best: a matrix product and a copy of memory. A share is the time that the product
would take for as many operations.
"""

import dataclasses
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.linalg
import threadpoolctl
import xarray as xr

from experiments import _study
from jaxprune import dynamics, linalg, networks, sweep
from jaxprune.linalg.parts import proven_epsilon


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

    @property
    def device(self) -> str:
        """Where it runs."""
        found, processors = jax.devices()[0], Path("/proc/cpuinfo")
        if found.platform != "cpu":
            return f"{jax.device_count()} x {found.device_kind}"
        lines = processors.read_text().splitlines() if processors.exists() else []
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}"


DIMS = ("benchmark",)
OTHERS = ("residual", "doublings", "memory_gb", "rate", "share")
"""What only some benchmarks measure."""
COPIED = 2**24
"""Numbers that are copied."""


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
        f"copy of {COPIED * 8 // 10**6} MB": "copy",
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
    if name in ("memory", "again"):
        return _memory(name == "again")
    if name in ("product", "copy"):
        return _ceiling(config.neurons, name)
    if name in ("plain", "best"):
        return _sweep(config, name)
    if name in ("simulation", "ceiling"):
        return _simulation(config, name)
    return _lyapunov(config, name)


def _compare(ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> dict[str, float]:
    return _study.compare(ours, peer, repeats) | dict.fromkeys(OTHERS, np.nan)


def _ceiling(n, name):
    """Operations, or bytes read and written, a second."""
    if name == "product":
        A, work = jnp.ones((n, n)), 2 * n**3
        best = jax.jit(jnp.matmul)
        measured = _compare(lambda: best(A, A), lambda: np.asarray(A) @ np.asarray(A), 20)
    else:
        x, work = jnp.ones(COPIED), 2 * 8 * COPIED
        best = jax.jit(lambda x: x + 1)
        measured = _compare(lambda: best(x), lambda: np.asarray(x) + 1, 20)
    return measured | {"rate": work / measured["ours_s"] / 1e9}


def _share(n, operations, seconds):
    """Share of the rate of the product."""
    rate = max(_ceiling(n, "product")["rate"] for _ in range(3))
    return operations / (rate * 1e9) / seconds


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
        "share": _share(n, operations, result["ours_s"]),
    }


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

    def theirs(seed):
        return peer(_numpy_network(ensemble, seed), config.keep)

    def all_of_theirs():
        if name == "plain":
            return [theirs(seed) for seed in range(config.networks)]
        # A network to a core: the threads of BLAS mostly wait for each other.
        with threadpoolctl.threadpool_limits(1), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(theirs, range(config.networks)))

    measured = _compare(ours, all_of_theirs, 1 if name == "plain" else config.repeats)
    points = config.networks * len(config.keep) * len(settings.rules)
    # Tridiagonal form, product with its orthogonal matrix, two factorisations; of a network eigenvectors, twice, and covariance.
    operations = n**3 * (points * (4 / 3 + 2 + 2 / 3) + config.networks * (2 * 9 + 1.5))
    return measured | {"share": _share(n, operations, measured["ours_s"])}


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
    """The same measures and the certificate's epsilon, as well as we know how: everything of one network computed once, only the
    upper triangle sampled, all of a pruned network but epsilon from one tridiagonal form (`linalg.parts.reduce_symmetric`),
    epsilon by SciPy's Lanczos steps and two factorisations (`linalg.parts.proven_epsilon`), no temporary that can be spared."""
    rng = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(A)
    C = -(vectors / values) @ vectors.T / 2
    upper = np.triu_indices(len(A), 1)
    present = np.flatnonzero(A[upper])
    rows, columns = upper[0][present], upper[1][present]
    weights = A[rows, columns]
    importances = {name: r[rows, columns] for name, r in _importances(A, C).items()}
    total = np.abs(A).sum(1) + np.diag(A)
    columns_first = np.asfortranarray(vectors)
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
            pruned, along, image, residual, h2 = _numpy_reduced(S, -values, columns_first)
            out.append(
                (
                    np.abs(pruned / values[::-1] - 1),
                    np.abs(along / values),
                    np.abs(values + along) / np.sqrt(image),
                    proven_epsilon(A, S, C, stable=bool(pruned[0] < 0)),
                    h2,
                    (np.mean(along / values) - np.mean(np.log(pruned / values[::-1]))) / 2,
                    np.mean(residual / -values) / 4,
                )
            )
    return out


def _numpy_reduced(S, rates, vectors):
    """Eigenvalues of a symmetric matrix, its errors along the modes of its original, and its relative H2 error."""
    n = len(S)
    sytrd, ormqr = scipy.linalg.get_lapack_funcs(("sytrd", "ormqr"), (S,))
    reflectors, diagonal, off, scales, _ = sytrd(S.T, lower=1, lwork=64 * n)
    turned, _, _ = ormqr("L", "T", reflectors[1:, :-1], scales, vectors[1:], 64 * n)
    U = np.concatenate([vectors[:1], np.ascontiguousarray(turned)])
    image = diagonal[:, None] * U
    image[1:] += off[:, None] * U[:-1]
    image[:-1] += off[:, None] * U[1:]
    size = np.einsum("ij,ij->j", image, image)
    image += rates * U
    along, residual = np.einsum("ij,ij->j", U, image), np.einsum("ij,ij->j", image, image)
    inverse, above, shifted_inverse = 0.0, 0.0, np.zeros(n)
    left, shifted_left, form, shifted_form, term = (np.zeros(n) for _ in range(5))
    for row in range(n):
        left *= above * inverse
        left += image[row]
        shifted_left *= shifted_inverse
        shifted_left *= above
        shifted_left += image[row]
        inverse = 1 / (-diagonal[row] - above**2 * inverse)
        shifted_inverse *= -(above**2)
        shifted_inverse += rates - diagonal[row]
        np.reciprocal(shifted_inverse, out=shifted_inverse)
        np.square(left, out=term)
        term *= inverse
        form += term
        np.square(shifted_left, out=term)
        term *= shifted_inverse
        shifted_form += term
        above = off[row] if row < n - 1 else 0.0
    squared = np.sum((form - shifted_form) / (2 * rates**2))
    pruned = scipy.linalg.eigvalsh_tridiagonal(diagonal, off, lapack_driver="sterf", check_finite=False)[::-1]
    return pruned, along, size, residual, np.sqrt(squared / np.sum(1 / (2 * rates)))


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
