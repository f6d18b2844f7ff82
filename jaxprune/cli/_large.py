"""Large sparse networks on the command line: measures that are estimated, each with its error."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich.table

from jaxprune import linalg
from jaxprune._memory import check_memory
from jaxprune.cli._common import print_table, recorded
from jaxprune.cli._comparison import show_certificate
from jaxprune.linalg.parts import measure_names
from jaxprune.linalg.sparse import Estimate, SampledCovariance, SparseMatrix, sparse_response, times, with_data

BYTES = 100
"""Memory that pruning takes for each entry."""
TRIED = 4
"""Patterns from which the H2 error of a rule that is tried is estimated."""
CONTROLS = 200_000
"""Neurons up to which controls are measured, too."""
NAMES = {name: called for name, called in measure_names().items() if name != "sorted_median"}
"""Of the measures that are estimated."""
LEFT_OUT = (
    f"above {linalg.sparse.LARGE} neurons everything is estimated, with standard errors over random patterns; the error of "
    "sorted eigenvalues and the control with one factor are left out"
)


def check_room(A: SparseMatrix) -> None:
    """Refuse a network whose pruning does not fit into memory."""
    check_memory(f"pruning a network of {A.data.size:,} entries", BYTES * A.data.size, "prune a part of it.")


def score(key: jax.Array, A: SparseMatrix, B: SparseMatrix, samples: SampledCovariance | None) -> float:
    """What rules are chosen by: the H2 error of symmetric networks; of others, from samples, the information lost."""
    if samples is None:
        return sparse_response(key, A, B, symmetric=True, probes=TRIED).h2.value
    return path_rate(A, B, samples)


def path_rate(A: SparseMatrix, B: SparseMatrix, samples: SampledCovariance) -> float:
    """Information lost of trajectories, per neuron and time, from a simulation of the original."""
    lost = times(A, samples.samples) - times(B, samples.samples)
    return float(jnp.mean(lost**2) / 2)


class LargeComparison(NamedTuple):
    """A large pruned network beside its original and, if it is not too large, beside controls."""

    estimates: linalg.SparseEstimates
    controls: dict[str, linalg.SparseEstimates]
    samples: SampledCovariance
    original: linalg.Stability
    pruned: linalg.Stability

    def facts(self) -> dict:
        """As they are recorded."""
        certificate = {
            name: recorded(value) if isinstance(value, float) else value
            for name, value in self.estimates.certificate._asdict().items()
        }
        guarantee = linalg.Guarantee(certificate["guarantee"])
        return (
            _recorded(self.estimates)
            | {"controls": {name: _recorded(found) for name, found in self.controls.items()}}
            | {"original_abscissa": self.original.abscissa, "stability": self.pruned.words}
            | {"activity": self.samples.words, "left_out": LEFT_OUT}
            | certificate
            | {"epsilon_words": self.estimates.certificate.words}
            | {"guarantee": guarantee.name.lower().replace("_", " "), "guarantee_words": guarantee.words}
        )

    def show(self) -> None:
        """Print the measures."""
        print(f"activity: {self.samples.words}")
        view = rich.table.Table("", "pruned", *self.controls, box=None)
        for name, called in NAMES.items():
            cells = [_shown(getattr(found, name)) for found in (self.estimates, *self.controls.values())]
            if any(cells):
                view.add_row(called.below or called.title, *cells)
        print_table(view)
        certificate = self.estimates.certificate
        show_certificate(certificate, certificate.words.removeprefix("epsilon "), self.original, self.pruned)
        print(f"{LEFT_OUT}.")


def compare_large(
    A: SparseMatrix,
    B: SparseMatrix,
    samples: SampledCovariance,
    stability: tuple[linalg.Stability, linalg.Stability] | None = None,
) -> LargeComparison:
    """Measure a large pruned network, and its controls, against the original.

    Args:
      A: the original dynamics matrix.
      B: the pruned one.
      samples: of the original's activity.
      stability: of both, if known.
    """
    key = jax.random.key(1)  # not that of the samples which the survivors may have been fitted to
    controls = {}
    if A.shape[0] <= CONTROLS:
        controls = {
            "mask only": linalg.estimate_measures(key, A, _masked(A, B)),
            "no synapse": linalg.estimate_measures(key, A, _bare(A)),
        }
    stabilities = stability or (linalg.stability(A), linalg.stability(B))
    return LargeComparison(linalg.estimate_measures(key, A, B), controls, samples, *stabilities)


def _masked(A, B):
    """A's weights where B has synapses, and A's leaks."""
    host, kept = linalg.sparse.to_scipy(A), linalg.sparse.to_scipy(with_data(B, jnp.ones_like(B.data)))
    return linalg.sparse.as_sparse("A", host.multiply(kept).tocsr())


def _bare(A):
    own = np.arange(A.shape[0])
    return linalg.sparse.from_entries(own, own, np.asarray(linalg.sparse.diagonal_of(A)), len(own))


def _recorded(found):
    values: dict = {}
    for name, called in NAMES.items():
        estimate: Estimate = getattr(found, name)
        values[called.recorded] = recorded(estimate.value)
        values[f"{called.recorded}_standard_error"] = recorded(estimate.error)
        values[f"{called.recorded}_estimator"] = estimate.estimator
    return values


def _shown(estimate):
    """A number with its error, or nothing where there is none."""
    if np.isnan(estimate.value):
        return ""
    error = f" ± {estimate.error:.2g}" if estimate.error > 0 and np.isfinite(estimate.value) else ""
    return f"{estimate.value:.4g}{error}"
