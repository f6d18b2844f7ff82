"""A million neurons: time, memory and errors of pruning large sparse networks.

Clusters of power-law sizes, weights of both signs, long-range bridges, and leaks of little more than the total input. Each
network is made, its importance sampled, pruned, and certified, in a process of its own; once to compile, and once for the times.
The importance is compared with that of an estimate four times as long, the slowest modes with those of the original. Beside the
ladder of sizes stand harder networks, and one of 2000 neurons of which all is known exactly as well.
"""

import dataclasses
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.sparse
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import InputError, linalg, networks, plot, prune, pruning
from jaxprune.linalg import sparse

LADDER = "clusters"
HARD = ("little slack", "weak bridges", "power-law degrees", "directed")
EXACT = "exact beside it"
STEPS = ("generation", "importance", "pruning", "certificate")
DIMS = ("network", "neurons")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of the ladder's networks.
      synapses: entries of the largest; the others have the same mean degree.
      keep: fraction kept.
      rule: the rule.
      smallest: neurons in the smallest clusters.
      largest: neurons in the largest clusters, at most a tenth of the network.
      bridges: long-range entries for each neuron.
      slack: of the leak, as a fraction of the mean total input.
      hard: neurons of the harder networks; 0 for none.
      exact: neurons of the network that is computed exactly, too; 0 for none.
      modes: slowest modes looked at, in networks of up to 300,000 neurons.
      seed: seed of everything.
    """

    neurons: tuple[float, ...] = (1e4, 3e4, 1e5, 3e5, 1e6)
    synapses: float = 6e7
    keep: float = 0.1
    rule: str = "noise"
    smallest: int = 1000
    largest: int = 100_000
    bridges: float = 1.0
    slack: float = 1e-3
    hard: float = 1e5
    exact: float = 2000
    modes: int = 10
    seed: int = 0

    @property
    def degree(self) -> float:
        """Mean number of entries of a row."""
        return self.synapses / max(self.neurons)


def points(config: Config) -> list[_study.Row]:
    """The ladder, the harder networks, and the one that is computed exactly, too.

    Raises:
      InputError: a network that is too small for its clusters, or a degree that leaves nothing beside the bridges.
    """
    if min(config.neurons) < 10 * config.smallest:
        raise InputError(
            f"neurons has {min(config.neurons):g}, but must be at least ten of the smallest clusters ({config.smallest} neurons)."
        )
    if config.degree <= 2 * config.bridges:
        raise InputError(f"synapses is {config.synapses:g}, which is {config.degree:.2g} a neuron: take more.")
    ladder = [{"network": LADDER, "neurons": int(n)} for n in config.neurons]
    hard = [{"network": name, "neurons": int(config.hard)} for name in HARD if config.hard]
    exact = [{"network": EXACT, "neurons": int(config.exact)}] if config.exact else []
    return exact + ladder + hard


def evaluate(config: Config, network: str, neurons: int) -> list[_study.Row]:
    """Times, memory and errors of one network, from a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return [pool.submit(_one, config, network, neurons).result()]


def _network(config, network, neurons):
    key, degree = jax.random.key(config.seed), config.degree
    slack, bridges, std = config.slack, config.bridges, 1.0
    if network == "power-law degrees":
        W = networks.sparse_scale_free(key, neurons, degree=degree)
    else:
        if network == "little slack":
            slack = 1e-4
        if network == "weak bridges":
            # Excitation alone: nothing but slack and bridges holds the clusters' patterns.
            bridges, slack, std = config.bridges / 50, 1e-4, 0.0
        smallest, largest = config.smallest, min(config.largest, neurons // 5)
        if network == EXACT:
            smallest, largest = neurons // 10, neurons // 3
        sizes = networks.power_law_sizes(jax.random.fold_in(key, 1), neurons, smallest, largest)
        W = networks.sparse_clustered(
            key,
            sizes,
            degree=degree - config.bridges,
            bridges=2 * int(bridges * neurons / 2),
            std=std,
            directed=network == "directed",
        )
    return networks.dominant_leak(W, slack * float(jnp.sum(jnp.abs(W.data))) / neurons)


def _run(config, network, neurons):
    """Everything once: the network, its pruned version, its certificate, and the seconds of each step."""
    seconds, mask_key, sample_key = {}, *jax.random.split(jax.random.fold_in(jax.random.key(config.seed), 2))
    started = time.perf_counter()

    def lap(step):
        nonlocal started
        seconds[step] = time.perf_counter() - started
        started = time.perf_counter()

    A = _network(config, network, neurons)
    A.data.block_until_ready()
    lap("generation")
    covariance = linalg.sampled_covariance(sample_key, A)
    importance = pruning.noise_importance(A, covariance)
    importance.data.block_until_ready()
    lap("importance")
    pruned = prune(mask_key, A, config.rule, keep=config.keep, activity=covariance, importance=importance, warn=False)
    pruned.matrix.data.block_until_ready()
    lap("pruning")
    certificate = linalg.certify(A, pruned.matrix)
    lap("certificate")
    return A, covariance, importance, pruned, certificate, seconds


def _one(config, network, neurons) -> _study.Row:
    """A row of the table."""
    jax.config.update("jax_enable_x64", True)
    started = time.perf_counter()
    _run(config, network, neurons)
    first = time.perf_counter() - started
    A, covariance, importance, pruned, certificate, seconds = _run(config, network, neurons)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    row: dict[str, Any] = {f"{step}_s": seconds[step] for step in STEPS}
    row |= {"total_s": sum(seconds.values()), "first_s": first, "memory_gb": memory}
    row |= {
        "synapses": A.data.size - neurons,
        "probes": covariance.probes,
        "products": int(covariance.iterations),
        "clusters": int(covariance.clusters),
        "stated_error": float(covariance.error),
        "solve_error": float(covariance.solve_error),
        "epsilon": certificate.epsilon,
        "residual": certificate.residual,
        "proven": float(certificate.proven),
        "certificate_iterations": certificate.iterations,
        "slack": certificate.dominance_slack,
    }
    row |= _against_longer(config, A, covariance, importance)
    row |= _slow_modes(config, A, pruned)
    row |= _against_exact(config, network, A, importance, certificate, pruned)
    return row


def _against_longer(config, A, covariance, importance):
    """Difference of the importance from that of four times as many samples, drawn afresh."""
    key = jax.random.fold_in(jax.random.key(config.seed), 3)
    longer = pruning.noise_importance(A, linalg.sampled_covariance(key, A, probes=4 * covariance.probes))
    there = np.asarray(longer.data) > 0
    off = np.abs(np.asarray(importance.data)[there] / np.asarray(longer.data)[there] - 1)
    return {"longer_median": float(np.median(off)), "longer_worst": float(np.max(off))}


def _slow_modes(config, A, pruned):
    """Mean and worst mode-wise error of the slowest modes; of the mask alone and of no synapses, as controls."""
    names = ("slow_modes", "worst_mode", "slow_modes_mask", "slow_modes_empty")
    if A.shape[0] > 300_000:
        return dict.fromkeys(names, np.nan)
    modes = linalg.slow_modes(A, config.modes)
    own, A = sparse.to_scipy(A).diagonal(), sparse.to_scipy(A)
    empty = scipy.sparse.diags_array(own).tocsr()
    masked = sparse.to_scipy(pruned.mask).multiply(A - empty) + empty
    errors, mask, nothing = (
        np.asarray(linalg.mode_errors(modes, sparse.as_sparse("B", B))[0]) for B in (pruned.matrix, masked, empty)
    )
    return dict(zip(names, map(float, (errors.mean(), errors.max(), mask.mean(), nothing.mean())), strict=True))


def _against_exact(config, network, A, importance, certificate, pruned):
    """What is off, of the network that is computed exactly as well."""
    names = ("importance_rms", "epsilon_exact")
    if network != EXACT:
        return dict.fromkeys(names, np.nan)
    dense = A.todense()
    exact = pruning.noise_importance(dense, linalg.stationary_covariance(dense))
    exact = np.asarray(exact[sparse.rows_of(A), A.indices])
    there = exact > 0
    off = np.asarray(importance.data)[there] / exact[there] - 1
    epsilon = linalg.certify(dense, pruned.matrix.todense()).epsilon
    return {"importance_rms": float(np.sqrt(np.mean(off**2))), "epsilon_exact": float(epsilon)}


def slope(results: xr.Dataset) -> float:
    """Of the logarithm of the time against that of the number of synapses, on the ladder."""
    ladder = results.sel(network=LADDER).dropna("neurons", subset=["total_s"])
    if ladder.sizes["neurons"] < 2:
        return np.nan
    return float(np.polyfit(np.log(ladder.synapses), np.log(ladder.total_s), 1)[0])


def show(results: xr.Dataset) -> None:
    """Print the tables."""
    console = rich.console.Console(width=160)
    times = rich.table.Table(
        "network", "neurons", "synapses", *[f"{step}, s" for step in STEPS], "all, s", "first, s", "GB"
    )
    errors = rich.table.Table(
        "network", "neurons", "samples", "products", "stated error", "4 x longer: median", "epsilon", "residual", "proven",
        "slow modes", "worst", "mask alone", "empty",
    )  # fmt: skip
    for network in results.network.values:
        for neurons in results.neurons.values:
            at = results.sel(network=network, neurons=neurons)
            if np.isnan(at.total_s):
                continue
            cell = partial(_cell, at)
            size = (network, f"{neurons:,}")
            times.add_row(
                *size,
                f"{int(at.synapses):,}",
                *[cell(f"{step}_s") for step in (*STEPS, "total", "first")],
                cell("memory_gb"),
            )
            errors.add_row(
                *size, cell("probes", 4), cell("products", 5), cell("stated_error", 2), cell("longer_median", 2), cell("epsilon"),
                cell("residual", 1), "yes" if at.proven else "no", cell("slow_modes", 2), cell("worst_mode", 2),
                cell("slow_modes_mask", 2), cell("slow_modes_empty", 2),
            )  # fmt: skip
    console.print(times)
    console.print(errors)
    if not np.isnan(slope(results)):
        console.print(f"log time against log synapses on the ladder: slope {slope(results):.2f}")
    if EXACT in results.network:
        at = results.sel(network=EXACT).dropna("neurons", subset=["total_s"]).isel(neurons=0)
        console.print(
            f"N = {int(at.neurons)}: importance off by {float(at.importance_rms):.2g} (stated {float(at.stated_error):.2g}), "
            f"epsilon {float(at.epsilon):.5g} (exactly {float(at.epsilon_exact):.5g})"
        )


def _cell(at, name, digits=3):
    return f"{float(at[name]):.{digits}g}"


def draw(results: xr.Dataset) -> Figure:
    """Time, memory and errors against the number of synapses."""
    ladder = results.sel(network=LADDER).dropna("neurons", subset=["total_s"])
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    names = ("sky", "vermilion", "green", "pink")
    for step, name in zip(STEPS, names, strict=True):
        left.plot(ladder.synapses, ladder[f"{step}_s"], marker="o", markersize=3, color=plot.PALETTE[name], label=step)
    left.plot(ladder.synapses, ladder.total_s, color="black", label="all")
    left.set(title="time", ylabel=f"seconds {_study.LOWER}")
    middle.plot(ladder.synapses, ladder.memory_gb, color="black", marker="o", markersize=3)
    middle.set(title="peak memory", ylabel=f"GB {_study.LOWER}")
    errors = {
        "longer_median": "importance,\nagainst 4 x longer",
        "epsilon": "epsilon",
        "slow_modes": "ten slowest modes",
    }
    for (measure, label), name in zip(errors.items(), ("vermilion", "pink", "blue"), strict=True):
        right.plot(ladder.synapses, ladder[measure], marker="o", markersize=3, color=plot.PALETTE[name], label=label)
    right.set(title="errors", ylabel=f"relative error {_study.LOWER}")
    right.margins(y=0.12)
    for ax in (left, middle, right):
        ax.set(xscale="log", yscale="log", xlabel="synapses")
        plot.label_decades(ax.yaxis)
    _study.finding(figure, f"Time grows with the number of synapses to the power of {slope(results):.2f}")
    _study.label_ends(figure, left, right)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
