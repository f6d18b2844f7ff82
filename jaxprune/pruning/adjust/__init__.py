"""Adjustments of the surviving weights: one callable object for each, and the plain functions behind them."""

from jaxprune.pruning.adjust._abscissa import MatchAbscissa
from jaxprune.pruning.adjust._adjust import Adjust, Survivors
from jaxprune.pruning.adjust._compensate import Compensate, compensate, drive_error
from jaxprune.pruning.adjust._empty import Empty
from jaxprune.pruning.adjust._form import MatchForm, match_form
from jaxprune.pruning.adjust._keep import Keep
from jaxprune.pruning.adjust._once import CorrectOnce, correct_once
from jaxprune.pruning.adjust._radius import MatchRadius
from jaxprune.pruning.adjust._regrow import Regrow, regrow
from jaxprune.pruning.adjust._response import MatchedResponse, match_response
from jaxprune.pruning.adjust._strengthen import Strengthen, matched_diagonal, strengthen
from jaxprune.pruning.adjust._swap import Swap

__all__ = [
    "Adjust",
    "Compensate",
    "CorrectOnce",
    "Empty",
    "Keep",
    "MatchAbscissa",
    "MatchForm",
    "MatchRadius",
    "MatchedResponse",
    "Regrow",
    "Strengthen",
    "Survivors",
    "Swap",
    "compensate",
    "correct_once",
    "drive_error",
    "match_form",
    "match_response",
    "matched_diagonal",
    "regrow",
    "strengthen",
]
