"""What a sweep computes: an ensemble of networks, rules, and kept fractions."""

import dataclasses
from typing import Any

import jax

from jaxprune._checks import InputError, check_fraction, check_seed, check_whole, quoted
from jaxprune._memory import check_memory
from jaxprune.networks import Ensemble
from jaxprune.pruning import MatchForm, Rule, named_rule
from jaxprune.pruning.adjust import Swap

MATRICES, MATRICES_OF_RULE = 10, 8
"""Matrices that are there at once, for each network of a chunk and for each of its pruned copies: a little less than measured."""


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
        check_seed("seed", self.seed)
        for name in ("networks", "chunk"):
            check_whole(name, getattr(self, name), least=1)
        for name, values in (("rules", self.rules), ("keep", self.keep)):
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} is {quoted(values)}, but must name at least one value, none of them twice.")
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
        self._check_synapses()
        self._check_memory()
        self.check_results()

    def _check_synapses(self):
        there = self.ensemble.expected_synapses
        if self.ensemble.neurons < 2 or not there:
            raise InputError(
                f"sizes is {quoted(self.ensemble.sizes)}: such networks have no synapse, and there is nothing to prune."
            )
        unit = 2 if self.ensemble.symmetric else 1
        if round(min(self.keep) * there / unit) < 1:
            raise InputError(
                f"keep is {min(self.keep):g}, which of the {there:.6g} synapses that a network has on average keeps none: raise "
                "it until one stays."
            )

    def _check_memory(self):
        neurons, bytes_each = self.ensemble.neurons, jax.numpy.zeros(()).dtype.itemsize
        matrices = MATRICES + MATRICES_OF_RULE * len(self.rules)
        check_memory(
            f"a chunk of {quoted(self.chunk)} networks of {quoted(neurons)} neurons, pruned by {len(self.rules)} rules,",
            float(bytes_each * self.chunk * neurons**2 * matrices),
            "take smaller networks, a smaller chunk, or fewer rules.",
        )

    def check_results(self) -> None:
        """Refuse more results than fit in memory; `check` does so, too.

        Raises:
          InputError: with both numbers.
        """
        neurons, bytes_each = self.ensemble.neurons, jax.numpy.zeros(()).dtype.itemsize
        points = self.networks * len(self.rules) * len(self.keep)
        check_memory(
            f"the results of {quoted(self.networks)} networks of {quoted(neurons)} neurons at {len(self.rules)} rules and "
            f"{len(self.keep)} fractions,",
            float(bytes_each * points * (3 * neurons + 10)),
            "take fewer of them.",
        )

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
