"""Parts of pruning for programs that choose a rule for a user: the few sensible rules, tried on one network."""

from jaxprune.pruning._try import AUTO, Tried, stable_ones, try_rules

__all__ = ["AUTO", "Tried", "stable_ones", "try_rules"]
