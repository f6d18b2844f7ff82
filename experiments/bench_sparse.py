"""Speed of large sparse networks, as ratios against SciPy in the same run.

The product of a network with a block of samples; a whole pruning by noise, from samples to the strengthened matrix, against the
same algorithm in NumPy and SciPy (the same number of samples and of iterations); and the fits of a dense layer, row by row,
against a loop over rows in NumPy, in single precision. Times are medians after a warm-up of ours; the peer's whole pruning and
fits run once.
"""

import dataclasses
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.linalg
import scipy.sparse
import xarray as xr

from experiments import _study
from jaxprune import linalg, networks, prune, pruning
from jaxprune.linalg import sparse

DIMS = ("benchmark",)
PRODUCT, PRUNING, FITS = "product with a block", "whole pruning by noise", "fits of a layer, row by row"


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of the sparse network.
      degree: its mean number of partners.
      block: samples in a product.
      rows: neurons of the layer, and its inputs.
      inputs: inputs that each of them keeps.
      repeats: timed runs of the product.
      keep: fraction of synapses kept.
    """

    neurons: int = 100_000
    degree: float = 60
    block: int = 16
    rows: int = 10_000
    inputs: int = 200
    repeats: int = 5
    keep: float = 0.1


def points(config: Config) -> list[_study.Row]:
    """Benchmarks by their names."""
    return [{"benchmark": name} for name in (PRODUCT, PRUNING, FITS)]


def evaluate(config: Config, benchmark: str) -> list[_study.Row]:
    """Seconds of ours and of the peer, their ratio, and how far their results are apart."""
    return [{PRODUCT: _product, PRUNING: _pruning, FITS: _fits}[benchmark](config)]


def _network(config):
    sizes = networks.power_law_sizes(jax.random.key(1), config.neurons, 1000, config.neurons // 5)
    W = networks.sparse_clustered(jax.random.key(0), sizes, degree=config.degree - 1, bridges=config.neurons)
    return networks.dominant_leak(W, 1e-3 * float(jnp.sum(jnp.abs(W.data))) / config.neurons)


def _product(config):
    A = _network(config)
    x = jax.random.normal(jax.random.key(2), (config.neurons, config.block))
    host, theirs = sparse.to_scipy(A), np.asarray(x)
    multiply = jax.jit(lambda A, x: A @ x)
    apart = float(np.max(np.abs(np.asarray(multiply(A, x)) - host @ theirs)))
    return _study.compare(lambda: multiply(A, x), lambda: host @ theirs, config.repeats) | {
        "apart": apart,
        "memory_gb": _peak(),
    }


def _pruning(config):
    A = _network(config)
    key = jax.random.key(3)

    def ours():
        return prune(key, A, "noise", keep=config.keep, warn=False).matrix.data

    found = _study.compare(ours, None, 3)
    samples = linalg.sampled_covariance(jax.random.fold_in(key, 1), A)
    started = time.perf_counter()
    # As many iterations as a block of samples took.
    iterations = round(int(samples.iterations) / max(1, samples.probes // 16))
    theirs = _numpy_importance(sparse.to_scipy(A), samples.probes, iterations, config.keep)
    found["peer_s"] = time.perf_counter() - started
    found["ratio"] = found["peer_s"] / found["ours_s"]
    importance = np.asarray(pruning.noise_importance(A, samples).data)
    there = importance > 0
    apart = float(np.median(np.abs(theirs[there] / importance[there] - 1)))
    return found | {"apart": apart, "memory_gb": _peak()}


def _numpy_importance(A, probes, iterations, keep):
    """The same algorithm in NumPy and SciPy, to the pruned matrix; the importance of each entry."""
    rng, n = np.random.default_rng(0), A.shape[0]
    rows = np.repeat(np.arange(n), np.diff(A.indptr))
    columns, off = A.indices, rows != A.indices
    leak = -A.diagonal()
    total = np.bincount(rows, np.abs(A.data) * off, n)
    words = rng.integers(0, 2**32, n, dtype=np.uint32)
    mixed = words[rows] * words[columns]
    sign = np.where((mixed ^ (mixed >> 15)) & 1, 1.0, -1.0)
    orientation = np.where(rows < columns, 1, -np.sign(A.data))
    roots = scipy.sparse.csr_array(
        (np.sqrt(np.abs(A.data)) * sign * orientation * off, columns, A.indptr), shape=A.shape
    )
    eta = rng.choice([-1.0, 1.0], (n, probes))
    y = eta * (roots @ eta) + np.sqrt(np.maximum(leak - total, 0))[:, None] * rng.choice([-1.0, 1.0], (n, probes))
    x, residual = np.zeros_like(y), y.copy()
    scaled = residual / leak[:, None]
    direction, size = scaled.copy(), np.sum(residual * scaled, axis=0)
    for _ in range(iterations):
        image = -(A @ direction)
        rate = size / np.sum(direction * image, axis=0)
        x += rate * direction
        residual -= rate * image
        scaled = residual / leak[:, None]
        new = np.sum(residual * scaled, axis=0)
        direction = scaled + new / size * direction
        size = new
    z = (x - y / leak[:, None]) / np.sqrt(2)
    importance = np.zeros(A.nnz)
    for place in np.array_split(np.arange(A.nnz), max(1, A.nnz // 2**17)):
        i, j, w = rows[place], columns[place], A.data[place]
        seen = np.mean((z[i] - np.sign(w)[:, None] * z[j]) ** 2, axis=1)
        known = (1 / leak[i] + 1 / leak[j]) / 2 - np.abs(w) / (leak[i] * leak[j])
        importance[place] = np.where(i == j, 0, np.abs(w) * (known + seen))
    scale, target = 0.0, keep * off.sum()
    while True:
        full = scale * importance >= 1
        refilled = (target - full.sum()) / importance[~full].sum()
        if refilled <= scale * (1 + 1e-12):
            break
        scale = refilled
    p = np.minimum(1, scale * importance)
    upper = np.flatnonzero(rows < columns)
    stay = upper[rng.random(len(upper)) < p[upper]]
    values = A.data[stay] / p[stay]
    i, j = rows[stay], columns[stay]
    after = np.bincount(i, np.abs(values), n) + np.bincount(j, np.abs(values), n)
    own = np.arange(n)
    scipy.sparse.coo_array(
        (
            np.concatenate([values, values, -leak + total - after]),
            (np.concatenate([i, j, own]), np.concatenate([j, i, own])),
        ),
        shape=A.shape,
    ).tocsr()
    return importance


def _fits(config):
    n, keys = config.rows, jax.random.split(jax.random.key(4), 3)
    W = jax.random.normal(keys[0], (n, n), jnp.float32) / n**0.5
    states = jax.random.normal(keys[1], (n, 2048), jnp.float32)
    H = states @ states.T / states.shape[1]
    mask = jnp.zeros((n, n), jnp.float32).at[jnp.arange(n)[:, None], _places(keys[2], n, config.inputs)].set(1)
    results: dict[str, np.ndarray] = {}

    def ours():
        found = pruning.compensate(W, mask, H, leak=False, ridge=1e-3, solver="cholesky", symmetric=False)
        results["ours"] = np.asarray(found[:64])
        return found

    found = _study.compare(ours, None, 1)
    started = time.perf_counter()
    results["peer"] = _numpy_fits(np.asarray(W), np.asarray(mask), np.asarray(H), 1e-3)[:64]
    found["peer_s"] = time.perf_counter() - started
    found["ratio"] = found["peer_s"] / found["ours_s"]
    apart = float(np.max(np.abs(results["ours"] - results["peer"])) / np.max(np.abs(results["peer"])))
    return found | {"apart": apart, "memory_gb": _peak()}


def _places(key, n, inputs):
    """As many distinct inputs for every row."""
    begin = jax.random.randint(key, (n, 1), 0, n)
    return (begin + (n // inputs) * jnp.arange(inputs)[None, :]) % n


def _numpy_fits(W, mask, H, ridge):
    hold = np.float32(ridge * np.trace(H) / len(H))
    S, target = np.zeros_like(W), W @ H + hold * W
    for row, there in enumerate(mask > 0):
        place = np.flatnonzero(there)
        own = H[np.ix_(place, place)] + hold * np.eye(len(place), dtype=H.dtype)
        S[row, place] = scipy.linalg.cho_solve(scipy.linalg.cho_factor(own), target[row, place])
    return S


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table(
        "benchmark", "ours, s", "peer, s", "peer / ours", "first, s", "results apart", "peak so far, GB"
    )
    for name in results.benchmark.values:
        at = results.sel(benchmark=name)
        table.add_row(
            str(name),
            *[f"{float(at[key]):.3g}" for key in ("ours_s", "peer_s", "ratio", "first_s", "apart", "memory_gb")],
        )
    rich.console.Console(width=110).print(table)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show)
