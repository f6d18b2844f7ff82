"""Networks under noise: drifts, noise, one integrator loop, statistics that are carried along, and sources of activity."""

from jaxprune.dynamics._activity import Activity, activity_of, check_activity, mix, need_activity
from jaxprune.dynamics._drift import Drift, Linear, Rectified, Tanh
from jaxprune.dynamics._linear import powers_of, run_linear
from jaxprune.dynamics._noise import Noise, OrnsteinUhlenbeck, White, coloured
from jaxprune.dynamics._observers import (
    BatchMeans,
    Differences,
    Estimate,
    Moments,
    Observer,
    effective_samples,
    squared_autocovariance,
)
from jaxprune.dynamics._same_noise import Courses, same_noise
from jaxprune.dynamics._simulate import SPAN, Simulation, SimulationCode, simulate
from jaxprune.dynamics._source import FromStates, Mixture, Source, check_weights, moments_of, wide_dtype
from jaxprune.dynamics._stability import largest_step

__all__ = [
    "SPAN",
    "Activity",
    "BatchMeans",
    "Courses",
    "Differences",
    "Drift",
    "Estimate",
    "FromStates",
    "Linear",
    "Mixture",
    "Moments",
    "Noise",
    "Observer",
    "OrnsteinUhlenbeck",
    "Rectified",
    "Simulation",
    "SimulationCode",
    "Source",
    "Tanh",
    "White",
    "activity_of",
    "check_activity",
    "check_weights",
    "coloured",
    "effective_samples",
    "largest_step",
    "mix",
    "moments_of",
    "need_activity",
    "powers_of",
    "run_linear",
    "same_noise",
    "simulate",
    "squared_autocovariance",
    "wide_dtype",
]
