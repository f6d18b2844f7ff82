"""A trained network near an operating point: fixed points, Jacobians, and the covariance that theory gives there."""

import dataclasses
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_choice, check_positive, is_concrete
from jaxprune._types import Matrix, PRNGKey, Real, Scalar
from jaxprune.dynamics import Activity, Source, check_weights, wide_dtype
from jaxprune.linalg import lyapunov, spectral_abscissa
from jaxprune.rnn._ctrnn import CTRNN, Trials, check_inputs, scan
from jaxprune.rnn._sources import Weights, until_last_weight

Neurons = Float[Array, " neuron"]


class FixedPoint(NamedTuple):
    """Voltages at which the network stands still, and ‖v̇‖_∞ there, in voltage per time constant."""

    voltages: Neurons
    speed: Scalar


def fixed_point(model: CTRNN, u: Float[Array, " input"], start: Neurons, *, iterations: int = 50) -> FixedPoint:
    """Find voltages at which a network stands still under a constant input, from a first guess, by damped Newton steps.

        v = W_rec φ(v) + W_in u + b

    A step that does not lower the speed is halved up to ten times. Look at `speed`: it is near rounding at a fixed point, and is
    not where the iteration got stuck.

    Args:
      model: the network.
      u: constant input.
      start: first guess.
      iterations: number of Newton steps.

    Raises:
      InputError: u or start of another length.

    Example:
      >>> from jaxprune.rnn import ctrnn
      >>> model = ctrnn(jax.random.key(0), inputs=1, neurons=6, outputs=1, gain=0.5)
      >>> bool(fixed_point(model, jnp.ones(1), jnp.zeros(6)).speed < 1e-10)
      True
    """
    n, channels = model.W_in.shape
    if jnp.shape(u) != (channels,) or jnp.shape(start) != (n,):
        raise InputError(
            f"u and start have shapes {jnp.shape(u)} and {jnp.shape(start)}, but must be ({channels},) and ({n},)."
        )
    return _fixed_point(model, u, start, iterations)


@eqx.filter_jit
def _fixed_point(model, u, start, iterations):
    drive = model.W_in @ u + model.b_in + model.b_rec

    def velocity(v):
        return model.recurrent @ model.rates(v) + drive - v

    def newton(_, v):
        move = jnp.linalg.solve(jacobian(model, v), velocity(v))
        steps = 2.0 ** -jnp.arange(10.0, dtype=v.dtype)
        tries = v[None, :] - steps[:, None] * move[None, :]
        speeds = jax.vmap(lambda w: jnp.linalg.norm(velocity(w)))(tries)
        best = jnp.argmin(jnp.where(jnp.isfinite(speeds), speeds, jnp.inf))
        return jnp.where(speeds[best] < jnp.linalg.norm(velocity(v)), tries[best], v)

    v = lax.fori_loop(0, iterations, newton, start)
    return FixedPoint(v, jnp.max(jnp.abs(velocity(v))))


def jacobian(model: CTRNN, v: Neurons) -> Matrix:
    """Matrix `A = W_rec diag(φ'(v)) − I` of the dynamics near voltages v, per time constant.

    Args:
      model: the network.
      v: voltage of every neuron.

    Example:
      >>> from jaxprune.rnn import ctrnn
      >>> model = ctrnn(jax.random.key(0), inputs=1, neurons=6, outputs=1, gain=0.0)
      >>> bool(jnp.all(jacobian(model, jnp.zeros(6)) == -jnp.eye(6)))
      True
    """
    return model.recurrent * model.gain(v[None, :]) - jnp.eye(len(v), dtype=v.dtype)


def mean_gain(model: CTRNN, inputs: Trials, *, weights: Weights | None = None) -> Neurons:
    """Mean slope E[φ'(v)] of every neuron while the network runs on inputs; steps count by their weights.

    Args:
      model: the network.
      inputs: (time, trial, input).
      weights: (time, trial), how much a step counts; by default all count alike.

    Raises:
      InputError: inputs or weights of shapes that do not fit; weights that are negative, not finite, or all zero.
    """
    check_inputs(model, inputs)
    weights = jnp.ones(inputs.shape[:2], inputs.dtype) if weights is None else weights
    check_weights(weights, inputs.shape[:2])
    inputs, weights = until_last_weight(inputs, weights)
    return _mean_gain(model, inputs, weights / jnp.sum(weights))


@eqx.filter_jit
def _mean_gain(model, inputs, weights):
    def add(carry, before, after):
        del before
        number, total = carry
        return (number + 1, total + weights[number].astype(total.dtype) @ model.gain(after)), None

    start = (jnp.asarray(0), jnp.zeros(len(model.b_rec), model.b_rec.dtype))
    return scan(model, inputs, add, start).carry[1]


@dataclasses.dataclass(frozen=True, eq=False)
class Linearised(Source):
    """Activity of the linearised network under white noise, from a Lyapunov equation: nothing is simulated.

        A C_v + C_v Aᵀ = −σ² B Bᵀ,   A = W_rec diag(g) − (1 + s) I,   H = diag(g) C_v diag(g)

    with B = I (noise at the neurons) or B = W_in (noise at the inputs). Trained networks are rarely stable at rest;
    then there is no such covariance without a leak shift s, which is reported (`Activity.shift`), never silent.

    Attributes:
      gain: g, slope of every neuron: all ones at rest for tanh (the default), `model.gain(v)` at a fixed point, `mean_gain` along
        trajectories.
      through: where the noise enters.
      sigma: its intensity, per square root of the membrane time constant.
      shift: s; None takes the smallest that leaves the slowest mode a rate of `margin`, 0 insists on the network as it is.
      margin: as above, per time constant.

    Raises:
      InputError: gain of another length; a linearisation that is not stable with the shift asked for (the shift that would do
        is said).

    Example:
      >>> from jaxprune.rnn import ctrnn
      >>> model = ctrnn(jax.random.key(0), inputs=1, neurons=50, outputs=1, gain=1.5)
      >>> bool(Linearised().activity(jax.random.key(1), model).shift > 0.3)
      True
    """

    gain: Neurons | None = None
    through: Literal["neurons", "inputs"] = "neurons"
    sigma: Real = 1.0
    shift: Real | None = None
    margin: Real = 0.1

    def __post_init__(self):
        check_choice("through", self.through, ("neurons", "inputs"))
        check_positive("sigma", self.sigma)
        check_positive("margin", self.margin)

    def activity(self, key: PRNGKey, model: CTRNN) -> Activity:
        """Moments of deviations of the rates, their mean zero, and the shift; nothing is drawn."""
        del key
        wide = wide_dtype(model.W_rec.dtype)
        W, n = model.recurrent.astype(wide), len(model.b_rec)
        gain = jnp.ones(n, wide) if self.gain is None else self.gain.astype(wide)
        if gain.shape != (n,):
            raise InputError(f"gain has shape {gain.shape}, but must be ({n},).")
        A = W * gain[None, :] - jnp.eye(n, dtype=wide)
        abscissa = spectral_abscissa(A, symmetric=False)
        shift = self.shift
        if shift is None:
            shift = jnp.maximum(abscissa + self.margin, 0)
        elif is_concrete(abscissa, shift) and float(abscissa) >= float(shift):
            raise InputError(
                f"shift is {float(shift):g}, but the linearised network is stable only from {float(abscissa):.4g} on (its "
                "spectral abscissa): leave shift out, or linearise at the activity (mean_gain)."
            )
        B = jnp.eye(n, dtype=wide) if self.through == "neurons" else model.W_in.astype(wide)
        C = lyapunov(A - shift * jnp.eye(n, dtype=wide), self.sigma**2 * B @ B.T, symmetric=True).value
        C = (C + C.T) / 2
        return Activity(jnp.zeros(n, wide), gain[:, None] * C * gain[None, :], shift=jnp.asarray(shift, wide))
