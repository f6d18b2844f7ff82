"""Networks under noise: drifts, noise, one integrator loop, and statistics that are carried along."""

from jaxprune.dynamics._drift import Drift as Drift
from jaxprune.dynamics._drift import Linear as Linear
from jaxprune.dynamics._drift import Rectified as Rectified
from jaxprune.dynamics._drift import Tanh as Tanh
from jaxprune.dynamics._linear import powers_of as powers_of
from jaxprune.dynamics._linear import run_linear as run_linear
from jaxprune.dynamics._noise import Noise as Noise
from jaxprune.dynamics._noise import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from jaxprune.dynamics._noise import White as White
from jaxprune.dynamics._observers import BatchMeans as BatchMeans
from jaxprune.dynamics._observers import Differences as Differences
from jaxprune.dynamics._observers import Estimate as Estimate
from jaxprune.dynamics._observers import Moments as Moments
from jaxprune.dynamics._observers import MomentsResult as MomentsResult
from jaxprune.dynamics._observers import Observer as Observer
from jaxprune.dynamics._observers import effective_samples as effective_samples
from jaxprune.dynamics._simulate import SPAN as SPAN
from jaxprune.dynamics._simulate import Result as Result
from jaxprune.dynamics._simulate import Simulation as Simulation
from jaxprune.dynamics._simulate import simulate as simulate
from jaxprune.dynamics._stability import largest_step as largest_step
