"""Lyapunov equations, spectra and their errors, transients, certificates."""

from jaxprune.linalg._certificate import Certificate as Certificate
from jaxprune.linalg._certificate import Guarantee as Guarantee
from jaxprune.linalg._certificate import certify as certify
from jaxprune.linalg._certificate import dominance_slack as dominance_slack
from jaxprune.linalg._certificate import principal_epsilon as principal_epsilon
from jaxprune.linalg._covariance import stationary_covariance as stationary_covariance
from jaxprune.linalg._errors import Modes as Modes
from jaxprune.linalg._errors import SpectralErrors as SpectralErrors
from jaxprune.linalg._errors import modes as modes
from jaxprune.linalg._errors import spectral_errors as spectral_errors
from jaxprune.linalg._lyapunov import LyapunovSolution as LyapunovSolution
from jaxprune.linalg._lyapunov import Result as Result
from jaxprune.linalg._lyapunov import lyapunov as lyapunov
from jaxprune.linalg._spectrum import eigenvalues as eigenvalues
from jaxprune.linalg._spectrum import is_symmetric as is_symmetric
from jaxprune.linalg._spectrum import match_eigenvalues as match_eigenvalues
from jaxprune.linalg._spectrum import resolve_symmetry as resolve_symmetry
from jaxprune.linalg._spectrum import spectral_abscissa as spectral_abscissa
from jaxprune.linalg._transient import H2Error as H2Error
from jaxprune.linalg._transient import ImpulseResponses as ImpulseResponses
from jaxprune.linalg._transient import departure_from_normality as departure_from_normality
from jaxprune.linalg._transient import h2_error as h2_error
from jaxprune.linalg._transient import impulse_responses as impulse_responses
from jaxprune.linalg._transient import numerical_abscissa as numerical_abscissa
from jaxprune.linalg._transient import transient_growth as transient_growth
