"""The idea in one picture: a network, what noise shows of each synapse, what stays, and the spectrum before and after.

One small network of three clusters with few synapses between them. Under noise, two neurons of a large cluster differ least, and
most synapses between them can be missed; neurons of a small cluster, and of two clusters, differ more.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import linalg, plot, prune

DIMS = ("entry",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      keep: fraction kept.
    """

    sizes: tuple[int, ...] = (100, 60, 40)
    bridges: int = 40
    slack: float = 0.001
    networks: int = 1
    keep: float = 0.3


points = _study.each_network


def evaluate(config: Config, network: int) -> list[_study.Row]:
    """Weights, variances of differences and pruned weights of each pair that is joined, and of the leaks."""
    network_key, mask_key = config.keys(network)
    A = config.matrix(network_key)
    seen = np.asarray(_seen(A, linalg.stationary_covariance(A)))
    pruned = prune(mask_key, A, "noise", keep=config.keep, warn=False).matrix
    post, pre = np.nonzero(np.triu(np.asarray(A)))
    return [
        {
            "entry": n,
            "post": int(i),
            "pre": int(j),
            "before": _short(A[i, j]),
            "seen": _short(seen[i, j]),
            "after": _short(S),
        }
        for n, (i, j, S) in enumerate(zip(post, pre, np.asarray(pruned)[post, pre], strict=True))
    ]


def _seen(A, C):
    """Variance of the difference of two neurons' activity; of the sum, if the synapse inhibits."""
    variances = jnp.diagonal(C)
    return variances[:, None] + variances[None, :] - 2 * jnp.sign(A) * C


def _short(value):
    return float(f"{float(value):.5g}")


def show(results: xr.Dataset) -> None:
    """Print how many synapses stay within clusters and between them, and the errors of the result."""
    before, seen, after = _matrices(results)
    sizes = results.attrs["sizes"]
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    between = clusters[:, None] != clusters[None, :]
    table = rich.table.Table("synapses", "before", "after", "median variance of the difference")
    for name, where in (
        ("within clusters", ~between & ~np.eye(len(before), dtype=bool)),
        ("between clusters", between),
    ):
        there = where & (before != 0)
        counts = (str(np.count_nonzero(there)), str(np.count_nonzero(where & (after != 0))))
        table.add_row(name, *counts, f"{np.median(seen[there]):.3g}")
    console = rich.console.Console(width=110)
    console.print(table)
    for name, matrix in (("pruned", after), ("mask alone", _masked(before, after)), ("no synapses", _bare(before))):
        found = linalg.measure(jnp.asarray(before), jnp.asarray(matrix))
        console.print(
            f"{name}: H2 error {float(found.h2):.3g}, ten slowest modes off by {float(found.slow_modes):.3g}, worst "
            f"{float(found.worst_mode):.3g}, median of sorted eigenvalues {float(found.sorted_median):.3g}"
        )


def _matrices(results):
    """The network before, what synapses see, and the network after."""
    post, pre = results.post.values.astype(int), results.pre.values.astype(int)
    matrices = []
    for name in ("before", "seen", "after"):
        matrix = np.zeros((post.max() + 1, post.max() + 1))
        matrix[post, pre] = matrix[pre, post] = results[name].values
        matrices.append(matrix)
    return matrices


def _masked(before, after):
    return np.where((after != 0) | np.eye(len(before), dtype=bool), before, 0)


def _bare(before):
    return np.diag(np.diag(before))


def draw(results: xr.Dataset) -> Figure:
    """Four panels: the network, what noise shows, what stays, and the spectrum."""
    before, seen, after = _matrices(results)
    synapses = (before != 0) & ~np.eye(len(before), dtype=bool)
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    network, noise, stays, spectrum = figure.subplots(1, 4, width_ratios=(1, 1.22, 1, 1.2))
    plot.plot_weights(before, network)
    network.set_title("1  A network: three clusters")
    scale = LogNorm(*np.quantile(seen[synapses], (0.02, 0.98)))
    image = noise.imshow(np.where(synapses, seen, np.nan), cmap="cividis_r", norm=scale, interpolation="nearest")
    bar = figure.colorbar(image, ax=noise, label="variance of the difference", shrink=0.85)
    plot.label_decades(bar.ax.yaxis)
    noise.grid(False)
    noise.set(xlabel="from neuron", ylabel="to neuron")
    noise.set_title("2  What noise shows each synapse")
    plot.plot_weights(after, stays)
    share = np.count_nonzero(after[synapses]) / synapses.sum()
    stays.set_title("3  What stays, made stronger")
    _rates(before, after, spectrum)
    spectrum.set_title("4  The slow modes are still slow")
    _study.finding(
        figure, f"Noise tells which synapses matter: {share:.0%} of them, made stronger, keep the slow modes slow"
    )
    return figure


def _rates(before, after, ax):
    """Decay rates of all modes, slowest first; those of the pruned network on those of the original, with two controls."""
    modes = np.arange(1, len(before) + 1)
    labels = {"no synapse": _bare(before), "mask only": _masked(before, after), "pruned": after, "original": before}
    for label, matrix in labels.items():
        rates = np.sort(-np.linalg.eigvalsh(matrix))
        style = {"facecolors": "none", "s": 30} if label == "original" else {"s": 7}
        edges = {"edgecolors": plot.colour(label)} if label == "original" else {"color": plot.colour(label)}
        ax.scatter(modes, rates, label=label, **style, **edges)
    ax.set(xscale="log", yscale="log", xlabel="mode, slowest first", ylabel="decay rate (1/time)")
    ax.legend(fontsize=8, loc="lower right")


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("sizes",))
