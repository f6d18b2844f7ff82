"""Ensembles: many networks of one family, each a pure function of its key."""

import dataclasses
from typing import Literal

from jaxprune._checks import InputError, check_choice, check_fraction, check_positive, quoted
from jaxprune._types import Matrix, PRNGKey
from jaxprune.networks._clustered import clustered
from jaxprune.networks._feedforward import feedforward
from jaxprune.networks._leak import dominant_leak, stable_leak
from jaxprune.networks._random import dale, gaussian, low_rank

FAMILIES = ("clustered", "clustered-directed", "gaussian", "gaussian-symmetric", "dale", "feedforward", "low-rank")
LEAKS = ("dominant", "stable")


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """A distribution of random networks: family, sizes, synapse statistics and leak; a key draws one of them.

    Attributes:
      family: network family of the ensemble.
      sizes: neurons in each cluster (clustered families) or layer (feedforward, all equal); the others use the sum.
      bridges: long-range entries (clustered families).
      density: probability of a synapse (within clusters; between layers; everywhere).
      gain: spectral radius of the random part (gaussian, dale, low-rank).
      leak: "dominant" (diagonal dominance with slack `margin`) or "stable" (spectral abscissa `-margin`).
      margin: see `leak`; in 1/time. Without any slack a neuron that loses all its inputs never comes back to rest, and measures
        of the response to noise are infinite.

    Example:
      >>> Ensemble(sizes=(8, 4), bridges=6).network(jax.random.key(0)).shape
      (12, 12)
    """

    family: Literal[
        "clustered", "clustered-directed", "gaussian", "gaussian-symmetric", "dale", "feedforward", "low-rank"
    ] = "clustered"
    sizes: tuple[int, ...] = (100, 20, 80)
    bridges: int = 500
    density: float = 0.6
    gain: float = 0.8
    leak: Literal["dominant", "stable"] = "dominant"
    margin: float = 0.01

    def check(self) -> None:
        """Refuse settings that no network can be made from.

        Raises:
          InputError: naming the field, its value, the rule and the remedy.
        """
        check_choice("family", self.family, FAMILIES)
        check_choice("leak", self.leak, LEAKS)
        check_fraction("density", self.density)
        check_positive("gain", self.gain, zero=True)
        check_positive("margin", self.margin, zero=self.leak == "dominant")
        if not self.sizes or min(self.sizes) < 1:
            raise InputError(f"sizes is {quoted(self.sizes)}, but must list at least one size, each at least 1.")
        if self.family == "feedforward" and (len(self.sizes) < 2 or len(set(self.sizes)) > 1):
            raise InputError(f"sizes is {self.sizes}, but a feedforward chain needs at least two layers of equal size.")
        if self.family == "dale" and self.neurons < 3:
            raise InputError(
                f"sizes is {self.sizes}, but a dale network needs at least 3 neurons, for both kinds to exist."
            )
        if self.bridges < 0:
            raise InputError(f"bridges is {self.bridges}, but must not be negative.")
        if self.family.startswith("clustered") and self.bridges and self.neurons < 2:
            raise InputError(f"bridges is {self.bridges}, but a single neuron has nobody to be joined to: make it 0.")
        places = self.neurons * (self.neurons - 1)
        if self.family.startswith("clustered") and self.bridges > places:
            raise InputError(
                f"bridges is {quoted(self.bridges)}, but {self.neurons} neurons have only {places} places for synapses: make it "
                "smaller."
            )

    @property
    def neurons(self) -> int:
        """Number of neurons, N."""
        return sum(self.sizes)

    @property
    def expected_synapses(self) -> float:
        """Expected number of synapses of a network, as entries; bridges that fall on one another are counted apart.

        Example:
          >>> Ensemble(sizes=(8, 4), bridges=6, density=0.5).expected_synapses
          40.0
        """
        if self.family == "feedforward":
            return self.density * self.sizes[0] ** 2 * (len(self.sizes) - 1)
        if self.family.startswith("clustered"):
            return self.density * sum(size * (size - 1) for size in self.sizes) + self.bridges
        places = float(self.neurons * (self.neurons - 1))
        if self.family == "low-rank":
            return places
        return self.density * places * (self.gain > 0)

    @property
    def symmetric(self) -> bool:
        """Whether the family is symmetric."""
        return self.family in ("clustered", "gaussian-symmetric")

    def network(self, key: PRNGKey) -> Matrix:
        """Dynamics matrix of one network of the ensemble: a pure function of the key.

        Raises:
          InputError: as `check`.
        """
        self.check()
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
        if self.leak == "dominant":
            return dominant_leak(W, self.margin)
        return stable_leak(W, -self.margin, symmetric=self.symmetric)
