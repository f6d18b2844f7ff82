"""Training with Optax, many networks at once by vmap."""

from functools import partial
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive
from jaxprune._types import Mask, PRNGKey
from jaxprune.rnn._ctrnn import CTRNN, _run, check_inputs
from jaxprune.rnn._evaluate import check_labels
from jaxprune.rnn._files import TrialSet
from jaxprune.rnn._tasks import Task, batch


class Trained(NamedTuple):
    """A trained network and its loss at every step."""

    model: CTRNN
    losses: Float[Array, " step"]


def train(
    key: PRNGKey,
    model: CTRNN,
    task: Task | TrialSet,
    *,
    steps: int = 2000,
    trials: int = 64,
    rate: float = 1e-3,
    mask: Mask | None = None,
) -> Trained:
    """Train a network on a task, or on given trials, by Adam on the cross-entropy of the scored steps.

    One compiled loop; for several seeds `eqx.filter_vmap` it over keys and models. Recurrent weights that are zero stay zero, so
    that self-synapses do not appear and, with the mask of a pruned network, neither do pruned ones.

    Args:
      key: random key of the trials.
      model: the network at the start.
      task: the task, which gives fresh trials; or trials, such as `neurogym_trials` draws, of which some are chosen for every
        update.
      steps: number of updates; static.
      trials: trials to an update; static.
      rate: learning rate of Adam, with gradients clipped at norm 1.
      mask: ones where recurrent weights may change; by default where they are not zero.

    Raises:
      InputError: a network whose inputs or outputs are not the task's; trials with labels out of range or none scored; steps,
        trials or rate not positive.

    Example:
      >>> from jaxprune.rnn import ctrnn, flip_flop
      >>> model = ctrnn(jax.random.key(0), inputs=2, neurons=16, outputs=2)
      >>> losses = train(jax.random.key(1), model, flip_flop(), steps=60, trials=16, rate=3e-3).losses
      >>> bool(losses[-10:].mean() < losses[:10].mean())
      True

    Reference: Kingma2015.
    """
    _check_sizes(model, task)
    check_positive("rate", rate)
    for name, value in (("steps", steps), ("trials", trials)):
        if value < 1:
            raise InputError(f"{name} is {value}, but must be at least 1.")
    mask = (model.W_rec != 0).astype(model.W_rec.dtype) if mask is None else mask
    return _train(key, model, mask, jnp.asarray(rate), task, steps, trials)


def _check_sizes(model, task):
    inputs, outputs = model.W_in.shape[1], model.W_out.shape[0]
    if isinstance(task, TrialSet):
        check_inputs(model, task.inputs)
        check_labels(task.labels, outputs=outputs, shape=task.inputs.shape[:2])
    elif (inputs, outputs) != (task.inputs, task.outputs):
        raise InputError(
            f"the network has {inputs} inputs and {outputs} outputs, but the task has {task.inputs} and {task.outputs}."
        )


@eqx.filter_jit
def _train(key, model, mask, rate, task, steps, trials):
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    learnt = eqx.tree_at(lambda m: m.alpha, jax.tree.map(eqx.is_inexact_array, model), False)
    if model.sign is not None:
        learnt = eqx.tree_at(lambda m: m.sign, learnt, False)
    free, fixed = eqx.partition(model, learnt)

    def update(carry, step_key):
        free, state = carry
        loss, gradient = jax.value_and_grad(partial(_loss, fixed=fixed))(free, trials=batch(step_key, task, trials))
        gradient = eqx.tree_at(lambda m: m.W_rec, gradient, gradient.W_rec * mask)
        changes, state = optimiser.update(gradient, state)
        return (optax.apply_updates(free, changes), state), loss

    (free, _), losses = lax.scan(update, (free, optimiser.init(free)), jax.random.split(key, steps))
    return Trained(eqx.combine(cast(CTRNN, free), fixed), losses)


def _loss(free, trials: TrialSet, fixed):
    outputs = _run(eqx.combine(free, fixed), trials.inputs, None, 0.0)
    scored = trials.labels >= 0
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.where(scored, trials.labels, 0))
    return jnp.sum(losses * scored) / jnp.maximum(jnp.sum(scored), 1)  # given trials may score nothing
