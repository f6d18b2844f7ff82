"""Commands for one network from a file: `prune` and `certify`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich
import rich.table
import tyro

from jaxprune import linalg, networks, pruning
from jaxprune._checks import InputError, check_leak, check_positive
from jaxprune.cli._common import certificate_facts, check_outputs, recorded, rule_facts, write_report
from jaxprune.pruning import adjust

Leak = Literal["auto", "none", "dominant", "stable"]


def prune(
    matrix: tyro.conf.Positional[Path],
    keep: float,
    out: Path,
    rule: str = "noise",
    method: Literal["bernoulli", "systematic", "top"] | None = None,
    diagonal: Literal["matched", "original"] | None = None,
    cap: float | None = None,
    leak: Leak = "auto",
    margin: float = 0.1,
    neurons: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Prune one network from a file, measure what is left of its dynamics, and certify the result.

    Writes OUT and, beside it, the certificate OUT.certificate.json.

    Args:
      matrix: .npy, .npz, .mtx, or a .csv edge list `pre,post[,type],count`; entries are [post, pre].
      keep: fraction of synapses to keep, in (0, 1].
      out: the pruned matrix; its suffix chooses the format.
      rule: noise, weight, uniform, activity, surgeon or greedy, alone or with +keep, +radius, +abscissa, +compensation, +form,
        +regrow, +once or +swaps (directed networks only); noise^1.5 in place of noise, with any exponent that is not negative;
        empty, the control without synapses; or module:Name for a rule of your own.
      method: how survivors are drawn, instead of the rule's own way.
      diagonal: what the leak does where survivors are strengthened by 1/p: matched (to the weights) or original.
      cap: largest factor by which a synapse may grow where survivors are strengthened by 1/p.
      leak: what to do about the diagonal: auto adds a dominant leak if the diagonal is zero; none takes the matrix as it is.
      margin: dominance slack (dominant) or minus the spectral abscissa (stable), as a fraction of the mean total input.
      neurons: neuron table of an edge list, for signs.
      seed: seed of the draw.
      overwrite: replace existing files.
    """
    report = out.with_name(out.name + ".certificate.json")
    check_outputs(out, report, suffixes=networks.MATRIX_SUFFIXES, overwrite=overwrite)
    chosen = _with_options(pruning.named_rule(rule), rule, method, diagonal, cap)
    original = _dynamics(networks.read_matrix(matrix, neurons=neurons), matrix, leak, margin)
    A = original.matrix
    pruned = pruning.prune(jax.random.key(seed), A, chosen, keep=keep)
    compared = _compare(A, pruned.matrix)
    facts = {
        "matrix": str(matrix),
        "neurons": len(A),
        "synapses": int(jnp.sum((A != 0) & ~jnp.eye(len(A), dtype=bool))),
        "components": networks.count_components(pruned.mask),
        "rule": rule_facts(rule, chosen),
        "keep": keep,
        "leak": leak,
        "margin": margin,
        "seed": seed,
        **compared.facts(),
    }
    networks.write_matrix(out, pruned.matrix, names=original.names)
    write_report(report, facts)
    compared.show()
    print(f"\npruned {out}   certificate {report}")


def certify(
    a: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")],
    b: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="B")],
    leak: Leak = "auto",
    margin: float = 0.1,
    neurons: Path | None = None,
    out: Path | None = None,
) -> None:
    """Certify a pruned matrix B against its original A, both from files.

    Args:
      a: the original.
      b: the pruned matrix.
      leak: what to do about A's diagonal, as for `prune`; B is taken as it is.
      margin: as for `prune`.
      neurons: neuron table of an edge list, for signs.
      out: write the certificate here as JSON, too.
    """
    original = _dynamics(networks.read_matrix(a, neurons=neurons), a, leak, margin)
    pruned = networks.read_matrix(b)
    if sorted(original.names) != sorted(pruned.names):
        raise InputError(
            f"{a} has {len(original.names)} neurons and {b} has {len(pruned.names)}, or other names: they must be of one network."
        )
    order = np.array([pruned.names.index(name) for name in original.names])
    compared = _compare(original.matrix, pruned.matrix[np.ix_(order, order)])
    compared.show()
    if out is not None:
        write_report(out, {"original": str(a), "pruned": str(b), **compared.facts()})


COMMANDS = {"prune": prune, "certify": certify}


def _with_options(rule, name, method, diagonal, cap):
    changes = {key: value for key, value in (("diagonal", diagonal), ("cap", cap)) if value is not None}
    if changes:
        if not isinstance(rule.adjust, pruning.Strengthen):
            raise InputError(
                f"--{next(iter(changes))} has no effect on --rule {name}, whose survivors do not grow by 1/p: leave it out."
            )
        rule = dataclasses.replace(rule, adjust=dataclasses.replace(rule.adjust, **changes))
    return rule if method is None else dataclasses.replace(rule, method=method)


def _dynamics(network: networks.NamedNetwork, path: Path, leak: Leak, margin: float) -> networks.NamedNetwork:
    W = network.matrix
    if leak == "auto":
        leak = "none" if bool(jnp.any(jnp.diagonal(W) != 0)) else "dominant"
    if leak == "none":
        check_leak(str(path), W)
        return network
    check_positive("margin", margin, zero=leak == "dominant")
    total = jnp.sum(jnp.abs(W)) - jnp.sum(jnp.abs(jnp.diagonal(W)))
    if not float(total) > 0:
        raise InputError(f"{path} has no synapse: there is nothing to prune.")
    absolute = float(margin * total / len(W))
    A = networks.dominant_leak(W, absolute) if leak == "dominant" else networks.stable_leak(W, -absolute)
    return network._replace(matrix=A)


class _Compared(NamedTuple):
    """A pruned network beside its original, and what controls score: with the mask alone, with one factor, without synapses."""

    measures: linalg.Measures
    controls: dict[str, linalg.Measures]
    slow: int

    def facts(self):
        """As they are recorded."""
        found = {name: self._recorded(measures) for name, measures in self.controls.items()}
        return self._recorded(self.measures) | {"controls": found} | certificate_facts(self.measures.certificate)

    def _recorded(self, measures):
        return {title: recorded(getattr(measures, name)) for name, (title, _) in self._named().items()}

    def _named(self):
        return {
            "h2": ("h2_error", "H2 error (response to noise)"),
            "slow_modes": ("slow_modes_mean_error", f"error along the {self.slow} slowest modes"),
            "worst_mode": ("slow_modes_worst_error", "the worst of them"),
            "stationary": ("information_lost_nats_per_neuron", "information lost, nats per neuron"),
            "path": ("information_lost_of_trajectories", "the same, of trajectories, per time"),
            "sorted_median": ("sorted_eigenvalues_median_error", "median error of sorted eigenvalues"),
        }

    def show(self):
        """Print the measures."""
        certificate = self.measures.certificate
        view = rich.table.Table("", "pruned", *self.controls, box=None)
        for name, (_, title) in self._named().items():
            view.add_row(title, *(f"{float(getattr(m, name)):.4g}" for m in (self.measures, *self.controls.values())))
        rich.print(view)
        view = rich.table.Table(show_header=False, box=None)
        for name, value in (
            ("synapses kept", f"{int(certificate.kept)} ({float(certificate.kept_fraction):.2%})"),
            ("epsilon (realised)", f"{float(certificate.epsilon):.4g}"),
            ("spectral abscissa", f"{float(certificate.abscissa):.4g}"),
            ("dominance slack", f"{float(certificate.dominance_slack):.4g}"),
            ("largest amplification", f"{float(certificate.max_amplification):.4g}"),
            ("guarantee", linalg.Guarantee(int(certificate.guarantee)).words),
        ):
            view.add_row(name, value)
        rich.print(view)


def _compare(A, B):
    original, identity = linalg.reference(A), jnp.eye(len(A))
    mask = (B != 0) * (1 - identity)
    symmetric = original.symmetric and linalg.is_symmetric(B)
    survivors = adjust.Survivors(original.matrix, mask, identity, mask, None, "linear", symmetric)
    controls = {"mask only": adjust.Keep(), "one factor": adjust.MatchAbscissa(), "no synapse": adjust.Empty()}
    found = {name: linalg.measure(original, control(survivors)[0]) for name, control in controls.items()}
    return _Compared(linalg.measure(original, B), found, min(linalg.SLOW, len(A)))
