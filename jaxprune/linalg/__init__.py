"""Lyapunov equations, spectra and their errors, the response to noise, information lost, transients, certificates."""

from jaxprune.linalg import lapack, parts, sparse
from jaxprune.linalg._certificate import (
    Certificate,
    certificate_from,
    certify,
    dominance_slack,
    principal_epsilon,
)
from jaxprune.linalg._covariance import coloured_covariance, stationary_covariance
from jaxprune.linalg._errors import SpectralErrors, eigenvalue_errors, spectral_errors
from jaxprune.linalg._estimates import Estimates, SparseEstimates, estimate_measures
from jaxprune.linalg._extremes import Stability, slow_modes, stability
from jaxprune.linalg._guarantee import Guarantee
from jaxprune.linalg._h2 import H2Error, h2_error
from jaxprune.linalg._information import InformationLost, information_lost, stationary_divergence
from jaxprune.linalg._lyapunov import LyapunovCode, LyapunovSolution, lyapunov, sylvester
from jaxprune.linalg._measures import SLOW, Measures, measure
from jaxprune.linalg._probes import H2Estimate, estimate_h2
from jaxprune.linalg._reference import Modes, Projection, Reference, mode_errors, modes, project, reference
from jaxprune.linalg._spectrum import (
    eigenvalues,
    host_eigenvalues,
    is_symmetric,
    match_eigenvalues,
    resolve_symmetry,
    rounding,
    spectral_abscissa,
    symmetrise,
)
from jaxprune.linalg._transient import (
    ImpulseResponses,
    departure_from_normality,
    impulse_responses,
    numerical_abscissa,
    transient_growth,
)
from jaxprune.linalg.sparse import (
    CertificateCode,
    Estimate,
    SampledCovariance,
    SlowModes,
    SparseCertificate,
    SpectralDensity,
    sampled_covariance,
    spectral_density,
)

__all__ = [
    "SLOW",
    "Certificate",
    "CertificateCode",
    "Estimate",
    "Estimates",
    "Guarantee",
    "H2Error",
    "H2Estimate",
    "ImpulseResponses",
    "InformationLost",
    "LyapunovCode",
    "LyapunovSolution",
    "Measures",
    "Modes",
    "Projection",
    "Reference",
    "SampledCovariance",
    "SlowModes",
    "SparseCertificate",
    "SparseEstimates",
    "SpectralDensity",
    "SpectralErrors",
    "Stability",
    "certificate_from",
    "certify",
    "coloured_covariance",
    "departure_from_normality",
    "dominance_slack",
    "eigenvalue_errors",
    "eigenvalues",
    "estimate_h2",
    "estimate_measures",
    "h2_error",
    "host_eigenvalues",
    "impulse_responses",
    "information_lost",
    "is_symmetric",
    "lapack",
    "lyapunov",
    "match_eigenvalues",
    "measure",
    "mode_errors",
    "modes",
    "numerical_abscissa",
    "parts",
    "principal_epsilon",
    "project",
    "reference",
    "resolve_symmetry",
    "rounding",
    "sampled_covariance",
    "slow_modes",
    "sparse",
    "spectral_abscissa",
    "spectral_density",
    "spectral_errors",
    "stability",
    "stationary_covariance",
    "stationary_divergence",
    "sylvester",
    "symmetrise",
    "transient_growth",
]
