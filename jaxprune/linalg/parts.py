"""Parts of the measures, for programs that compare many networks at once and share what is computed."""

from jaxprune.linalg._certificate import certificate_from
from jaxprune.linalg._h2 import (
    PairCovariances,
    covariances_of_pair,
    h2_of_modes,
    h2_of_pair,
    relative_h2,
)
from jaxprune.linalg._information import (
    information_of_pair,
    path_divergence,
    realised_divergence,
    stationary_divergence,
)
from jaxprune.linalg._names import MeasureName, measure_names
from jaxprune.linalg._probes import Probes, h2_of_probes, probe
from jaxprune.linalg._proven import proven_epsilon
from jaxprune.linalg._reduced import Reduced, divergence_of_spectra, reduce_symmetric

__all__ = [
    "MeasureName",
    "PairCovariances",
    "Probes",
    "Reduced",
    "certificate_from",
    "covariances_of_pair",
    "divergence_of_spectra",
    "h2_of_modes",
    "h2_of_pair",
    "h2_of_probes",
    "information_of_pair",
    "measure_names",
    "path_divergence",
    "probe",
    "proven_epsilon",
    "realised_divergence",
    "reduce_symmetric",
    "relative_h2",
    "stationary_divergence",
]
