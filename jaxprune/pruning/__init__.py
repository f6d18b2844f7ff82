"""Pruning: importance -> keep probability -> mask -> strengthen or compensate -> diagonal."""

from jaxprune.pruning import theory as theory
from jaxprune.pruning._compensate import compensate as compensate
from jaxprune.pruning._compensate import refit as refit
from jaxprune.pruning._importance import noise_importance as noise_importance
from jaxprune.pruning._importance import uniform_importance as uniform_importance
from jaxprune.pruning._importance import weight_importance as weight_importance
from jaxprune.pruning._mask import sample_mask as sample_mask
from jaxprune.pruning._measured import MeasuredImportance as MeasuredImportance
from jaxprune.pruning._measured import measured_importance as measured_importance
from jaxprune.pruning._probabilities import keep_probabilities as keep_probabilities
from jaxprune.pruning._prune import FragmentationWarning as FragmentationWarning
from jaxprune.pruning._prune import Pruned as Pruned
from jaxprune.pruning._prune import apply_rule as apply_rule
from jaxprune.pruning._prune import count_components as count_components
from jaxprune.pruning._prune import prune as prune
from jaxprune.pruning._prune import synapse_count as synapse_count
from jaxprune.pruning._rules import RULES as RULES
from jaxprune.pruning._rules import NoisePrune as NoisePrune
from jaxprune.pruning._rules import Rule as Rule
from jaxprune.pruning._rules import UniformPrune as UniformPrune
from jaxprune.pruning._rules import WeightPrune as WeightPrune
from jaxprune.pruning._rules import named_rule as named_rule
from jaxprune.pruning._strengthen import matched_diagonal as matched_diagonal
from jaxprune.pruning._strengthen import strengthen as strengthen
