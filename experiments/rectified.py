"""Pruned rectified-linear networks: every active set by itself, and trajectories that switch between them.

Inputs inhibit half of the neurons, another half in every epoch, some weakly and some far below threshold. First, the
certificate's promise: on active sets visited by the running network, and on random ones, the realised error of the principal
submatrix is set beside the epsilon of the whole. Then what happens between them: the original and the pruned network run under
the same input and noise, in both forms of rectification, and the distance of their states is measured, as is the share of neurons
that one has active and the other has not. The watched rules see no covariance of a linear network: their importance is measured
on the rectified network while it runs and switches, driven by input and noise, and as a control by the input alone.
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
from jaxprune import dynamics, linalg, plot, pruning

FORMS = ("output", "input")
THINNED = 40
"""Steps for each distance that is stored."""
WATCHED = {"watched": 1.0, "watched, no noise": 0.0}
"""Rules whose covariance is measured, and the share of the noise that is there meanwhile."""
RULES = {
    "noise": pruning.NoisePrune(),
    "watched": pruning.NoisePrune(),
    "watched, no noise": pruning.NoisePrune(),
    "weight": pruning.WeightPrune(),
    "uniform": pruning.UniformPrune(),
    "noise+compensation": pruning.named_rule("noise+compensation"),
} | {name: pruning.named_rule(name) for name in _measures.CONTROLS}
DIMS = ("form", "rule", "network", "time")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_study.Clustered):
    """Configuration.

    Attributes:
      keep: fraction kept.
      sets: active sets for each network and form; half of them visited, half random.
      dt: step.
      epoch: time after which other neurons are inhibited.
      epochs: number of epochs that networks are compared for.
      watch: number of epochs that the watched rules watch.
      drive: input to a neuron that is not inhibited.
      inhibition: largest inhibition of one that is; they are spread evenly below it.
      sigma: noise intensity.
    """

    sizes: tuple[int, ...] = (100, 20, 80)
    bridges: int = 500
    keep: float = 0.4
    sets: int = 256
    dt: float = 0.05
    epoch: float = 10.0
    epochs: int = 8
    watch: int = 100
    drive: float = 0.2
    inhibition: float = 2.0
    sigma: float = 0.1


def points(config: Config) -> list[_study.Row]:
    """Both forms of every network."""
    return [{"network": index, "form": form} for index in range(config.networks) for form in FORMS]


def evaluate(config: Config, network: int, form: str) -> Iterator[_study.Row]:
    """Errors over time; those of active sets, which have no time, stand at the first."""
    network_key, mask_key, input_key, noise_key, watch_key, set_key = config.keys(network, 6)
    A = config.matrix(network_key)
    exact, whole_network = dynamics.activity_of(linalg.stationary_covariance(A)), linalg.reference(A)
    original = _trajectory(config, form, A, input_key, noise_key)
    half = config.sets // 2
    visited = original["active"][np.linspace(0, len(original["active"]) - 1, half).astype(int)]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(set_key)))
    sets = np.concatenate([visited, rng.random((half, len(A))) < rng.uniform(0.1, 0.9, (half, 1))])
    epsilons = jax.jit(lambda S: jax.lax.map(lambda active: linalg.principal_epsilon(A, S, active), jnp.asarray(sets)))
    for label, rule in RULES.items():
        activity = _watched(config, form, A, watch_key, WATCHED[label]) if label in WATCHED else exact
        S = pruning.prune(mask_key, A, rule, keep=config.keep, activity=activity, symmetric=True).matrix
        whole = float(linalg.certify(A, S).epsilon)
        parts = np.asarray(epsilons(S))
        ran = _trajectory(config, form, S, input_key, noise_key)
        distance = np.linalg.norm(ran["states"] - original["states"], axis=1)
        facts = {
            "epsilon": whole,
            "visited_epsilon": float(np.median(parts[:half])),
            "largest_visited": float(parts[:half].max()),
            "largest_random": float(parts[half:].max()),
            "above": int((parts > whole * (1 + 1e-9)).sum()),
            "distinct": len(np.unique(sets, axis=0)),
            "linear": float(linalg.spectral_errors(whole_network, S).quadratic[: linalg.SLOW].mean()),
            "h2": float(linalg.h2_error(whole_network, S).relative),
            "inside": _slow_error(np.asarray(A), np.asarray(S), visited[:: max(1, half // 16)]),
            "silent": float(1 - original["active"].mean()),
            "switches": float((original["active"][1:] != original["active"][:-1]).sum(axis=0).mean()),
        }
        for index in range(THINNED - 1, len(original["times"]), THINNED):
            yield {
                "rule": label,
                "time": float(original["times"][index]),
                "distance": float(distance[index] / np.linalg.norm(original["states"][index])),
                "disagree": float((ran["active"][index] != original["active"][index]).mean()),
                **(facts if index < THINNED else dict.fromkeys(facts)),
            }


def _drift(config, form, A, key, epochs):
    """The rectified network, with inputs that inhibit a random half of its neurons, another one in each epoch."""
    levels = config.drive - config.inhibition * jnp.maximum(jax.random.uniform(key, (epochs, len(A)), minval=-1), 0)

    def switching(t):
        return levels[jnp.minimum((t / config.epoch + 1e-9).astype(int), epochs - 1)]

    return dynamics.Rectified(A, switching, form=form)


def _trajectory(config, form, A, input_key, noise_key):
    """States after every step, and who is active in them."""
    steps = round(config.epochs * config.epoch / config.dt)
    states = _simulate(config, form, A, input_key, noise_key, config.epochs, record_every=1).trajectory
    times = config.dt * jnp.arange(1, steps + 1)
    active = jax.vmap(_drift(config, form, A, input_key, config.epochs).active_set)(times, states)
    return {"times": np.asarray(times), "states": np.asarray(states), "active": np.asarray(active)}


def _watched(config, form, A, key, share):
    """Moments of the running network, moved by its input and the noise."""
    input_key, noise_key = jax.random.split(key)
    options = {"observe": dynamics.Moments(), "burn_in": round(config.epoch / config.dt)}
    return _simulate(config, form, A, input_key, noise_key, config.watch, share, **options).observed


@partial(jax.jit, static_argnames=("config", "form", "epochs", "share", "record_every", "burn_in"))
def _simulate(config, form, A, input_key, noise_key, epochs, share=1.0, **options):
    drift = _drift(config, form, A, input_key, epochs)
    steps, sigma = round(epochs * config.epoch / config.dt), share * config.sigma
    return dynamics.simulate(noise_key, drift, jnp.zeros(len(A)), dt=config.dt, steps=steps, sigma=sigma, **options)


def _slow_error(A, S, sets):
    """Mean error along the ten slowest modes of the principal submatrices on active sets."""
    errors = []
    for active in sets:
        chosen = np.ix_(active, active)
        values, vectors = np.linalg.eigh(A[chosen])
        slow, V = values[::-1][: linalg.SLOW], vectors[:, ::-1][:, : linalg.SLOW]
        errors.append(np.abs(np.sum(V * (S[chosen] @ V), axis=0) / slow - 1).mean())
    return float(np.mean(errors))


def show(results: xr.Dataset) -> None:
    """Print active sets first, then trajectories."""
    console = rich.console.Console(width=160)
    table = rich.table.Table(
        "form", "rule", "epsilon of the whole", "median, visited", "largest, visited", "largest, random", "above the whole",
        "slow modes", "of active sets", "H2 error, linear",
        title=f"active sets, N = {results.attrs['neurons']}, {results.attrs['keep']:.0%} kept, {results.sizes['network']} "
        f"networks, {results.attrs['sets']} sets each",
    )  # fmt: skip
    for form in results.form.values:
        for rule in results.rule.values:
            at = results.sel(form=form, rule=rule).isel(time=0)
            cells = [_measures.cell(at[name]) for name in ("linear", "inside", "h2")]
            table.add_row(
                form, rule, f"{float(at.epsilon.mean()):.3f}", f"{float(at.visited_epsilon.mean()):.3f}",
                f"{float(at.largest_visited.max()):.3f}", f"{float(at.largest_random.max()):.3f}",
                f"{int(at.above.sum())}", *cells,
            )  # fmt: skip
        table.add_section()
    console.print(table)
    table = rich.table.Table(
        "form", "rule", "distance / size, median (mean ± error)", "largest", "neurons whose activity disagrees",
        title="trajectories under the same input and noise, means over time, over networks",
    )  # fmt: skip
    for form in results.form.values:
        for rule in results.rule.values:
            at = results.sel(form=form, rule=rule)
            over_time = at.distance.mean("time")
            cell = f"{float(over_time.median()):.3f} ({_study.cell(over_time, 'network')})"
            table.add_row(
                form, rule, cell, f"{float(at.distance.max()):.3f}", f"{float(at.disagree.mean()):.2%}"
            )  # fmt: skip
        table.add_section()
    console.print(table)
    for form in results.form.values:
        at = results.sel(form=form).isel(rule=0, time=0)
        print(
            f"{form}: {float(at.silent.mean()):.0%} of neurons silent at a time, {float(at.switches.mean()):.1f} switches a "
            f"neuron, {int(at.distinct.sum())} distinct active sets in all"
        )


def draw(results: xr.Dataset) -> Figure:
    """Distance over time, a panel for each form; epsilon of active sets beside that of the whole."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    *panels, sets = figure.subplots(1, 3, width_ratios=(1, 1, 0.85))
    for ax, form in zip(panels, results.form.values, strict=True):
        for rule in results.rule.values:
            distance = results.distance.sel(form=form, rule=rule).median("network")
            ax.plot(results.time, distance, label="no synapse" if rule == "empty" else rule, **_style(rule))
        ax.set(xlabel="time", yscale="log", title=f"rectified {form}, median network")
        ax.set_ylabel(f"distance / size of the state {_study.LOWER}")
        plot.label_decades(ax.yaxis)
    markers = {
        "visited_epsilon": ("o", "visited, median"),
        "largest_visited": ("^", "visited, largest"),
        "largest_random": ("s", "random, largest"),
    }
    for place, rule in enumerate(results.rule.values):
        at, colour = results.sel(rule=rule).isel(time=0), _style(rule)["color"]
        for offset, (name, (marker, _)) in zip((-0.25, 0.0, 0.25), markers.items(), strict=True):
            values = (at[name] / at.epsilon).values.ravel()
            sets.plot(values, np.full(len(values), place + offset), marker, color=colour, alpha=0.6, markersize=3)
    for marker, label in markers.values():
        sets.plot([], [], marker, color="grey", markersize=4, label=label)
    sets.axvline(1, color="black", linewidth=1)
    _study.list_rows(sets, ["no synapse" if rule == "empty" else rule for rule in results.rule.values])
    sets.set(xlim=(0, 1.05), xlabel="epsilon / the whole network's", title="active sets")
    sets.legend(loc="upper left", fontsize=7)
    _study.finding(
        figure,
        "Networks that switch active sets: a refit stays closest, and no active set is worse than the whole network",
    )
    _study.label_ends(figure, *panels)
    return figure


def _style(rule):
    """The watched rules have the colour of the rule that they measure for, and dashes of their own."""
    if rule in WATCHED:
        return {"color": plot.colour("noise^1.5"), "linestyle": "-" if WATCHED[rule] else ":"}
    return _study.line_style(rule)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("keep", "neurons", "sets"))
