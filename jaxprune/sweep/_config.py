"""What a sweep computes: an ensemble of networks, rules, and kept fractions."""

import dataclasses
from typing import Any

import jax

from jaxprune._checks import InputError, check_fraction
from jaxprune.networks import Ensemble
from jaxprune.pruning import MatchForm, Rule, named_rule
from jaxprune.pruning.adjust import Swap


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """A sweep over rule x kept fraction x network. Everything that a result depends on is in here.

    Attributes:
      ensemble: the networks.
      rules: names of rules, see `pruning.RULES`, or module:Name for your own. The last three of the default are controls:
        the mask alone, the mask and one factor, and no synapse at all.
      keep: fractions of synapses kept, each in (0, 1].
      networks: number of networks.
      seed: seed of the ensemble.
      chunk: networks computed, and written, together.

    Example:
      >>> SweepConfig(Ensemble(sizes=(8, 4), bridges=6), rules=("noise", "weight+keep"), networks=20).chunks
      3
    """

    ensemble: Ensemble = Ensemble()
    rules: tuple[str, ...] = (
        "noise", "weight", "uniform", "noise+compensation", "noise+keep", "noise+abscissa", "empty",
    )  # fmt: skip
    keep: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
    networks: int = 32
    seed: int = 0
    chunk: int = 8

    def check(self) -> None:
        """Refuse what cannot be computed; `run` does so before anything else.

        Raises:
          InputError: naming the field, its value, the rule and the remedy.
        """
        self.ensemble.check()
        for name, values in (("rules", self.rules), ("keep", self.keep)):
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} is {values}, but must name at least one value, none of them twice.")
        for fraction in self.keep:
            check_fraction("keep", fraction)
        for name, rule in zip(self.rules, self.pruning_rules, strict=True):
            if isinstance(rule.adjust, MatchForm) and not self.ensemble.symmetric:
                raise InputError(
                    f"rules has {name!r}, which needs symmetric networks, but family is {self.ensemble.family!r}."
                )
            if isinstance(rule.adjust, Swap) and self.ensemble.symmetric:
                raise InputError(
                    f"rules has {name!r}, which is for directed networks, but those of {self.ensemble.family!r} are symmetric: "
                    "leave it out, or choose a directed family."
                )
        for name in ("networks", "chunk"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, but must be at least 1.")

    @property
    def pruning_rules(self) -> tuple[Rule, ...]:
        """The rules behind the names."""
        return tuple(named_rule(name) for name in self.rules)

    @property
    def chunks(self) -> int:
        """Number of chunks; the last may be partly empty."""
        return -(-self.networks // self.chunk)

    def keys(self, chunk: int) -> jax.Array:
        """Keys of a chunk's networks: that of network i is the seed's, folded with i, however networks are chunked."""
        first = chunk * self.chunk
        return jax.vmap(lambda i: jax.random.fold_in(jax.random.key(self.seed), i))(
            jax.numpy.arange(first, first + self.chunk)
        )

    def settings(self) -> dict[str, Any]:
        """All settings as one flat record, for a store."""
        own = {name: value for name, value in dataclasses.asdict(self).items() if name != "ensemble"}
        return dataclasses.asdict(self.ensemble) | own
