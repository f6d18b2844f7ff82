"""Drifts: the deterministic part of rate networks, x' = f(t, x)."""

import abc
from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from jaxprune._checks import InputError, check_choice, check_leak, check_square
from jaxprune._types import Matrix, Real

State = Float[Array, " neuron"]
Input = State | Callable[[Any], State]

FORMS = ("output", "input")


class Drift(eqx.Module):
    """Deterministic part of a rate network with weights and leak `A = W − D` and input b, constant or a function of time."""

    A: eqx.AbstractVar[Matrix]
    b: eqx.AbstractVar[Input]

    @abc.abstractmethod
    def __call__(self, t: Real, x: State) -> State:
        """Rate of change at time t in state x, in activity per time."""

    def input(self, t: Real) -> State:
        """The input b at time t."""
        return self.b(t) if callable(self.b) else self.b


class Linear(Drift):
    """Linear network, `ẋ = A x + b(t)`.

    Args:
      A: dynamics matrix `W − D`, in 1/time.
      b: input, in activity per time: an array, or a function of time; none by default.

    Raises:
      InputError: A not square, empty, not finite or with a positive diagonal; b of another length.

    Example:
      >>> Linear(jnp.array([[-2.0, 1.0], [1.0, -2.0]]))(0.0, jnp.array([1.0, 0.0]))
      Array([-2.,  1.], dtype=float64)
    """

    A: Matrix
    b: Input

    def __init__(self, A: Matrix, b: Input | None = None):
        self.A, self.b = _checked(A, b)

    def __call__(self, t: Real, x: State) -> State:
        """`A x + b(t)`."""
        return self.A @ x + self.input(t)


class _Gated(Drift):
    A: Matrix
    b: Input
    form: Literal["output", "input"] = eqx.field(static=True)

    def __init__(self, A: Matrix, b: Input | None = None, *, form: Literal["output", "input"] = "output"):
        check_choice("form", form, FORMS)
        self.A, self.b = _checked(A, b)
        self.form = form

    @abc.abstractmethod
    def activation(self, current: State) -> State:
        """The nonlinearity, with slope at most one."""

    def __call__(self, t: Real, x: State) -> State:
        """The drift in the chosen form."""
        leak = -jnp.diagonal(self.A)
        if self.form == "output":
            return -leak * x + self.activation(self.A @ x + leak * x + self.input(t))
        rates = self.activation(x)
        return -leak * x + self.A @ rates + leak * rates + self.input(t)


class Rectified(_Gated):
    """Rectified-linear network, in one of two forms:

        ẋ = −D x + [W x + b]₊     (form "output")
        ẋ = −D x + W [x]₊ + b     (form "input")

    Between switches it is linear: with the active set S (`active_set`) the eigenvalues of its Jacobian are those of the
    principal submatrix A_SS and the bare leaks of the silent neurons, in both forms.

    Args:
      A: `W − D`, in 1/time.
      b: input, an array or a function of time; none by default.
      form: where the rectification sits.

    Raises:
      InputError: as `Linear`; an unknown form.

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> x = jnp.array([1.0, -1.0])
      >>> Rectified(A)(0.0, x), Rectified(A, form="input")(0.0, x)
      (Array([-2.,  3.], dtype=float64), Array([-2.,  3.], dtype=float64))

    Reference: Moore2020, rectified-linear networks.
    """

    def activation(self, current: State) -> State:
        """`[u]₊ = max(0, u)`."""
        return jnp.maximum(current, 0)

    def active_set(self, t: Real, x: State) -> Bool[Array, " neuron"]:
        """Which neurons are above threshold in state x at time t."""
        if self.form == "input":
            return x > 0
        return self.A @ x - jnp.diagonal(self.A) * x + self.input(t) > 0


class Tanh(_Gated):
    """Saturating network: `ẋ = −D x + tanh(W x + b)` (form "output") or `ẋ = −D x + W tanh(x) + b` ("input").

    Args:
      A: `W − D`, in 1/time.
      b: input, an array or a function of time; none by default.
      form: where the nonlinearity sits.

    Raises:
      InputError: as `Linear`; an unknown form.

    Example:
      >>> Tanh(jnp.array([[-1.0, 1.0], [0.0, -1.0]]), form="input")(0.0, jnp.array([0.0, 100.0]))
      Array([   1., -100.], dtype=float64)
    """

    def activation(self, current: State) -> State:
        """`tanh u`."""
        return jnp.tanh(current)


def _checked(A, b):
    check_square("A", A)
    check_leak("A", A)
    if b is None:
        b = jnp.zeros(len(A), A.dtype)
    if not callable(b) and jnp.shape(b) != (len(A),):
        raise InputError(f"b has shape {jnp.shape(b)}, but must have one entry for each of the {len(A)} neurons.")
    return A, b
