"""A pruned network beside its original and beside controls: all measures, as a table and as facts."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import rich.table

from jaxprune import linalg
from jaxprune._types import Matrix
from jaxprune.cli._common import certificate_facts, print_table, recorded
from jaxprune.linalg import Measures
from jaxprune.linalg.parts import Probes, measure_names, probe
from jaxprune.pruning import adjust

LARGE = 1000
"""Neurons from which measures that take minutes are estimated or left out."""
LEFT_OUT = (
    f"above {LARGE} neurons the H2 error is estimated from random probes, and what takes minutes is left out: the error of "
    "sorted eigenvalues, the control with one factor, and the information lost of controls"
)


class Comparison(NamedTuple):
    """A pruned network beside its original, and what controls score: with the mask alone, with one factor, without synapses."""

    measures: Measures
    controls: dict[str, Measures]
    slow: int
    original: linalg.Stability
    pruned: linalg.Stability
    h2_error: float | None

    def facts(self) -> dict:
        """As they are recorded."""
        found = {name: _recorded(measures) for name, measures in self.controls.items()}
        stability = {"original_abscissa": self.original.abscissa, "stability": self.pruned.words}
        estimate = {} if self.h2_error is None else {"h2_standard_error": recorded(self.h2_error), "left_out": LEFT_OUT}
        return (
            _recorded(self.measures)
            | estimate
            | {"controls": found}
            | stability
            | certificate_facts(self.measures.certificate)
        )

    def show(self) -> None:
        """Print the measures."""
        certificate = self.measures.certificate
        view = rich.table.Table("", "pruned", *self.controls, box=None)
        for name, called in measure_names(self.slow).items():
            cells = [_shown(getattr(m, name)) for m in (self.measures, *self.controls.values())]
            if name == "h2" and self.h2_error is not None and jnp.isfinite(self.measures.h2):
                cells[0] += f" ± {self.h2_error:.2g}"
            if any(cells):
                view.add_row(called.below or called.title, *cells)
        print_table(view)
        epsilon = _shown(certificate.epsilon) or "none: the original's symmetric part is not negative definite"
        show_certificate(certificate, epsilon, self.original, self.pruned)
        if self.h2_error is not None:
            print(f"{LEFT_OUT}.")


def show_certificate(
    certificate: linalg.Certificate | linalg.SparseCertificate,
    epsilon: str,
    original: linalg.Stability,
    pruned: linalg.Stability,
) -> None:
    """Print what is certain of a pruned network.

    Args:
      certificate: of it.
      epsilon: in words.
      original: stability of the original.
      pruned: of the pruned network.
    """
    abscissa = f"{pruned.abscissa:.4g}, {pruned.words} (original {original.abscissa:.4g})"
    view = rich.table.Table(show_header=False, box=None)
    view.add_row("spectral abscissa", abscissa)
    view.add_row("synapses kept", f"{int(certificate.kept)} ({float(certificate.kept_fraction):.2%})")
    view.add_row("epsilon (realised)", epsilon)
    view.add_row("dominance slack", f"{float(certificate.dominance_slack):.4g}")
    view.add_row("largest amplification", f"{float(certificate.max_amplification):.4g}")
    view.add_row("guarantee", linalg.Guarantee(int(certificate.guarantee)).words)
    print_table(view)


def prepare(A: Matrix) -> Probes | None:
    """Random probes for the H2 error of a large network; None for a small one, whose error is computed.

    In single precision, whose rounding is far below the standard error of the probes.
    """
    return probe(jax.random.key(0), A.astype(jnp.float32)) if len(A) > LARGE else None


def compare(
    A: Matrix,
    B: Matrix,
    *,
    C: Matrix | None = None,
    probes: Probes | None = None,
    stability: tuple[linalg.Stability, linalg.Stability] | None = None,
) -> Comparison:
    """Measure a pruned network and its controls against the original.

    Args:
      A: the original dynamics matrix.
      B: the pruned one.
      C: stationary covariance of A at unit noise; used for large networks only.
      probes: from `prepare`.
      stability: of both, if known.
    """
    identity = jnp.eye(len(A), dtype=A.dtype)
    mask = (B != 0) * (1 - identity)
    slow = min(linalg.SLOW, len(A))
    stabilities = stability or (linalg.stability(A), linalg.stability(B))
    controls: dict[str, adjust.Adjust] = {"mask only": adjust.Keep(), "no synapse": adjust.Empty()}
    if probes is not None:
        modes = linalg.slow_modes(A, slow)
        survivors = adjust.Survivors(A, mask, identity, mask, None, "linear", False)
        found = linalg.estimate_measures(probes, A, B, C=C, modes=modes)
        others = {
            name: linalg.estimate_measures(probes, A, control(survivors)[0], modes=modes).measures
            for name, control in controls.items()
        }
        return Comparison(found.measures, others, slow, *stabilities, float(found.h2.error))
    original = linalg.reference(A)
    symmetric = original.symmetric and linalg.is_symmetric(B)
    survivors = adjust.Survivors(original.matrix, mask, identity, mask, None, "linear", symmetric)
    controls = {"mask only": controls["mask only"], "one factor": adjust.MatchAbscissa(), "no synapse": adjust.Empty()}
    found = {name: linalg.measure(original, control(survivors)[0]) for name, control in controls.items()}
    return Comparison(linalg.measure(original, B), found, slow, *stabilities, None)


def _recorded(measures):
    return {called.recorded: recorded(getattr(measures, name)) for name, called in measure_names().items()}


def _shown(value):
    """A number, or nothing where there is none."""
    return "" if jnp.isnan(value) else f"{float(value):.4g}"
