"""The theorem in numbers: how often a draw misses epsilon against the bound, with controls that must fail.

Clustered networks of growing N. Each network is pruned many times at the theorem's own probabilities
p = min(1, c ln N l / eps^2), l the leverage, with the matched diagonal, and every draw is checked for what the theorem says.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import scipy.linalg
import xarray as xr
from matplotlib.figure import Figure

from experiments import _study
from jaxprune import linalg, networks, plot, pruning
from jaxprune.pruning import theory

THEOREM = "theorem"
CONTROLS = ("c = 1", "weight", "uniform", "original diagonal")


DIMS = ("case", "neurons", "epsilon", "network")


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: numbers of neurons; clusters of a half, a tenth and two fifths of them, 2.5 N long-range entries.
      draws: draws at each, for each network and epsilon.
      networks: networks at each.
      epsilons: wanted errors.
      c: constant of the theorem.
      subsets: random active sets (principal submatrices) checked in each of the first three draws.
      seed: seed of the ensemble.
    """

    neurons: tuple[int, ...] = (100, 200, 400, 1000, 2000)
    draws: tuple[int, ...] = (200, 200, 100, 20, 6)
    networks: int = 2
    epsilons: tuple[float, ...] = (1.0, 0.75, 0.5)
    c: float = 4.0
    subsets: int = 3
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Networks of every size."""
    return [{"neurons": n, "network": index} for n in config.neurons for index in range(config.networks)]


def evaluate(config: Config, neurons: int, network: int) -> Iterator[_study.Row]:
    """Counts and extremes over the draws of one network."""
    n = neurons
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), n), network)
    network_key, draw_key, set_key = jax.random.split(key, 3)
    A = networks.dominant_leak(
        networks.clustered(network_key, (n // 2, n // 10, n - n // 2 - n // 10), bridges=5 * n // 2)
    )
    C = linalg.stationary_covariance(A)
    theory.check_assumptions(A)
    original = linalg.reference(A)
    synapses = int((A != 0).sum()) - n
    keys = jax.random.split(draw_key, config.draws[config.neurons.index(n)])
    delta = -jnp.sum(jnp.where(jnp.eye(n, dtype=bool), A, jnp.abs(A)), axis=1)
    identity = float(jnp.sum(theory.leverage(A, C)) / 2 - (n - jnp.sum(-jnp.diagonal(jnp.linalg.inv(A)) * delta)))
    for epsilon in config.epsilons:
        probabilities = theory.theorem_probabilities(A, C, epsilon, c=config.c)
        count = float(probabilities.sum())
        cases = {
            THEOREM: (probabilities, "matched"),
            "c = 1": (theory.theorem_probabilities(A, C, epsilon, c=1.0), "matched"),
            "weight": (pruning.keep_probabilities(pruning.weight_importance(A), count=count), "matched"),
            "uniform": (pruning.keep_probabilities(pruning.uniform_importance(A), count=count), "matched"),
            "original diagonal": (probabilities, "original"),
        }
        for case, (p, diagonal) in cases.items():
            draws = keys if case == THEOREM else keys[: max(len(keys) // 4, 3)]
            yield {
                "case": case,
                "epsilon": epsilon,
                "synapses": synapses,
                "identity_error": abs(identity),
                "expected_kept": float(p.sum()),
                **_draws(original, p, diagonal, epsilon, draws, set_key, config.subsets if case == THEOREM else 0),
            }


@partial(jax.jit, static_argnames="diagonal")
def _draw(key, original, p, epsilon, diagonal):
    """One pruned matrix, its whitened deviation, the count kept, the change of row slack, and whether a leak moved too far."""
    A, mask = original.matrix, pruning.sample_mask(key, p, symmetric=True)
    strengthened = pruning.strengthen(A, mask, p)
    matched = pruning.matched_diagonal(A, strengthened)
    S = matched if diagonal == "matched" else strengthened
    off = 1 - jnp.eye(len(A), dtype=A.dtype)
    slack_change = jnp.diagonal(matched - A) + jnp.sum((jnp.abs(matched) - jnp.abs(A)) * off, axis=1)
    drifted = jnp.any(jnp.abs(jnp.diagonal(matched - A)) > -epsilon * jnp.diagonal(A))
    return S, linalg.project(original, S).deviation, mask.sum(), jnp.abs(slack_change).max(), drifted


def _draws(original, p, diagonal, epsilon, keys, set_key, subsets):
    A = np.asarray(original.matrix)
    n = len(A)
    reached, kept, unstable, slack, drifts, submatrix, total = [], [], 0, 0.0, 0, 0.0, np.zeros((n, n))
    rng = np.random.default_rng(int(jax.random.randint(set_key, (), 0, 2**31 - 1)))
    for index, key in enumerate(keys):
        S, deviation, count, slack_change, drifted = (
            np.asarray(part) for part in _draw(key, original, p, epsilon, diagonal)
        )
        deviations = np.linalg.eigvalsh(deviation)
        reached.append(float(np.abs(deviations).max()))
        unstable += bool(deviations.min() <= -1)  # then -S has an eigenvalue at or below zero
        kept.append(float(count))
        slack = max(slack, float(slack_change))
        drifts += bool(drifted)
        total += S
        for _ in range(subsets if index < 3 and reached[-1] > 0 else 0):
            active = np.ix_(*[np.flatnonzero(rng.random(n) < rng.uniform(0.1, 0.9))] * 2)
            values = scipy.linalg.eigh(-S[active], -A[active], eigvals_only=True)
            submatrix = max(submatrix, float(np.abs(values - 1).max()) / reached[-1])
    p = np.asarray(p)
    above = np.triu(p > 0, 1)
    variance = np.sum(np.where(above, A**2 * (1 / np.where(p > 0, p, 1) - 1), 0))
    bias = np.sum(np.where(above, total / len(keys) - A, 0))
    spread = np.sum(np.where(above, 4 * p * (1 - p), 0))  # a pair counts twice
    return {
        "draws": len(keys),
        "missed": int(np.sum(np.array(reached) > epsilon)),
        "largest": max(reached),
        "mean": float(np.mean(reached)),
        "unstable": unstable,
        "slack_error": slack,
        "diagonal_missed": drifts,
        "submatrix_ratio": submatrix,
        "kept": float(np.mean(kept)),
        "kept_z": float((np.mean(kept) - p.sum()) / np.sqrt(spread / len(keys))) if spread > 0 else 0.0,
        "bias_z": float(bias / np.sqrt(variance / len(keys))) if variance > 0 else 0.0,
    }


def show(results: xr.Dataset) -> None:
    """Print frequencies against bounds, with counts, then the other claims, then the controls."""
    c = results.attrs["c"]
    total = results.sum("network")
    table = rich.table.Table(
        "N", "epsilon", "draws", "missed epsilon", "bound", "diagonal missed", "bound", "largest / epsilon", "unstable", "pruned",
        "pairs / (N ln N / eps²)", "submatrix / whole", title=f"What the theorem says, c = {c:g}",
    )  # fmt: skip
    violations = 0
    for n in results.neurons.values:
        for epsilon in results.epsilon.values:
            at, sums = (
                results.sel(case=THEOREM, neurons=n, epsilon=epsilon),
                total.sel(case=THEOREM, neurons=n, epsilon=epsilon),
            )
            draws, bound, diagonal = (
                int(sums.draws),
                float(theory.failure_probability(int(n), c=c)),
                float(theory.diagonal_failure_probability(int(n), c=c)),
            )
            violations += (
                int(sums.missed) > bound * draws
                or int(sums.diagonal_missed) > diagonal * draws
                or int(sums.unstable) > 0
            )
            table.add_row(
                f"{n}", f"{epsilon:g}", f"{draws}", f"{int(sums.missed)}", f"{bound:.3f}",
                f"{int(sums.diagonal_missed)}", f"{diagonal:.3f}",
                f"{float(at.largest.max()) / epsilon:.3f}", f"{int(sums.unstable)}",
                f"{1 - float((at.kept / at.synapses).mean()):.3f}",
                f"{float(at.kept.mean()) / 2 / (n * np.log(n) / epsilon**2):.3f}", f"{float(at.submatrix_ratio.max()):.3f}",
            )  # fmt: skip
    console = rich.console.Console(width=160)
    console.print(table)
    theorem = results.sel(case=THEOREM)
    print(f"bounds violated: {violations} of {results.sizes['neurons'] * results.sizes['epsilon']} cells")
    print(
        f"largest change of a row's slack: {float(theorem.slack_error.max()):.2g}; "
        f"leverage identity off by at most {float(theorem.identity_error.max()):.2g}"
    )
    print(
        f"largest |z| over cells: mean of draws against A {float(abs(theorem.bias_z).max()):.2f}, "
        f"kept count against sum p {float(abs(theorem.kept_z).max()):.2f}"
    )
    controls = rich.table.Table(
        "N", "epsilon", *CONTROLS, title="Controls: draws that miss epsilon, unstable draws in brackets"
    )
    for n in results.neurons.values:
        for epsilon in results.epsilon.values:
            at = total.sel(neurons=n, epsilon=epsilon)
            cells = [
                f"{int(at.missed.sel(case=name))} of {int(at.draws.sel(case=name))} ({int(at.unstable.sel(case=name))})"
                for name in CONTROLS
            ]
            controls.add_row(f"{n}", f"{epsilon:g}", *cells)
    console.print(controls)


def draw(results: xr.Dataset) -> Figure:
    """Realised epsilon against the promised one, controls, and the fraction pruned, over N."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    reached, controls, pruned = figure.subplots(1, 3)
    n = results.neurons.values
    for dashes, epsilon in zip(("-", "--", ":"), results.epsilon.values, strict=False):
        at = results.sel(case=THEOREM, epsilon=epsilon)
        style = {"color": plot.colour("noise"), "linestyle": dashes, "marker": "o", "label": f"epsilon {epsilon:g}"}
        reached.plot(n, at["mean"].mean("network") / epsilon, **style)
        reached.plot(n, at.largest.max("network") / epsilon, "_", color=plot.colour("noise"), markersize=9)
        pruned.plot(n, 1 - (at.kept / at.synapses).mean("network"), **style)
    one = float(results.epsilon.max())
    for case in (THEOREM, *CONTROLS):
        at = results.sel(case=case, epsilon=one)
        controls.plot(n, at["mean"].mean("network") / one, label=case, **_style(case))
    for ax in (reached, controls):
        ax.axhline(1, color="black", linewidth=1)
        ax.annotate("promised", (0.02, 1), (0, 2), ("axes fraction", "data"), "offset points", fontsize=8, va="bottom")
        ax.set(yscale="log", ylabel=f"realised / promised epsilon {_study.LOWER}", ylim=(None, 1.6))
        plot.label_decades(ax.yaxis)
    pruned.set(ylabel=f"fraction of synapses pruned {_study.HIGHER}", ylim=(0, 1))
    titles = (
        "as the theorem asks: mean, and worst draw (dash)",
        f"controls at epsilon {one:g}, mean",
        "what it prunes",
    )
    for ax, title in zip((reached, controls, pruned), titles, strict=True):
        ax.set(xscale="log", xlabel="neurons")
        _study.tick_at(ax.xaxis, n)
        ax.set_title(title, fontsize=9)
    theorem = results.sel(case=THEOREM)
    missed, draws = int(theorem.missed.sum()), int(theorem.draws.sum())
    _study.finding(
        figure, f"{missed or 'None'} of {draws:,} draws moves the spectrum farther than the theorem promises"
    )
    _study.label_ends(figure, reached, controls, pruned)
    return figure


def _style(case):
    """The theorem's own coins, and those that differ from it in one thing, have the colour of the rule."""
    if case in ("weight", "uniform"):
        return plot.rule_style(case)
    dashes = {THEOREM: "-", "c = 1": "--", "original diagonal": ":"}[case]
    return plot.rule_style("noise") | {"linestyle": dashes}


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, draw, attributes=("c",))
