"""The idea in one picture: a network, what noise shows of each synapse, what stays, and the spectrum before and after.

One small network of three clusters with few synapses between them. Under noise two neurons of a cluster do nearly the same, so
that a synapse between them tells their neurons little; those that join clusters see a large difference, and stay.
"""

import dataclasses

import matplotlib as mpl
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import linalg, plot, prune

DIMS = ("post", "pre")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      keep: fraction kept.
    """

    sizes: tuple[int, ...] = (30, 20, 10)
    bridges: int = 40
    networks: int = 1
    keep: float = 0.3


points = _study.each_network


def evaluate(config: Config, network: int) -> list[_study.Row]:
    """Weights, variances of differences and pruned weights of one network, for each pair of neurons."""
    network_key, mask_key = config.keys(network)
    A = config.matrix(network_key)
    C = linalg.stationary_covariance(A)
    variances = np.diag(np.asarray(C))
    seen = variances[:, None] + variances[None, :] - 2 * np.sign(np.asarray(A)) * np.asarray(C)
    pruned = prune(mask_key, A, "noise", keep=config.keep, warn=False).matrix
    return [
        {"post": i, "pre": j, "before": float(A[i, j]), "seen": float(seen[i, j]), "after": float(pruned[i, j])}
        for i in range(len(A))
        for j in range(len(A))
    ]


def show(results: xr.Dataset) -> None:
    """Print how many synapses stay within clusters and between them, and the errors of the result."""
    before, after, sizes = results.before.values, results.after.values, results.attrs["sizes"]
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    between = clusters[:, None] != clusters[None, :]
    table = rich.table.Table("synapses", "before", "after", "median variance of the difference")
    for name, where in (
        ("within clusters", ~between & ~np.eye(len(before), dtype=bool)),
        ("between clusters", between),
    ):
        there = where & (before != 0)
        seen = np.median(results.seen.values[there])
        table.add_row(name, str(there.sum()), str((where & (after != 0)).sum()), f"{seen:.2g}")
    console = rich.console.Console(width=110)
    console.print(table)
    for name, matrix in (("pruned", after), ("mask alone", _masked(before, after)), ("no synapses", _bare(before))):
        found = linalg.measure(before, matrix)
        console.print(
            f"{name}: H2 error {float(found.h2):.3g}, ten slowest modes off by {float(found.slow_modes):.3g}, worst "
            f"{float(found.worst_mode):.3g}, median of sorted eigenvalues {float(found.sorted_median):.3g}"
        )


def _masked(before, after):
    return np.where((after != 0) | np.eye(len(before), dtype=bool), before, 0)


def _bare(before):
    return np.diag(np.diag(before))


def draw(results: xr.Dataset) -> Figure:
    """Four panels: the network, what noise shows, what stays, and the spectrum."""
    before, after = results.before.values, results.after.values
    synapses = (before != 0) & ~np.eye(len(before), dtype=bool)
    figure = Figure(figsize=(11, 3.1), layout="constrained")
    network, noise, stays, spectrum = figure.subplots(1, 4)
    limit = plot.weight_limit(before, after)
    plot.plot_weights(before, network, limit=limit)
    network.set_title("A network: three clusters,\nfew synapses between them", fontsize=10)
    seen = np.where(synapses, results.seen.values, np.nan)
    scale = mpl.colors.LogNorm(np.nanquantile(seen, 0.02), np.nanquantile(seen, 0.98))
    image = noise.imshow(seen, cmap="cividis", norm=scale, interpolation="nearest")
    figure.colorbar(image, ax=noise, label="variance of the difference", shrink=0.8)
    noise.grid(False)
    noise.set(xlabel="from neuron", ylabel="to neuron")
    noise.set_title("Noise shows how much the\ntwo ends of a synapse differ", fontsize=10)
    plot.plot_weights(after, stays, limit=limit)
    share = np.count_nonzero(after[synapses]) / synapses.sum()
    stays.set_title(f"{share:.0%} of the synapses stay,\nand become stronger", fontsize=10)
    labels = {"original": before, "pruned": after, "no synapse": _bare(before)}
    plot.plot_spectrum({label: np.linalg.eigvalsh(matrix) for label, matrix in labels.items()}, spectrum)
    spectrum.set_title("The slow modes stay;\nwithout synapses they are lost", fontsize=10)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("sizes",))
