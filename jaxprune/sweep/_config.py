"""What a sweep computes: an ensemble of networks, rules, and kept fractions."""

import dataclasses
from typing import Literal

import jax

from jaxprune._checks import InputError, check_choice, check_fraction, check_positive
from jaxprune._types import Matrix, PRNGKey
from jaxprune.networks import clustered, dale, dominant_leak, feedforward, gaussian, low_rank, stable_leak
from jaxprune.pruning import Rule, named_rule

FAMILIES = ("clustered", "clustered-directed", "gaussian", "gaussian-symmetric", "dale", "feedforward", "low-rank")
LEAKS = ("dominant", "stable")


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """A sweep over rule x kept fraction x network. Everything that a result depends on is in here.

    Attributes:
      family: network family of the ensemble.
      sizes: neurons in each cluster (clustered families) or layer (feedforward, all equal); the others use the sum.
      bridges: long-range entries (clustered families).
      density: probability of a synapse (within clusters; between layers; everywhere).
      gain: spectral radius of the random part (gaussian, dale, low-rank).
      leak: "dominant" (diagonal dominance with slack `margin`) or "stable" (spectral abscissa `-margin`).
      margin: see `leak`; in 1/time.
      rules: names of rules, see `pruning.named_rule`.
      keep: fractions of synapses kept, each in (0, 1].
      networks: number of networks.
      seed: seed of the ensemble.
      chunk: networks computed, and written, together.
    """

    family: Literal[
        "clustered", "clustered-directed", "gaussian", "gaussian-symmetric", "dale", "feedforward", "low-rank"
    ] = "clustered"
    sizes: tuple[int, ...] = (100, 20, 80)
    bridges: int = 500
    density: float = 0.6
    gain: float = 0.8
    leak: Literal["dominant", "stable"] = "dominant"
    margin: float = 0.0
    rules: tuple[str, ...] = ("noise", "weight", "uniform", "noise+compensation")
    keep: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9)
    networks: int = 32
    seed: int = 0
    chunk: int = 8

    def check(self) -> None:
        """Refuse what cannot be computed; `run` does so before anything else.

        Raises:
          InputError: naming the field, its value, the rule and the remedy.
        """
        check_choice("family", self.family, FAMILIES)
        check_choice("leak", self.leak, LEAKS)
        check_fraction("density", self.density)
        check_positive("gain", self.gain, zero=True)
        check_positive("margin", self.margin, zero=self.leak == "dominant")
        if not self.sizes or min(self.sizes) < 1:
            raise InputError(f"sizes is {self.sizes}, but must list at least one size, each at least 1.")
        if self.family == "feedforward" and (len(self.sizes) < 2 or len(set(self.sizes)) > 1):
            raise InputError(f"sizes is {self.sizes}, but a feedforward chain needs at least two layers of equal size.")
        for name, values in (("rules", self.rules), ("keep", self.keep)):
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} is {values}, but must name at least one value, none of them twice.")
        for fraction in self.keep:
            check_fraction("keep", fraction)
        for rule in self.pruning_rules:
            if rule.adjust == "refit" and not self.symmetric:
                raise InputError(
                    f"family is {self.family!r}, which is not symmetric, but refit rules need symmetric networks."
                )
        for name in ("networks", "chunk"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if self.bridges < 0:
            raise InputError(f"bridges is {self.bridges}, but must not be negative.")

    @property
    def neurons(self) -> int:
        """Number of neurons, N."""
        return sum(self.sizes)

    @property
    def symmetric(self) -> bool:
        """Whether the family is symmetric."""
        return self.family in ("clustered", "gaussian-symmetric")

    @property
    def pruning_rules(self) -> tuple[Rule, ...]:
        """The rules behind the names."""
        return tuple(named_rule(name) for name in self.rules)

    @property
    def chunks(self) -> int:
        """Number of chunks; the last may be partly empty."""
        return -(-self.networks // self.chunk)

    def network(self, key: PRNGKey) -> Matrix:
        """One network of the ensemble: a pure function of the key."""
        n = self.neurons
        if self.family.startswith("clustered"):
            directed = self.family == "clustered-directed"
            W = clustered(key, self.sizes, density=self.density, bridges=self.bridges, directed=directed)
        elif self.family.startswith("gaussian"):
            W = gaussian(key, n, gain=self.gain, density=self.density, symmetric=self.symmetric)
        elif self.family == "dale":
            W = dale(key, n, gain=self.gain, density=self.density)
        elif self.family == "feedforward":
            W = feedforward(key, len(self.sizes), self.sizes[0], density=self.density)
        else:
            W = low_rank(key, n, gain=self.gain)
        return dominant_leak(W, self.margin) if self.leak == "dominant" else stable_leak(W, -self.margin)

    def keys(self, chunk: int) -> jax.Array:
        """Keys of a chunk's networks: that of network i is the seed's, folded with i, however networks are chunked."""
        first = chunk * self.chunk
        return jax.vmap(lambda i: jax.random.fold_in(jax.random.key(self.seed), i))(
            jax.numpy.arange(first, first + self.chunk)
        )
