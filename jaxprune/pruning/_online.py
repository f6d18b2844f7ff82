"""Pruning while the network runs: noise drives it, synapses measure, the weakest go in rounds, the others adapt."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_fraction, check_leak, check_positive, check_square, is_concrete
from jaxprune._types import Count, Mask, Matrix, PRNGKey, Real, Scalar
from jaxprune.dynamics import SPAN, Linear, Moments, largest_step, simulate
from jaxprune.linalg import symmetrise
from jaxprune.pruning._delta import DeltaRule
from jaxprune.pruning._importance import noise_importance
from jaxprune.pruning._kinds import synapse_count, synapses
from jaxprune.pruning._mask import sample_mask
from jaxprune.pruning._probabilities import keep_probabilities


class OnlineState(NamedTuple):
    """State of online pruning: the network and its activity.

    Attributes:
      matrix: the network as it is now.
      activity: its last state.
    """

    matrix: Matrix
    activity: Float[Array, " neuron"]


class OnlineInfo(NamedTuple):
    """Results of one round: which synapses are left, their importance, and the drive that was lost.

    Attributes:
      mask: synapses that are left.
      importance: as measured before the round's removal.
      lost: mean squared drive `E[((R − S) x)ᵢ²]` that the removal took from a neuron, before adaptation.
      left: the same after adaptation; R is the network before the round.
      code: `dynamics.SimulationCode` of the simulations, the worse of them.
    """

    mask: Mask
    importance: Matrix
    lost: Scalar
    left: Scalar
    code: Count


@dataclasses.dataclass(frozen=True)
class OnlinePrune:
    """Prune a linear network while it runs, in rounds. Each round

    1. lets the noise drive the network while every synapse measures the variance of its difference, hence its importance
       `rᵢⱼ = |sᵢⱼ| Var(xᵢ − sign(sᵢⱼ) xⱼ)`;
    2. removes the least important synapses: those below a threshold, the one number that all of them share;
    3. lets the others, and the leaks, learn by the delta rule (`DeltaRule`) to give each neuron the drive `Σⱼ rᵢⱼ xⱼ`
       that it had before the round.

    A synapse uses its own weight and the activities and drive of the two neurons that it joins, and nothing else. In a
    symmetric network it takes the mean of both ends' changes, so that it stays symmetric.

    A pure pair `init`, `step`: it jits, and vmaps over networks.

    Attributes:
      dt: step of Euler-Maruyama, in units of time.
      sigma: noise intensity, in activity per square root of time.
      observe: length of the measurement of a round, in blocks of `dynamics.SPAN` steps.
      adapt: length of the learning of a round, in such blocks; weights change after each.
      rate: η at the start, between 0 and 2.
      symmetric: whether the network is symmetric.

    Raises:
      InputError: dt, observe, adapt or rate out of range.

    Example:
      >>> from jaxprune import networks
      >>> A = networks.dominant_leak(networks.clustered(jax.random.key(0), (8, 4), bridges=6), 0.1)
      >>> online = OnlinePrune(dt=0.1, observe=4, adapt=8, symmetric=True)
      >>> state, info = online.step(jax.random.key(1), online.init(A), 20)
      >>> int(info.mask.sum()), bool(info.left < info.lost)
      (20, True)

    Reference: Moore2020 (the importance); Widrow1960 (the delta rule); Polyak1992 (averaging).
    """

    dt: float
    sigma: float = 1.0
    observe: int = 50
    adapt: int = 50
    rate: float = 0.5
    symmetric: bool = False

    def __post_init__(self):
        check_positive("dt", self.dt)
        check_positive("sigma", self.sigma)
        for name in ("observe", "adapt"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, but must be at least 1 block.")
        DeltaRule(1, self.rate)

    def init(self, A: Matrix) -> OnlineState:
        """The state before the first round: the network at rest.

        Raises:
          InputError: A not square, empty, not finite or with a positive diagonal; dt too coarse for it.
        """
        check_square("A", A)
        check_leak("A", A)
        if is_concrete(A):
            bound = largest_step(A)
            if self.dt >= bound:
                raise InputError(
                    f"dt is {self.dt:g}, but must be below {bound:.4g} for this network (0: it is unstable)."
                )
        return OnlineState(A, jnp.zeros(len(A), A.dtype))

    def step(self, key: PRNGKey, state: OnlineState, count: Count | int) -> tuple[OnlineState, OnlineInfo]:
        """One round: measure, remove all but `count` synapses (entries; pairs count twice), adapt.

        Args:
          key: random key of the round.
          state: the network.
          count: number of off-diagonal entries to be left.
        """
        tie_key, observe_key, adapt_key, test_key = jax.random.split(key, 4)
        before, n = state.matrix, len(state.matrix)
        watched = self._run(observe_key, before, state.activity, self.observe * SPAN, observe=Moments())
        moment = watched.observed.second_moment
        importance = noise_importance(before, moment)
        if self.symmetric:
            importance = symmetrise(importance)
        probabilities = keep_probabilities(
            importance, count=jnp.asarray(count, before.dtype), where=synapses(before, "linear")
        )
        mask = sample_mask(tie_key, probabilities, symmetric=self.symmetric, method="top")
        support = mask + jnp.eye(n, dtype=before.dtype)
        removed = before * support
        after, activity, failed = self._adapt(adapt_key, before, removed, support, watched.state)
        # Judged on noise that was not learnt from.
        test = self._run(test_key, after, activity, self.observe * SPAN, observe=Moments())
        moment = test.observed.second_moment
        info = OnlineInfo(
            mask=mask,
            importance=importance,
            lost=_drive(before - removed, moment),
            left=_drive(before - after, moment),
            code=jnp.maximum(jnp.maximum(watched.code, failed), test.code),
        )
        return OnlineState(after, test.state), info

    def schedule(self, A: Matrix, keep: Real, rounds: int) -> Array:
        """Numbers of entries to be left after each round: falling by the same factor every time, down to a fraction `keep`.

        Raises:
          InputError: keep outside (0, 1], or no round.

        Example:
          >>> OnlinePrune(dt=0.1, symmetric=True).schedule(jnp.ones((9, 9)), 0.25, 2)
          Array([36, 18], dtype=int32)
        """
        check_fraction("keep", keep)
        if rounds < 1:
            raise InputError(f"rounds is {rounds}, but must be at least 1.")
        fractions = np.float64(keep) ** (np.arange(1, rounds + 1) / rounds)
        return jnp.stack([synapse_count(A, float(fraction), symmetric=self.symmetric) for fraction in fractions])

    def _run(self, key, matrix, activity, steps, **options):
        return simulate(key, Linear(matrix), activity, dt=self.dt, steps=steps, sigma=self.sigma, **options)

    def _adapt(self, key, target, start, support, activity):
        rule = DeltaRule(self.adapt, self.rate, self.symmetric)

        def learn(block, carry):
            state, activity, code = carry
            ran = self._run(jax.random.fold_in(key, block), state.weights, activity, SPAN, record_every=1)
            state = rule.update(state, target, support, jnp.asarray(ran.trajectory))
            return state, ran.state, jnp.maximum(code, ran.code)

        code = jnp.zeros((), jnp.asarray(0).dtype)
        state, activity, code = lax.fori_loop(0, self.adapt, learn, (rule.init(start), activity, code))
        return rule.result(state), activity, code


def _drive(missing, moment):
    return jnp.mean(jnp.sum((missing @ moment) * missing, axis=1))
