"""Mean and covariance of the activity of neurons, which is all that pruning rules look at."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_array, check_matrix, check_square, is_concrete
from jaxprune._types import Matrix, Real


class Activity(NamedTuple):
    """Mean and covariance of the activity of neurons: states of a linear network, rates of a trained one, inputs of a layer.

    Attributes:
      mean: E[x].
      covariance: `C = E[x xᵀ] − E[x] E[x]ᵀ`, in activity squared.
      weight: summed weight of the states behind them; infinite where they come from theory.
      shift: leak added before the moments existed; zero unless a network was linearised (`rnn.Linearised`).

    Example:
      >>> Activity(jnp.ones(2), jnp.eye(2)).second_moment
      Array([[2., 1.],
             [1., 2.]], dtype=float64)
    """

    mean: Float[Array, " neuron"]
    covariance: Matrix
    weight: Real = float("inf")
    shift: Real = 0.0

    @property
    def second_moment(self) -> Matrix:
        """`H = E[x xᵀ] = C + E[x] E[x]ᵀ`, what fits of a neuron's drive need."""
        return self.covariance + jnp.outer(self.mean, self.mean)

    def astype(self, dtype: Any) -> "Activity":
        """The same moments in another precision."""
        return self._replace(mean=self.mean.astype(dtype), covariance=self.covariance.astype(dtype))


def activity_of(covariance: Matrix) -> Activity:
    """Activity of mean zero with a known covariance, for example from `linalg.stationary_covariance`.

    Args:
      covariance: symmetric and positive semidefinite (not checked), in activity squared.

    Raises:
      InputError: a covariance not square, empty or not finite.

    Example:
      >>> activity_of(jnp.eye(3)).mean
      Array([0., 0., 0.], dtype=float64)
    """
    check_square("covariance", covariance)
    return Activity(jnp.zeros(len(covariance), covariance.dtype), covariance)


def mix(first: Activity, second: Activity, *, share: Real) -> Activity:
    """Activity of a network that spends a share of its time on the second activity, and the rest on the first.

        H = (1 − q) H₁ + q H₂

    and so for the mean.

    Args:
      first, second: moments of the same neurons.
      share: q, of the time (not of the power), in [0, 1].

    Raises:
      InputError: a share outside [0, 1]; activity of networks of different sizes, or linearised ones with different shifts.

    Example:
      >>> one, two = (Activity(jnp.ones(2) * x, jnp.eye(2)) for x in (1.0, 2.0))
      >>> mix(one, two, share=0.1).mean
      Array([1.1, 1.1], dtype=float64)
    """
    if is_concrete(share) and not 0 <= float(share) <= 1:
        raise InputError(f"share is {float(share):g}, but must be between 0 and 1.")
    if first.mean.shape != second.mean.shape:
        raise InputError(f"activity of {len(first.mean)} and of {len(second.mean)} neurons cannot be mixed.")
    if is_concrete(first.shift, second.shift) and float(first.shift) != float(second.shift):
        raise InputError(
            f"activity with leak shifts {float(first.shift):g} and {float(second.shift):g} cannot be mixed."
        )
    apart = first.mean - second.mean
    return Activity(
        (1 - share) * first.mean + share * second.mean,
        (1 - share) * first.covariance + share * second.covariance + share * (1 - share) * jnp.outer(apart, apart),
        first.weight + second.weight,
        first.shift,
    )


def need_activity(activity: Activity | None) -> Activity:
    """The activity, or a refusal that says where to get it."""
    if activity is None:
        raise InputError(
            "the rule looks at activity, but there is none: pass source=, for example rnn.InputNoise() or "
            "rnn.TaskInputs(inputs), or activity=, the moments themselves."
        )
    return activity


def check_activity(activity: Any, neurons: int) -> None:
    """Refuse an activity that is not an `Activity` of the given number of neurons.

    Raises:
      InputError: another type, another number of neurons, or a mean or covariance that is not finite.
    """
    if not isinstance(activity, Activity):
        raise InputError(
            f"activity is a {type(activity).__name__}, but must be a dynamics.Activity: from a source such as "
            "rnn.InputNoise().activity(key, model), or dynamics.activity_of(C) for a covariance C."
        )
    check_array("the mean of the activity", activity.mean)
    check_matrix("the covariance of the activity", activity.covariance)
    if activity.covariance.shape != (neurons, neurons) or activity.mean.shape != (neurons,):
        raise InputError(
            f"activity is of {len(activity.mean)} neurons, but the weights have {neurons} inputs: it must be that of the "
            "presynaptic neurons."
        )
