"""When is a solve done? What weak bridges between clusters see of noise, by the norm in which solves end.

Excitatory clusters that a few weak synapses join, with ever less slack. Samples of the activity come from solves, and decide
which synapses stay. A relative Euclidean residual of a thousandth, the usual end of conjugate gradients, is reached after a few
iterations whatever the slack: slow modes carry little of the right-hand side. The importance of the bridges is then still wrong.
An absolute error in the energy norm bounds that of every synapse. Preconditioned by the leaks alone, by the clusters as well,
and beside pyamg (smoothed aggregation, with conjugate gradients to the same energy error), if that is installed.
"""

import dataclasses
import importlib.util
import time

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.sparse
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import networks, plot
from jaxprune.linalg import sparse

RESIDUAL, ENERGY, CLUSTERS, PEER = "residual 1e-3", "energy norm", "energy norm, clusters", "pyamg"
WAYS = (RESIDUAL, ENERGY, CLUSTERS, PEER)
DIMS = ("slack", "way")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      clusters: number of clusters.
      size: neurons of each.
      degree: mean number of partners of a neuron in its cluster.
      bridges: long-range entries.
      weight: of the bridges; those in clusters have 1.
      slacks: of the leak, as fractions of the mean total input.
      samples: samples of the activity.
      tolerance: largest error of a solve in the energy norm.
      repeats: timed solves, after one that is not counted.
      seed: seed of everything.
    """

    clusters: int = 20
    size: int = 100
    degree: float = 30
    bridges: int = 100
    weight: float = 0.1
    slacks: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    samples: int = 16
    tolerance: float = 0.02
    repeats: int = 3
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every slack, by every way to solve."""
    return [{"slack": slack, "way": way} for slack in config.slacks for way in WAYS]


def _network(config, slack):
    """The dynamics matrix, and its bridges."""
    rng, n = np.random.default_rng(config.seed), config.clusters * config.size
    cluster = np.repeat(np.arange(config.clusters), config.size)
    within = (cluster[:, None] == cluster[None, :]) & (rng.random((n, n)) < config.degree / (config.size - 1))
    W = np.triu(within, 1).astype(float)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < config.bridges // 2:
        i, j = np.sort(rng.integers(0, n, 2))
        if cluster[i] != cluster[j] and W[i, j] == 0:
            W[i, j] = config.weight
            pairs.append((int(i), int(j)))
    W = W + W.T
    A = networks.dominant_leak(jnp.asarray(W), slack * float(W.sum()) / n)
    return np.asarray(A), np.array(pairs)


def evaluate(config: Config, slack: float, way: str) -> list[_study.Row]:
    """Iterations, seconds, and what the solves make of the bridges' importance."""
    A, pairs = _network(config, slack)
    M = -A
    factor = np.linalg.cholesky(M)
    y = factor @ np.random.default_rng(config.seed + 1).standard_normal((len(M), config.samples))
    exact = np.linalg.solve(M, y)
    ours = sparse.as_sparse("A", A)
    if way == PEER:
        if importlib.util.find_spec("pyamg") is None:
            return [
                dict.fromkeys(("iterations", "solve_s", "setup_s", "bridges_median", "bridges_worst", "energy"), np.nan)
            ]
        found, iterations, solve_s, setup_s = _pyamg(config, M, y, exact)
    else:
        found, iterations, solve_s, setup_s = _solved(config, way, ours, M, y)
    error = found - exact
    first, second = pairs.T
    seen, right = (np.mean((x[first] - x[second]) ** 2, axis=1) for x in (found, exact))
    off = np.abs(seen / right - 1)
    energy = float(np.sqrt(np.max(np.sum(error * (M @ error), axis=0))))
    return [
        {
            "iterations": iterations, "solve_s": solve_s, "setup_s": setup_s,
            "bridges_median": float(np.median(off)), "bridges_worst": float(off.max()), "energy": energy,
        }
    ]  # fmt: skip


def _solved(config, way, A, M, y):
    smallest, key = sparse.least_slack(A), jax.random.key(config.seed)
    started = time.perf_counter()
    how = sparse.precondition_clusters(key, A) if way == CLUSTERS else sparse.precondition(A)
    setup_s = time.perf_counter() - started
    block = jnp.asarray(y)
    most = 2000
    if way == RESIDUAL:
        most = next(
            count
            for count in range(1, 2000)
            if _residual(M, y, sparse.solve(A, block, how, smallest=smallest, tolerance=1e-12, max_iterations=count))
            < 1e-3
        )
    tolerance = 1e-12 if way == RESIDUAL else config.tolerance

    def solve():
        return sparse.solve(A, block, how, smallest=smallest, tolerance=tolerance, max_iterations=most)

    seconds = _study.compare(solve, None, config.repeats)["ours_s"]
    found = solve()
    return np.asarray(found.value), int(found.iterations), seconds, setup_s


def _residual(M, y, solved):
    return np.max(np.linalg.norm(y - M @ np.asarray(solved.value), axis=0) / np.linalg.norm(y, axis=0))


def _pyamg(config, M, y, exact):
    """Column by column, to the largest residual, of a falling series, at which the energy error is small enough."""
    import pyamg  # pyright: ignore[reportMissingImports]  # of no extra: only a peer

    rows = scipy.sparse.csr_matrix(M)
    started = time.perf_counter()
    hierarchy = pyamg.smoothed_aggregation_solver(rows)
    setup_s = time.perf_counter() - started

    def energy(x, column):
        error = x - exact[:, column]
        return np.sqrt(error @ (M @ error))

    found, iterations, seconds = np.empty_like(y), 0, 0.0
    for column in range(y.shape[1]):
        tolerance = 1e-3
        while True:
            residuals: list[float] = []
            started = time.perf_counter()
            found[:, column] = hierarchy.solve(
                y[:, column], tol=tolerance, accel="cg", maxiter=200, residuals=residuals
            )
            taken = time.perf_counter() - started
            if energy(found[:, column], column) <= config.tolerance or tolerance < 1e-13:
                break
            tolerance /= 4
        iterations, seconds = max(iterations, len(residuals) - 1), seconds + taken
    return found, iterations, seconds, setup_s


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table(
        "slack",
        "solves end by",
        "iterations",
        "solve, ms",
        "set-up, ms",
        "bridges off: median",
        "worst",
        "energy error",
    )
    for slack in results.slack.values:
        for way in results.way.values:
            at = results.sel(slack=slack, way=way)
            table.add_row(
                f"{slack:g}", str(way), f"{float(at.iterations):.0f}", f"{1e3 * float(at.solve_s):.1f}",
                f"{1e3 * float(at.setup_s):.0f}", f"{float(at.bridges_median):.2g}", f"{float(at.bridges_worst):.2g}",
                f"{float(at.energy):.2g}",
            )  # fmt: skip
    rich.console.Console(width=120).print(table)


def draw(results: xr.Dataset) -> Figure:
    """Error of the bridges' importance, and iterations, against the slack."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for way, name in ((RESIDUAL, "vermilion"), (ENERGY, "blue"), (CLUSTERS, "green")):
        at = results.sel(way=way)
        style = {"color": plot.PALETTE[name], "marker": "o", "markersize": 3, "label": f"ends by {way}"}
        left.plot(results.slack, at.bridges_worst, **style)
        right.plot(results.slack, at.iterations, **style)
    left.set(yscale="log", ylabel=f"worst error of a bridge's importance\n{_study.LOWER}")
    right.set(ylabel=f"iterations {_study.LOWER}", ylim=(0, None))
    for ax in (left, right):
        ax.set(xscale="log", xlabel="slack / mean total input")
    _study.finding(
        figure, "Solves that end by a small residual miss weak bridges; those that end by the energy norm see them"
    )
    _study.label_ends(figure, left, right)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
