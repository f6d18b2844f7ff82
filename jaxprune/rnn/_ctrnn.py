"""Continuous-time recurrent networks with inputs and a readout."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_choice, check_positive, is_concrete
from jaxprune._types import PRNGKey, Real

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu, "linear": lambda v: v}
NOISES = ("voltage", "rate")

Trials = Float[Array, "time trial input"]
Voltages = Float[Array, "trial neuron"]
Activation = Literal["tanh", "relu", "linear"]


class CTRNN(eqx.Module):
    """Continuous-time recurrent network, discretised with step `α = Δt / τ`:

        v ← (1 − α) v + α (W_in u + b_in + W_rec f + b_rec + η),   f = φ(v)
        y = W_out φ(v) + b_out   after the step

    The noise η is `"voltage"`, added to the current and so filtered by the membrane and seen through the nonlinearity, or
    `"rate"`: `f = φ(v) + η`, outside of it. With `sign` (Dale's law) the recurrent weights are |W_rec| times
    the sign of the sender.

    Args:
      W_in, b_in: input weights (neuron, input) and biases.
      W_rec, b_rec: recurrent weights [post, pre] and biases.
      W_out, b_out: readout.
      alpha: α, in (0, 1].
      activation: φ: `"tanh"`, `"relu"` or `"linear"`.
      noise: where noise enters.
      sign: for each neuron 1 or -1, what it does to others; None for no such law.

    Raises:
      InputError: shapes that do not fit (which is said), alpha outside (0, 1], an unknown activation or noise.

    Example:
      >>> model = ctrnn(jax.random.key(0), inputs=2, neurons=5, outputs=3)
      >>> run(model, jnp.ones((7, 4, 2))).shape
      (7, 4, 3)
    """

    W_in: Float[Array, "neuron input"]
    b_in: Float[Array, " neuron"]
    W_rec: Float[Array, "post pre"]
    b_rec: Float[Array, " neuron"]
    W_out: Float[Array, "output neuron"]
    b_out: Float[Array, " output"]
    alpha: Real = 0.1
    activation: Literal["tanh", "relu", "linear"] = eqx.field(static=True, default="tanh")
    noise: Literal["voltage", "rate"] = eqx.field(static=True, default="voltage")
    sign: Float[Array, " neuron"] | None = None

    def __check_init__(self):
        if not isinstance(self.W_rec, jax.Array | np.ndarray):
            return  # a template, as in eqx.filter_eval_shape or tree_at
        n = self.W_rec.shape[0]
        inputs, outputs = self.W_in.shape[-1], self.W_out.shape[0]
        wanted = {
            "W_in": (n, inputs), "b_in": (n,), "W_rec": (n, n), "b_rec": (n,), "W_out": (outputs, n), "b_out": (outputs,),
        } | ({} if self.sign is None else {"sign": (n,)})  # fmt: skip
        for name, shape in wanted.items():
            found = jnp.shape(getattr(self, name))
            if found != shape:
                raise InputError(f"{name} has shape {found}, but with {n} neurons it must be {shape}.")
        check_positive("alpha", self.alpha)
        if is_concrete(self.alpha) and float(self.alpha) > 1:
            raise InputError(f"alpha is {float(self.alpha):g}, but must be at most 1: the step over the time constant.")
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_choice("noise", self.noise, NOISES)

    @property
    def recurrent(self) -> Float[Array, "post pre"]:
        """The recurrent weights in use, with Dale's law where there is one."""
        return self.W_rec if self.sign is None else jnp.abs(self.W_rec) * self.sign[None, :]

    def rates(self, v: Float[Array, "*any"]) -> Float[Array, "*any"]:
        """Rates φ(v) of neurons at voltages v."""
        return ACTIVATIONS[self.activation](v)

    def gain(self, v: Float[Array, "*any"]) -> Float[Array, "*any"]:
        """Slope φ'(v) of every neuron's nonlinearity at voltages v."""
        if self.activation == "tanh":
            return 1 - jnp.tanh(v) ** 2
        return jnp.ones_like(v) if self.activation == "linear" else (v > 0).astype(v.dtype)

    def step(self, v: Voltages, u: Float[Array, "trial input"], noise: Voltages | None = None) -> Voltages:
        """Voltages of all trials one step later, from those now, the inputs and the noise."""
        rates = self.rates(v)
        current = u @ self.W_in.T + (self.b_in + self.b_rec)[None, :]
        if noise is not None and self.noise == "rate":
            rates = rates + noise
        elif noise is not None:
            current = current + noise
        return (1 - self.alpha) * v + self.alpha * (current + rates @ self.recurrent.T)

    def readout(self, v: Voltages) -> Float[Array, "trial output"]:
        """Outputs y of all trials at voltages v."""
        return self.rates(v) @ self.W_out.T + self.b_out[None, :]


def ctrnn(
    key: PRNGKey,
    *,
    inputs: int,
    neurons: int,
    outputs: int,
    gain: Real = 1.0,
    alpha: Real = 0.2,
    activation: Literal["tanh", "relu", "linear"] = "tanh",
    excitatory: float | None = None,
) -> CTRNN:
    """Draw a network before training: recurrent weights `N(0, g² / N)` without self-synapses, biases zero.

    Args:
      key: random key.
      inputs, neurons, outputs: sizes.
      gain: g.
      alpha: step over time constant.
      activation: the nonlinearity.
      excitatory: with Dale's law, the fraction of excitatory neurons; None for no such law. Inhibitory weights are stronger, so
        that a neuron's expected input is zero.

    Raises:
      InputError: a size below 1; an excitatory fraction that leaves no neuron of one kind.

    Example:
      >>> bool((ctrnn(jax.random.key(0), inputs=1, neurons=8, outputs=1, excitatory=0.75).recurrent[:, :6] >= 0).all())
      True
    """
    for name, size in (("inputs", inputs), ("neurons", neurons), ("outputs", outputs)):
        if size < 1:
            raise InputError(f"{name} is {size}, but must be at least 1.")
    in_key, rec_key, out_key = jax.random.split(key, 3)
    W = gain * jax.random.normal(rec_key, (neurons, neurons)) / jnp.sqrt(neurons) * (1 - jnp.eye(neurons))
    sign = None
    if excitatory is not None:
        count = round(excitatory * neurons)
        if not 0 < count < neurons:
            raise InputError(
                f"excitatory is {excitatory:g}, which leaves {count} of {neurons} neurons excitatory: both kinds must exist."
            )
        sign = jnp.where(jnp.arange(neurons) < count, 1.0, -1.0)
        W = jnp.abs(W) * jnp.where(sign > 0, 1.0, count / (neurons - count))[None, :]
    return CTRNN(
        W_in=jax.random.normal(in_key, (neurons, inputs)) / jnp.sqrt(inputs),
        b_in=jnp.zeros(neurons),
        W_rec=W,
        b_rec=jnp.zeros(neurons),
        W_out=jax.random.normal(out_key, (outputs, neurons)) / jnp.sqrt(neurons),
        b_out=jnp.zeros(outputs),
        alpha=alpha,
        activation=activation,
        sign=sign,
    )


def run(model: CTRNN, inputs: Trials, *, key: PRNGKey | None = None, sd: Real = 0.0) -> Float[Array, "time trial out"]:
    """Run a network on trials, each from rest (v = 0), and return its outputs.

    Args:
      model: the network.
      inputs: (time, trial, input).
      key: random key of the noise; no noise without it.
      sd: standard deviation of the noise at each step.

    Raises:
      InputError: inputs of another number of channels; sd without a key.
    """
    check_inputs(model, inputs)
    if key is None and not (isinstance(sd, int | float) and sd == 0):
        raise InputError("sd was given without a key: pass key=jax.random.key(...) for noise.")
    return _run(model, inputs, key, sd)


@eqx.filter_jit
def _run(model, inputs, key, sd):
    def readout(carry, before, after):
        del before
        return carry, model.readout(after)

    return scan(model, inputs, readout, None, key=key, sd=sd).outputs


class Scanned(NamedTuple):
    """Last voltages, last carry, and what was put out at every step."""

    voltages: Voltages
    carry: Any
    outputs: Any


def scan(
    model: CTRNN,
    inputs: Trials,
    each: Callable[[Any, Voltages, Voltages], tuple[Any, Any]],
    carry: Any,
    *,
    key: PRNGKey | None = None,
    sd: Real = 0.0,
) -> Scanned:
    """One pass over the inputs from rest, in the precision of the weights; `each(carry, before, after)` sees every step."""
    sd = jnp.asarray(sd, model.b_rec.dtype)

    def step(state, arguments):
        v, carry = state
        number, u = arguments
        noise = None
        if key is not None:
            noise = sd * jax.random.normal(jax.random.fold_in(key, number), v.shape, v.dtype)
        after = model.step(v, u.astype(v.dtype), noise)
        carry, output = each(carry, v, after)
        return (after, carry), output

    v = jnp.zeros((inputs.shape[1], len(model.b_rec)), model.b_rec.dtype)
    (v, carry), outputs = lax.scan(step, (v, carry), (jnp.arange(len(inputs)), inputs))
    return Scanned(v, carry, outputs)


def check_ctrnn(model: Any) -> None:
    """Refuse what is no CTRNN."""
    if not isinstance(model, CTRNN):
        raise InputError(
            f"model is a {type(model).__name__}, but must be a rnn.CTRNN: cells of Equinox run on rnn.CellInputs, networks of "
            "your own on dynamics.FromStates."
        )


def check_inputs(model: CTRNN, inputs: Trials) -> None:
    """Refuse inputs that are not (time, trial, input) for this network, and what is no CTRNN."""
    check_ctrnn(model)
    channels = model.W_in.shape[1]
    check_channels("inputs", inputs, channels)


def check_channels(name: str, inputs: Any, channels: int) -> None:
    """Refuse inputs that are not (time, trial, input), and say so where it looks as if their axes were in another order."""
    shape = jnp.shape(inputs)
    if len(shape) != 3 or shape[2] != channels:
        turned = len(shape) == 3 and channels in shape[:2]
        hint = ": its axes seem to be in another order, put the inputs last." if turned else "."
        raise InputError(f"{name} has shape {shape}, but must be (time, trial, {channels}){hint}")
