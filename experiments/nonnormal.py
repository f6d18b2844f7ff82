"""Pruning networks whose eigenvalues tell little: feed-forward chains and Dale networks.

In a non-normal network a kick may grow a hundredfold before it dies, though every eigenvalue is far in the left half-plane. A
pruned network must keep that, too. Beside the eigenvalues: the numerical abscissa (how fast anything can grow), the peak of the
transient growth, the largest error of the responses to kicks, relative to the kick, and the error in the H2 norm: what the same
noise makes of both networks, mean square over all time. An unstable network counts as infinitely wrong. In a chain all
eigenvalues are those of the leaks: no rule can move them, nor can the factor of `+abscissa`, which there is the mask alone.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from matplotlib.figure import Figure

from experiments import _measures, _study
from jaxprune import dynamics, linalg, networks, plot, pruning
from jaxprune.sweep import median_interval

CONTROLS = ("noise+keep", "weight+keep", "noise+abscissa", "weight+abscissa", "empty")
ORIGINAL = pruning.Strengthen(diagonal="original")
RULES = {
    "noise": pruning.NoisePrune(adjust=ORIGINAL),
    "noise, matched leak": pruning.NoisePrune(),
    "weight": pruning.WeightPrune(adjust=ORIGINAL),
    "uniform": pruning.UniformPrune(adjust=ORIGINAL),
    "noise+compensation": pruning.named_rule("noise+compensation"),
    "weight+compensation": pruning.named_rule("weight+compensation"),
    "uniform+compensation": pruning.named_rule("uniform+compensation"),
} | {name: pruning.named_rule(name) for name in CONTROLS}
MEASURES = {
    "h2": "same noise (H2)",
    "kick": "response to kicks",
    "peak": "peak of the growth",
    "numerical_abscissa": "numerical abscissa",
    "sorted_median": "sorted median",
}
FAMILIES = ("feed-forward", "Dale")
DIMS = ("family", "rule", "keep", "network")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      layers: layers of the feed-forward chain.
      width: neurons in a layer; a Dale network has as many neurons as the chain.
      strength: mean weight from layer to layer, summed over a neuron's inputs.
      gain: radius of the bulk of the Dale network's spectrum.
      density: density of synapses of the Dale network.
      abscissa: real part of the slowest mode.
      keeps: fractions kept.
      networks: number of networks of each family.
      dt: time between values of the response to kicks.
      steps: number of values; growth is looked at every fifth time.
      seed: seed of everything.
    """

    layers: int = 10
    width: int = 30
    strength: float = 0.75
    gain: float = 0.8
    density: float = 0.3
    abscissa: float = -0.5
    keeps: tuple[float, ...] = (0.5, 0.3, 0.2, 0.1)
    networks: int = 8
    dt: float = 0.2
    steps: int = 200
    seed: int = 0

    @property
    def neurons(self) -> int:
        """Neurons of a network of either family."""
        return self.layers * self.width


def points(config: Config) -> list[_study.Row]:
    """Networks of both families."""
    return [{"family": family, "network": index} for family in FAMILIES for index in range(config.networks)]


def _weights(config, family, key):
    if family == "Dale":
        return networks.dale(key, config.neurons, gain=config.gain, density=config.density)
    return networks.feedforward(key, config.layers, config.width, strength=config.strength)


def evaluate(config: Config, family: str, network: int) -> Iterator[_study.Row]:
    """Relative errors of every measure on one network, by every rule at every fraction."""
    key = jax.random.fold_in(jax.random.key(config.seed), 2 * network + (family == "Dale"))
    network_key, mask_key = jax.random.split(key)
    A = networks.stable_leak(_weights(config, family, network_key), config.abscissa)
    activity, original = dynamics.activity_of(linalg.stationary_covariance(A)), linalg.reference(A, symmetric=False)
    whole = _transients(A, A, config.dt, config.steps)
    facts = {
        "departure": float(linalg.departure_from_normality(A)),
        "original_abscissa": float(whole["abscissa"]),
        "original_peak": float(whole["growth"].max()),
    }
    for keep in config.keeps:
        for label, rule in RULES.items():
            S = pruning.prune(mask_key, A, rule, keep=keep, activity=activity, symmetric=False).matrix
            seen = _measures.measures(original, S)
            part = _transients(A, S, config.dt, config.steps)
            transients = {
                "numerical_abscissa": float(abs(part["abscissa"] / whole["abscissa"] - 1)),
                "peak": float(abs(part["growth"].max() / whole["growth"].max() - 1)),
                "kick": float(part["kick"]),
            }
            if seen["abscissa"] >= 0:
                transients = dict.fromkeys(transients, float("inf"))
            if family == "feed-forward":
                # Its modes have no left eigenvectors, and eigenvalues that no synapse can move.
                seen |= {"slow_modes": None, "worst_mode": None}
            yield {"rule": label, "keep": keep, **seen, **transients, **facts}


@partial(jax.jit, static_argnames="steps")
def _transients(A, S, dt, steps):
    """Transients of S, and its errors as a substitute for A."""
    kicks = linalg.impulse_responses(A, S, dt=dt, steps=steps)
    return {
        "abscissa": linalg.numerical_abscissa(S),
        "growth": linalg.transient_growth(S, dt=5 * dt, steps=steps // 5),
        "kick": kicks.difference.max() / jnp.sqrt(len(A)),
    }


def show(results: xr.Dataset) -> None:
    """Print the errors, medians over networks with their 68 % interval."""
    console = rich.console.Console(width=170)
    for family in results.family.values:
        of_family = results.sel(family=family)
        facts = {name: float(of_family[name].mean()) for name in ("departure", "original_abscissa", "original_peak")}
        table = rich.table.Table(
            "kept",
            "rule",
            *MEASURES.values(),
            "10 slow modes",
            "finite",
            title=f"{family}, N = {results.attrs['neurons']}, {results.sizes['network']} networks: departure from normality "
            f"{facts['departure']:.2f}, numerical abscissa {facts['original_abscissa']:.2f}, peak {facts['original_peak']:.1f}",
        )
        for keep in results.keep.values:
            for rule in results.rule.values:
                at = of_family.sel(keep=keep, rule=rule)
                cells = [_measures.cell(at[measure]) for measure in (*MEASURES, "slow_modes")]
                table.add_row(f"{keep:.0%}", rule, *cells, _measures.finite(at))
            table.add_section()
        console.print(table)


DRAWN = {"h2": "response to the same noise (H2)", "peak": "peak of the transient growth"}
SHOWN = ("noise", "weight", "uniform", "noise+compensation", "weight+compensation", "weight+keep", "empty")


def draw(results: xr.Dataset) -> Figure:
    """Errors of the response and of transient growth against the fraction kept, a column for each family."""
    figure = Figure(figsize=(10, 6.2), layout="constrained")
    axes = figure.subplots(len(DRAWN), results.sizes["family"], sharex=True, sharey="row", squeeze=False)
    keeps = results.keep.values
    for row, (measure, title) in zip(axes, DRAWN.items(), strict=True):
        for ax, family in zip(row, results.family.values, strict=True):
            unstable = {}
            for rule in SHOWN:
                line = median_interval(results[measure].sel(family=family, rule=rule))
                label = {"weight+keep": "weight+keep (mask alone)", "empty": "no synapse"}.get(rule, rule)
                plot.plot_median(ax, keeps, line, label=label, **plot.rule_style(rule))
                unstable[rule] = keeps[np.isinf(line.sel(statistic="median").values)]
            ax.set(xscale="log", yscale="log", title=f"{family}: {title}")
            plot.plot_unstable(unstable, ax)
            _study.tick_at(ax.xaxis, keeps)
        plot.label_decades(row[0].yaxis)
        row[0].set_ylabel(f"relative error {_study.LOWER}")
    for ax in axes[-1]:
        ax.set_xlabel("fraction of synapses kept")
    _study.finding(
        figure,
        "Response to noise: best kept by coins (1/p) in chains, by the mask alone or a refit in Dale networks",
    )
    _study.label_ends(figure, *axes.flat)
    return figure


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("neurons",))
