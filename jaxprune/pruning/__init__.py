"""Pruning: importance -> probability -> mask -> adjustment; rules put them together, and `prune` applies a rule to a network."""

from jaxprune.pruning import adjust, theory
from jaxprune.pruning._delta import DeltaRule, delta_rule
from jaxprune.pruning._exchange import exchange
from jaxprune.pruning._importance import (
    activity_importance,
    noise_importance,
    uniform_importance,
    weight_importance,
)
from jaxprune.pruning._kinds import synapse_count
from jaxprune.pruning._mask import sample_mask
from jaxprune.pruning._measured import measured_importance
from jaxprune.pruning._names import RULES, named_rule
from jaxprune.pruning._online import OnlinePrune
from jaxprune.pruning._outside import rule_source
from jaxprune.pruning._probabilities import keep_probabilities
from jaxprune.pruning._prune import (
    FragmentationWarning,
    Pruned,
    UnstableWarning,
    apply_rule,
    prune,
    readjust,
    warn_of_fragments,
)
from jaxprune.pruning._rules import NoisePrune, Rule, UniformPrune, WeightPrune
from jaxprune.pruning._surgeon import removal_importance, surgeon_importance
from jaxprune.pruning.adjust import (
    Compensate,
    Keep,
    MatchForm,
    MatchRadius,
    Regrow,
    Strengthen,
    compensate,
    drive_error,
    matched_diagonal,
    strengthen,
)

__all__ = [
    "RULES",
    "Compensate",
    "DeltaRule",
    "FragmentationWarning",
    "Keep",
    "MatchForm",
    "MatchRadius",
    "NoisePrune",
    "OnlinePrune",
    "Pruned",
    "Regrow",
    "Rule",
    "Strengthen",
    "UniformPrune",
    "UnstableWarning",
    "WeightPrune",
    "activity_importance",
    "adjust",
    "apply_rule",
    "compensate",
    "delta_rule",
    "drive_error",
    "exchange",
    "keep_probabilities",
    "matched_diagonal",
    "measured_importance",
    "named_rule",
    "noise_importance",
    "prune",
    "readjust",
    "removal_importance",
    "rule_source",
    "sample_mask",
    "strengthen",
    "surgeon_importance",
    "synapse_count",
    "theory",
    "uniform_importance",
    "warn_of_fragments",
    "weight_importance",
]
