"""Running statistics of a simulation: carried along, never a stored trajectory.

An observer takes a block of states at a time, with weights that say which of them count, so that moments cost one matrix product
a block. Forgetting makes them follow a network that changes.
"""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Matrix, Real, Scalar
from jaxprune.dynamics._activity import Activity

States = Float[Array, "time neuron"]
Weights = Float[Array, " time"]
Edges = Float[Array, " synapse"]


class Observer(eqx.Module):
    """A statistic that is carried along a simulation: `init`, `update` with blocks of states, `result`."""

    @abc.abstractmethod
    def init(self, neurons: int, dtype: Any) -> Any:
        """The carry before the first state."""

    @abc.abstractmethod
    def update(self, carry: Any, states: States, weights: Weights) -> Any:
        """The carry after a block of states; those of weight zero do not count."""

    @abc.abstractmethod
    def result(self, carry: Any) -> Any:
        """The statistic."""


class MomentsState(NamedTuple):
    """Running mean and scatter matrix, and the summed weight behind them."""

    mean: Float[Array, " neuron"]
    scatter: Matrix
    weight: Scalar


class Moments(Observer):
    """Running mean and covariance of the states, as an `Activity`; memory O(N²).

    Blocks are merged by their own means, so that a large common activity does not drown a small variance.

    Args:
      forget: rate in 1/step at which the past loses weight, `wₖ ∝ (1 − forget)⁻ᵏ`; 0 keeps all.

    Raises:
      InputError: forget outside [0, 1).

    Example:
      >>> watch = Moments()
      >>> carry = watch.update(watch.init(1, jnp.float64), jnp.array([[1.0], [3.0]]), jnp.ones(2))
      >>> watch.result(carry).mean, watch.result(carry).covariance
      (Array([2.], dtype=float64), Array([[1.]], dtype=float64))

    Reference: Chan1983 (merging of moments).
    """

    forget: float = 0.0

    def __check_init__(self):
        _check_forget(self.forget)

    def init(self, neurons: int, dtype: Any) -> MomentsState:
        """No states yet."""
        return MomentsState(jnp.zeros(neurons, dtype), jnp.zeros((neurons, neurons), dtype), jnp.zeros((), dtype))

    def update(self, carry: MomentsState, states: States, weights: Weights) -> MomentsState:
        """Merge a block of states."""
        weights, past = _fade(weights, self.forget)
        fresh = jnp.sum(weights)
        mean = weights @ states / jnp.where(fresh > 0, fresh, 1)
        centred = states - mean[None, :]
        scatter = (centred * weights[:, None]).T @ centred
        old = past * carry.weight
        total = old + fresh
        share = fresh / jnp.where(total > 0, total, 1)
        apart = mean - carry.mean
        return MomentsState(
            jnp.where(fresh > 0, carry.mean + apart * share, carry.mean),
            past * carry.scatter + scatter + jnp.outer(apart, apart) * (old * share),
            total,
        )

    def result(self, carry: MomentsState) -> Activity:
        """Mean and covariance (divided by the weight, not by one less)."""
        covariance = carry.scatter / carry.weight
        return Activity(carry.mean, (covariance + covariance.T) / 2, carry.weight)


class DifferencesState(NamedTuple):
    """Running mean and scatter of each synapse's difference, and the weight behind them."""

    mean: Edges
    scatter: Edges
    weight: Scalar


class Differences(Observer):
    """Variance of the difference of the two neurons that each synapse joins, `vᵢⱼ = Var(xᵢ − sᵢⱼ xⱼ)`.

    It is kept only where there is a synapse, with sᵢⱼ the synapse's sign, and is updated from the activity of those two
    neurons; memory is O(synapses) and no covariance matrix
    exists anywhere. `importance` turns the result into the noise importance.

    Args:
      A: network whose synapses are watched; its entries must be known.
      forget: as in `Moments`.

    Raises:
      InputError: A not square, empty or not finite, or traced; forget outside [0, 1).

    Example:
      >>> watch = Differences(jnp.array([[-2.0, 1.0], [0.0, -2.0]]))
      >>> carry = watch.update(watch.init(2, jnp.float64), jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.ones(2))
      >>> watch.result(carry)
      Array([1.], dtype=float64)

    Reference: Moore2020, the statistic behind the rule.
    """

    post: Int[Array, " synapse"]
    pre: Int[Array, " synapse"]
    sign: Edges
    forget: float = eqx.field(static=True)

    def __init__(self, A: Matrix, *, forget: float = 0.0):
        check_square("A", A)
        _check_forget(forget)
        if not is_concrete(A):
            raise InputError("A is traced, but which synapses to watch must be known: make the observer outside jit.")
        entries = np.asarray(A)
        post, pre = np.nonzero(entries * (1 - np.eye(len(entries))))
        self.post, self.pre = jnp.asarray(post), jnp.asarray(pre)
        self.sign = jnp.asarray(np.sign(entries[post, pre]), A.dtype)
        self.forget = forget

    def init(self, neurons: int, dtype: Any) -> DifferencesState:
        """No states yet."""
        del neurons
        none = jnp.zeros(len(self.post), dtype)
        return DifferencesState(none, none, jnp.zeros((), dtype))

    def update(self, carry: DifferencesState, states: States, weights: Weights) -> DifferencesState:
        """Take the states one after the other, as synapses do."""

        def one(carry, inputs):
            x, weight = inputs
            old = (1 - self.forget) * carry.weight
            total = old + weight
            apart = x[self.post] - self.sign * x[self.pre] - carry.mean
            share = weight / jnp.where(total > 0, total, 1)
            scatter = (1 - self.forget) * carry.scatter + apart**2 * (old * share)
            return DifferencesState(carry.mean + apart * share, scatter, total), None

        return lax.scan(one, carry, (states, weights))[0]

    def result(self, carry: DifferencesState) -> Edges:
        """Variance of the difference, synapse by synapse."""
        return carry.scatter / carry.weight

    def matrix(self, values: Edges, neurons: int) -> Matrix:
        """Values of the synapses as a matrix, zero elsewhere."""
        return jnp.zeros((neurons, neurons), values.dtype).at[self.post, self.pre].set(values)


class Estimate(NamedTuple):
    """A statistic with its standard error; made by `BatchMeans`.

    Attributes:
      value: of everything observed.
      error: its standard error, from the scatter of batches.
      batches: number of finished batches.
    """

    value: Any
    error: Any
    batches: Int[Array, ""]


class BatchMeans(Observer):
    """Standard error of another observer's result, by batch means.

    The simulation is cut into batches much longer than its memory; each gives the statistic afresh, and the scatter of these
    nearly independent values gives the standard error. The value itself is that of everything observed: a variance within a
    batch leaves out what moves more slowly than the batch. Batches shorter than the memory give errors that are too small. For a
    variance, `2 v² / error²` (`effective_samples`) is the number of independent samples that would do as well.

    Args:
      observer: the statistic; its result must be arrays, and it must not forget.
      blocks: length of a batch, in blocks of `SPAN` steps.

    Raises:
      InputError: blocks less than 1; an observer that forgets, whose last value no mean over batches estimates.

    Reference: Flegal2010 (batch means).
    """

    observer: Observer
    blocks: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        if self.blocks < 1:
            raise InputError(f"blocks is {self.blocks}, but a batch needs at least 1.")
        forget = getattr(self.observer, "forget", 0)
        if forget:
            raise InputError(
                f"the observer has forget={forget:g}, but batches need one that keeps all: leave forget at 0."
            )

    def init(self, neurons: int, dtype: Any) -> Any:
        """No batch yet."""
        inner = self.observer.init(neurons, dtype)
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(self.observer.result, inner))
        return _Batches(inner, inner, jnp.asarray(0), jnp.asarray(0), zero, zero)

    def update(self, carry: Any, states: States, weights: Weights) -> Any:
        """Take a block; the last of a batch closes it. Blocks that do not count wholly are in no batch."""
        whole = self.observer.update(carry.whole, states, weights)
        counts = jnp.all(weights > 0)
        filled = carry.filled + counts
        updated = self.observer.update(carry.batch, states, weights)
        batch = jax.tree.map(lambda new, old: jnp.where(counts, new, old), updated, carry.batch)
        full = filled == self.blocks
        count = carry.count + full
        apart = jax.tree.map(lambda new, old: jnp.where(full, new - old, 0), self.observer.result(batch), carry.mean)
        share = 1 / jnp.maximum(count, 1)
        mean = jax.tree.map(lambda old, step: old + step * share, carry.mean, apart)
        scatter = jax.tree.map(lambda old, step: old + step**2 * (1 - share), carry.scatter, apart)
        empty = self.observer.init(states.shape[1], states.dtype)
        batch = jax.tree.map(lambda new, old: jnp.where(full, new, old), empty, batch)
        return _Batches(whole, batch, jnp.where(full, 0, filled), count, mean, scatter)

    def result(self, carry: Any) -> Estimate:
        """The statistic and its standard error, which is NaN with fewer than two batches."""
        known = carry.count > 1
        divisor = jnp.where(known, carry.count * (carry.count - 1), 1)
        error = jax.tree.map(lambda s: jnp.where(known, jnp.sqrt(s / divisor), jnp.nan), carry.scatter)
        return Estimate(self.observer.result(carry.whole), error, carry.count)


class _Batches(NamedTuple):
    """The statistic of everything and of the open batch; blocks in that; number, mean and scatter of closed batches."""

    whole: Any
    batch: Any
    filled: Int[Array, ""]
    count: Int[Array, ""]
    mean: Any
    scatter: Any


def effective_samples(variance: Float[Array, "*any"], error: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Number of independent Gaussian samples that would estimate a variance v with the same error: `2 v² / error²`.

    Args:
      variance: the estimate, v.
      error: its standard error, for example of `BatchMeans`.

    Example:
      >>> effective_samples(jnp.array(1.0), jnp.array(0.1))
      Array(200., dtype=float64, weak_type=True)
    """
    return 2 * variance**2 / error**2


def squared_autocovariance(error: Float[Array, "*any"], time: Real) -> Float[Array, "*any"]:
    """How strong a Gaussian signal is and how long it lasts, `∫ c(t)² dt` with its autocovariance c.

    The variance of a signal, measured over a time T that is long beside its memory, has the standard error

        error² = (2 / T) ∫ c(t)² dt

    so that whoever keeps a running variance and sees how much that fluctuates knows the integral. For the difference of the two
    neurons that a synapse joins it is what the synapse costs the response to noise (`pruning.theory.synapse_cost`), and
    `|w| · error` is the importance of the coin that is best for it.

    Args:
      error: standard error of a variance, as from `BatchMeans` of `Differences`, in activity squared.
      time: of observation behind it, T.

    Returns:
      The integral, in activity to the fourth power times time; of the shape of `error`.

    Example:
      >>> squared_autocovariance(jnp.array(0.1), 200.0)
      Array(1., dtype=float64, weak_type=True)

    Reference: Bartlett1946, the sampling variance of an autocovariance.
    """
    return time * error**2 / 2


def _fade(weights, forget):
    keep = 1 - forget
    age = jnp.arange(len(weights) - 1, -1, -1, dtype=weights.dtype)
    return weights * keep**age, keep ** len(weights)


def _check_forget(forget):
    if not 0 <= forget < 1:
        raise InputError(f"forget is {forget:g}, but must be in [0, 1): the share of the past lost at each step.")
