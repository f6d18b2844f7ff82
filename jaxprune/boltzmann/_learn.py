"""Learning by (persistent) contrastive divergence, and the greedy pretraining of deep machines."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jaxtyping import Float, Int

from jaxprune._checks import InputError, check_choice, check_key, check_positive, check_whole
from jaxprune._codes import Code
from jaxprune._types import PRNGKey
from jaxprune.boltzmann._binary import Data, check_data
from jaxprune.boltzmann._gibbs import check_chains, draw, gibbs_sweep, start_chains
from jaxprune.boltzmann._machine import BoltzmannMachine, States
from jaxprune.boltzmann._mean_field import MeanFieldCode, mean_field
from jaxprune.boltzmann._moments import moments_of


class LearnCode(Code):
    """How learning ended."""

    FINISHED = 0, "All epochs were run."
    DIVERGED = 1, "Parameters stopped being finite; the model is that of the last good epoch: lower the rate."


@dataclasses.dataclass(frozen=True)
class Learning:
    r"""How a Boltzmann machine learns. Settings only, static in `jit`.

    Attributes:
      epochs: passes over the data.
      rate: learning rate of the first and of the last epoch, geometric between them.
      batch: samples to an update; what is left over of an epoch is not used in it.
      negative: the model's side of the gradient: `"pcd"`, chains that go on from update to update, or `"cd"`, chains that start
        from the data.
      chains: number of persistent chains.
      sweeps: Gibbs sweeps to an update.
      mean_field: greatest number of mean-field sweeps (deep machines).
      tolerance: of the mean field.
      max_norm: greatest norm of a unit's weights from the layer below; none by default.
      optimiser: from a schedule of rates to an Optax optimiser.

    Raises:
      InputError: a number that is not positive, or an unknown kind of negative phase.
    """

    epochs: int = 20
    rate: tuple[float, float] = (0.05, 0.002)
    batch: int = 100
    negative: Literal["pcd", "cd"] = "pcd"
    chains: int = 100
    sweeps: int = 1
    mean_field: int = 30
    tolerance: float = 1e-4
    max_norm: float | None = None
    optimiser: Callable[[Any], optax.GradientTransformation] = optax.sgd

    def __post_init__(self):
        for name in ("epochs", "batch", "chains", "sweeps", "mean_field"):
            check_whole(name, getattr(self, name), least=1)
        for name in ("tolerance", "max_norm"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        if not isinstance(self.rate, tuple | list) or len(self.rate) != 2:
            raise InputError(f"rate is {self.rate!r}, but must be two numbers: of the first and of the last epoch.")
        for rate in self.rate:
            check_positive("rate", rate)
        object.__setattr__(self, "rate", tuple(self.rate))
        check_choice("negative", self.negative, ("pcd", "cd"))


class Progress(NamedTuple):
    """What an epoch showed, on average over its updates.

    Attributes:
      change: root mean square change of a weight in an update. It falls with the rate; how good the machine is only
        `log_likelihood` tells.
      mean_field_sweeps: mean-field sweeps.
      unconverged: share of updates whose mean field did not converge.
    """

    change: Float[Array, " epoch"]
    mean_field_sweeps: Float[Array, " epoch"]
    unconverged: Float[Array, " epoch"]


class Learnt(NamedTuple):
    """A machine that has learnt.

    Attributes:
      model: the machine, of the last epoch after which all its parameters were finite.
      chains: the persistent chains.
      code: a `LearnCode`.
      progress: epoch by epoch.
    """

    model: BoltzmannMachine
    chains: States
    code: Int[Array, ""]
    progress: Progress


def learn(
    key: PRNGKey,
    model: BoltzmannMachine,
    data: Data,
    learning: Learning = Learning(),
    *,
    chains: States | None = None,
) -> Learnt:
    """Let a machine learn from binary data, by stochastic gradient ascent on the likelihood.

        ΔWₗ ∝ ⟨xₗ₊₁ xₗᵀ⟩_data − ⟨xₗ₊₁ xₗᵀ⟩_model,   Δbₗ ∝ ⟨xₗ⟩_data − ⟨xₗ⟩_model

    Under the data, hidden units have their mean-field probabilities (exact in a restricted machine); under the model they come
    from Gibbs chains. Weights change only where the mask has a synapse. One compiled loop over all updates; `eqx.filter_vmap` it
    over keys, models and chains to let many machines learn together.

    Args:
      key: random key.
      model: the machine at the start.
      data: zeros and ones, (sample, visible).
      learning: settings.
      chains: persistent chains to go on with; by default new ones.

    Raises:
      InputError: data that are not binary, or of another number of visible units; fewer samples than a batch; chains of another
        machine.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> data = jnp.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]] * 50)
      >>> learnt = learn(
      ...     jax.random.key(0), rbm(jax.random.key(1), visible=4, hidden=2), data, Learning(50, (0.5, 0.05), batch=20)
      ... )
      >>> LearnCode(int(learnt.code)).name
      'FINISHED'

    Reference: Hinton2002 (contrastive divergence), Tieleman2008 (persistent), Salakhutdinov2009 (deep machines).
    """
    check_key("key", key)
    check_data(data, model.sizes[0])
    if len(data) < learning.batch:
        raise InputError(f"there are {len(data)} samples, fewer than a batch of {learning.batch}: lower batch.")
    start_key, learn_key = jax.random.split(key)
    if chains is None:
        chains = start_chains(start_key, model, learning.chains)
    check_chains(chains, model)
    return _learn(learn_key, model, chains, jnp.asarray(data), learning, None)


def pretrain(
    key: PRNGKey, model: BoltzmannMachine, data: Data, learning: Sequence[Learning]
) -> tuple[BoltzmannMachine, tuple[Learnt, ...]]:
    """Train the layers of a deep machine one after the other, each as a restricted machine.

    The first learns from the data, each other one from samples of the hidden units of the one below. Units that will have one
    more layer on the other side count their input twice: `P(h₁ | v) = s(2 (c₁ + W₁ v))` and, in the second machine,
    `P(h₁ | h₂) = s(2 (b + W₂ᵀ h₂))`. The biases of units that two machines share are averaged.

    Args:
      key: random key.
      model: the deep machine at the start.
      data: zeros and ones, (sample, visible).
      learning: settings, one for each layer of weights.

    Returns:
      The deep machine, and what each layer's learning gave.

    Raises:
      InputError: settings for another number of layers; what `learn` refuses.

    Example:
      >>> from jaxprune.boltzmann import dbm
      >>> data = jnp.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]] * 50)
      >>> machine, parts = pretrain(
      ...     jax.random.key(0), dbm(jax.random.key(1), visible=4, hidden=(3, 2)), data, [Learning(5), Learning(5)]
      ... )
      >>> machine.sizes, len(parts)
      ((4, 3, 2), 2)

    Reference: Salakhutdinov2009.
    """
    check_key("key", key)
    check_data(data, model.sizes[0])
    layers = len(model.weights)
    if len(learning) != layers:
        raise InputError(f"there are settings for {len(learning)} layers of weights, but the machine has {layers}.")
    parts, below = [], jnp.asarray(data)
    for layer, settings in enumerate(learning):
        if len(below) < settings.batch:
            raise InputError(f"there are {len(below)} samples, fewer than a batch of {settings.batch}: lower batch.")
        start_key, learn_key, draw_key = jax.random.split(jax.random.fold_in(key, layer), 3)
        factors = (1.0 if layer == 0 else 2.0, 1.0 if layer == layers - 1 else 2.0)
        part = BoltzmannMachine(
            model.biases[layer : layer + 2], model.weights[layer : layer + 1], model.masks[layer : layer + 1]
        )
        chains = start_chains(start_key, part, settings.chains)
        parts.append(_learn(learn_key, part, chains, below, settings, factors))
        if layer < layers - 1:
            below = _upwards(draw_key, parts[-1].model, below)
    found = [part.model for part in parts]
    biases = [found[0].biases[0]]
    biases += [(low.biases[1] + high.biases[0]) / 2 for low, high in itertools.pairwise(found)]
    biases += [found[-1].biases[1]]
    return BoltzmannMachine(tuple(biases), tuple(part.weights[0] for part in found), model.masks), tuple(parts)


@jax.jit
def _upwards(key, part, below):
    above = jnp.zeros((len(below), part.sizes[1]), part.biases[0].dtype)  # not looked at
    states = (below.astype(above.dtype), above)
    return draw(key, jax.nn.sigmoid(2 * part.field(states, 1))).astype(jnp.uint8)


@eqx.filter_jit
def _learn(key, model, chains, data, learning, factors):
    dtype = model.biases[0].dtype
    updates = len(data) // learning.batch
    first, last = learning.rate

    def rate(count):
        epoch = jnp.minimum(count // updates, learning.epochs - 1)
        return first * (last / first) ** (epoch / max(learning.epochs - 1, 1))

    optimiser = learning.optimiser(rate)

    def update(carry, arguments):
        model, chains, state = carry
        update_key, places = arguments
        start_key, sweep_key = jax.random.split(update_key)
        visible = data[places].astype(dtype)
        positive, sweeps, code = _positive(model, visible, learning, factors)
        # Contrastive divergence starts from the data, and leaves the persistent chains where they are.
        running = chains
        if learning.negative == "cd":
            running = tuple(
                x if layer == 0 else draw(jax.random.fold_in(start_key, layer), x) for layer, x in enumerate(positive)
            )
        on = running
        for k in jax.random.split(sweep_key, learning.sweeps):
            running, on = gibbs_sweep(k, model, running, factors)
        if learning.negative == "cd":
            scale = (1.0,) * len(running) if factors is None else factors
            negative = tuple(
                jax.nn.sigmoid(scale[layer] * model.field(running, layer)) if layer % 2 else x
                for layer, x in enumerate(running)
            )
        else:
            # Probabilities of the layers drawn last, given the others' states: the same expectation, with less noise.
            negative = tuple(p if layer % 2 == 0 else x for layer, (x, p) in enumerate(zip(running, on, strict=True)))
            chains = running
        there, here = (moments_of(states)[:2] for states in (positive, negative))
        descent = jax.tree.map(lambda data, model: model - data, there, here)
        descent = (descent[0], tuple(g * mask for g, mask in zip(descent[1], model.masks, strict=True)))
        parameters = (model.biases, model.weights)
        changes, state = optimiser.update(descent, state, parameters)
        biases, weights = cast(tuple[Any, Any], optax.apply_updates(parameters, changes))
        if learning.max_norm is not None:
            weights = tuple(_limit(W, learning.max_norm) for W in weights)
        moved = sum(jnp.sum((new - old) ** 2) for new, old in zip(weights, model.weights, strict=True))
        change = jnp.sqrt(moved / sum(jnp.sum(mask) for mask in model.masks))
        seen = (change, sweeps.astype(dtype), (code != int(MeanFieldCode.CONVERGED)).astype(dtype))
        return (BoltzmannMachine(biases, weights, model.masks), chains, state), seen

    def epoch(carry, epoch_key):
        good, now, diverged = carry
        order_key, update_key = jax.random.split(epoch_key)
        places = jax.random.permutation(order_key, len(data))[: updates * learning.batch].reshape(updates, -1)
        now, seen = lax.scan(update, now, (jax.random.split(update_key, updates), places))
        finite = jnp.stack(
            [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((now[0].biases, now[0].weights))]
        ).all()
        diverged = diverged | ~finite
        good = jax.tree.map(lambda new, old: jnp.where(diverged, old, new), now[:2], good)
        return (good, now, diverged), tuple(jnp.mean(x) for x in seen)

    now = (model, chains, optimiser.init((model.biases, model.weights)))
    keys = jax.random.split(key, learning.epochs)
    start = ((model, chains), now, jnp.array(False))
    ((model, chains), _, diverged), seen = lax.scan(epoch, start, keys)
    code = jnp.where(diverged, int(LearnCode.DIVERGED), int(LearnCode.FINISHED))
    return Learnt(model, chains, code, Progress(*seen))


def _positive(model, visible, learning, factors):
    """Probabilities under the data; sweeps and code of the mean field."""
    if len(model.weights) == 1:
        factor = 1.0 if factors is None else factors[1]
        field = model.biases[1][None, :] + visible @ model.weights[0].T
        return (visible, jax.nn.sigmoid(factor * field)), jnp.array(1), jnp.array(int(MeanFieldCode.CONVERGED))
    found = mean_field(model, visible, sweeps=learning.mean_field, tolerance=learning.tolerance)
    return found.states, found.sweeps, found.code


def _limit(W, norm):
    size = jnp.sqrt(jnp.sum(W**2, axis=1, keepdims=True))
    return W * jnp.minimum(1, norm / jnp.where(size > 0, size, 1))
