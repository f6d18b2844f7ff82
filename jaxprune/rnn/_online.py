"""Learning while it runs: the delta rule inside the pruned network."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError, is_concrete
from jaxprune._types import Real
from jaxprune.pruning import DeltaRule
from jaxprune.rnn._ctrnn import CTRNN, Trials, check_inputs


def learn_online(model: CTRNN, pruned: CTRNN, inputs: Trials, *, rate: Real = 1.0) -> CTRNN:
    """Learn the surviving weights of a pruned network by the delta rule, while it runs on them.

    The pruned network runs on its own weights, and at every step each synapse moves by the delta rule (`pruning.DeltaRule`), with
    f the rates of the *pruned* network and means over trials: what its presynaptic neuron does, times what its postsynaptic
    neuron misses. The lost synapses still tell what is missing, but drive nothing.

    It ends where what a neuron misses is not correlated with the inputs that it has, in the pruned network's own activity:
    `pruning.compensate` under the moments that it then has. (The loops of `prune_rnn` weigh these and the whole network's alike.)

    Args:
      model: the network before pruning.
      pruned: after it; synapses are where its weights are not zero.
      inputs: (time, trial, input), for example `InputNoise(steps=3000).inputs(key, channels)`.
      rate: η, between 0 and 2.

    Returns:
      The pruned network, its surviving weights learnt. Under Dale's law a synapse that would change its sign is cut at zero, at
      every step.

    Raises:
      InputError: networks of different sizes or precisions; inputs of another number of channels, or of fewer than two steps;
        rate outside (0, 2).

    Example:
      >>> from jaxprune import pruning, rnn
      >>> model = rnn.ctrnn(jax.random.key(0), inputs=3, neurons=20, outputs=2)
      >>> noise = rnn.InputNoise(1.0, steps=1000)
      >>> seen = noise.activity(jax.random.key(1), model)
      >>> thinned = rnn.prune_recurrent(jax.random.key(2), model, "activity+keep", keep=0.3, activity=seen).model
      >>> learnt = rnn.learn_online(model, thinned, noise.inputs(jax.random.key(3), 3))
      >>> before, after = (pruning.drive_error(model.W_rec, x.W_rec, seen.second_moment) for x in (thinned, learnt))
      >>> bool(after < 0.5 * before)
      True

    Reference: Widrow1960 (the delta rule); Polyak1992 (averaging); Ross2011 (learning at the states one visits oneself).
    """
    check_inputs(model, inputs)
    if len(inputs) < 2:
        raise InputError(f"inputs has {len(inputs)} steps, but learning takes at least 2.")
    for name in ("W_rec", "W_in"):
        mine, whole = getattr(pruned, name), getattr(model, name)
        if mine.shape != whole.shape or mine.dtype != whole.dtype:
            raise InputError(
                f"{name} of the pruned network is {mine.dtype}{mine.shape}, of the whole {whole.dtype}{whole.shape}."
            )
    if is_concrete(rate) and not 0 < float(rate) < 2:
        raise InputError(f"rate is {float(rate):g}, but the delta rule needs it between 0 and 2.")
    return dataclasses.replace(pruned, W_rec=_learn(model, pruned, inputs, jnp.asarray(rate)))


@eqx.filter_jit
def _learn(model, pruned, inputs, rate):
    dtype = model.W_rec.dtype
    W, start = model.recurrent, pruned.recurrent
    mask = (start != 0).astype(dtype)
    steps, trials = inputs.shape[:2]
    rule = DeltaRule(steps, rate)

    def learn(carry, u):
        v, state = carry
        learnt = rule.update(state, W, mask, pruned.rates(v), sign=pruned.sign)
        return (dataclasses.replace(pruned, W_rec=state.weights).step(v, u), learnt), None

    rest = jnp.zeros((trials, len(W)), dtype)
    (_, state), _ = lax.scan(learn, (rest, rule.init(start)), inputs.astype(dtype))
    return rule.result(state)
