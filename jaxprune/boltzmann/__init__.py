"""Boltzmann machines that lose synapses and units by what their activity says about them."""

from jaxprune.boltzmann._ais import LogPartition, log_partition
from jaxprune.boltzmann._enumerate import Exact, all_states, divergence, enumerate_machine
from jaxprune.boltzmann._evaluate import (
    Assessment,
    Classifier,
    Dreams,
    MeanLogLikelihood,
    assess,
    fit_classifier,
    judge_samples,
    mean_log_likelihood,
    reconstruction_error,
    top_code,
)
from jaxprune.boltzmann._example import example
from jaxprune.boltzmann._files import load_machine, save_machine
from jaxprune.boltzmann._gibbs import gibbs_sweep, run_gibbs, start_chains
from jaxprune.boltzmann._importance import (
    CRITERIA,
    heuristic_information,
    heuristic_lost,
    information,
    leading_importance,
    residual_information,
    variance_information,
    weight_size,
)
from jaxprune.boltzmann._learn import LearnCode, Learning, Learnt, Progress, learn, pretrain
from jaxprune.boltzmann._likelihood import independent_log_likelihood, log_likelihood
from jaxprune.boltzmann._machine import BoltzmannMachine, dbm, rbm, receptive_fields, visible_bias
from jaxprune.boltzmann._mean_field import MeanField, MeanFieldCode, mean_field
from jaxprune.boltzmann._moments import Moments, Sampled, fisher_matrix, moments_of, sample_moments, statistics
from jaxprune.boltzmann._pictures import Pictures, pictures, tile
from jaxprune.boltzmann._prune import Deleted, Exhausted, choose, delete_units, isolate_units, remove, units_left
from jaxprune.boltzmann._sessions import (
    SessionInfo,
    Sessions,
    SessionState,
    init_sessions,
    prune_in_sessions,
    prune_session,
)

__all__ = [
    "CRITERIA",
    "Assessment",
    "BoltzmannMachine",
    "Classifier",
    "Deleted",
    "Dreams",
    "Exact",
    "Exhausted",
    "LearnCode",
    "Learning",
    "Learnt",
    "LogPartition",
    "MeanField",
    "MeanFieldCode",
    "MeanLogLikelihood",
    "Moments",
    "Pictures",
    "Progress",
    "Sampled",
    "SessionInfo",
    "SessionState",
    "Sessions",
    "all_states",
    "assess",
    "choose",
    "dbm",
    "delete_units",
    "divergence",
    "enumerate_machine",
    "example",
    "fisher_matrix",
    "fit_classifier",
    "gibbs_sweep",
    "heuristic_information",
    "heuristic_lost",
    "independent_log_likelihood",
    "information",
    "init_sessions",
    "isolate_units",
    "judge_samples",
    "leading_importance",
    "learn",
    "load_machine",
    "log_likelihood",
    "log_partition",
    "mean_field",
    "mean_log_likelihood",
    "moments_of",
    "pictures",
    "pretrain",
    "prune_in_sessions",
    "prune_session",
    "rbm",
    "receptive_fields",
    "reconstruction_error",
    "remove",
    "residual_information",
    "run_gibbs",
    "sample_moments",
    "save_machine",
    "start_chains",
    "statistics",
    "tile",
    "top_code",
    "units_left",
    "variance_information",
    "visible_bias",
    "weight_size",
]
