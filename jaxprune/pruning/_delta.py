"""The delta rule: each weight changes by its input times the error of its neuron's drive."""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_matrix, is_concrete
from jaxprune._types import Count, Mask, Matrix, Real


class DeltaState(NamedTuple):
    """State of the delta rule: the weights learnt so far, and what the next step needs.

    Attributes:
      weights: S, as learnt so far.
      mean: of the weights over the second half of the steps, as far as it has come.
      power: running mean of the squared input, E[fⱼ²].
      step: number of steps taken.
    """

    weights: Matrix
    mean: Matrix
    power: Float[Array, " pre"]
    step: Count


@dataclasses.dataclass(frozen=True)
class DeltaRule:
    """Let surviving weights learn to give each neuron the drive that the original weights W would give.

        Δsᵢⱼ = ηᵢ ⟨eᵢ fⱼ⟩,   eᵢ = Σₖ (wᵢₖ − sᵢₖ) fₖ,   ηᵢ = η / Σⱼ ⟨fⱼ²⟩

    Each synapse uses the activity f of its presynaptic neuron and the drive that its postsynaptic neuron misses. ηᵢ is over
    the power of a neuron's surviving inputs, its running mean or its present value, whichever is larger, so that no step
    overshoots. The rate falls as 1/time after a quarter of the steps; the result is the mean over the second half (Polyak
    averaging). It ends where `compensate` does, for the activity that it saw.

    `init`, `update` for every batch of activity, `result`: any loop can drive it, over a stored stream (`delta_rule`) or inside
    the running network (`OnlinePrune`, `rnn.learn_online`).

    Attributes:
      steps: number of updates that will be made.
      rate: η at the start, between 0 and 2.
      symmetric: both ends of a pair take the mean of their changes, so that symmetric weights stay so.

    Raises:
      InputError: fewer than one step; rate outside (0, 2).

    Example:
      >>> rule = DeltaRule(steps=1, rate=0.5)
      >>> state = rule.update(rule.init(jnp.zeros((1, 2))), jnp.array([[1.0, 1.0]]), jnp.ones((1, 2)), jnp.array([[1.0, 2.0]]))
      >>> state.weights
      Array([[0.3, 0.6]], dtype=float64)

    Reference: Widrow1960 (the delta rule); Polyak1992 (averaging).
    """

    steps: int
    rate: Real = 0.5
    symmetric: bool = False

    def __post_init__(self):
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}, but learning takes at least 1.")
        if is_concrete(self.rate) and not 0 < float(self.rate) < 2:
            raise InputError(f"rate is {float(self.rate):g}, but the delta rule needs it between 0 and 2.")

    def init(self, weights: Matrix) -> DeltaState:
        """The state before the first step, from the pruned weights."""
        return DeltaState(weights, jnp.zeros_like(weights), jnp.zeros(weights.shape[1], weights.dtype), jnp.asarray(0))

    def update(
        self,
        state: DeltaState,
        W: Matrix,
        mask: Mask,
        inputs: Float[Array, "sample pre"],
        *,
        sign: Float[Array, " pre"] | None = None,
    ) -> DeltaState:
        """Change the weights by one batch of presynaptic activity.

        Args:
          state: so far.
          W: original weights, which give the drive that is wanted.
          mask: ones where a synapse is.
          inputs: f, activity of the presynaptic neurons, (sample, pre).
          sign: with Dale's law, 1 or -1 for each sender; a synapse that would change its sign is cut at zero.
        """
        S, mean, power, step = state
        present = jnp.mean(inputs**2, axis=0)
        power = power + (present - power) / (step + 1)
        heard = jnp.maximum(mask @ power, mask @ present)
        rate = jnp.asarray(self.rate, S.dtype) / jnp.maximum(1, 4 * step / self.steps)
        eta = jnp.where(heard > 0, rate / jnp.where(heard > 0, heard, 1), 0).astype(S.dtype)
        missing = inputs @ (W - S).T
        change = eta[:, None] * (missing.T @ inputs / len(inputs))
        if self.symmetric:
            change = (change + change.T) / 2
        S = S + mask * change
        if sign is not None:
            S = jnp.where(S * sign[None, :] > 0, S, 0)
        half = self.steps // 2
        mean = mean + jnp.where(step >= half, S / (self.steps - half), 0)
        return DeltaState(S, mean, power, step + 1)

    def result(self, state: DeltaState) -> Matrix:
        """The learnt weights: their mean over the second half of the steps."""
        return state.mean


def delta_rule(
    W: Matrix, start: Matrix, mask: Mask, inputs: Float[Array, "time pre"], *, rate: Real = 0.5, batch: int = 1
) -> Matrix:
    """Learn the surviving weights from a stored stream of presynaptic activity, by `DeltaRule`.

    Args:
      W: weights before pruning, which give the drive that is wanted.
      start: weights after it.
      mask: ones where a synapse is.
      inputs: presynaptic activity, in order of time.
      rate: η, between 0 and 2.
      batch: number of times to a step; static.

    Raises:
      InputError: shapes that do not fit; rate outside (0, 2); a batch that is not between 1 and the length of the stream.

    Example:
      >>> W = jnp.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
      >>> mask = jnp.zeros((3, 3)).at[0, 1].set(1.0)
      >>> together = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (2000, 1)), (2000, 3))
      >>> delta_rule(W, W * mask, mask, together)[0].round(3)
      Array([0., 2., 0.], dtype=float64)

    Reference: Widrow1960 (the delta rule); Polyak1992 (averaging).
    """
    check_matrix("W", W)
    for name, value in (("start", start), ("mask", mask)):
        check_matrix(name, value, like=("W", W))
    if inputs.ndim != 2 or inputs.shape[1] != W.shape[1]:
        raise InputError(f"inputs has shape {inputs.shape}, but must be (time, {W.shape[1]}).")
    if not 1 <= batch <= len(inputs):
        raise InputError(f"batch is {batch}, but must be between 1 and the {len(inputs)} times.")
    if is_concrete(rate):
        DeltaRule(1, rate)
    return _learn(W, start, mask, inputs, jnp.asarray(rate, W.dtype), batch)


@partial(jax.jit, static_argnums=5)
def _learn(W, start, mask, inputs, rate, batch):
    rule = DeltaRule(len(inputs) // batch, rate)
    chunks = inputs[: rule.steps * batch].reshape(rule.steps, batch, -1)
    state, _ = lax.scan(lambda state, chunk: (rule.update(state, W, mask, chunk), None), rule.init(start), chunks)
    return rule.result(state)
