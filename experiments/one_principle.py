"""One principle: every measure of damage has a coin of its own, and all these coins are nearly one family.

In a symmetric network whose leaks follow its weights, independent coins with survivors divided by p do damage of
sum w^2 k (1/p - 1) to first order, where k depends on what is measured (`pruning.theory.synapse_cost`). It is least for p in
proportion to |w| sqrt(k): the weight for the entries of the matrix, |w| sqrt(v) for trajectories, |w| v (noise pruning) for the
activity at one moment, and nearly |w| v^1.5 for the response. Here coins of the family |w| v^alpha, and the exact one of the
response, are tossed on random networks of two kinds and on a connectome; expected and realised damage by every measure, networks
paired. In Boltzmann machines the damage is 1/2 w^2 F, exact by enumeration; F is the variance of a product, k = F / 2.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from experiments import _small_machines, _study
from jaxprune import boltzmann, linalg, networks, plot, pruning
from jaxprune.pruning import theory

DIMS = ("network", "coin", "keep", "draw")
CLUSTERED = {
    "clustered": ({"sizes": (100, 20, 80), "bridges": 500}, 0.01),
    "sparse clusters": ({"sizes": (60, 20, 120), "density": 0.3, "bridges": 3000}, 0.1),
}
"""Arguments of `networks.clustered`, and the slack."""
WORM, MACHINE = "C. elegans, symmetrised", "Boltzmann machine"
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
COST = "response, exact"
SLOW = 10
TOSSES = 100
"""Of every coin on a Boltzmann machine."""
OWN: dict[Any, Any] = {"path": 0.5, "stationary": 1.0, "response": 1.5}
"""The exponent that theory names for each measure."""
MEASURES = {
    "path": "trajectories, nats per neuron and time",
    "stationary": "activity at one moment, nats per neuron",
    "response": "response to noise, H2, relative",
    "slow": "ten slowest modes, mode by mode",
    "epsilon": "epsilon, of the certificate",
    "median": "sorted eigenvalues, median",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      data: folder of connectomes; without it the worm is left out.
      keep: fractions kept.
      draws: networks of each kind, each with one toss of every coin; tosses on the connectome, and on each machine.
      seed: seed of everything.
    """

    data: Path | None = None
    keep: tuple[float, ...] = (0.2, 0.4)
    draws: int = 16
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Every kind of network, toss by toss."""
    kinds = [*CLUSTERED, *([WORM] if config.data else []), MACHINE]
    return [{"network": kind, "draw": draw} for draw in range(config.draws) for kind in kinds]


@functools.lru_cache(maxsize=1)
def _worm(data):
    W = networks.read_edges(data / "celegans_edges.csv", neurons=data / "celegans_neurons.csv").matrix
    W = (W + W.T) / 2
    W = W / jnp.abs(W).sum(axis=1).mean()
    return networks.dominant_leak(W, 0.1)


def _matrix(config, network, key):
    if network == WORM:
        return _worm(config.data)
    options, slack = CLUSTERED[network]
    options = dict(options)
    return networks.dominant_leak(networks.clustered(key, options.pop("sizes"), **options), slack)


def evaluate(config: Config, network: str, draw: int) -> Iterator[_study.Row]:
    """Damage of every coin to one network."""
    key = jax.random.fold_in(jax.random.key(config.seed), draw)
    yield from (_machine(config, key) if network == MACHINE else _linear(config, network, key))


def _linear(config, network, key):
    network_key, coin_key = jax.random.split(key)
    original = linalg.reference(_matrix(config, network, network_key), symmetric=True)
    A = original.matrix
    costs = {measure: theory.synapse_cost(original, measure) for measure in OWN}
    v = costs["path"]
    coins = {f"{alpha:g}": pruning.weight_importance(A) * v**alpha for alpha in ALPHAS}
    coins[COST] = theory.cost_importance(original, "response")
    norm = linalg.h2_error(original, A, symmetric=True).norm
    for coin, importance in coins.items():
        for keep in config.keep:
            p = pruning.keep_probabilities(importance, keep=keep)
            expected = {
                f"expected_{measure}": float(theory.first_order_damage(A, cost, p))
                / (norm**2 if measure == "response" else len(A))
                for measure, cost in costs.items()
            }
            expected["expected_response"] = float(np.sqrt(expected["expected_response"]))
            yield {"coin": coin, "keep": keep, **expected, **_realised(original, coin_key, p)}


@jax.jit
def _realised_arrays(original, key, p):
    A = original.matrix
    mask = pruning.sample_mask(key, p, symmetric=True)
    B = pruning.matched_diagonal(A, pruning.strengthen(A, mask, p))
    lost = linalg.information_lost(original, B, symmetric=True)
    errors = linalg.spectral_errors(original, B, symmetric=True)
    return {
        "path": lost.path,
        "stationary": lost.stationary,
        "response": linalg.h2_error(original, B, symmetric=True).relative,
        "slow": jnp.mean(errors.quadratic[:SLOW]),
        "epsilon": linalg.certify(original, B, symmetric=True).epsilon,
        "median": jnp.median(errors.eigenvalue),
    }


def _realised(original, key, p):
    """Damage of one toss."""
    return {name: float(value) for name, value in _realised_arrays(original, key, p).items()}


def _machine(config, key):
    """Coins |w| F^(alpha / 2) on a small Boltzmann machine: expected and realised divergence of the joint states."""
    draw_key, learn_key, coin_key = jax.random.split(key, 3)
    model = _small_machines.trained(draw_key, learn_key, 8)
    whole = boltzmann.enumerate_machine(model)
    W, F = model.weights[0], boltzmann.variance_information(model, whole.moments)[0]

    @jax.jit
    def lost(key, p):
        mask = pruning.sample_mask(key, p, symmetric=False)
        kept = jnp.where(mask > 0, W / jnp.where(p > 0, p, 1), 0)
        # Of an exponential family: the states' own log ratio, averaged.
        other = boltzmann.enumerate_machine(boltzmann.BoltzmannMachine(model.biases, (kept,), model.masks))
        return other.log_partition - whole.log_partition - jnp.sum((kept - W) * whole.moments.pairs[0])

    for alpha in ALPHAS:
        for keep in config.keep:
            p = pruning.keep_probabilities(jnp.abs(W) * F ** (alpha / 2), keep=keep)
            expected = jnp.sum(W**2 * F * (1 / p - 1)) / 2
            tossed = jax.lax.map(lambda k, p=p: lost(k, p), jax.random.split(coin_key, TOSSES))
            row = {
                "coin": f"{alpha:g}",
                "keep": keep,
                "expected_stationary": float(expected),
                "stationary": float(tossed.mean()),
            }
            nothing = [
                *(f"expected_{name}" for name in OWN if name != "stationary"),
                *(m for m in MEASURES if m != "stationary"),
            ]
            yield dict.fromkeys(nothing) | row


def show(results: xr.Dataset) -> None:
    """Print expected and realised damage by every coin."""
    console = rich.console.Console(width=150)
    for network in results.network.values:
        for keep in results.keep.values:
            at = results.sel(network=network, keep=keep)
            names = [name for name in (*(f"expected_{m}" for m in OWN), *MEASURES) if bool(at[name].notnull().any())]
            title = f"{network}, {keep:.0%} kept, {at.sizes['draw']} draws: medians"
            table = rich.table.Table("coin, alpha", *(name.replace("_", " ") for name in names), title=title)
            for coin in at.coin.values:
                row = at.sel(coin=coin)
                if bool(row[names[0]].notnull().any()):
                    table.add_row(str(coin), *(f"{float(row[name].median('draw')):.4g}" for name in names))
            console.print(table)


def draw(results: xr.Dataset) -> Figure:
    """Damage by every measure over the exponent, in units of its least; a line where theory says that it is least."""
    figure = Figure(figsize=(9.2, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    coins = [f"{alpha:g}" for alpha in ALPHAS]
    names = ("blue", "vermilion", "green", "pink")
    for ax, (measure, label) in zip(axes.flat, MEASURES.items(), strict=True):
        for kind, name in zip(results.network.values, names, strict=False):
            at = results[measure].sel(network=kind, coin=coins)
            for keep, dashes in zip(at.keep.values, ("-", ":"), strict=False):
                values = at.sel(keep=keep).median("draw")
                if bool(values.notnull().any()):
                    style = {"color": plot.PALETTE[name], "linestyle": dashes, "marker": "o", "markersize": 3}
                    ax.plot(ALPHAS, values / values.min(), label=f"{kind}, {keep:.0%}", **style)
        ax.set(yscale="log", xticks=[0, 0.5, 1, 1.5, 2, 2.5])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.2, 1.5, 2, 3, 5) if ax.get_ylim()[1] < 4 else (1, 2, 5)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_title(label, fontsize=9)
        if measure in OWN:
            ax.axvline(OWN[measure], color="black", lw=1, ls="--")
            ax.annotate(
                "least by theory", (OWN[measure], 0.97), (3, 0), ("data", "axes fraction"), "offset points", fontsize=8, va="top",
            )  # fmt: skip
    for ax in axes[:, 0]:
        ax.set_ylabel(f"damage / its least\n{_study.LOWER}")
    for ax in axes[-1]:
        ax.set_xlabel("exponent alpha")
    most = max(axes.flat, key=lambda ax: len(ax.get_lines()))
    _study.legend_below(figure, most, 4)
    of = "coins in proportion to weight times variance^alpha; percentages kept"
    _study.finding(figure, "Each measure has a best coin of its own, and for the first three theory says which", of)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw)
